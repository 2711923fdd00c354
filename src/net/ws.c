/*
 * WebSocket sessions (RFC 6455) on connections, both roles: messages are put together here, pings
 * answered, closes agreed, time-outs kept. The bits are codec/ws; this file is the conversation.
 */
#include "net/ws.h"

#include "base/mem.h"
#include "codec/http1/response.h"
#include "codec/ws/handshake.h"
#include "loop/digest.h"
#include "net/internal.h"

#include <string.h>

/* Memory for inflating that a loop keeps between messages; a larger message's is given back. */
#define INFLATED_KEEP_BYTES (256u << 10)

static struct ws_parts *parts_of(struct conn *c)
{
    if (c->parts == NULL) {
        c->parts = mem_calloc(1, sizeof *c->parts);
    }
    return c->parts;
}

/* Nothing is kept between messages. */
static void parts_rest(struct conn *c)
{
    struct ws_parts *p = c->parts;
    if (p != NULL && p->message.len == 0 && p->held_len == 0 && p->early.len == 0 &&
        !ws_session_in_message(&p->session)) {
        buf_deinit(&p->message);
        buf_deinit(&p->early);
        mem_free(p);
        c->parts = NULL;
    }
}

void ws_ended(struct conn *c)
{
    if (c->parts != NULL) {
        buf_deinit(&c->parts->message);
        buf_deinit(&c->parts->early);
        mem_free(c->parts);
        c->parts = NULL;
    }
    NET_COUNT(c->net->stats.open_ws, -(uint64_t)1);
}

void ws_begin(struct conn *c, enum ws_role role, const struct ws_wire *wire, void *user)
{
    c->kind = CONN_WS;
    c->wire = net_wire(c->net, wire);
    c->user = user;
    c->parts = NULL;
    c->phase = HTTP_FRESH;
    c->seen = c->pinged = net_tick(c->net);
    if (role == WS_CLIENT) {
        c->flags |= CONN_MASKED;
    }
    struct ws_session session;
    ws_session_init(&session, role);
    c->ws = ws_session_rest(&session);
    NET_COUNT(c->net->stats.open_ws, 1);
    conn_interest(c);
}

void *ws_user(const struct conn *c) { return c->user; }
void ws_set_user(struct conn *c, void *user) { c->user = user; }
const struct ws_wire *ws_wire_of(const struct conn *c) { return conn_wire(c); }

void ws_hold(struct conn *c) { c->flags |= CONN_HELD; }

void ws_release(struct conn *c)
{
    if (c->flags & CONN_HELD) {
        c->flags &= (uint16_t)~CONN_HELD;
        conn_wire(c)->on_writable(c);
    }
}

void ws_frame_append(buf *out, enum ws_opcode op, span payload)
{
    uint8_t *at = buf_reserve(out, WS_HEAD_BYTES_MAX + payload.len);
    size_t head = ws_frame_encode_head(at, true, op, payload.len, NULL);
    if (payload.len > 0) {
        memcpy(at + head, payload.ptr, payload.len);
    }
    out->len += head + payload.len;
}

void ws_send(struct conn *c, enum ws_opcode op, span payload)
{
    if (c->kind != CONN_WS || c->state != CONN_OPEN) {
        return;
    }
    buf *b = &c->net->scratch;
    buf_clear(b);
    if (c->flags & CONN_MASKED) {
        ws_client_frame_append(c, b, op, payload);
    } else {
        ws_frame_append(b, op, payload);
        ws_deflate_frames(c->net, ws_deflate_kind_of(c), b, 0);
    }
    conn_queue(c, buf_span(b));
}

static void send_control(struct conn *c, enum ws_opcode op, span payload)
{
    uint8_t frame[WS_CONTROL_FRAME_BYTES_MAX];
    uint8_t key[4];
    bool masked = (c->flags & CONN_MASKED) != 0;
    if (masked) {
        client_mask_key(c, key);
    }
    size_t len = ws_control_encode(frame, op, payload, masked ? key : NULL);
    conn_queue(c, span_of(frame, len));
}

