/*
 * Health and metrics of the whole process: what /health and /metrics read, gathered from the
 * counters of every loop. Made by the composition root, shared by all edges; edge->ops points
 * at it. Reading happens on any loop.
 */
#ifndef SB_EDGE_OPS_OPS_H
#define SB_EDGE_OPS_OPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "edge/edge.h"
#include "loop/loop.h"
#include "ports/store.h"

#define OPS_STORE_GRACE_MS 10000 /* a store that failed for so long makes /health/ready 503 */

/* What is watched once a second (CONTRACT 7); a change is one log line `alert`. */
enum alert {
    ALERT_CONNECTIONS,   /* above 80 % of connections_max */
    ALERT_ERRORS,        /* above 5 % of requests and messages over a minute */
    ALERT_AUTH_FAILURES, /* above 20 in a minute and 10 times the mean of the hour before */
    ALERT_DELIVERY,      /* more than 1 % of a minute's deliveries took over 100 ms: the p99 */
    ALERT_STORE,         /* the last write failed */
    ALERT_CERTIFICATE,   /* a certificate ends within ALERT_CERTIFICATE_S, or has ended */
    ALERT_COUNT
};
const char *alert_name(enum alert a); /* "auth_failures" */
#define ALERT_DELIVERY_US 100000 /* a bound of stats_bucket_us() */

enum health { HEALTH_GOOD, HEALTH_DEGRADED, HEALTH_BAD };
const char *health_name(enum health h); /* "healthy", "degraded", "unhealthy" */

/* The components of /health. */
enum health_part {
    HEALTH_SERVER,
    HEALTH_CONNECTIONS,
    HEALTH_STORE,
    HEALTH_ROUTER,
    HEALTH_AUTH,
    HEALTH_TLS,     /* where it is spoken */
    HEALTH_WEBHOOK, /* where applications have a receiver */
    HEALTH_SCANNER, /* of files in chat */
    HEALTH_ROBOTS,  /* where chat has some */
    HEALTH_PART_COUNT
};
const char *health_part_name(enum health_part p); /* "server" */

#define HEALTH_DETAIL_MAX 80
struct health_report {
    enum health all; /* the worst of its parts */
    struct {
        bool there;
        enum health status;
        double latency_ms;
        char detail[HEALTH_DETAIL_MAX];
    } parts[HEALTH_PART_COUNT];
};

#define OPS_MINUTE_S 60
#define OPS_HOUR_MIN 60

/* Totals of the last minute by the second and of the last hour by the minute. */
struct ops_history {
    uint64_t errors[OPS_MINUTE_S];
    uint64_t events[OPS_MINUTE_S];
    uint64_t failures[OPS_MINUTE_S];
    uint64_t deliveries[OPS_MINUTE_S];
    uint64_t late[OPS_MINUTE_S]; /* of them, those over ALERT_DELIVERY_US */
    uint64_t hour[OPS_HOUR_MIN]; /* failures of each minute */
    unsigned second;             /* ticks so far */
};

struct ops {
    /* Filled in by the composition root before ops_start: */
    struct edge *const *edges; /* borrowed */
    unsigned edge_count;
    struct store *store;       /* borrowed; NULL: none */
    struct net_shared *shared; /* borrowed */
    _Atomic uint32_t connections_max;
    unsigned fd_tables;        /* of loops that have their own; 0: one for the process */
    const char *node;
    uint64_t (*log_dropped)(void *arg); /* lines that the log could not write; NULL: unknown */
    void *log_arg;
    /* Set by whoever drains: /health/ready turns 503. */
    _Atomic bool draining;
    /* Private: */
    struct loop *loop;
    struct timer tick;
    uint64_t started_ns;
    uint64_t perf_ns;
    struct ops_perf {
        uint64_t requests, messages_in, delivered;
        uint64_t delivery[STATS_BUCKETS];
    } perf_was; /* as of the last perf line */
    struct ops_history history;
    _Atomic bool alerts[ALERT_COUNT];
    _Atomic uint64_t store_bad_ns; /* monotonic time since when the store fails; 0: it does not */
    uint32_t noticed_alerts, noticed_parts; /* what supervisors were told of last: a bit each */
    unsigned told;    /* what /ws was told of last: a bit per part that is not healthy, */
    uint64_t told_ns; /* and when; 0: nothing yet */
};

/* Starts the clock of `uptime` and a timer of 1 s on `loop` that watches the store, tells /ws of
 * the health (edge/home/news.h) and writes a `perf` line every 60 s. On that loop's thread, or
 * before it runs. */
void ops_start(struct ops *o, struct loop *loop);
void ops_stop(struct ops *o);
/* Appends every metric of tables/metrics.def in the text format 0.0.4. `own` is the edge of the
 * calling loop. */
void ops_metrics_write(const struct ops *o, const struct edge *own, buf *out);
/* How the process is, as the edge of the calling loop sees it. */
void ops_health(const struct ops *o, const struct edge *own, struct health_report *out);
/* RSS in percent of what the cgroup allows, or of the machine's memory; 0: unknown. Reads /proc. */
double ops_memory_percent(void);
/* Seconds since ops_start. */
uint64_t ops_uptime_s(const struct ops *o, const struct edge *own);
/* Connections of the process now. */
uint64_t ops_connections(const struct ops *o);

#endif
