#include "net/stream.h"

#include "codec/http1/response.h"
#include "net/internal.h"

void *stream_user(const struct conn *c) { return c->user; }

struct conn *http_stream(struct http_exchange *x, const char *content_type,
                         const struct stream_wire *wire, void *user)
{
    struct conn *c = x->conn;
    struct net *n = c->net;
    ASSERT(!x->answered && c->state == CONN_OPEN && c->kind == CONN_HTTP);
    if (x->req->method == HTTP1_HEAD) {
        x->endless = true;
        http_close_after(x);
        http_respond(x, 200, content_type, SPAN_NONE);
        return NULL;
    }
    x->answered = true;
    buf *head = &n->scratch;
    buf_clear(head);
    http1_response_begin(head, 200, loop_wall_ms(n->loop));
    buf_append_span(head, buf_span(&x->extra));
    http1_put_str(head, "Content-Type", content_type);
    http1_put_str(head, "Connection", "close");
    http1_head_end(head, HTTP1_NO_BODY, 0);

    buf ahead = {0};
    http_detach(c, &ahead); /* frees the exchange; what was sent ahead has no answer */
    buf_deinit(&ahead);
    c->kind = CONN_STREAM;
    c->wire = net_wire(n, wire);
    c->user = user;
    c->phase = HTTP_FRESH;
    c->seen = c->pinged = net_tick(n);
    conn_interest(c);
    conn_queue(c, buf_span(head));
    return c;
}

void stream_close(struct conn *c, close_reason reason)
{
    c->state = CONN_CLOSING;
    conn_stream(c)->on_close(c, reason);
    c->kind = CONN_HTTP; /* again, and its last answer is over */
    c->http = NULL;
    c->phase = HTTP_LINGER;
    if (close_code(reason) == 0) {
        conn_kill(c); /* nobody reads any more */
    } else {
        conn_end_after(c);
    }
}

void stream_sweep(struct conn *c, uint32_t now_tick)
{
    const struct stream_wire *w = conn_stream(c);
    uint32_t beat_ms = c->net->limits->sse_heartbeat_ms;
    if (c->out != NULL && w->write_ms != 0 &&
        tick_age_ms(now_tick, c->out->since) >= w->write_ms) {
        conn_close(c, CLOSE_WRITE_TIMEOUT);
    } else if (c->out == NULL && beat_ms != 0 &&
               tick_age_ms(now_tick, c->pinged) >= beat_ms) {
        c->pinged = now_tick;
        w->on_beat(c);
    }
}
