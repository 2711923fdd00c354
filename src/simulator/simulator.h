/*
 * A fleet of simulated devices on one loop, one thread: what `signalbox simulate` runs. A JSON
 * line a second goes to `out`, and one with the sums at the end:
 *
 *     {"event":"second","t":3,"devices":1000,"sent":100000,"acked":99987,...}
 *     {"event":"summary","seconds":30.0,"sent":...,"ack_ms":{"p50":1.2,"p99":4.1,"max":9.8},...}
 *
 * Connections are opened at a pace (connects_per_s), whether first ones or not. Nobody but the
 * server of `url` is spoken to.
 */
#ifndef SB_SIMULATOR_SIMULATOR_H
#define SB_SIMULATOR_SIMULATOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/buf.h"
#include "ports/clock.h"
#include "ports/entropy.h"
#include "ports/log.h"
#include "simulator/heard.h"

/* More do not fit the ports between two addresses. */
#define SIMULATOR_DEVICES_MAX 28000
#define SIMULATOR_RATE_MAX 10000.0
#define SIMULATOR_BATCH_MAX 500 /* samples of one message (CONTRACT 3) */

/* An id and a key; both owned by the list. */
struct simulator_key {
    char *id;
    char *key;
};

/* Grows as devices are made. */
struct simulator_keys {
    struct simulator_key *items; /* owned */
    uint32_t count, cap;
};

/* Zeroed is empty. */
void simulator_keys_add(struct simulator_keys *k, span id, span key);
void simulator_keys_deinit(struct simulator_keys *k);
/* The lines of a file: `id key`, one device each; empty ones and those after # are passed over.
 * False: *line is the first that is none. */
MUST_CHECK bool simulator_keys_read(struct simulator_keys *k, span text, unsigned *line);

struct simulator_conf {
    const char *server;        /* http://127.0.0.1:3001 */
    const char *ca_file;       /* of https; empty: the system's authorities */
    const char *provision_key; /* makes devices that `keys` lacks; empty: none are made */
    struct simulator_keys *keys; /* borrowed; those made are added */
    /* A device was made: the caller may keep it. May be NULL. */
    void (*on_made)(void *owner, const char *id, const char *key);
    void *owner;
    enum sim_wire wire;
    uint32_t devices;
    double rate;             /* messages a second of each device; 0: none */
    uint32_t batch;          /* samples a message */
    uint32_t sensors;        /* of each device */
    uint32_t every_ms;       /* what is due in so long leaves in one write */
    uint32_t connects_per_s;
    uint32_t response_ms;    /* from a command to its answer */
    uint32_t heartbeat_ms;
    /* From the second in which all were connected; 0: until stopped. A run ends a minute after the
     * time that connecting and this should have taken together, in any case. */
    int64_t duration_ms;
    bool clock_values;       /* values are the monotonic clock in microseconds modulo 10^9 */
    bool sample_ids;
    bool together;           /* nothing is sent before all are connected */
    bool quiet;              /* no line a second */
    FILE *out;               /* lines of JSON */
    struct clock *clock;     /* borrowed, as all of these */
    struct log *log;
    struct entropy *entropy;
    bool signals; /* SIGTERM and SIGINT stop it; the caller has blocked them in every thread */
};

enum simulator_exit {
    SIMULATOR_EXIT_OK = 0,
    SIMULATOR_EXIT_CONF = 2,    /* the server's address cannot be used, or there are no devices */
    SIMULATOR_EXIT_REFUSED = 4, /* the provisioning key is refused, or every device is */
};

/* Runs until its time is over, a signal, or nobody is left; an enum simulator_exit. At the end it
 * waits for acknowledgements, two seconds at most. Makes the calling thread its own. */
MUST_CHECK int simulator_run(const struct simulator_conf *conf);

#endif
