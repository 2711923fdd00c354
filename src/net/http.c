/*
 * HTTP/1.1 server session (RFC 9112): bytes to requests, answers to bytes.
 *
 *   FRESH/IDLE --first byte--> HEAD --whole head--> BODY --whole body--> HANDLER --answer--> IDLE
 *                              a streamed body: HANDLER --http_body_next--> PULL --> HANDLER
 *        any --refused, Connection: close--> LINGER (half-closed, reading until the peer ends)
 *
 * What the peer sends ahead stays in `in` (or in the kernel while a handler works or an answer
 * waits for a full socket), so pipelined requests cost one buffer and are answered in order.
 */
#include "net/http.h"

#include "base/mem.h"
#include "codec/http1/response.h"
#include "codec/http1/target.h"
#include "loop/addr.h"
#include "net/internal.h"

#include <string.h>

/* Requests of one connection answered in a row; then the others have their turn. */
#define REQUESTS_MAX 64

static struct http_session *session_of(struct conn *c)
{
    if (c->http == NULL) {
        c->http = mem_calloc(1, sizeof *c->http);
    }
    return c->http;
}

static void exchange_free(struct http_exchange *x)
{
    arena_reset(&x->arena);
    buf_deinit(&x->head);
    buf_deinit(&x->body_bytes);
    buf_deinit(&x->extra);
    mem_free(x->req);
    mem_free(x);
}

static void session_free(struct conn *c)
{
    struct http_session *s = c->http;
    c->http = NULL;
    if (s != NULL) {
        if (s->x != NULL) {
            exchange_free(s->x);
        }
        buf_deinit(&s->in);
        mem_free(s);
    }
}

void http_ended(struct conn *c)
{
    struct http_session *s = c->http;
    if (s == NULL) {
        return;
    }
    bool waits = s->x != NULL && (c->phase == HTTP_HANDLER || c->phase == HTTP_PULL) &&
                 (!s->x->answered || s->x->sending);
    c->phase = HTTP_LINGER; /* whatever comes now: the handler hears of it once */
    if (waits && c->net->http->on_abandoned != NULL) {
        c->net->http->on_abandoned(s->x);
    }
    if (s->pumping) {
        return; /* http_pump frees it on its way out */
    }
    session_free(c);
}

void http_set_phase(struct conn *c, enum http_phase phase)
{
    c->flags &= (uint16_t)~CONN_WATCHED;
    c->phase = (uint8_t)phase;
    c->seen = net_tick(c->net);
    conn_interest(c);
}

static struct http_exchange *exchange_new(struct conn *c)
{
    struct http_exchange *x = mem_calloc(1, sizeof *x);
    x->conn = c;
    x->req = mem_calloc(1, sizeof *x->req);
    x->started_ns = loop_now_ns(c->net->loop);
    return x;
}

struct http_exchange *http_find(struct net *n, struct conn_ref ref)
{
    struct conn *c = conn_find(n, ref);
    if (c == NULL || c->kind != CONN_HTTP || c->http == NULL ||
        (c->phase != HTTP_HANDLER && c->phase != HTTP_PULL)) {
        return NULL;
    }
    return c->http->x;
}

void http_header(struct http_exchange *x, const char *name, span value)
{
    http1_put(&x->extra, span_str(name), value);
}

void http_watch(struct http_exchange *x)
{
    struct conn *c = x->conn;
    ASSERT(!x->answered && c->phase == HTTP_HANDLER);
    c->flags |= CONN_WATCHED;
    if (c->flags & CONN_PEER_DONE) {
        c->flags |= CONN_NOTIFY; /* known already: http_resume follows, in a turn of its own */
    }
    conn_interest(c);
}

void http_close_after(struct http_exchange *x) { x->close_after = true; }

/* Head and body in one write; what the socket does not take is kept by the connection. */
static void send_answer(struct conn *c, span head, span body)
{
    struct iovec iov[2] = {{.iov_base = (void *)head.ptr, .iov_len = head.len},
                           {.iov_base = (void *)body.ptr, .iov_len = body.len}};
    size_t sent = conn_send(c, iov, body.len == 0 ? 1 : 2);
    if (sent < head.len) {
        conn_send_rest(c, span_slice(head, sent, head.len));
        conn_send_rest(c, body);
    } else if (sent < head.len + body.len) {
        conn_send_rest(c, span_slice(body, sent - head.len, body.len));
    }
}