static void send_close(struct conn *c, int code, span text)
{
    uint8_t payload[WS_CONTROL_BYTES_MAX];
    size_t len = ws_close_encode((uint16_t)code, text, payload);
    send_control(c, WS_OP_CLOSE, span_of(payload, len));
}

/*
 * Tell the owner (whose last messages leave now), tell the peer, wait for its answer. `code` is
 * that of our close frame; 0: one without a code; negative: none, there is nobody to tell.
 */
static void session_end(struct conn *c, close_reason reason, int code, span text)
{
    c->state = CONN_CLOSING;
    c->pinged = net_tick(c->net);
    conn_wire(c)->on_close(c, reason);
    if (code < 0) {
        conn_kill(c);
        return;
    }
    send_close(c, code, text);
    /* Over: both close frames are on their way, or the peer's bytes make no sense any more
     * (7.1.7). After both, the server ends the TCP connection first (7.1.1). */
    bool masked = (c->flags & CONN_MASKED) != 0;
    if (ws_rest_is_over(c->ws) && !(masked && (c->flags & CONN_CLOSE_CAME))) {
        conn_end_after(c);
    } else {
        conn_interest(c);
    }
}

void ws_close(struct conn *c, close_reason reason)
{
    int code = close_code(reason);
    span text = conn_wire(c)->close_code_only ? SPAN_NONE : span_str(close_text(reason));
    session_end(c, reason, code == 0 ? -1 : code, text);
}

static close_reason reason_of_code(int code)
{
    switch (code) {
    case 1007:
        return CLOSE_BAD_UTF8;
    case 1008:
        return CLOSE_POLICY;
    case 1009:
        return CLOSE_TOO_BIG;
    default:
        return CLOSE_PROTOCOL;
    }
}

/* The peer closes: answer with its own code (5.5.1), then the server ends the connection. */
static void on_close_frame(struct conn *c, const struct ws_event *ev)
{
    bool first = (c->flags & CONN_CLOSE_CAME) == 0;
    c->flags |= CONN_CLOSE_CAME;
    if (c->flags & CONN_MASKED) {
        client_close_came(c, ev->code);
    }
    if (c->state == CONN_CLOSING) {
        if (first && !(c->flags & CONN_MASKED)) {
            conn_end_after(c);
        }
        return;
    }
    conn_log_close(c, CLOSE_PEER_CLOSED);
    session_end(c, CLOSE_PEER_CLOSED, ev->code == 1005 ? 0 : ev->code, SPAN_NONE);
}

static void deliver(struct conn *c, enum ws_opcode op, span payload)
{
    if (op == WS_OP_BINARY && conn_wire(c)->text_only) {
        conn_close(c, CLOSE_UNSUPPORTED);
        return;
    }
    NET_COUNT(c->net->stats.messages_in, 1);
    conn_wire(c)->on_message(c, op, payload);
}

/* The message is inflated into a buffer of the loop, which stays until the owner is done. */
static void deliver_compressed(struct conn *c, enum ws_opcode op, span payload)
{
    if (op == WS_OP_BINARY && conn_wire(c)->text_only) {
        conn_close(c, CLOSE_UNSUPPORTED);
        return;
    }
    struct net *n = c->net;
    buf whole = n->inflated;
    n->inflated = (buf){0};
    buf_clear(&whole);
    close_reason why;
    if (ws_inflate(c, op, payload, &whole, &why)) {
        deliver(c, op, buf_span(&whole));
    } else {
        conn_close(c, why);
    }
    if (whole.cap <= INFLATED_KEEP_BYTES && n->inflated.ptr == NULL) {
        n->inflated = whole;
    } else {
        buf_deinit(&whole);
    }
}

static void on_fragment(struct conn *c, const struct ws_event *ev)
{
    if (ev->opcode == WS_OP_BINARY && conn_wire(c)->text_only) {
        conn_close(c, CLOSE_UNSUPPORTED);
        return;
    }
    struct ws_parts *p = parts_of(c);
    buf_append_span(&p->message, ev->payload);
    if (ev->last) {
        buf whole = p->message;
        p->message = (buf){0};
        if (ev->compressed) {
            deliver_compressed(c, (enum ws_opcode)ev->opcode, buf_span(&whole));
        } else {
            deliver(c, (enum ws_opcode)ev->opcode, buf_span(&whole));
        }
        buf_deinit(&whole);
    }
}

