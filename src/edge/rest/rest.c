/*
 * The way of a request through the rules to its handler, in the order of rest.h.
 */
#include "edge/rest/rest.h"

#include "base/mem.h"
#include "edge/conformance/conformance.h"
#include "edge/engineio/engine.h"
#include "edge/forwarded.h"
#include "edge/rest/handlers.h"
#include "edge/rest/internal.h"
#include "edge/rest/match.h"
#include "hub/ratelimit.h"
#include "net/front.h"
#include "net/move.h"

/* CONTRACT 7: 50 a second, burst 100, each principal. Counted on each loop by itself, so one who
 * spreads over all loops gets as much on each. */
static const struct bucket_rule rest_rule = {.count = 50, .period_ms = 1000, .burst = 100};
/* Principals remembered at a time; the one seen longest ago gets a full bucket again. */
#define LIMIT_PRINCIPALS_MAX 10000
/* How long a browser may keep the answer to a preflight. */
#define PREFLIGHT_S "600"

static void (*const handlers[ROUTE_COUNT])(struct rest_call *c) = {
#define R(name, method, pattern, access, limit, body, text) [ROUTE_##name] = rest_##name,
#include "tables/routes.def"
#undef R
};

/* --- a call's life --- */

/* A peer's own id is taken when it can stand in logs and fields as it is. */
static bool request_id_taken(struct rest_call *c)
{
    span id = http1_field(c->x->req, "X-Request-Id");
    if (id.len == 0 || id.len > REST_REQUEST_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        uint8_t b = id.ptr[i];
        bool plain = (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') ||
                     b == '-' || b == '_' || b == '.';
        if (!plain) {
            return false;
        }
    }
    memcpy(c->request_id, id.ptr, id.len);
    return true;
}

struct rest_call *call_new(struct http_exchange *x)
{
    struct rest_call *c = mem_calloc(1, sizeof *c);
    c->x = x;
    c->edge = edge_of(x->conn);
    c->route_index = ROUTE_COUNT;
    c->query = x->req->query;
    x->user = c;
    if (!request_id_taken(c)) {
        uuid_format(home_new_id(c->edge->home), c->request_id);
    }
    return c;
}

void rest_later(struct rest_call *c)
{
    ASSERT(!c->later);
    c->later = true;
}

void rest_wait(struct rest_call *c, void (*on_abandoned)(struct rest_call *c), void *user)
{
    ASSERT(c->x != NULL);
    rest_later(c);
    c->waited = true;
    c->on_abandoned = on_abandoned;
    c->user = user;
    http_watch(c->x);
}

struct rest_call *rest_resume(struct rest_call *c)
{
    ASSERT(c->later);
    c->later = false;
    c->on_abandoned = NULL;
    if (c->x == NULL) {
        call_free(c);
        return NULL;
    }
    return c;
}

void rest_move(struct rest_call *c, unsigned loop)
{
    struct http_exchange *x = c->x;
    call_free(c);
    http_move(x, loop);
}

void rest_body_next(struct rest_call *c,
                    void (*on_piece)(struct rest_call *c, span piece, enum http_piece what),
                    void (*on_abandoned)(struct rest_call *c))
{
    ASSERT(c->x != NULL && !c->later);
    c->later = true;
    c->waited = true;
    c->on_piece = on_piece;
    c->on_abandoned = on_abandoned;
    http_body_next(c->x);
}

static void on_piece(struct http_exchange *x, span piece, enum http_piece what)
{
    struct rest_call *c = x->user;
    ASSERT(c != NULL && c->later);
    c->later = false;
    c->on_abandoned = NULL;
    c->on_piece(c, piece, what);
}

/* Asked before the rules: whoever may not send is answered before a byte is asked for. */
static uint64_t streams(const struct http_exchange *x)
{
    struct route_params p;
    unsigned allowed;
    const struct edge *e = edge_of(x->conn);
    enum route r = route_find(x->req->method, x->path, &p, &allowed);
    if (e->home == NULL || r == ROUTE_COUNT || route_row(r)->body != BODY_STREAM) {
        return 0;
    }
    return e->home->conf->chat_file_bytes_max;
}

static void on_writable(struct http_exchange *x)
{
    struct rest_call *c = x->user;
    c->on_writable(c);
}

struct grant *rest_take_grant(struct rest_call *c)
{
    struct grant *g = c->grant;
    c->grant = NULL;
    return g;
}

/* --- the rules in their order --- */

static bool within_limit(struct rest_call *c, uint32_t *retry_after_ms)
{
    struct edge *e = c->edge;
    if (c->route->limit == LIMIT_FREE || c->grant == NULL || e->conf->conformance) {
        return true;
    }
    if (e->rest_limiter == NULL) {
        e->rest_limiter = limiter_new(&rest_rule, LIMIT_PRINCIPALS_MAX);
    }
    return limiter_take(e->rest_limiter, span_of(&c->grant->principal, sizeof(uuid)),
                        loop_now_ms(e->loop), retry_after_ms);
}

static void admitted(struct rest_call *c)
{
    uint32_t retry_after_ms = 0;
    const char *detail = NULL;
    err refusal = permission_check(c);
    if (refusal != ERR_NONE) {
        rest_error(c, refusal, NULL);
        return;
    }
    if (!within_limit(c, &retry_after_ms)) {
        stats_name(&c->edge->stats.rate_limited, "rest");
        rest_retry_later(c, ERR_RATE_LIMIT_EXCEEDED, retry_after_ms);
        return;
    }
    refusal = body_read(c, &detail);
    if (refusal != ERR_NONE) {
        rest_error(c, refusal, detail);
        return;
    }
    handlers[c->route_index](c);
}

/* OPTIONS: of a browser before a request to another origin, or of a person. */
#define API_HEADERS                                                                                \
    "Authorization, Content-Range, Content-Type, Idempotency-Key, If-Match, If-None-Match, "       \
    "If-Range, Range, X-Request-Id"

void rest_options(struct rest_call *c, unsigned allowed, span headers)
{
    char text[64];
    route_allow(allowed, text);
    rest_header(c, "Allow", span_str(text));
    if (c->origin != ORIGIN_ABSENT &&
        http1_field(c->x->req, "Access-Control-Request-Method").ptr != NULL) {
        rest_header(c, "Access-Control-Allow-Methods", span_str(text));
        rest_header(c, "Access-Control-Allow-Headers",
                    headers.len > 0 ? headers : SPAN(API_HEADERS));
        rest_header(c, "Access-Control-Max-Age", SPAN(PREFLIGHT_S));
    }
    rest_no_content(c);
}

static void find_handler(struct rest_call *c)
{
    struct route_params p;
    unsigned allowed;
    enum http1_method method = c->x->req->method;
    c->route_index = route_find(method, c->x->path, &p, &allowed);
    if (method == HTTP1_OPTIONS && span_eq(c->x->path, SPAN("*"))) {
        rest_options(c, (1u << HTTP1_METHOD_COUNT) - 1 - (1u << HTTP1_OPTIONS),
                     SPAN_NONE);
    } else if (method == HTTP1_OPTIONS && allowed != 0) {
        rest_options(c, allowed, SPAN_NONE);
    } else if (c->route_index == ROUTE_COUNT && allowed == 0) {
        rest_error(c, ERR_NOT_FOUND, NULL);
    } else if (c->route_index == ROUTE_COUNT) {
        char text[64];
        route_allow(allowed, text);
        rest_header(c, "Allow", span_str(text));
        rest_error(c, ERR_METHOD_NOT_ALLOWED, NULL);
    } else {
        c->route = route_row(c->route_index);
        c->uuid_count = p.uuid_count;
        memcpy(c->uuids, p.uuids, sizeof c->uuids);
        c->int_count = p.int_count;
        memcpy(c->ints, p.ints, sizeof c->ints);
        c->text_count = p.text_count;
        memcpy(c->texts, p.texts, sizeof c->texts);
        c->rest = p.rest;
        authenticate(c, admitted);
    }
}

/* What a handshake over the limit of its address waits before it tries again. */
#define ADDRESS_RETRY_MS 1000

/* Who asks, when a trusted proxy does the asking; false when a limit of the client's address has
 * been answered. */
static bool take_forwarded(struct rest_call *c, struct forwarded *f)
{
    struct conn *conn = c->x->conn;
    forwarded_read(c->x->req, &net_limits(c->edge->net)->trusted, f);
    if (!f->has_client) {
        front_client_none(conn);
        return true;
    }
    const char *limit = front_client(conn, &f->client);
    if (limit == NULL) {
        return true;
    }
    stats_name(&c->edge->stats.rate_limited, limit);
    rest_retry_later(c, ERR_RATE_LIMIT_EXCEEDED, ADDRESS_RETRY_MS);
    return false;
}

static enum access_scheme scheme_of(const struct conn *conn, const struct forwarded *f)
{
    if (f->scheme != SCHEME_UNTOLD) {
        return f->scheme;
    }
    switch (front_tls(conn)) {
    case FRONT_TLS_UNTOLD:
        break;
    case FRONT_TLS_NO:
        return conn_is_secure(conn) ? SCHEME_HTTPS : SCHEME_HTTP;
    case FRONT_TLS_YES:
        return SCHEME_HTTPS;
    }
    return conn_is_secure(conn) ? SCHEME_HTTPS : SCHEME_UNTOLD;
}

static void on_request(struct http_exchange *x)
{
    const struct edge_conf *conf = edge_of(x->conn)->conf;
    struct sockaddr_storage local = {0};
    struct forwarded f = {0};
    if (conf->conformance && conformance_request(x)) {
        return;
    }
    struct rest_call *c = call_new(x);
    if (front_fields_count(x->conn) && !take_forwarded(c, &f)) {
        return;
    }
    const struct access_site site = {.public_hosts = conf->public_hosts,
                                     .allowed_origins = conf->allowed_origins,
                                     .local = &local,
                                     .scheme = scheme_of(x->conn, &f),
                                     .forwarded_host = f.host};
    c->secure = site.scheme == SCHEME_HTTPS;
    /* Without a Host, as HTTP/1.0 allows, nobody is a browser: checkers of load balancers. */
    if (!conn_local(x->conn, &local) ||
        (x->req->host.ptr != NULL && !host_admitted(&site, x->req->host)) ||
        (f.host.ptr != NULL && !host_admitted(&site, f.host))) {
        rest_error(c, ERR_ORIGIN_REFUSED, "this Host is not one of the server's");
        return;
    }
    c->origin = origin_judge(&site, x->req);
    if (c->origin == ORIGIN_REFUSED) {
        rest_error(c, ERR_ORIGIN_REFUSED, "this Origin is not allowed");
        return;
    }
    if (!eio_request(c)) {
        find_handler(c);
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    eio_refused(x, (unsigned)status);
    answer_refused(x, (unsigned)status, why);
}

static void on_abandoned(struct http_exchange *x)
{
    struct rest_call *c = x->user;
    if (c != NULL) {
        ASSERT(c->later); /* a handler answers or waits before it returns */
        c->x = NULL;
        if (c->on_abandoned != NULL) {
            c->on_abandoned(c);
            call_free(c);
        }
    }
}

struct conn *rest_upgrade(struct rest_call *c, const struct ws_wire *wire, void *user)
{
    if (!c->x->req->upgrade_websocket) {
        rest_header(c, "Upgrade", SPAN("websocket"));
        rest_header(c, "Sec-WebSocket-Version", SPAN("13"));
        rest_error(c, ERR_UPGRADE_REQUIRED, NULL);
        return NULL;
    }
    span subprotocol = c->bearer_subprotocol ? SPAN("bearer") : SPAN_NONE;
    uint64_t us = answer_elapsed_us(c);
    struct conn *conn = ws_upgrade(c->x, wire, user, subprotocol);
    if (conn == NULL) {
        return NULL; /* on_refused has answered with the call */
    }
    stats_add(&c->edge->stats.requests[c->route_index][1], 1);
    stats_time(&c->edge->stats.setup_times, us);
    call_free(c);
    return conn;
}

const struct http_handler rest_handler = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_abandoned = on_abandoned,
    .streams = streams,
    .on_piece = on_piece,
    .on_writable = on_writable,
};
