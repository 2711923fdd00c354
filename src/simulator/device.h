/*
 * One simulated device: connects, registers, sends telemetry at its rate, heartbeats, answers
 * commands, reports its configuration, and comes back when it is cut off. Loop thread.
 *
 *     waiting --gate lets it--> opening --joined--> registering --acknowledged--> live
 *        ^                                                                        |
 *        \------------------------- closed, after its back-off -------------------/
 *                                        \--> ended: the server forbids coming back
 *
 * Messages whose acknowledgement is outstanding are remembered with their time, DEVICE_WINDOW at
 * most; a device that has so many waits, and counts what it did not send as held. What was not
 * acknowledged when a connection ends is counted as lost, not sent again: it may be stored.
 */
#ifndef SB_SIMULATOR_DEVICE_H
#define SB_SIMULATOR_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/backoff.h"
#include "base/list.h"
#include "base/uuid.h"
#include "simulator/histogram.h"
#include "simulator/link.h"
#include "simulator/words.h"

/* A power of two: five seconds of 100 messages a second, ten times what an ack takes. */
#define DEVICE_WINDOW 512
/* Commands that were heard and not answered yet; more are answered at once. */
#define DEVICE_COMMANDS_MAX 64
/* Requests that are remembered, so that a command which comes twice runs once. */
#define DEVICE_REQUESTS 32

/* Counts of a run or of a second. */
struct device_counts {
    uint64_t sent;       /* messages of telemetry */
    uint64_t acked;
    uint64_t refused;
    uint64_t lost;       /* unanswered when their connection ended */
    uint64_t held;       /* due, and not sent: too much was unanswered */
    uint64_t samples;    /* accepted */
    uint64_t connects;   /* connections that were joined */
    uint64_t failures;   /* that were not */
    uint64_t reconnects; /* joined, of devices that had been before */
    uint64_t commands;   /* answered */
    uint64_t repeats;    /* commands that came again: answered, not run */
    uint64_t configs;    /* reported */
    uint64_t errors;     /* refusals of what asked for no acknowledgement, and of registrations */
    uint64_t bytes_out;  /* payloads of telemetry */
    struct histogram ack;
    struct histogram connect; /* from connecting to joined */
    struct histogram ready;   /* and until the registration is acknowledged */
};

struct device;

/* How all devices of a run behave; borrowed by each. */
struct device_side {
    struct link_side link;
    struct clock *clock;
    double rate;            /* messages a second; 0: none */
    unsigned batch;         /* samples a message */
    unsigned sensors;
    unsigned every_ms;      /* what is due in so long leaves in one write; at least 1 */
    uint32_t response_ms;   /* from a command to its answer */
    uint32_t heartbeat_ms;
    bool clock_values;      /* words_sample.clock_us */
    char run[24];           /* words_sample.run; empty: no sample ids */
    bool stopping;          /* no new connection, message or answer */
    bool together;          /* nothing is sent before all have been live */
    uint32_t wanted;        /* devices of the run */
    uint32_t live;
    uint64_t all_live_ns;   /* when all were, for the first time; 0: not yet */
    uint32_t open;          /* connections under way or joined */
    uint32_t ended;
    uint32_t unanswered;    /* messages, of all */
    struct device_counts *counts; /* of this second */
    struct words words;
    buf text;
    /* A device wants to connect: call device_connect some time. */
    void (*on_wait)(struct device *d);
    /* All are live for the first time. */
    void (*on_all_live)(struct device_side *side);
    void (*on_ended)(struct device *d, const char *why);
};

enum device_state { DEVICE_WAITING, DEVICE_OPENING, DEVICE_REGISTERING, DEVICE_LIVE, DEVICE_ENDED };

struct device {
    struct device_side *side;
    struct list queue; /* the gate's, while it waits there */
    struct link link;
    enum device_state state;
    char id[UUID_TEXT_LEN + 1];
    char *key; /* owned */
    struct backoff backoff;
    struct timer life; /* the next attempt; then heartbeats and answers */
    struct timer send;
    uint64_t due_ns;     /* of the next message */
    uint64_t number;     /* of the next sample */
    uint64_t beat_ns;
    uint64_t *sent_ns;   /* owned: DEVICE_WINDOW times by id, 0: answered; NULL before the first */
    uint64_t oldest;     /* ids from here to next are outstanding */
    uint64_t next;
    struct list commands; /* heard, not answered: in the order of their times */
    unsigned command_count;
    uint64_t commands_done;
    uint64_t requests[DEVICE_REQUESTS]; /* hashes */
    unsigned request_at;
    bool was_live;
};

/* `id` and `key` are copied. */
void device_init(struct device *d, struct device_side *side, const char *id, const char *key);
/* The loop no longer runs; its connection is gone. */
void device_deinit(struct device *d);
/* Begins to connect; it was waiting (asserted). */
void device_connect(struct device *d);
/* Begins to send, if it is live and does not yet. */
void device_send(struct device *d);
/* Ends its connection for good. */
void device_stop(struct device *d);

#endif
