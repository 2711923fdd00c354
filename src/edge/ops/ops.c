/* The process's clock of health: watches the store, writes `perf` lines. */
#include "edge/ops/ops.h"

#include "edge/ops/alerts.h"
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

static void write_perf(struct ops *o)
{
    struct process_facts p;
    uint64_t requests = 0, messages_in = 0, delivered = 0, ws = 0;
    process_read(&p);
    for (unsigned i = 0; i < o->edge_count; i++) {
        const struct net_stats *n = net_stats(o->edges[i]->net);
        requests += atomic_load_explicit(&n->requests, memory_order_relaxed);
        messages_in += atomic_load_explicit(&n->messages_in, memory_order_relaxed);
        ws += atomic_load_explicit(&n->open_ws, memory_order_relaxed);
        delivered += atomic_load_explicit(&hub_stats(o->edges[i]->hub)->delivered,
                                          memory_order_relaxed);
    }
    LOG(loop_log(o->loop), LOG_INFO, "perf", LOG_U64("connections", ops_connections(o)),
        LOG_U64("websockets", ws), LOG_U64("requests", requests),
        LOG_U64("messages_in", messages_in), LOG_U64("delivered", delivered),
        LOG_F64("cpu_s", p.cpu_s), LOG_U64("rss_bytes", p.rss_bytes), LOG_U64("fds", p.fds));
}

static void tick(struct timer *t)
{
    struct ops *o = CONTAINER_OF(t, struct ops, tick);
    watch_store(o);
    alerts_tick(o);
    if (loop_now_ns(o->loop) - o->perf_ns >= PERF_NS) {
        o->perf_ns = loop_now_ns(o->loop);
        write_perf(o);
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
