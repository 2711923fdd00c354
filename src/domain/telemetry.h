/*
 * What devices measure (CONTRACT 3). Samples arrive on any loop, checked (shape/telemetry.h), and
 * go to the device's home, which keeps the newest value of each sensor, publishes it and stores
 * all that arrived in a turn together:
 *
 *     telemetry_put --mail--> home: newer than the last? --> topics of the device, at once
 *                                   all of the turn --> one request of the store
 *     done <--mail-- how many were new, after the commit
 *
 * What is pushed are values that are newer than the newest known; what is older is stored only.
 */
#ifndef SB_DOMAIN_TELEMETRY_H
#define SB_DOMAIN_TELEMETRY_H

#include "domain/device_link.h"
#include "domain/home.h"
#include "domain/telemetry_types.h"

struct telemetry_result {
    err error;           /* ERR_NONE; ERR_DEVICE_NOT_FOUND; ERR_PERMISSION_DENIED: it is disabled;
                            RATE_LIMIT_EXCEEDED: more messages of the device, over all its
                            connections, than it may send; the store's: nothing was kept */
    uint32_t retry_after_ms; /* RATE_LIMIT_EXCEEDED */
    unsigned accepted;   /* rows that were new, */
    unsigned duplicates; /* and those whose sampleId and timestamp were stored already */
};
typedef void (*telemetry_done)(void *owner, const struct telemetry_result *r);

/* Stores `count` samples (1 to TELEMETRY_BATCH_MAX) of one device, all or none. Everything is
 * copied. Answers once, on this loop, after the commit, never inside the call; samples of one
 * caller for one device keep their order. */
void telemetry_put(struct home *h, uuid device, const struct telemetry_sample *samples,
                   unsigned count, telemetry_done done, void *owner);

/* The same from the device's own socket: it counts as heard. */
void telemetry_put_linked(struct device_link *l, const struct telemetry_sample *samples,
                          unsigned count, telemetry_done done, void *owner);

/* --- followers --- */

/* Live values of a device are on topics of state class whose messages are whole Socket.IO argument
 * arrays, ["telemetry:update",{...}], keyed by sensor: whoever subscribes (hub_subscribe with the
 * device's home) gets the newest of each sensor first, with initial:true. Each rate has a topic of
 * its own, where a sensor's newest value is told at most so often, and the last one always. */
#define TELEMETRY_TOPIC_MAX 56
/* How often a second, at most, a sensor is told on the topic of a rate; rate 0 is every value. */
#define TELEMETRY_RATES 16
/* The rate of the topic for who wants at most `hz` values a second of a sensor: the next lower one
 * there is, from 100 a second down to one in 100 s. Never rate 0. */
unsigned telemetry_rate_of(double hz);
double telemetry_rate_hz(unsigned rate); /* 0: no bound */
/* Returns what it wrote: "t/<uuid>/<rate>". Patterns of such names are told nothing. */
span telemetry_topic(uuid device, unsigned rate, char out[TELEMETRY_TOPIC_MAX]);

/* --- what is known --- */

typedef void (*telemetry_shown)(void *owner, err error, span json);
/* The newest value of each sensor: a JSON array of TelemetryData by sensorType, borrowed for the
 * call of done. ERR_DEVICE_NOT_FOUND and the store's. */
void telemetry_latest(struct home *h, uuid device, telemetry_shown done, void *owner);

#define TELEMETRY_ROWS_MAX 1000    /* of a page */
#define TELEMETRY_POINTS_MAX 2000  /* of a series: a chart has no more pixels */
#define TELEMETRY_POINTS_DEFAULT 300
#define TELEMETRY_BUCKETS_MAX 10000 /* of one answer, over all series: some 10 ms of a loop */

struct telemetry_query {
    uuid device;
    span sensor;      /* empty: every one */
    int64_t from_ms;  /* 0 <= from < to (asserted), epoch ms; `to` is not included */
    int64_t to_ms;
    unsigned points;  /* 0: rows as they were sent; else at most so many buckets a series, which is
                         a sensor in one unit */
    int aggregate;    /* of enum list `aggregate`; with points */
    span after;       /* rows: `next` of the page before; empty: from the start */
    unsigned limit;   /* rows: 1-TELEMETRY_ROWS_MAX */
};
struct telemetry_page {
    err error;        /* ERR_NONE; ERR_INVALID_REQUEST: `after` is none of ours, or with points:
                         more than TELEMETRY_BUCKETS_MAX; ERR_DEVICE_NOT_FOUND; the store's */
    span json;        /* rows: an array of TelemetryData, oldest first. Buckets: an array of
                         {sensorType,unit,resolution_ms,points:[{timestamp,value,n}]}, by
                         sensorType; those without samples are left out */
    span next;        /* rows: where the next page begins; empty at the end */
};
typedef void (*telemetry_paged)(void *owner, const struct telemetry_page *p);
/* Reads everything acknowledged before the call. Buckets begin at multiples of their length. Those
 * of a minute or more, and of more than six hours, come from the rollups, so the cost is bounded by
 * the points: whole minutes or hours, also where the range begins or ends within one. */
void telemetry_read(struct home *h, const struct telemetry_query *q, telemetry_paged done,
                    void *owner);

#endif
