/*
 * The fleet on simulated loops: homes with hubs over SQLite in memory, watchers that are hub
 * members and keep what they were sent, devices' links, and calls that wait for their answer.
 */
#ifndef SB_TESTS_SIM_FLEET_WORLD_H
#define SB_TESTS_SIM_FLEET_WORLD_H

#include "base/buf.h"
#include "domain/device.h"
#include "domain/device_link.h"
#include "domain/fleet.h"
#include "domain/hostmetrics.h"
#include "domain/telemetry.h"
#include "sim/sim.h"
#include "sim/store.h"

#define WATCHERS_MAX 64

struct world;

/* A hub member; its frames, one a line. */
struct watcher {
    struct world *world;
    bool open;
    unsigned loop;
    uint32_t member;
    buf text;
    unsigned frames;
    bool stalls;  /* its socket takes */
    size_t room;  /* so many bytes more; */
    buf begun;    /* the rest of a message waits outside the hub */
    bool patient; /* it may be too slow: then it is closed and */
    bool slow;    /* this says so */
};

/* A device's socket. */
struct socket {
    struct device_link link;
    struct world *world;
    unsigned loop;
    bool open;
    bool told;           /* the home asked to end it */
    close_reason reason; /* with this */
    unsigned acks;       /* answers so far */
    unsigned good;       /* of them, without an error */
    uint64_t good_ids;   /* bit per ack id below 64 that was answered without an error */
    err last;
};

struct side {
    struct world *world;
    unsigned loop;
    struct hub_sink sink;
    struct loop_hook hook;
    struct timer timer;
    struct watcher *members[WATCHERS_MAX];
    uint32_t gens[WATCHERS_MAX];
};

struct world {
    struct sim *sim;
    unsigned count;
    struct sim_store *db;
    struct store *store; /* the simulated port */
    struct tokens *tokens;
    struct domain_conf conf;
    struct entropy entropy;
    uint64_t entropy_state;
    struct home homes[SIM_LOOPS_MAX];
    struct home *peers[SIM_LOOPS_MAX];
    struct hub *hubs[SIM_LOOPS_MAX];
    struct journal *journals[SIM_LOOPS_MAX];
    struct side sides[SIM_LOOPS_MAX];
};

/* `loops` 0: 1 to 8, by the seed. */
void world_start(struct world *w, uint64_t seed, unsigned loops);
/* Checks that nobody needs anything any more, and frees. */
void world_stop(struct world *w);
/* The process dies now and the next one starts on what is on disk: writes that have not run fail,
 * so nothing more is stored, whoever waits is told some error, and what the dying process still
 * does must be ignored by the test. No watcher may be open; sockets are just not there any more. */
void world_crash(struct world *w);
/* Counts over all homes. */
struct fleet_stats world_stats(const struct world *w);
unsigned world_loop(struct world *w); /* any */
bool world_chance(struct world *w, unsigned percent);
/* Until nobody waits for an answer, and what follows from the answers is done. */
void world_settle(struct world *w);
/* Rows of a query whose first parameter is a device's id, at most `limit`. */
int64_t world_count(struct world *w, enum query q, uuid device, unsigned limit);

/* The answer of a call, copied. */
struct result {
    bool done;
    err error;
    uuid id;
    int64_t version;
    buf json;
    buf next;
    char key[64];
    unsigned viewers;
};
void result_take(void *owner, const struct device_result *r); /* a device_done */
void result_wait(struct world *w, struct result *r);
void result_deinit(struct result *r);

/* Makes a device; returns when it is stored. */
uuid world_create(struct world *w, const char *name);
/* Asks from any loop for the device; the result is emptied first. */
void world_get(struct world *w, uuid id, struct result *r);
/* Whether the result's JSON has that text in it. */
bool json_holds(const struct result *r, const char *text);

/* A member of that loop's hub; close it before the world stops. */
void watcher_open(struct world *w, struct watcher *x, unsigned loop);
/* As viewers do; effects come with later steps. */
void watcher_subscribe(struct watcher *x, uuid device, enum host_channel c);
/* The live values of a device at a rate (domain/telemetry.h), and no more. */
void watcher_follow(struct watcher *x, uuid device, unsigned rate);
void watcher_unfollow(struct watcher *x, uuid device, unsigned rate);
/* The ordered events of all devices, from now on. */
void watcher_subscribe_events(struct watcher *x);
/* The same. */
void watcher_unsubscribe(struct watcher *x, uuid device, enum host_channel c);
/* Its socket takes that many bytes more and then none; and again all. Effects come with later
 * steps. */
void watcher_stall(struct watcher *x, size_t room);
void watcher_resume(struct watcher *x);
/* Leaves; its frames are gone. Harmless when closed. */
void watcher_close(struct watcher *x);
/* The last line; empty when there is none. */
span watcher_last(const struct watcher *x);

/* The device's socket on that loop. */
void socket_open(struct world *w, struct socket *s, uuid device, unsigned loop);
/* The peer's end; harmless when it is closed. */
void socket_close(struct socket *s);
/* Reports; nothing when the socket is closed. */
void socket_sample(struct socket *s, int64_t at_ms, double cpu);
/* ack id 0-63 */
void socket_row(struct socket *s, unsigned ack, int64_t at_ms, double cpu);
void socket_state(struct socket *s, unsigned ack, int64_t at_ms, const char *hostname);
void socket_heartbeat(struct socket *s, unsigned ack);
/* `capabilities` of static duration */
void socket_register(struct socket *s, const char *capabilities);

#endif
