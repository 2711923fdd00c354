/* The load of the home wire, /ws: options and what the modes share. */
#ifndef SB_BENCH_HOME_H
#define SB_BENCH_HOME_H

#include "client.h"
#include "stats.h"

#define MS 1000000ull
#define SECOND 1000000000ull
#define OPEN_MS 60000u /* all clients are open by then, or the run fails */
#define HOME_PATH "/ws"

struct home_bench {
    struct pool pool;
    const char *mode;
    unsigned port;
    int pid;              /* of the server */
    uint32_t conns;
    uint32_t room;        /* each subscribes to it; 0: to none */
    uint32_t changes;     /* fan: one after the other */
    double seconds;
    double rest_s;        /* before memory and CPU time are read */
    uint32_t entities;    /* storm: one a device, ten a room */
    uint32_t rate;        /* storm: changes a second of all together */
    const char *devices;  /* storm: a file with a device's key a line */
    uint64_t answered;    /* results of commands */
    uint64_t refused;
    uint64_t heartbeats;
    void *user;
};

/* Prints why and ends. */
void die(const char *why) __attribute__((noreturn));
/* Opens clients from..to at the path; exits when one is not let in. */
void home_open(struct home_bench *b, uint32_t from, uint32_t to, const char *path);
void home_serve(struct home_bench *b, uint64_t ms);
/* A member of a frame as text up to the end of its string, or as it stands; false: not there. */
bool home_member(const uint8_t *text, size_t len, const char *name, const char **at, size_t *n);
bool home_is(const uint8_t *text, size_t len, const char *type);
void home_subscribe(struct home_bench *b, struct client *c, uint32_t room, bool snapshot);
/* home_storm.c */
int storm_run(struct home_bench *b);

#endif
