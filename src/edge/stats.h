/*
 * What one loop's edge counts for /metrics. Written by the loop's thread only, read by any:
 * relaxed atomics, so a reader may see a count a moment late and never torn.
 */
#ifndef SB_EDGE_STATS_H
#define SB_EDGE_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tables/errors.h"
#include "tables/frames.h"
#include "tables/routes.h"

#define STATS_BUCKETS 16
#define STATS_NAMES_MAX 48 /* distinct names of one set; what comes later counts as "other" */

/* Times; bucket i counts what took at most stats_bucket_us(i), the last everything. */
struct stats_times {
    _Atomic uint64_t buckets[STATS_BUCKETS];
    _Atomic uint64_t sum_us;
    _Atomic uint64_t count;
};

/* Counts by a name that the program itself made (a static string), never a stranger's. */
struct stats_names {
    struct {
        _Atomic(const char *) name; /* NULL: free */
        _Atomic uint64_t count;
    } rows[STATS_NAMES_MAX];
};

/* Who counts: one label value of `wire`. */
enum stats_wire { STATS_HTTP, STATS_MONITOR, STATS_SSE, STATS_SOCKETIO, STATS_HOME,
                  STATS_CONFORMANCE, STATS_WIRE_COUNT };

/* One message of so many is timed in its handler: reading the clock twice costs as much as some
 * of them. A power of two. */
#define STATS_TIMED_ONE_OF 16

/* What is on the other end: label client_type. */
enum stats_client { STATS_CLIENT, STATS_DEVICE, STATS_CLIENT_COUNT };

struct edge_stats {
    _Atomic uint64_t open[STATS_WIRE_COUNT][STATS_CLIENT_COUNT]; /* WebSockets and streams now */
    _Atomic uint64_t opened[STATS_WIRE_COUNT];    /* of them, since the start */
    _Atomic uint64_t active_ms[STATS_WIRE_COUNT]; /* epoch: a peer came, spoke or went; 0: none */
    _Atomic uint64_t requests[ROUTE_COUNT + 1][6]; /* [route, or none][status / 100] */
    struct stats_times request_times;
    _Atomic uint64_t errors[STATS_WIRE_COUNT][ERR_COUNT];
    struct stats_names auth_failures;      /* by reason */
    struct stats_names rate_limited;       /* by what was limited */
    struct stats_names engineio_refused;   /* by reason */
    struct stats_names webhook_calls;      /* by how they ended */
    struct stats_times webhook_times;      /* from an event to its receiver's answer */
    _Atomic uint64_t engineio_upgrades;    /* from polling to WebSocket, done */
    _Atomic uint64_t messages_in[STATS_WIRE_COUNT][FRAME_NAME_COUNT];
    _Atomic uint64_t messages_out[STATS_WIRE_COUNT][FRAME_NAME_COUNT]; /* each receiver's */
    _Atomic uint64_t devices_online; /* gauges of this home, as its last turn left them */
    _Atomic uint64_t devices_stale;
    _Atomic uint64_t viewers;
    struct stats_times connection_times;   /* of those, at their end */
    struct stats_times setup_times;        /* request head to 101 */
    struct stats_times message_times[FRAME_NAME_COUNT]; /* one message, in its handler */
    uint32_t message_turn; /* the writer's own: which message is timed */
    struct stats_times delivery_times; /* of blobs: received or made, until given to a socket */
};

static inline void stats_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void stats_set(_Atomic uint64_t *gauge, uint64_t n)
{
    atomic_store_explicit(gauge, n, memory_order_relaxed);
}

uint64_t stats_bucket_us(unsigned i); /* upper bound of bucket i; the last is UINT64_MAX */
void stats_time(struct stats_times *t, uint64_t us);
/* The same for `n` times of one length. */
void stats_time_n(struct stats_times *t, uint64_t us, uint64_t n);
/* Whether this message is one of those that are timed. */
static inline bool stats_timed(struct edge_stats *s)
{
    return s->message_turn++ % STATS_TIMED_ONE_OF == 0;
}
/* `name` must live as long as the process. O(names). */
void stats_name(struct stats_names *s, const char *name);
/* "http", "monitor", "sse", "socketio", "home", "conformance" */
const char *stats_wire_name(enum stats_wire w);
const char *stats_client_name(enum stats_client k);   /* "client", "device" */
/* A WebSocket or stream of a wire opens; and ends after so long. */
void stats_open(struct edge_stats *s, enum stats_wire w, enum stats_client k);
void stats_close(struct edge_stats *s, enum stats_wire w, enum stats_client k, uint64_t us);
/* As stats_close, where nobody kept the time of opening. */
void stats_close_untimed(struct edge_stats *s, enum stats_wire w, enum stats_client k);

#endif