static bool has_no_body(unsigned status) { return status == 204 || status == 304 || status < 200; }

void http_answer_head(struct http_exchange *x, unsigned status, const char *content_type,
                      uint64_t body_bytes)
{
    struct net *n = x->conn->net;
    bool unread = x->streamed && !http1_body_done(&x->conn->http->body);
    bool bodiless = has_no_body(status);
    x->keep = x->req->keep_alive && !x->close_after && !n->draining && status != 408 && !unread;

    buf *head = &n->scratch;
    buf_clear(head);
    http1_response_begin(head, status, loop_wall_ms(n->loop));
    buf_append_span(head, buf_span(&x->extra));
    if (content_type != NULL && !bodiless) {
        http1_put_str(head, "Content-Type", content_type);
    }
    if (!x->keep) {
        http1_put_str(head, "Connection", "close");
    } else if (x->req->minor == 0) {
        http1_put_str(head, "Connection", "keep-alive");
    }
    http1_head_end(head, bodiless || x->endless ? HTTP1_NO_BODY : HTTP1_LENGTH, body_bytes);
}

void http_answered(struct http_exchange *x)
{
    struct conn *c = x->conn;
    struct http_session *s = c->http;
    bool pumping = s->pumping, keep = x->keep;
    exchange_free(x);
    s->x = NULL;
    if (!keep) {
        conn_log_close(c, CLOSE_HTTP_DONE);
        if (!pumping) {
            session_free(c);
        }
        conn_end_after(c);
        return;
    }
    front_rest(c);
    http_set_phase(c, HTTP_IDLE);
    if (!pumping) {
        http_pump(c);
    }
}

void http_respond(struct http_exchange *x, unsigned status, const char *content_type, span body)
{
    struct conn *c = x->conn;
    ASSERT(!x->answered && c->http != NULL && c->http->x == x);
    x->answered = true;
    if (c->state != CONN_OPEN) {
        return; /* the handler has closed it; http_pump frees the session */
    }
    http_answer_head(x, status, content_type, body.len);
    bool no_body = has_no_body(status) || x->req->method == HTTP1_HEAD;
    send_answer(c, buf_span(&c->net->scratch), no_body ? SPAN_NONE : body);
    http_answered(x);
}

void http_refuse(struct conn *c, int status, const char *why, close_reason reason)
{
    struct http_session *s = session_of(c);
    if (s->x == NULL) {
        s->x = exchange_new(c);
        s->x->req->path = SPAN("/");
        s->x->req->method_text = SPAN("GET");
    }
    s->x->close_after = true;
    s->x->req->keep_alive = false;
    c->phase = HTTP_HANDLER;
    struct sockaddr_storage peer;
    char text[ADDR_TEXT_MAX] = "";
    if (conn_peer(c, &peer)) {
        addr_format(&peer, text);
    }
    LOG(loop_log(c->net->loop), LOG_INFO, "http.refused", LOG_U64("conn", c->slot),
        LOG_I64("status", status), LOG_STR("why", why), LOG_STR("reason", close_label(reason)),
        LOG_STR("peer", text));
    NET_COUNT(c->net->stats.closed[reason], 1);
    if (s->x->streamed) { /* the handler has it already */
        s->x->refused_status = status;
        s->x->refused_why = why;
        c->net->http->on_piece(s->x, SPAN_NONE, HTTP_PIECE_BROKEN);
        return;
    }
    c->net->http->on_refused(s->x, status, why);
}

/*
 * The head is whole: `len` bytes at in[at]. When the body is still to come, the head is copied
 * out of the way, for the input may move while it grows.
 */
