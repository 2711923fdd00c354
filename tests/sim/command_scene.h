/*
 * One gadget of command_world.h, somebody who follows what becomes of its commands, and the newest
 * answer to a call.
 */
#ifndef SB_TESTS_SIM_COMMAND_SCENE_H
#define SB_TESTS_SIM_COMMAND_SCENE_H

#include "sim/command_world.h"

extern const uuid ann, bob; /* who send */

struct scene {
    struct world w;
    struct gadget g;
    struct watcher x;
    struct sent s;
};

/* The gadget's device is there, and not connected. */
void scene_start(struct scene *c, uint64_t seed);
void scene_stop(struct scene *c);
/* A command to the gadget; `request` may be NULL. */
struct command_draft scene_draft(const struct scene *c, const char *request);
/* Sends it, as ann; returns its id. */
uuid scene_send(struct scene *c, const char *request);
/* Connects the gadget, with these capabilities unless NULL, and until what follows is done. */
void scene_plug_in(struct scene *c, const char *capabilities);
/* What the command is in now, and why. */
void scene_expect_phase(struct scene *c, uuid id, enum command_phase phase, const char *reason);
/* Events of the request seen by the follower, as the phases' names; "!" behind a late one. */
void scene_expect_story(struct scene *c, const char *request, const char *want);

#endif
