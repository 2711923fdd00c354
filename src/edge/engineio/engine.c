/*
 * From a request to its session: which app, which transport, which session, on which loop; or why
 * not, with the reference's codes and in its order.
 */
#include "edge/engineio/engine.h"

#include "base/mem.h"
#include "codec/http1/target.h"
#include "edge/engineio/internal.h"
#include "edge/rest/internal.h"

#include <limits.h>

/* Of the names that a preflight asks for; more are not told back. */
#define ASKED_HEADERS_BYTES_MAX 1024

const char *eio_transport(const struct eio *s)
{
    return s->format == EIO_FORMAT_POLL ? "polling" : "websocket";
}

/* --- refusals --- */

void eio_count_refused(struct edge *e, const char *why)
{
    stats_name(&e->stats.engineio_refused, why);
}

void eio_refuse(struct rest_call *c, enum eio_refusal code, const char *why)
{
    static const char *const texts[] = {
        [EIO_UNKNOWN_TRANSPORT] = "Transport unknown", [EIO_UNKNOWN_SID] = "Session ID unknown",
        [EIO_BAD_METHOD] = "Bad handshake method",     [EIO_BAD_REQUEST] = "Bad request",
        [EIO_FORBIDDEN] = "Forbidden",                 [EIO_BAD_VERSION] =
                                                           "Unsupported protocol version"};
    if (why != NULL) {
        eio_count_refused(c->edge, why);
        LOG(loop_log(c->edge->loop), LOG_DEBUG, "engineio.refused",
            LOG_U64("conn", conn_slot(c->x->conn)), LOG_STR("why", why));
    }
    if (c->x->req->upgrade_websocket) {
        http_close_after(c->x);
        rest_raw(c, 400, "text/plain; charset=UTF-8", span_str(texts[code]));
        return;
    }
    const char *body = rest_printf(c, "{\"code\":%d,\"message\":\"%s\"}", (int)code, texts[code]);
    rest_raw(c, code == EIO_FORBIDDEN ? 403 : 400, "application/json", span_str(body));
}

/* --- requests --- */

/* "/socket.io/" and what begins with it; "/socket.io" too, which clients with addTrailingSlash off
 * ask for. */
static struct eio_slot *slot_of(struct engine *g, span path)
{
    for (unsigned i = 0; i < g->slot_count; i++) {
        span own = span_str(g->slots[i].app->path);
        if (span_starts(path, own) || span_eq(path, span_slice(own, 0, own.len - 1))) {
            return &g->slots[i];
        }
    }
    return NULL;
}

static void handshake(struct engine *g, struct rest_call *c, struct eio_slot *slot, bool polling)
{
    span revision = rest_query(c, "EIO");
    bool v3 = span_eq(revision, SPAN("3")) && c->edge->conf->eio.v3;
    bool upgrade = c->x->req->upgrade_websocket;
    if (c->x->req->method != HTTP1_GET) {
        eio_refuse(c, EIO_BAD_METHOD, "method");
    } else if (polling == upgrade) {
        eio_refuse(c, EIO_BAD_REQUEST, "transport_mismatch");
    } else if (!v3 && !span_eq(revision, SPAN("4"))) {
        eio_refuse(c, EIO_BAD_VERSION, "version");
    } else if (polling && v3 && rest_query(c, "j").ptr != NULL) {
        eio_refuse(c, EIO_BAD_REQUEST, "jsonp"); /* a script: nothing that browsers still need */
    } else if (polling) {
        polling_open(g, c, slot, v3);
    } else {
        websocket_open(g, c, slot, v3);
    }
}

static void session_request(struct engine *g, struct rest_call *c, struct eio_slot *slot, span sid,
                            bool polling)
{
    unsigned owner = eio_owner(sid);
    bool upgrade = c->x->req->upgrade_websocket;
    struct eio *s = owner == loop_index(g->edge->loop) ? session_find(g, sid) : NULL;
    struct farewell *f = s == NULL && polling && !upgrade ? farewell_find(g, sid) : NULL;
    if (owner != loop_index(g->edge->loop) && owner < loop_count(g->edge->loop)) {
        rest_move(c, owner);
    } else if (f != NULL) {
        farewell_request(g, f, c);
    } else if (s == NULL || strcmp(s->app->path, slot->app->path) != 0) {
        eio_refuse(c, EIO_UNKNOWN_SID, "sid");
    } else if (!polling && upgrade) {
        upgrade_open(c, slot, s);
    } else if (!polling || upgrade || s->format != EIO_FORMAT_POLL) {
        eio_refuse(c, EIO_BAD_REQUEST, "transport_mismatch");
    } else {
        polling_request(s, c);
    }
}

