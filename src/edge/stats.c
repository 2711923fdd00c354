#include "edge/stats.h"

#include "base/assert.h"

#include <string.h>

static const uint64_t bounds_us[STATS_BUCKETS] = {
    100,    250,    500,     1000,    2500,    5000,     10000,    25000,
    50000,  100000, 250000,  1000000, 5000000, 60000000, 3600000000, UINT64_MAX,
};

uint64_t stats_bucket_us(unsigned i) { return bounds_us[i]; }

void stats_time_n(struct stats_times *t, uint64_t us, uint64_t n)
{
    unsigned i = 0;
    while (us > bounds_us[i]) {
        i++;
    }
    stats_add(&t->buckets[i], n);
    stats_add(&t->sum_us, us * n);
    stats_add(&t->count, n);
}

void stats_time(struct stats_times *t, uint64_t us) { stats_time_n(t, us, 1); }

void stats_name(struct stats_names *s, const char *name)
{
    for (unsigned i = 0; i < STATS_NAMES_MAX; i++) {
        const char *here = atomic_load_explicit(&s->rows[i].name, memory_order_relaxed);
        if (here == NULL) {
            /* The last row takes whatever does not fit. */
            here = i + 1 == STATS_NAMES_MAX ? "other" : name;
            atomic_store_explicit(&s->rows[i].name, here, memory_order_release);
        }
        if (here == name || strcmp(here, name) == 0 || i + 1 == STATS_NAMES_MAX) {
            stats_add(&s->rows[i].count, 1);
            return;
        }
    }
}

const char *stats_wire_name(enum stats_wire w)
{
    static const char *const names[] = {[STATS_HTTP] = "http",
                                        [STATS_MONITOR] = "monitor",
                                        [STATS_SSE] = "sse",
                                        [STATS_SOCKETIO] = "socketio",
                                        [STATS_HOME] = "home",
                                        [STATS_CONFORMANCE] = "conformance"};
    _Static_assert(ARRAY_LEN(names) == STATS_WIRE_COUNT, "a name each");
    return names[w];
}

const char *stats_client_name(enum stats_client k)
{
    return k == STATS_DEVICE ? "device" : "client";
}

void stats_open(struct edge_stats *s, enum stats_wire w, enum stats_client k)
{
    stats_add(&s->open[w][k], 1);
    stats_add(&s->opened[w], 1);
}

void stats_close(struct edge_stats *s, enum stats_wire w, enum stats_client k, uint64_t us)
{
    stats_close_untimed(s, w, k);
    stats_time(&s->connection_times, us);
}

void stats_close_untimed(struct edge_stats *s, enum stats_wire w, enum stats_client k)
{
    stats_add(&s->open[w][k], UINT64_MAX); /* minus one */
}
