/*
 * Sessions whose transport is a WebSocket: each packet is a frame (engine.io-protocol, WebSocket).
 */
#include "edge/engineio/internal.h"

#include "base/mem.h"

/* Clients of revision 3 are written like its suite: they await the opening, and listen for packets
 * only then. So the open packet must not come in one piece with the 101, which two writes in a row
 * do not prevent (the reference fails its suite for it now and then). */
#define HOLD_MS 20

/* A binary frame of revision 3 begins with its packet's type (v3.md, Encoding). */
#define V3_MESSAGE 4

static void packet_from(struct eio *s, enum ws_opcode op, span payload)
{
    struct eio_packet p;
    if (op == WS_OP_BINARY) {
        if (s->v3 && (payload.len == 0 || payload.ptr[0] != V3_MESSAGE)) {
            session_violation(s, CLOSE_PROTOCOL, "packet");
            return;
        }
        span data = span_slice(payload, s->v3 ? 1 : 0, payload.len);
        p = (struct eio_packet){.type = EIO_MESSAGE, .binary = true, .data = data};
    } else if (!eio_packet_decode((uint8_t *)payload.ptr, payload.len, s->v3 ? EIO_V3 : EIO_V4,
                                  &p)) {
        session_violation(s, CLOSE_PROTOCOL, "packet");
        return;
    }
    session_packet(s, &p);
}

/* Before it carries the session, or afterwards: then nobody is there. */
static bool probes(const struct eio *s, const struct conn *c)
{
    return c != s->conn && s->polling->step != EIO_UPGRADED;
}

static void on_message(struct conn *c, enum ws_opcode op, span payload)
{
    struct eio *s = ws_user(c);
    if (s == NULL) {
        farewell_frame(edge_of(c)->engine, c, op, payload);
    } else if (probes(s, c)) {
        upgrade_message(s, op, payload);
    } else {
        packet_from(s, op, payload);
    }
}

static void on_writable(struct conn *c)
{
    struct eio *s = ws_user(c);
    if (s != NULL && !probes(s, c)) {
        edge_on_writable(s->conn);
        s->app->on_writable(s);
    }
}

static void on_close(struct conn *c, close_reason reason)
{
    struct eio *s = ws_user(c);
    if (reason == CLOSE_TOO_BIG) {
        eio_count_refused(edge_of(c), "too_big");
    }
    if (s == NULL) {
        return;
    }
    if (s->conn == c) {
        session_end(s, reason);
    } else {
        upgrade_closed(s, reason);
    }
}

void websocket_slot_init(struct engine *g, struct eio_slot *slot)
{
    slot->ws = (struct ws_wire){
        .name = slot->app->name,
        .limits = {.message_bytes_max = g->payload_bytes_max,
                   .fragments_max = g->edge->conf->ws_fragments_max},
        .deflate = true,
        .close_code_only = true, /* engine.io-client's suite wants 1009 without a text */
        .on_message = on_message,
        .on_writable = on_writable,
        .on_close = on_close,
    };
}

struct hold {
    struct eio_due due;
    struct conn_ref conn;
};

static void hold(struct engine *g, struct conn *c)
{
    struct hold *h = mem_calloc(1, sizeof *h);
    h->conn = conn_ref_of(c);
    ws_hold(c);
    beat_put(g, &g->holds, &h->due, HOLD_MS);
}

void websocket_release(struct engine *g, struct eio_due *d)
{
    struct hold *h = CONTAINER_OF(d, struct hold, due);
    struct conn *c = conn_find(g->edge->net, h->conn);
    if (c != NULL) {
        ws_release(c);
    }
    mem_free(h);
}

void websocket_deinit(struct engine *g)
{
    LIST_EACH(it, &g->holds) {
        mem_free(CONTAINER_OF(LIST_ITEM(it, struct eio_due, link), struct hold, due));
    }
}

void websocket_open(struct engine *g, struct rest_call *c, struct eio_slot *slot, bool v3)
{
    struct edge *e = g->edge;
    struct eio *s = session_new(g, slot, v3);
    s->conn = c->x->conn;
    s->format = v3 ? EIO_FORMAT_WS3 : EIO_FORMAT_WS;
    buf_clear(&g->early);
    if (!slot->app->on_open(s, &(struct eio_hello){.call = c, .origin = c->origin})) {
        session_free(s);
        eio_refuse(c, EIO_FORBIDDEN, "forbidden");
        return;
    }
    if (rest_upgrade(c, &slot->ws, s) == NULL) {
        slot->app->on_close(s, CLOSE_BAD_REQUEST);
        session_free(s);
        return;
    }
    if (v3) {
        hold(g, s->conn);
    }
    edge_join(e, s->conn, slot->app->wires[s->format], 0);
    session_begin(g, s);
    buf hello = {0};
    session_hello(g, s, &hello);
    session_control(s, EIO_OPEN, buf_span(&hello));
    buf_deinit(&hello);
    session_early(g, s);
}
