/* A client's connection. */
#include "simulator/link.h"

#include "codec/json/write.h"

#include <stdio.h>
#include <string.h>

#define OPEN_MS 20000 /* connecting and handshakes together; a storm of them may take a while */
#define SOCKETIO_TARGET "/socket.io/?EIO=4&transport=websocket"
#define RAW_TARGET "/api/v1/devices/self/ws" /* the device that the key belongs to */
#define MESSAGE_BYTES_MAX 1048576
#define KEY_MAX 4096

static void on_message(struct conn *c, enum ws_opcode op, span payload);
static void on_open(struct conn *c);
static void on_close(struct conn *c, close_reason reason);

/* The server pings every 25 s, on either wire; three silent intervals mean that it is gone. */
static const struct ws_wire wire = {
    .name = "simulator",
    .limits = {.message_bytes_max = MESSAGE_BYTES_MAX, .fragments_max = 64},
    .idle_ms = 75000,
    .write_ms = 20000,
    .text_only = true,
    .on_message = on_message,
    .on_close = on_close,
    .on_open = on_open,
};

bool link_open(struct link *l)
{
    struct link_side *s = l->side;
    uint8_t entropy[20];
    uint32_t seed;
    char authorization[KEY_MAX + 8];
    ASSERT(l->state == LINK_IDLE);
    entropy_fill(s->entropy, entropy, sizeof entropy);
    memcpy(&seed, entropy + 16, sizeof seed);
    int len = snprintf(authorization, sizeof authorization, "Bearer %s", l->key);
    bool raw = s->wire == SIM_RAW;
    struct ws_client_conf conf = {
        .addr = (const struct sockaddr *)&s->addr,
        .addr_len = s->addr_len,
        .host = span_str(s->url->authority),
        .target = raw ? SPAN(RAW_TARGET) : SPAN(SOCKETIO_TARGET),
        .authorization = raw ? span_of(authorization, (size_t)len) : SPAN_NONE,
        .wire = &wire,
        .user = l,
        .tls = s->tls,
        .tls_host = s->url->host,
        .tls_literal = s->url->literal,
        .open_ms = OPEN_MS,
        .entropy = entropy,
        .mask_seed = seed,
    };
    l->told_code = 0;
    l->refused[0] = '\0';
    l->opened_ns = loop_now_ns(s->loop);
    l->conn = ws_connect(s->net, &conf);
    l->state = l->conn == NULL ? LINK_IDLE : LINK_OPENING;
    return l->conn != NULL;
}

void link_put(struct link *l, span text)
{
    ws_client_frame_append(l->conn, &l->side->out, WS_OP_TEXT, text);
}

void link_flush(struct link *l)
{
    buf *out = &l->side->out;
    struct iovec iov = {.iov_base = out->ptr, .iov_len = out->len};
    size_t sent = conn_send(l->conn, &iov, 1);
    conn_send_rest(l->conn, span_slice(buf_span(out), sent, out->len));
    buf_clear(out);
}

size_t link_waiting_bytes(const struct link *l)
{
    return conn_pending_bytes(l->conn);
}

void link_close(struct link *l, close_reason reason)
{
    if (l->state != LINK_IDLE) {
        conn_close(l->conn, reason);
    }
}

static void say(struct link *l, span text)
{
    link_put(l, text);
    link_flush(l);
}

static void on_open(struct conn *c)
{
    struct link *l = ws_user(c);
    l->state = LINK_JOINING;
}

static void say_connect(struct link *l)
{
    buf text = {0};
    buf_append_str(&text, "40{\"token\":");
    json_put_string(&text, span_str(l->key));
    buf_append_byte(&text, '}');
    say(l, buf_span(&text));
    buf_deinit(&text);
}

static void joining(struct link *l, const struct heard *h)
{
    if (h->kind == HEARD_OPEN) {
        say_connect(l);
    } else if (h->kind == HEARD_JOINED) {
        l->state = LINK_JOINED;
        l->ops->on_joined(l);
    } else if (h->kind == HEARD_REFUSED) {
        snprintf(l->refused, sizeof l->refused, "%s", h->code[0] == '\0' ? "refused" : h->code);
        link_close(l, CLOSE_NORMAL);
    }
}

static void on_message(struct conn *c, enum ws_opcode op, span payload)
{
    struct link *l = ws_user(c);
    struct heard h;
    (void)op;
    heard_read(l->side->wire, payload, &h);
    if (h.kind == HEARD_PING) {
        say(l, SPAN("3"));
    } else if (h.kind == HEARD_CLOSING) {
        l->told_code = h.close_code;
    } else if (h.kind == HEARD_BAD) {
        LOG(loop_log(l->side->loop), LOG_WARN, "simulator.bad_message",
            LOG_SPAN("text", span_slice(payload, 0, 200)));
        link_close(l, CLOSE_PROTOCOL);
    } else if (h.kind == HEARD_LEFT) {
        link_close(l, CLOSE_NORMAL);
    } else if (l->state == LINK_JOINING) {
        joining(l, &h);
    } else {
        l->ops->on_heard(l, &h);
    }
}

static void on_close(struct conn *c, close_reason reason)
{
    struct link *l = ws_user(c);
    int code = ws_client_close_code(c);
    const struct link_end end = {
        .reason = reason,
        .status = l->state == LINK_OPENING ? ws_client_status(c) : 0,
        .close_code = l->told_code != 0 ? l->told_code : code,
        .refused = l->refused[0] == '\0' ? NULL : l->refused,
    };
    l->state = LINK_IDLE;
    l->conn = NULL;
    l->ops->on_closed(l, &end);
}
