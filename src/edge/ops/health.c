/*
 * /health, /health/live and /health/ready (CONTRACT 7). A store that fails leaves the server
 * degraded, since live traffic goes on without it; unhealthy is who cannot serve at all.
 */
#include "domain/chat_file.h"
#include "domain/chat_robot.h"
#include "domain/receiver.h"
#include "edge/ops/alerts.h"
#include "edge/ops/ops.h"
#include "edge/ops/process.h"
#include "edge/rest/handlers.h"

#include <stdarg.h>
#include <stdio.h>

#define JSON_TYPE "application/json"
/* Of connections_max; above it the alert of CONTRACT 7. */
#define CONNECTIONS_WARN_PERCENT 80
#define DAY_S 86400

const char *health_name(enum health h)
{
    static const char *const names[] = {
        [HEALTH_GOOD] = "healthy", [HEALTH_DEGRADED] = "degraded", [HEALTH_BAD] = "unhealthy"};
    return names[h];
}

const char *health_part_name(enum health_part p)
{
    static const char *const names[HEALTH_PART_COUNT] = {
        [HEALTH_SERVER] = "server", [HEALTH_CONNECTIONS] = "connections", [HEALTH_STORE] = "store",
        [HEALTH_ROUTER] = "router", [HEALTH_AUTH] = "auth",               [HEALTH_TLS] = "tls",
        [HEALTH_WEBHOOK] = "webhook", [HEALTH_SCANNER] = "scanner",
        [HEALTH_ROBOTS] = "robots"};
    return names[p];
}

/* --- the components --- */

PRINTF_LIKE(4, 5)
static void set(struct health_report *r, enum health_part p, enum health status, const char *fmt,
                ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->parts[p].detail, HEALTH_DETAIL_MAX, fmt, args);
    va_end(args);
    r->parts[p].there = true;
    r->parts[p].status = status;
    r->all = status > r->all ? status : r->all;
}

static bool alerted(const struct ops *o, enum alert a)
{
    return atomic_load_explicit(&o->alerts[a], memory_order_relaxed);
}

static void server_part(struct health_report *r, const struct ops *o)
{
    bool draining = atomic_load_explicit(&o->draining, memory_order_relaxed);
    bool failing = alerted(o, ALERT_ERRORS);
    set(r, HEALTH_SERVER, draining || failing ? HEALTH_DEGRADED : HEALTH_GOOD, "%s",
        draining  ? "draining"
        : failing ? "more than 5 % of requests and messages are refused"
                  : "accepting");
}

static void router_part(struct health_report *r, const struct ops *o)
{
    bool late = alerted(o, ALERT_DELIVERY);
    set(r, HEALTH_ROUTER, late ? HEALTH_DEGRADED : HEALTH_GOOD, "%s",
        late ? "more than 1 % of deliveries take over 100 ms" : "delivering");
}

/* Known principals are served from memory; new ones need the store. */
static void auth_part(struct health_report *r, const struct ops *o, bool known_only)
{
    bool failing = alerted(o, ALERT_AUTH_FAILURES);
    set(r, HEALTH_AUTH, known_only || failing ? HEALTH_DEGRADED : HEALTH_GOOD, "%s",
        known_only ? "principals in memory only"
        : failing  ? "many credentials are refused"
                   : "working");
}

static void connections_part(struct health_report *r, const struct ops *o)
{
    uint64_t count = ops_connections(o);
    uint32_t max = atomic_load_explicit(&o->connections_max, memory_order_relaxed);
    enum health status = HEALTH_GOOD;
    if (max > 0 && count * 100 > (uint64_t)max * CONNECTIONS_WARN_PERCENT) {
        status = count >= max ? HEALTH_BAD : HEALTH_DEGRADED; /* nobody new gets in */
    }
    set(r, HEALTH_CONNECTIONS, status, "%llu of %u", (unsigned long long)count, max);
}

/* *stats is what the store says of itself; the answer for `auth` needs it too. */
static void store_part(struct health_report *r, const struct ops *o, struct store_stats *stats)
{
    if (o->store == NULL) {
        set(r, HEALTH_STORE, HEALTH_DEGRADED, "none");
        return;
    }
    o->store->stats(o->store, stats);
    set(r, HEALTH_STORE, stats->health == ERR_NONE ? HEALTH_GOOD : HEALTH_DEGRADED, "%s",
        stats->health == ERR_NONE ? "writable" : err_text(stats->health));
    r->parts[HEALTH_STORE].latency_ms = (double)stats->commit_ns_last / 1e6;
}

