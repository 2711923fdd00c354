/*
 * For tests: feeds a session the way a connection does, in pieces with a leftover kept in front,
 * and writes down what came out: T(text) B(binary) P(ping) Q(pong) X(code,reason) !code for a
 * failure. Messages are written once complete, so the record must not depend on the pieces.
 */
#ifndef SB_CODEC_WS_SESSION_TRACE_H
#define SB_CODEC_WS_SESSION_TRACE_H

#include "base/assert.h"
#include "base/buf.h"
#include "codec/ws/deflate.h"
#include "codec/ws/session.h"

struct trace {
    struct ws_session session;
    struct ws_limits limits;
    buf inbox;   /* received, not consumed */
    buf message; /* pieces of the unfinished message */
    buf record;
    unsigned pieces; /* FRAGMENT events */
    bool failed;
};

static inline void trace_deinit(struct trace *t)
{
    buf_deinit(&t->inbox);
    buf_deinit(&t->message);
    buf_deinit(&t->record);
}

static inline void trace_put(struct trace *t, char kind, span payload)
{
    buf_append_byte(&t->record, (uint8_t)kind);
    buf_append_byte(&t->record, '(');
    buf_append_span(&t->record, payload);
    buf_append_str(&t->record, ") ");
}

static inline void trace_event(struct trace *t, const struct ws_event *ev)
{
    char kind = ev->opcode == WS_OP_TEXT ? 'T' : 'B';
    if (ev->compressed && ev->last) {
        buf_append_byte(&t->record, 'z');
    }
    switch (ev->type) {
    case WS_EVENT_NONE:
        break;
    case WS_EVENT_MESSAGE:
        ASSERT(ev->last && t->message.len == 0);
        trace_put(t, kind, ev->payload);
        break;
    case WS_EVENT_FRAGMENT:
        t->pieces++;
        buf_append_span(&t->message, ev->payload);
        ASSERT(t->message.len <= (ev->compressed
                                      ? ws_deflate_payload_bytes_max(t->limits.message_bytes_max)
                                      : t->limits.message_bytes_max));
        ASSERT(ev->last != ws_session_in_message(&t->session));
        if (ev->last) {
            trace_put(t, kind, buf_span(&t->message));
            buf_clear(&t->message);
        }
        break;
    case WS_EVENT_PING:
        trace_put(t, 'P', ev->payload);
        break;
    case WS_EVENT_PONG:
        trace_put(t, 'Q', ev->payload);
        break;
    case WS_EVENT_CLOSE:
        buf_printf(&t->record, "X(%u,%.*s) ", ev->code, SPAN_FMT(ev->payload));
        ASSERT(ws_session_is_over(&t->session));
        break;
    }
}

/* Gives the next bytes of the stream. */
static inline void trace_feed(struct trace *t, span bytes)
{
    buf_append_span(&t->inbox, bytes);
    size_t at = 0;
    while (at < t->inbox.len) {
        struct ws_event ev;
        size_t left = t->inbox.len - at;
        ptrdiff_t n = ws_session_feed(&t->session, &t->limits, t->inbox.ptr + at, left, &ev);
        if (n < 0) {
            ASSERT(!t->failed && ev.why != NULL && ws_session_is_over(&t->session));
            t->failed = true;
            buf_printf(&t->record, "!%d ", (int)-n);
            at = t->inbox.len;
        } else if (n == 0) {
            ASSERT(left < WS_FEED_BYTES_MIN);
            break;
        } else {
            ASSERT((size_t)n <= left);
            at += (size_t)n;
            trace_event(t, &ev);
        }
    }
    buf_consume(&t->inbox, at);
}

#endif
