#include "edge/conformance/sio_bench.h"

#include "codec/json/read.h"
#include "codec/json/write.h"
#include "edge/socketio/emit.h"

static _Atomic uint64_t counted; /* `count` events, over all loops */

static void answer_text(struct sio_socket *s, const struct sio_event *ev, const char *begin,
                        span text)
{
    struct sio_answer to = sio_answer_of(s, ev);
    buf said = {0}, out = {0};
    buf_append_str(&said, begin);
    buf_append_span(&said, text);
    buf_append_byte(&out, '[');
    json_put_string(&out, buf_span(&said));
    buf_append_byte(&out, ']');
    sio_answer(sio_edge(s), &to, buf_span(&out), NULL, 0);
    buf_deinit(&said);
    buf_deinit(&out);
}

/* The room, unescaped into `room`, and what stands behind it: ",...]" or "]". */
static bool room_of(const struct sio_event *ev, buf *room, span *rest)
{
    struct json_iter it;
    span name, value;
    if (!json_array_begin(&it, ev->args) || !json_array_next(&it, &name) ||
        !json_array_next(&it, &value) || !json_string(value, room)) {
        return false;
    }
    size_t at = (size_t)(value.ptr + value.len - ev->args.ptr);
    *rest = span_slice(ev->args, at, ev->args.len);
    return true;
}

static void join(struct sio_socket *s, const struct sio_event *ev)
{
    buf room = {0};
    span rest;
    if (room_of(ev, &room, &rest)) {
        bool in = emit_join(s, buf_span(&room));
        answer_text(s, ev, in ? "ok " : "no ", buf_span(&room));
    }
    buf_deinit(&room);
}

static void broadcast(struct sio_socket *s, const struct sio_event *ev)
{
    buf room = {0};
    span rest;
    if (room_of(ev, &room, &rest) && emit_room_ok(sio_nsp(s), buf_span(&room))) {
        span to = buf_span(&room);
        buf args = {0};
        buf_append_str(&args, "[\"message\"");
        buf_append_span(&args, rest);
        struct emit m = {.nsp = sio_nsp(s), .args = buf_span(&args),
                         .attachments = ev->attachments, .attachment_count = ev->attachment_count,
                         .rooms = &to, .room_count = 1};
        emit_now(sio_edge(s), &m, BLOB_ORDERED);
        buf_deinit(&args);
    }
    buf_deinit(&room);
}

bool sio_bench_event(struct sio_socket *s, const struct sio_event *ev)
{
    if (span_eq(ev->name, SPAN("join"))) {
        join(s, ev);
    } else if (span_eq(ev->name, SPAN("broadcast"))) {
        broadcast(s, ev);
    } else if (span_eq(ev->name, SPAN("count"))) {
        atomic_fetch_add_explicit(&counted, 1, memory_order_relaxed);
    } else if (span_eq(ev->name, SPAN("counted"))) {
        buf number = {0};
        buf_append_u64(&number, atomic_load_explicit(&counted, memory_order_relaxed));
        answer_text(s, ev, "", buf_span(&number));
        buf_deinit(&number);
    } else {
        return false;
    }
    return true;
}
