/*
 * A town on the simulated fleet: devices with the entities of the house that they back, and calls
 * that keep what they were answered. A value is a number that grows.
 */
#ifndef SB_TESTS_SIM_BACKING_WORLD_H
#define SB_TESTS_SIM_BACKING_WORLD_H

#include "domain/house.h"
#include "sim/fleet_world.h"

#define DEVICES 3

struct town {
    struct world world;
    struct house_who who;
    uuid devices[DEVICES];
    struct socket sockets[DEVICES];
    int value;        /* the newest that was measured or said, of any */
    unsigned waiting; /* answers to telemetry and reports */
    int acknowledged[DEVICES]; /* the newest report that was */
};

/* `loops` 0: 1 to 8, by the seed. Its devices are there, and not connected. */
void town_start(struct town *t, uint64_t seed, unsigned loops);
/* Disconnects them, and frees. */
void town_stop(struct town *t);
/* The device connects, to any loop. */
void town_plug_in(struct town *t, unsigned device);
/* The device puts the next value, over its socket while it has one; answered later. */
void town_measure(struct town *t, unsigned device, const char *capability);
/* The same, as a report of its state. */
void town_say(struct town *t, unsigned device, const char *capability);
/* Until all of that is answered, and what follows from it is done. */
void town_quiet(struct town *t);

/* What somebody asks of the house, and the answer. */
struct call {
    struct town *town;
    unsigned loop;
    unsigned device;
    bool done;
    err error;
    int64_t version;
    buf json;
    char name[32], other[32];
    char text[200];
    uuid id;
    uint32_t wait_ms;
    void (*run)(struct call *c, struct home *h);
};

/* A house_done; `owner` is the call. */
void call_taken(void *owner, const struct house_result *r);
/* At any loop; returns at once. */
void call_start(struct call *c, struct town *t, void (*run)(struct call *c, struct home *h));
void call_wait(struct call *c);
/* Both; returns the answer's error. */
err call_ask(struct call *c, struct town *t, void (*run)(struct call *c, struct home *h));
/* Whether the answer's JSON has that text in it. */
bool call_shows(const struct call *c, const char *text);
/* What calls run: the entity `name` is called `other`, or is deleted. */
void call_rename(struct call *c, struct home *h);
void call_delete(struct call *c, struct home *h);

/* Makes the entity sensor.e<device>_<capability>. */
void town_create(struct town *t, unsigned device, const char *capability);
/* Asks for the entity, which is there. */
void town_get(struct town *t, struct call *c, const char *name);

#endif