static bool begin_request(struct conn *c, int len)
{
    struct http_session *s = c->http;
    struct http_exchange *x = s->x;
    const struct net_limits *lim = c->net->limits;
    buf path = {0};
    if (!http1_path_normalize(x->req->path, &path) && !span_eq(x->req->path, SPAN("*"))) {
        buf_deinit(&path);
        http_refuse(c, 400, "the path cannot be normalised", CLOSE_BAD_REQUEST);
        return false;
    }
    x->path = path.len == 0 ? SPAN("*") : arena_dup(&x->arena, buf_span(&path));
    buf_deinit(&path);
    const struct http_handler *h = c->net->http;
    bool has_body = http1_request_has_body(x->req);
    uint64_t streams = has_body && h->streams != NULL ? h->streams(x) : 0;
    int rc = http1_body_init(&s->body, x->req->content_length, x->req->chunked,
                             streams > 0 ? streams : lim->http_body_bytes_max);
    if (rc < 0) {
        http_refuse(c, http1_error_status(rc), http1_error_text(rc), CLOSE_BAD_REQUEST);
        return false;
    }
    x->streamed = streams > 0;
    if (has_body) {
        struct http1_limits hl = HTTP1_LIMITS_DEFAULT;
        hl.head_bytes_max = lim->http_header_bytes_max;
        buf_append(&x->head, s->in.ptr + s->at, (size_t)len);
        struct http1_scan scan = {0};
        int again = http1_request_parse(buf_span(&x->head), &hl, &scan, x->req);
        ASSERT(again == len);
        if (!x->streamed && x->req->expect_continue && s->in.len - s->at == (size_t)len) {
            conn_queue(c, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
        }
    }
    s->at += (size_t)len;
    http_set_phase(c, HTTP_BODY);
    return true;
}

/* False when more bytes are needed or the connection is done for. */
static bool read_head(struct conn *c)
{
    struct http_session *s = c->http;
    struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    lim.head_bytes_max = c->net->limits->http_header_bytes_max;
    if (c->phase != HTTP_HEAD) {
        http_set_phase(c, HTTP_HEAD);
    }
    if (s->x == NULL) {
        s->x = exchange_new(c);
    }
    span rest = span_of(s->in.ptr + s->at, s->in.len - s->at);
    int len = http1_request_parse(rest, &lim, &s->scan, s->x->req);
    if (len == 0) {
        return false;
    }
    if (len < 0) {
        memset(s->x->req, 0, sizeof *s->x->req);
        s->x->req->path = SPAN("/");
        http_refuse(c, http1_error_status(len), http1_error_text(len), CLOSE_BAD_REQUEST);
        return false;
    }
    s->x->started_ns = loop_now_ns(c->net->loop);
    return begin_request(c, len);
}

static bool read_body(struct conn *c)
{
    struct http_session *s = c->http;
    while (!http1_body_done(&s->body)) {
        span piece = SPAN_NONE;
        size_t used = 0;
        span rest = span_of(s->in.ptr + s->at, s->in.len - s->at);
        int rc = http1_body_feed(&s->body, rest, &piece, &used);
        if (rc < 0) {
            http_refuse(c, http1_error_status(rc), http1_error_text(rc), CLOSE_BAD_REQUEST);
            return false;
        }
        buf_append_span(&s->x->body_bytes, piece);
        s->at += used;
        if (rc == 0 && s->at == s->in.len) {
            return false;
        }
    }
    return true;
}

static void give_to_handler(struct conn *c)
{
    struct http_exchange *x = c->http->x;
    x->body = buf_span(&x->body_bytes);
    http_set_phase(c, HTTP_HANDLER);
    NET_COUNT(c->net->stats.requests, 1);
    c->net->http->on_request(x);
}

/* Drops what was consumed, once it is worth the move. Without a body a request's spans point into
 * the input, which then has to stay. */
static void compact(struct http_session *s)
{
    bool fixed = s->x != NULL && s->x->head.len == 0;
    if (!fixed && s->at >= s->in.len - s->at) {
        buf_consume(&s->in, s->at);
        s->at = 0;
    }
}

/* The peer sends no more and nothing of its is left to answer, or it is not waited for. */
static void end_if_done(struct conn *c)
{
    if ((c->flags & CONN_PEER_DONE) && c->state == CONN_OPEN && c->kind == CONN_HTTP &&
        (c->phase != HTTP_HANDLER || (c->flags & CONN_WATCHED)) && c->out == NULL &&
        !(c->flags & CONN_NOTIFY)) {
        conn_close(c, CLOSE_PEER_CLOSED);
    }
}

static bool pump_one(struct conn *c)
{
    struct http_session *s = c->http;
    compact(s);
    if (c->phase == HTTP_PULL) {
        return http_pull(c);
    }
    if (c->phase == HTTP_BODY) {
        if (!s->x->streamed && !read_body(c)) {
            return false;
        }
        give_to_handler(c);
        return true;
    }
    return s->at < s->in.len && read_head(c);
}

void http_pump(struct conn *c)
{
    struct http_session *s = c->http;
    unsigned steps = 0; /* two a request: head, body */
    s->pumping = true;
    while (c->state == CONN_OPEN && c->kind == CONN_HTTP && c->phase != HTTP_HANDLER &&
           c->out == NULL) {
        if (steps++ == 2 * REQUESTS_MAX) {
            c->flags |= CONN_NOTIFY; /* writable at once: goes on next turn */
            conn_interest(c);
            break;
        }
        if (!pump_one(c)) {
            break;
        }
    }
    if (c->kind != CONN_HTTP || c->http != s) {
        return; /* ws_upgrade or http_stream has freed the session */
    }
    s->pumping = false;
    if (c->state != CONN_OPEN || (s->x == NULL && s->at == s->in.len)) {
        session_free(c); /* nothing at rest */
    } else {
        compact(s);
    }
    end_if_done(c);
}

void http_bytes(struct conn *c, uint8_t *bytes, size_t len)
{
    struct http_session *s = session_of(c);
    buf_append(&s->in, bytes, len);
    http_pump(c);
}

void http_resume(struct conn *c)
{
    struct http_session *s = c->http;
    if (s != NULL && s->x != NULL && s->x->sending) {
        c->net->http->on_writable(s->x);
    } else if (s != NULL && c->phase != HTTP_HANDLER) {
        http_pump(c);
    } else {
        end_if_done(c);
    }
}

void http_eof(struct conn *c)
{
    conn_interest(c);
    end_if_done(c);
}

void http_sweep(struct conn *c, uint32_t now_tick)
{
    const struct net_limits *lim = c->net->limits;
    uint32_t ms = tick_age_ms(now_tick, c->seen);
    if (c->out != NULL &&
        tick_age_ms(now_tick, c->out->since) >= lim->http_body_ms) {
        conn_close(c, CLOSE_WRITE_TIMEOUT);
        return;
    }
    if (c->net->draining && ms > 0 && (c->phase == HTTP_FRESH || c->phase == HTTP_IDLE)) {
        conn_close(c, CLOSE_DRAIN); /* it came through the door as that closed, and says nothing */
        return;
    }
    switch ((enum http_phase)c->phase) {
    case HTTP_FRESH:
        if (ms >= lim->http_header_ms) {
            conn_close(c, CLOSE_HEADER_TIMEOUT);
        }
        break;
    case HTTP_HEAD:
        if (ms >= lim->http_header_ms && c->out == NULL) {
            http_refuse(c, 408, "the request head took too long", CLOSE_HEADER_TIMEOUT);
        }
        break;
    case HTTP_BODY:
        if (ms >= lim->http_body_ms && c->out == NULL) {
            http_refuse(c, 408, "the request body took too long", CLOSE_BODY_TIMEOUT);
        }
        break;
    case HTTP_PULL: /* a slow peer has shown a byte since the handler last asked */
        if (ms >= lim->http_body_ms && c->out == NULL) {
            http_refuse(c, 408, "the request body has stalled", CLOSE_BODY_TIMEOUT);
        }
        break;
    case HTTP_IDLE:
        if (ms >= lim->http_idle_ms) {
            conn_close(c, CLOSE_IDLE_TIMEOUT);
        }
        break;
    case HTTP_HANDLER:
    case HTTP_LINGER:
        break;
    }
}

struct http_session *http_take(struct http_exchange *x)
{
    struct conn *c = x->conn;
    struct http_session *s = c->http;
    ASSERT(!x->answered && s->x == x && c->state == CONN_OPEN && c->phase == HTTP_HANDLER &&
           !x->pulled);
    NET_COUNT(c->net->stats.requests, -(uint64_t)1); /* the other loop counts it */
    s->pumping = false;
    c->http = NULL;
    x->conn = NULL;
    x->user = NULL;
    x->close_after = false;
    buf_clear(&x->extra);
    return s;
}

void http_give(struct conn *c, struct http_session *s)
{
    c->http = s;
    s->x->conn = c;
}

void http_arrive(struct conn *c)
{
    http_set_phase(c, HTTP_BODY); /* which is whole, or not begun */
    http_pump(c);
}

void http_detach(struct conn *c, buf *rest)
{
    struct http_session *s = c->http;
    c->flags &= (uint16_t)~CONN_WATCHED;
    buf_append(rest, s->in.ptr + s->at, s->in.len - s->at);
    session_free(c);
}
