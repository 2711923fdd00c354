#include "edge/ops/alerts.h"

#define CONNECTIONS_PERCENT 80
#define ERRORS_PERCENT 5
/* Below so many events in a minute a share says nothing: one error of ten would be an alert. */
#define EVENTS_MIN 100
#define FAILURES_MIN 20
#define FAILURES_TIMES 10

const char *alert_name(enum alert a)
{
    static const char *const names[ALERT_COUNT] = {
        [ALERT_CONNECTIONS] = "connections",
        [ALERT_ERRORS] = "errors",
        [ALERT_AUTH_FAILURES] = "auth_failures",
        [ALERT_DELIVERY] = "delivery",
        [ALERT_STORE] = "store",
        [ALERT_CERTIFICATE] = "certificate",
    };
    return names[a];
}

bool alert_errors(uint64_t errors, uint64_t events)
{
    return events >= EVENTS_MIN && errors * 100 > events * ERRORS_PERCENT;
}

bool alert_failures(uint64_t minute, uint64_t hour_total)
{
    return minute > FAILURES_MIN && minute * OPS_HOUR_MIN > hour_total * FAILURES_TIMES;
}

bool alert_certificate(const struct tls_server *tls, int64_t now_s)
{
    return tls_server_ends_s(tls) - now_s < ALERT_CERTIFICATE_S;
}

bool alert_delivery(uint64_t late, uint64_t deliveries)
{
    return deliveries >= EVENTS_MIN && late * 100 > deliveries;
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

struct totals {
    uint64_t errors, events, failures, deliveries, late;
};

static void add_edge(const struct edge *e, struct totals *t)
{
    for (unsigned w = 0; w < STATS_WIRE_COUNT; w++) {
        for (unsigned i = 0; i < ERR_COUNT; i++) {
            t->errors += load(&e->stats.errors[w][i]);
        }
    }
    for (unsigned i = 0; i < STATS_NAMES_MAX; i++) {
        t->failures += load(&e->stats.auth_failures.rows[i].count);
    }
    for (unsigned i = 0; i < STATS_BUCKETS; i++) {
        uint64_t count = load(&e->stats.delivery_times.buckets[i]);
        t->deliveries += count;
        t->late += stats_bucket_us(i) > ALERT_DELIVERY_US ? count : 0;
    }
    t->events += load(&net_stats(e->net)->requests) + load(&net_stats(e->net)->messages_in);
}

static void set(struct ops *o, enum alert a, bool on)
{
    if (atomic_load_explicit(&o->alerts[a], memory_order_relaxed) != on) {
        atomic_store_explicit(&o->alerts[a], on, memory_order_relaxed);
        LOG(loop_log(o->loop), on ? LOG_WARN : LOG_INFO, "alert", LOG_STR("name", alert_name(a)),
            LOG_BOOL("on", on));
    }
}

void alerts_tick(struct ops *o)
{
    struct ops_history *h = &o->history;
    struct totals now = {0};
    uint64_t hour_total = 0;
    for (unsigned i = 0; i < o->edge_count; i++) {
        add_edge(o->edges[i], &now);
    }
    /* What stands in the slot is the total of a minute ago (0 in the first minute). */
    unsigned slot = h->second % OPS_MINUTE_S;
    uint64_t failures = now.failures - h->failures[slot];
    for (unsigned i = 0; i < OPS_HOUR_MIN; i++) {
        hour_total += h->hour[i];
    }
    set(o, ALERT_ERRORS, alert_errors(now.errors - h->errors[slot], now.events - h->events[slot]));
    set(o, ALERT_AUTH_FAILURES, alert_failures(failures, hour_total));
    set(o, ALERT_CONNECTIONS, ops_connections(o) * 100 > (uint64_t)o->connections_max *
                                                             CONNECTIONS_PERCENT);
    set(o, ALERT_CERTIFICATE,
        alert_certificate(net_tls_server(o->edges[0]->net), loop_wall_ms(o->loop) / 1000));
    set(o, ALERT_DELIVERY, alert_delivery(now.late - h->late[slot],
                                          now.deliveries - h->deliveries[slot]));
    set(o, ALERT_STORE, load(&o->store_bad_ns) != 0);
    h->errors[slot] = now.errors;
    h->events[slot] = now.events;
    h->failures[slot] = now.failures;
    h->deliveries[slot] = now.deliveries;
    h->late[slot] = now.late;
    h->second++;
    if (h->second % OPS_MINUTE_S == 0) {
        h->hour[h->second / OPS_MINUTE_S % OPS_HOUR_MIN] = failures;
    }
}
