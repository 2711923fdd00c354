/*
 * /health, /health/live and /health/ready (CONTRACT 7). A store that fails leaves the server
 * degraded, since live traffic goes on without it; unhealthy is who cannot serve at all.
 */
#include "domain/receiver.h"
#include "edge/ops/alerts.h"
#include "edge/ops/ops.h"
#include "edge/ops/process.h"
#include "edge/rest/handlers.h"

#define JSON_TYPE "application/json"
/* Of connections_max; above it the alert of CONTRACT 7. */
#define CONNECTIONS_WARN_PERCENT 80
#define DAY_S 86400

enum health { HEALTHY, DEGRADED, UNHEALTHY };

static const char *const health_names[] = {"healthy", "degraded", "unhealthy"};

static enum health worse(enum health a, enum health b) { return a > b ? a : b; }

static enum health component(struct json_writer *w, const char *name, enum health status,
                             const char *detail, double latency_ms)
{
    json_member_open(w, name, '{');
    json_member_string(w, "status", span_str(health_names[status]));
    json_member_string(w, "detail", span_str(detail));
    json_member_double(w, "latency_ms", latency_ms);
    json_close(w, '}');
    return status;
}

static bool alerted(const struct ops *o, enum alert a)
{
    return atomic_load_explicit(&o->alerts[a], memory_order_relaxed);
}

static enum health server_component(struct json_writer *w, const struct ops *o)
{
    bool draining = atomic_load_explicit(&o->draining, memory_order_relaxed);
    bool failing = alerted(o, ALERT_ERRORS);
    return component(w, "server", draining || failing ? DEGRADED : HEALTHY,
                     draining  ? "draining"
                     : failing ? "more than 5 % of requests and messages are refused"
                               : "accepting",
                     0);
}

static enum health router_component(struct json_writer *w, const struct ops *o)
{
    bool late = alerted(o, ALERT_DELIVERY);
    return component(w, "router", late ? DEGRADED : HEALTHY,
                     late ? "more than 1 % of deliveries take over 100 ms" : "delivering", 0);
}

/* Known principals are served from memory; new ones need the store. */
static enum health auth_component(struct json_writer *w, const struct ops *o, bool known_only)
{
    bool failing = alerted(o, ALERT_AUTH_FAILURES);
    return component(w, "auth", known_only || failing ? DEGRADED : HEALTHY,
                     known_only ? "principals in memory only"
                     : failing  ? "many credentials are refused"
                                : "working",
                     0);
}

static enum health connections_component(struct json_writer *w, struct rest_call *c,
                                         const struct ops *o)
{
    uint64_t count = ops_connections(o);
    enum health status = HEALTHY;
    if (o->connections_max > 0 && count * 100 > (uint64_t)o->connections_max *
                                                    CONNECTIONS_WARN_PERCENT) {
        status = count >= o->connections_max ? UNHEALTHY : DEGRADED; /* nobody new gets in */
    }
    return component(w, "connections", status,
                     rest_printf(c, "%llu of %u", (unsigned long long)count, o->connections_max),
                     0);
}

/* *stats is what the store says of itself; the answer for `auth` needs it too. */
static enum health store_component(struct json_writer *w, const struct ops *o,
                                   struct store_stats *stats)
{
    if (o->store == NULL) {
        return component(w, "store", DEGRADED, "none", 0);
    }
    o->store->stats(o->store, stats);
    return component(w, "store", stats->health == ERR_NONE ? HEALTHY : DEGRADED,
                     stats->health == ERR_NONE ? "writable" : err_text(stats->health),
                     (double)stats->commit_ns_last / 1e6);
}

