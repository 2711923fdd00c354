/* The process's clock of health: watches the store, writes `perf` lines. */
#include "edge/ops/ops.h"

#include "edge/home/news.h"
#include "edge/ops/alerts.h"
#include "edge/ops/notices.h"
#include "edge/ops/process.h"

#define TICK_MS 1000
#define PERF_NS (60 * UINT64_C(1000000000))

static void watch_store(struct ops *o)
{
    struct store_stats s = {0};
    if (o->store == NULL) {
        return;
    }
    o->store->stats(o->store, &s);
    uint64_t since = atomic_load_explicit(&o->store_bad_ns, memory_order_relaxed);
    if (s.health == ERR_NONE) {
        since = 0;
    } else if (since == 0) {
        since = loop_now_ns(o->loop);
        LOG(loop_log(o->loop), LOG_ERROR, "error", LOG_STR("what", "store"),
            LOG_STR("error", err_name(s.health)));
    }
    atomic_store_explicit(&o->store_bad_ns, since, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The bound of the bucket that 99 % of these deliveries stay within, in milliseconds; 0: none, and
 * -1 beyond the last bound. */
static double p99_ms(const uint64_t now[STATS_BUCKETS], const uint64_t was[STATS_BUCKETS])
{
    uint64_t all = 0, below = 0;
    for (unsigned i = 0; i < STATS_BUCKETS; i++) {
        all += now[i] - was[i];
    }
    for (unsigned i = 0; i + 1 < STATS_BUCKETS; i++) {
        below += now[i] - was[i];
        if (below * 100 >= all * 99) {
            return all == 0 ? 0 : (double)stats_bucket_us(i) / 1e3;
        }
    }
    return -1;
}

/* Totals since the start, and what the last minute was. */
static void write_perf(struct ops *o, double seconds)
{
    struct process_facts p;
    struct store_stats store = {0};
    struct ops_perf now = {0};
    uint64_t ws = 0, outbox_bytes = 0, devices = 0;
    process_read(&p);
    for (unsigned i = 0; i < o->edge_count; i++) {
        const struct edge *e = o->edges[i];
        const struct net_stats *n = net_stats(e->net);
        now.requests += load(&n->requests);
        now.messages_in += load(&n->messages_in);
        now.delivered += load(&hub_stats(e->hub)->delivered);
        ws += load(&n->open_ws);
        outbox_bytes += load(&hub_stats(e->hub)->outbox_bytes);
        devices += load(&e->stats.devices_online);
        for (unsigned b = 0; b < STATS_BUCKETS; b++) {
            now.delivery[b] += load(&e->stats.delivery_times.buckets[b]);
        }
    }
    if (o->store != NULL) {
        o->store->stats(o->store, &store);
    }
    const struct ops_perf *was = &o->perf_was;
    LOG(loop_log(o->loop), LOG_INFO, "perf", LOG_U64("connections", ops_connections(o)),
        LOG_U64("websockets", ws), LOG_U64("devices_online", devices),
        LOG_U64("requests", now.requests), LOG_U64("messages_in", now.messages_in),
        LOG_U64("delivered", now.delivered),
        LOG_F64("requests_s", (double)(now.requests - was->requests) / seconds),
        LOG_F64("messages_in_s", (double)(now.messages_in - was->messages_in) / seconds),
        LOG_F64("delivered_s", (double)(now.delivered - was->delivered) / seconds),
        LOG_F64("delivery_p99_ms", p99_ms(now.delivery, was->delivery)),
        LOG_U64("outbox_bytes", outbox_bytes), LOG_U64("store_waiting", store.write_waiting),
        LOG_F64("commit_ms", (double)store.commit_ns_last / 1e6), LOG_F64("cpu_s", p.cpu_s),
        LOG_U64("rss_bytes", p.rss_bytes), LOG_U64("fds", p.fds));
    o->perf_was = now;
}

static void tick(struct timer *t)
{
    struct ops *o = CONTAINER_OF(t, struct ops, tick);
    watch_store(o);
    alerts_tick(o);
    notices_tick(o);
    news_health(o);
    uint64_t perf_ns = loop_now_ns(o->loop) - o->perf_ns;
    if (perf_ns >= PERF_NS) {
        o->perf_ns = loop_now_ns(o->loop);
        write_perf(o, (double)perf_ns / 1e9);
    }
    timer_start(o->loop, &o->tick, TICK_MS);
}

uint64_t ops_connections(const struct ops *o)
{
    return o->shared == NULL ? 0
                             : atomic_load_explicit(&o->shared->connections, memory_order_relaxed);
}

void ops_start(struct ops *o, struct loop *loop)
{
    o->loop = loop;
    o->started_ns = loop_now_ns(loop);
    o->perf_ns = o->started_ns;
    o->tick.fire = tick;
    timer_start(loop, &o->tick, TICK_MS);
}

void ops_stop(struct ops *o) { timer_stop(o->loop, &o->tick); }
