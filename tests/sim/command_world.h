/*
 * Commands on the simulated fleet: gadgets, which are devices that get commands and answer as told,
 * and calls that keep what they were answered.
 */
#ifndef SB_TESTS_SIM_COMMAND_WORLD_H
#define SB_TESTS_SIM_COMMAND_WORLD_H

#include "domain/command.h"
#include "sim/fleet_world.h"

#define GOT_MAX 256

struct gadget;
/* What a gadget remembers of a command, over all its sockets. */
struct got {
    char request[64];
    unsigned times; /* it came */
    unsigned runs;  /* once, for one that honours requestId */
    bool ran;
    bool settled;   /* its last word was acknowledged */
    buf payload;    /* as it came first */
};

struct plug { /* a gadget's socket */
    struct device_link link;
    struct gadget *gadget;
    unsigned loop;
    bool open;
    close_reason reason;
};

struct gadget {
    struct world *world;
    uuid id;
    struct plug *plug; /* the one in use, or NULL */
    struct plug plugs[64];
    unsigned plug_count;
    bool acks;    /* the wire acknowledges what it is given */
    bool answers; /* success, at once */
    bool deaf;    /* nothing is told back */
    struct got got[GOT_MAX];
    unsigned got_count;
    uint64_t deliveries;
    unsigned answered; /* acks of its responses */
    unsigned good;     /* of them, without an error */
    err last;
    void (*on_got)(struct gadget *g, struct got *got); /* before anything is answered; or NULL */
};

/* Of a device that is there; not connected. */
void gadget_init(struct gadget *g, struct world *w, uuid id);
/* Disconnects it. */
void gadget_deinit(struct gadget *g);
/* A newer socket on any loop; the older one, if there is one, stays until it is told to end. */
void gadget_connect(struct gadget *g);
void gadget_disconnect(struct gadget *g);
/* Nothing reaches it any more and nobody knows: its process, or ours, is gone. */
void gadget_cut(struct gadget *g);
void gadget_register(struct gadget *g, const char *capabilities);
/* Through the newest socket; nothing when there is none. */
void gadget_respond(struct gadget *g, const char *request, enum response_status status,
                    const char *result);
/* What it has of that request, or NULL. */
struct got *gadget_got(struct gadget *g, const char *request);

/* What a call was answered. */
struct sent {
    bool done;
    err error;
    char why[64];
    char reason[32];
    bool repeated;
    uuid id;
    char request[64];
    enum command_phase phase;
    buf json;
    buf next;
};
void sent_deinit(struct sent *s);
/* From any loop; returns at once. `draft` is borrowed for the call. */
void command_start(struct world *w, struct sent *s, const struct command_draft *draft, uuid who);
void command_wait_for(struct world *w, struct sent *s);
/* These return when it is answered; `s` is emptied first. */
void command_do(struct world *w, struct sent *s, const struct command_draft *draft, uuid who);
void command_show(struct world *w, struct sent *s, uuid device, uuid command);
void command_stop(struct world *w, struct sent *s, uuid device, uuid command);
void command_watch(struct world *w, struct sent *s, uuid device, uuid command, uint32_t wait_ms);
void command_page(struct world *w, struct sent *s, const struct command_filter *f);
/* These return at once. */
void command_stop_start(struct world *w, struct sent *s, uuid device, uuid command);
void command_watch_start(struct world *w, struct sent *s, uuid device, uuid command,
                         uint32_t wait_ms);
bool sent_holds(const struct sent *s, const char *text);

#endif