/* What a preflight asks for, which is allowed here to who may come at all: clients have options for
 * fields of their own (extraHeaders). Empty when it is no list of names. */
static span asked_headers(const struct rest_call *c)
{
    span asked = http1_field(c->x->req, "Access-Control-Request-Headers");
    for (size_t i = 0; i < asked.len; i++) {
        uint8_t b = asked.ptr[i];
        bool name = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
                    b == '-' || b == '_' || b == ',' || b == ' ';
        if (!name) {
            return SPAN_NONE;
        }
    }
    return asked.len <= ASKED_HEADERS_BYTES_MAX ? asked : SPAN_NONE;
}

bool eio_request(struct rest_call *c)
{
    struct engine *g = c->edge->engine;
    const struct eio_conf *conf = &c->edge->conf->eio;
    struct eio_slot *slot = slot_of(g, c->x->path);
    if (slot == NULL) {
        return false;
    }
    beat_run(g);
    span transport = rest_query(c, "transport");
    span sid = rest_query(c, "sid");
    bool polling = span_eq(transport, SPAN("polling")) && !conf->no_polling;
    bool websocket = span_eq(transport, SPAN("websocket")) && !conf->no_websocket;
    if (c->x->req->method == HTTP1_OPTIONS) {
        rest_options(c, 1u << HTTP1_GET | 1u << HTTP1_POST, asked_headers(c));
    } else if (!polling && !websocket) {
        eio_refuse(c, EIO_UNKNOWN_TRANSPORT, "transport");
    } else if (sid.len > 0) {
        session_request(g, c, slot, sid, polling);
    } else {
        handshake(g, c, slot, polling);
    }
    return true;
}

/* --- too large for any route: net refuses it, on whatever loop it came to --- */

struct oversize {
    struct mail mail;
    struct engine *engine; /* of the session's loop */
    uint8_t sid[EIO_SID_LEN];
};

static void end_oversize(struct mail *m)
{
    struct oversize *o = CONTAINER_OF(m, struct oversize, mail);
    struct eio *s = session_find(o->engine, span_of(o->sid, EIO_SID_LEN));
    if (s != NULL && s->format == EIO_FORMAT_POLL) {
        session_violation(s, CLOSE_TOO_BIG, "too_big");
    }
    mem_free(o);
}

void eio_refused(struct http_exchange *x, unsigned status)
{
    struct edge *e = edge_of(x->conn);
    buf sid = {0};
    if (status != 413 || x->req->path.ptr == NULL || slot_of(e->engine, x->req->path) == NULL) {
        return;
    }
    (void)http1_query_get(x->req->query, SPAN("sid"), &sid);
    unsigned owner = eio_owner(buf_span(&sid));
    if (owner < loop_count(e->loop)) {
        struct oversize *o = mem_calloc(1, sizeof *o);
        o->mail.run = end_oversize;
        o->engine = e->peers[owner]->engine;
        memcpy(o->sid, sid.ptr, EIO_SID_LEN);
        loop_post(e->loop, owner, &o->mail);
    }
    buf_deinit(&sid);
}

/* --- one a loop --- */

void eio_init(struct edge *e)
{
    struct engine *g = mem_calloc(1, sizeof *g);
    e->engine = g;
    g->edge = e;
    g->payload_bytes_max = e->conf->eio.max_payload_bytes;
    beat_init(g);
    farewell_init(g);
}

void eio_deinit(struct edge *e)
{
    struct engine *g = e->engine;
    ASSERT(g->sessions.count == 0); /* the net is gone, and every session with it */
    farewell_deinit(g);
    websocket_deinit(g);
    beat_deinit(g);
    map_deinit(&g->sessions);
    buf_deinit(&g->early);
    mem_free(g);
    e->engine = NULL;
}

void eio_register(struct edge *e, const struct eio_app *app)
{
    struct engine *g = e->engine;
    ASSERT(g->slot_count < EIO_APPS_MAX);
    struct eio_slot *slot = &g->slots[g->slot_count++];
    slot->app = app;
    websocket_slot_init(g, slot);
    polling_slot_init(slot);
}