/* A peer that pings and does not read costs a bounded queue; older pongs answer for later pings
 * well enough (5.5.3). */
static void send_pong(struct conn *c, span payload)
{
    if (c->out != NULL && c->out->control >= NET_CONTROL_BYTES_MAX) {
        return;
    }
    size_t before = conn_pending_bytes(c);
    send_control(c, WS_OP_PONG, payload);
    if (c->out != NULL) {
        c->out->control += (uint32_t)(conn_pending_bytes(c) - before);
    }
}

static void on_event(struct conn *c, const struct ws_event *ev)
{
    if (ev->type == WS_EVENT_CLOSE) {
        on_close_frame(c, ev);
        return;
    }
    if (c->state != CONN_OPEN) {
        return; /* after our close frame only the peer's matters */
    }
    switch (ev->type) {
    case WS_EVENT_MESSAGE:
        if (ev->compressed) {
            deliver_compressed(c, (enum ws_opcode)ev->opcode, ev->payload);
            break;
        }
        deliver(c, (enum ws_opcode)ev->opcode, ev->payload);
        break;
    case WS_EVENT_FRAGMENT:
        on_fragment(c, ev);
        break;
    case WS_EVENT_PING:
        send_pong(c, ev->payload);
        break;
    case WS_EVENT_PONG:
    case WS_EVENT_NONE:
    case WS_EVENT_CLOSE:
        break;
    }
}

static void feed_session(struct conn *c, struct ws_session *ws, uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && c->state != CONN_DEAD && !ws_session_is_over(ws)) {
        struct ws_event ev;
        ptrdiff_t used = ws_session_feed(ws, &conn_wire(c)->limits, bytes + at, len - at, &ev);
        c->ws = ws_session_rest(ws);
        if (used < 0) {
            LOG(loop_log(c->net->loop), LOG_INFO, "ws.violation", LOG_U64("conn", c->slot),
                LOG_STR("wire", conn_wire(c)->name), LOG_STR("rule", ev.why == NULL ? "" : ev.why));
            conn_close(c, reason_of_code((int)-used));
            return;
        }
        if (used == 0) {
            struct ws_parts *p = parts_of(c);
            ASSERT(len - at < sizeof p->held);
            memcpy(p->held, bytes + at, len - at);
            p->held_len = (uint32_t)(len - at);
            return;
        }
        at += (size_t)used;
        on_event(c, &ev);
    }
}

/* The session is woken for the bytes, and kept only inside a message. */
static void feed(struct conn *c, uint8_t *bytes, size_t len)
{
    struct ws_session ws;
    if (c->parts != NULL && ws_session_in_message(&c->parts->session)) {
        ws = c->parts->session;
    } else {
        ws_session_wake(&ws, c->ws);
    }
    feed_session(c, &ws, bytes, len);
    if (c->state != CONN_DEAD && (c->parts != NULL || ws_session_in_message(&ws))) {
        parts_of(c)->session = ws;
    }
}

/* Bytes kept from the last read go in front of the next one's. */
size_t ws_held(struct conn *c, uint8_t *out)
{
    ws_early(c);
    if (c->state == CONN_DEAD || c->kind != CONN_WS || c->parts == NULL) {
        return 0;
    }
    memcpy(out, c->parts->held, c->parts->held_len);
    return c->parts->held_len;
}

void ws_bytes(struct conn *c, uint8_t *bytes, size_t len)
{
    if (c->parts != NULL) {
        c->parts->held_len = 0;
    }
    feed(c, bytes, len);
    if (c->state != CONN_DEAD) {
        parts_rest(c);
    }
}

void ws_early(struct conn *c)
{
    if (c->parts == NULL || c->parts->early.len == 0) {
        return;
    }
    buf early = c->parts->early;
    c->parts->early = (buf){0};
    ws_bytes(c, early.ptr, early.len);
    buf_deinit(&early);
}

void ws_eof(struct conn *c)
{
    conn_close(c, CLOSE_PEER_GONE);
    conn_kill(c);
}