/* Only where TLS is spoken. */
static enum health tls_component(struct json_writer *w, struct rest_call *c)
{
    const struct tls_server *tls = net_tls_server(c->edge->net);
    int64_t now_s = loop_wall_ms(c->edge->loop) / 1000;
    if (tls == NULL) {
        return HEALTHY;
    }
    int64_t left_s = tls_server_ends_s(tls) - now_s;
    return component(w, "tls", alert_certificate(tls, now_s) ? DEGRADED : HEALTHY,
                     left_s <= 0 ? "a certificate has expired"
                                 : rest_printf(c, "certificates for %lld days",
                                               (long long)(left_s / DAY_S)),
                     0);
}

/* Only where applications' events are posted to somebody. */
static enum health webhook_component(struct json_writer *w, const struct rest_call *c)
{
    const struct home *h = c->edge->home;
    if (h == NULL || h->app_receiver == NULL || h->conf->app_receiver.url[0] == '\0') {
        return HEALTHY;
    }
    bool called = atomic_load_explicit(&receiver_state(h->app_receiver)->breaker,
                                       memory_order_relaxed) == BREAKER_CLOSED;
    return component(w, "webhook", called ? HEALTHY : DEGRADED,
                     called ? "calling" : "spared after too many failures", 0);
}

static double memory_percent(void)
{
    struct process_facts p;
    process_read(&p);
    if (p.memory_bytes == 0) {
        return 0;
    }
    double percent = (double)p.rss_bytes * 100 / (double)p.memory_bytes;
    return (double)(int64_t)(percent * 100 + 0.5) / 100; /* two decimals say enough */
}

void rest_health(struct rest_call *c)
{
    struct ops *o = c->edge->ops;
    struct store_stats stats = {0};
    if (o == NULL) {
        rest_error(c, ERR_SERVER_ERROR, NULL);
        return;
    }
    buf parts = {0};
    struct json_writer w = json_writer_of(&parts);
    json_open(&w, '{');
    enum health all = server_component(&w, o);
    all = worse(all, connections_component(&w, c, o));
    all = worse(all, store_component(&w, o, &stats));
    all = worse(all, router_component(&w, o));
    all = worse(all, auth_component(&w, o, stats.health != ERR_NONE));
    all = worse(all, tls_component(&w, c));
    all = worse(all, webhook_component(&w, c));
    json_close(&w, '}');

    w = json_writer_of(&c->data);
    json_open(&w, '{');
    json_member_string(&w, "status", span_str(health_names[all]));
    json_member_raw(&w, "components", buf_span(&parts));
    json_member_u64(&w, "uptime", (loop_now_ns(c->edge->loop) - o->started_ns) / 1000000000);
    json_member_double(&w, "memory_usage", memory_percent());
    json_close(&w, '}');
    buf_deinit(&parts);
    rest_raw(c, all == UNHEALTHY ? 503 : 200, JSON_TYPE, buf_span(&c->data));
}

void rest_health_live(struct rest_call *c)
{
    rest_raw(c, 200, JSON_TYPE, SPAN("{\"status\":\"live\"}"));
}

void rest_health_ready(struct rest_call *c)
{
    const struct ops *o = c->edge->ops;
    if (o == NULL) {
        rest_raw(c, 200, JSON_TYPE, SPAN("{\"status\":\"ready\"}"));
        return;
    }
    uint64_t bad_ns = atomic_load_explicit(&o->store_bad_ns, memory_order_relaxed);
    uint64_t now_ns = loop_now_ns(c->edge->loop);
    if (atomic_load_explicit(&o->draining, memory_order_relaxed)) {
        rest_raw(c, 503, JSON_TYPE, SPAN("{\"status\":\"draining\"}"));
    } else if (bad_ns != 0 && now_ns > bad_ns &&
               now_ns - bad_ns >= OPS_STORE_GRACE_MS * UINT64_C(1000000)) {
        rest_raw(c, 503, JSON_TYPE, SPAN("{\"status\":\"store failed\"}"));
    } else {
        rest_raw(c, 200, JSON_TYPE, SPAN("{\"status\":\"ready\"}"));
    }
}