/* Only where TLS is spoken. */
static void tls_part(struct health_report *r, const struct edge *own)
{
    const struct tls_server *tls = net_tls_server(own->net);
    int64_t now_s = loop_wall_ms(own->loop) / 1000;
    if (tls == NULL) {
        return;
    }
    int64_t left_s = tls_server_ends_s(tls) - now_s;
    enum health status = alert_certificate(tls, now_s) ? HEALTH_DEGRADED : HEALTH_GOOD;
    if (left_s <= 0) {
        set(r, HEALTH_TLS, status, "a certificate has expired");
    } else {
        set(r, HEALTH_TLS, status, "certificates for %lld days", (long long)(left_s / DAY_S));
    }
}

static bool is_called(const struct receiver *r)
{
    return r == NULL || atomic_load_explicit(&receiver_state(r)->breaker,
                                             memory_order_relaxed) == BREAKER_CLOSED;
}

/* Only where applications' events are posted to somebody. */
static void webhook_part(struct health_report *r, const struct edge *own)
{
    const struct home *h = own->home;
    if (h == NULL || h->app_receiver == NULL ||
        (h->conf->app_receiver.url[0] == '\0' && h->conf->home_receiver.url[0] == '\0')) {
        return;
    }
    bool called = is_called(h->app_receiver) && is_called(h->home_receiver);
    set(r, HEALTH_WEBHOOK, called ? HEALTH_GOOD : HEALTH_DEGRADED, "%s",
        called ? "calling" : "spared after too many failures");
}

/* Held files wait, and live traffic goes on. */
static void scanner_part(struct health_report *r, const struct edge *own)
{
    struct chat_file_stats s;
    if (own->home == NULL || own->home->chat == NULL || own->home->files == NULL) {
        return;
    }
    chat_file_stats(own->home, &s);
    if (!s.scanning) {
        set(r, HEALTH_SCANNER, HEALTH_GOOD, "none: files are only sniffed");
    } else if (s.away) {
        set(r, HEALTH_SCANNER, HEALTH_DEGRADED, "away; %u files are held", s.held);
    } else {
        set(r, HEALTH_SCANNER, HEALTH_GOOD, "scanning; %u files are held", s.held);
    }
}

/* Only where chat has robots that are enabled. */
static void robots_part(struct health_report *r, const struct ops *o)
{
    unsigned all = 0, away = 0, spared = 0;
    for (unsigned i = 0; i < o->edge_count; i++) {
        struct chat_robot_stats s = {0};
        if (o->edges[i]->home != NULL) {
            chat_robot_stats(o->edges[i]->home, &s);
        }
        all += s.robots;
        away += s.away;
        spared += s.spared;
    }
    if (all > 0) {
        set(r, HEALTH_ROBOTS, away + spared > 0 ? HEALTH_DEGRADED : HEALTH_GOOD,
            "%u, of them %u without a socket, %u spared after too many failures", all, away,
            spared);
    }
}

void ops_health(const struct ops *o, const struct edge *own, struct health_report *out)
{
    struct store_stats stats = {0};
    *out = (struct health_report){.all = HEALTH_GOOD};
    server_part(out, o);
    connections_part(out, o);
    store_part(out, o, &stats);
    router_part(out, o);
    auth_part(out, o, stats.health != ERR_NONE);
    tls_part(out, own);
    webhook_part(out, own);
    scanner_part(out, own);
    robots_part(out, o);
}

double ops_memory_percent(void)
{
    struct process_facts p;
    process_read(&p);
    return p.memory_bytes == 0 ? 0 : (double)p.rss_bytes * 100 / (double)p.memory_bytes;
}

uint64_t ops_uptime_s(const struct ops *o, const struct edge *own)
{
    return (loop_now_ns(own->loop) - o->started_ns) / 1000000000;
}

/* --- the routes --- */

void rest_health(struct rest_call *c)
{
    const struct ops *o = c->edge->ops;
    struct health_report r;
    if (o == NULL) {
        rest_error(c, ERR_SERVER_ERROR, NULL);
        return;
    }
    ops_health(o, c->edge, &r);
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '{');
    json_member_string(&w, "status", span_str(health_name(r.all)));
    json_member_open(&w, "components", '{');
    for (unsigned p = 0; p < HEALTH_PART_COUNT; p++) {
        if (r.parts[p].there) {
            json_member_open(&w, health_part_name((enum health_part)p), '{');
            json_member_string(&w, "status", span_str(health_name(r.parts[p].status)));
            json_member_string(&w, "detail", span_str(r.parts[p].detail));
            json_member_double(&w, "latency_ms", r.parts[p].latency_ms);
            json_close(&w, '}');
        }
    }
    json_close(&w, '}');
    json_member_u64(&w, "uptime", ops_uptime_s(o, c->edge));
    /* Two decimals say enough. */
    json_member_double(&w, "memory_usage",
                       (double)(int64_t)(ops_memory_percent() * 100 + 0.5) / 100);
    json_close(&w, '}');
    rest_raw(c, r.all == HEALTH_BAD ? 503 : 200, JSON_TYPE, buf_span(&c->data));
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