void ws_sweep(struct conn *c, uint32_t now_tick)
{
    const struct ws_wire *w = conn_wire(c);
    if (c->out != NULL && w->write_ms != 0 &&
        tick_age_ms(now_tick, c->out->since) >= w->write_ms) {
        conn_close(c, CLOSE_WRITE_TIMEOUT);
    } else if (w->idle_ms != 0 && tick_age_ms(now_tick, c->seen) >= w->idle_ms) {
        conn_close(c, CLOSE_TIMEOUT);
    } else if (w->ping_ms != 0 && tick_age_ms(now_tick, c->pinged) >= w->ping_ms) {
        c->pinged = now_tick;
        if (c->out == NULL) {
            send_control(c, WS_OP_PING, SPAN_NONE);
        }
    }
}

static void answer_refusal(struct http_exchange *x, int status, const char *why)
{
    http_close_after(x);
    if (status == 426) {
        http_header(x, "Sec-WebSocket-Version", SPAN("13"));
        http_header(x, "Upgrade", SPAN("websocket"));
    }
    x->conn->net->http->on_refused(x, status, why);
}

struct conn *ws_upgrade(struct http_exchange *x, const struct ws_wire *wire, void *user,
                        span subprotocol)
{
    struct conn *c = x->conn;
    struct net *n = c->net;
    /* upgrade_websocket has read all lines of both fields. */
    struct ws_handshake h = {.upgrade = x->req->upgrade_websocket ? SPAN("websocket") : SPAN_NONE,
                             .connection = SPAN("Upgrade"),
                             .key = http1_field(x->req, "Sec-WebSocket-Key"),
                             .version = http1_field(x->req, "Sec-WebSocket-Version")};
    int rc = ws_handshake_check(&h);
    bool doubled = http1_field_count(x->req, "Sec-WebSocket-Key") > 1 ||
                   http1_field_count(x->req, "Sec-WebSocket-Version") > 1;
    if (x->req->method != HTTP1_GET || rc != 0 || doubled ||
        x->body.len > 0) {
        answer_refusal(x, rc == WS_HANDSHAKE_E_VERSION ? 426 : 400,
                       "not a WebSocket version 13 handshake");
        return NULL;
    }
    struct ws_deflate_agreed agreed;
    if (ws_offers_read(x, wire, &agreed) < 0) {
        answer_refusal(x, 400, "malformed Sec-WebSocket-Extensions");
        return NULL;
    }
    char accept[WS_ACCEPT_LEN];
    ws_accept_make(h.key, digest_sha1, accept);
    buf *head = &n->scratch;
    buf_clear(head);
    http1_response_begin(head, 101, -1);
    http1_put_str(head, "Upgrade", "websocket");
    http1_put_str(head, "Connection", "Upgrade");
    http1_put(head, SPAN("Sec-WebSocket-Accept"), span_of(accept, WS_ACCEPT_LEN));
    if (subprotocol.len > 0) {
        http1_put(head, SPAN("Sec-WebSocket-Protocol"), subprotocol);
    }
    if (agreed.kind != WS_DEFLATE_NONE) {
        buf answer = {0};
        ws_deflate_answer(&agreed, &answer);
        http1_put(head, SPAN("Sec-WebSocket-Extensions"), buf_span(&answer));
        buf_deinit(&answer);
    }
    http1_head_end(head, HTTP1_NO_BODY, 0);
    x->answered = true;

    buf rest = {0};
    http_detach(c, &rest);
    ws_begin(c, WS_SERVER, wire, user);
    if (agreed.kind != WS_DEFLATE_NONE) {
        struct ws_session session;
        ws_session_wake(&session, c->ws);
        ws_session_allow_deflate(&session);
        c->ws = ws_session_rest(&session);
        c->flags |= agreed.kind == WS_DEFLATE_SMALL ? CONN_SMALL_WINDOW : 0;
    }
    conn_queue(c, buf_span(head));
    if (rest.len > 0) {
        parts_of(c)->early = rest;
        c->flags |= CONN_NOTIFY; /* writable at once: the next turn reads it */
        conn_interest(c);
    }
    return c;
}
