/*
 * Bodies that are longer than memory should be: of requests, given to the handler piece by piece as
 * it asks, and of answers, taken from it as the socket does.
 */
#include "net/http.h"

#include "net/internal.h"

void http_body_next(struct http_exchange *x)
{
    struct conn *c = x->conn;
    struct http_session *s = c->http;
    ASSERT(x->streamed && !x->answered && c->state == CONN_OPEN && c->phase == HTTP_HANDLER);
    ASSERT(x->refused_status == 0 && (!x->pulled || !http1_body_done(&s->body)));
    bool first = !x->pulled;
    x->pulled = true;
    http_set_phase(c, HTTP_PULL);
    if (first && x->req->expect_continue && s->at == s->in.len) {
        conn_queue(c, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if (!s->pumping) {
        http_pump(c);
    }
}

/* Tiny chunks are gathered, so that each piece is worth what the handler does with it. */
bool http_pull(struct conn *c)
{
    struct http_session *s = c->http;
    struct http_exchange *x = s->x;
    buf *out = &x->body_bytes;
    buf_clear(out);
    while (!http1_body_done(&s->body) && s->at < s->in.len && out->len < HTTP_PIECE_BYTES_MAX) {
        span piece = SPAN_NONE;
        size_t used = 0;
        size_t room = HTTP_PIECE_BYTES_MAX - out->len;
        size_t have = s->in.len - s->at;
        span rest = span_of(s->in.ptr + s->at, have < room ? have : room);
        int rc = http1_body_feed(&s->body, rest, &piece, &used);
        if (rc < 0) {
            http_refuse(c, http1_error_status(rc), http1_error_text(rc), CLOSE_BAD_REQUEST);
            return false;
        }
        buf_append_span(out, piece);
        s->at += used;
    }
    bool last = http1_body_done(&s->body);
    if (out->len == 0 && !last) {
        return false;
    }
    http_set_phase(c, HTTP_HANDLER);
    c->net->http->on_piece(x, buf_span(out), last ? HTTP_PIECE_LAST : HTTP_PIECE);
    return true;
}

bool http_respond_begin(struct http_exchange *x, unsigned status, const char *content_type,
                        uint64_t bytes)
{
    struct conn *c = x->conn;
    ASSERT(!x->answered && c->state == CONN_OPEN && c->http != NULL && c->http->x == x);
    ASSERT(c->net->http->on_writable != NULL);
    x->answered = true;
    http_answer_head(x, status, content_type, bytes);
    conn_queue(c, buf_span(&c->net->scratch));
    if (bytes == 0 || x->req->method == HTTP1_HEAD) {
        http_answered(x);
        return false;
    }
    x->left = bytes;
    x->sending = true;
    return true;
}

enum http_sent http_respond_more(struct http_exchange *x, span bytes)
{
    struct conn *c = x->conn;
    ASSERT(x->sending && bytes.len > 0 && bytes.len <= x->left);
    x->left -= bytes.len;
    conn_queue(c, bytes);
    if (x->left == 0) {
        x->sending = false;
        http_answered(x);
        return HTTP_SENT_ALL;
    }
    return c->out != NULL ? HTTP_SENT_FULL : HTTP_SENT_MORE;
}
