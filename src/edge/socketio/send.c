/* Packets to the peer: text with attachments behind, or one of msgpack. */
#include "edge/socketio/internal.h"

#include "codec/sio/msgpack.h"
#include "tables/frames.h"

static void send_msgpack(struct sio *c, enum sio_type type, span nsp, int64_t id, span payload,
                         const span *attachments, unsigned count, enum blob_class cls)
{
    buf out = {0};
    sio_msgpack_put(&out, type, nsp, id, payload, attachments, count);
    eio_send(&c->eio, true, SPAN_NONE, buf_span(&out), cls);
    buf_deinit(&out);
}

static void send_text(struct sio *c, span head, span payload, const span *attachments,
                      unsigned count, enum blob_class cls)
{
    if (count == 0) {
        eio_send(&c->eio, false, head, payload, cls);
        return;
    }
    buf *out = hub_compose(sio_edge_of(c)->hub);
    size_t from = out->len;
    enum eio_format format = (enum eio_format)c->eio.format;
    eio_put(out, format, false, head, payload);
    for (unsigned i = 0; i < count; i++) {
        eio_put(out, format, true, SPAN_NONE, attachments[i]);
    }
    eio_send_composed(&c->eio, out, from, cls);
}

void sio_send(struct sio *c, enum sio_type type, span nsp, int64_t id, span payload,
              const span *attachments, unsigned count, enum blob_class cls)
{
    if (c->msgpack) {
        send_msgpack(c, type, nsp, id, payload, attachments, count, cls);
        return;
    }
    buf head = {0};
    sio_packet_head(&head, type, count, nsp, id);
    send_text(c, buf_span(&head), payload, attachments, count, cls);
    buf_deinit(&head);
}

/* Args without the last bracket, for there is more. */
static span open_args(span args)
{
    ASSERT(args.len > 2 && args.ptr[args.len - 1] == ']');
    return span_slice(args, 0, args.len - 1);
}

void sio_emit(struct sio_socket *s, span args, const span *attachments, unsigned count,
              enum blob_class cls)
{
    char pos[POS_TEXT_MAX];
    if (s->state != SIO_CONNECTED) {
        return;
    }
    if (s->resume == NULL) {
        sio_send(s->sio, SIO_EVENT, sio_nsp(s), -1, args, attachments, count, cls);
        return;
    }
    buf with = {0};
    buf_append_span(&with, open_args(args));
    buf_append_str(&with, ",\"");
    buf_append(&with, pos, sio_offset(s, pos));
    buf_append_str(&with, "\"]");
    sio_send(s->sio, SIO_EVENT, sio_nsp(s), -1, buf_span(&with), attachments, count, cls);
    buf_deinit(&with);
}

/* --- answers --- */

struct sio_answer sio_answer_of(const struct sio_socket *s, const struct sio_event *ev)
{
    return (struct sio_answer){.conn = conn_ref_of(s->sio->eio.conn),
                               .socket = s->number,
                               .wanted = ev->wants_ack,
                               .ack = ev->ack};
}

struct sio_socket *sio_answered(struct edge *e, const struct sio_answer *a)
{
    struct sio *c = sio_by_ref(e, a->conn);
    struct sio_socket *s = c == NULL ? NULL : sio_socket_by_number(c, a->socket);
    return s != NULL && s->state == SIO_CONNECTED ? s : NULL;
}

void sio_answer(struct edge *e, const struct sio_answer *a, span args, const span *attachments,
                unsigned count)
{
    struct sio_socket *s = a->wanted ? sio_answered(e, a) : NULL;
    if (s != NULL) {
        stats_add(&e->stats.messages_out[STATS_SOCKETIO][FRAME_ANSWER], 1);
        sio_send(s->sio, SIO_ACK, sio_nsp(s), (int64_t)a->ack, args, attachments, count,
                 BLOB_ORDERED);
    }
}

void sio_answer_ok(struct edge *e, const struct sio_answer *a, span members)
{
    buf out = {0};
    if (!a->wanted) {
        return;
    }
    buf_append_str(&out, members.len > 0 ? "[{\"ok\":true," : "[{\"ok\":true");
    buf_append_span(&out, members);
    buf_append_str(&out, "}]");
    sio_answer(e, a, buf_span(&out), NULL, 0);
    buf_deinit(&out);
}

void sio_answer_error(struct edge *e, const struct sio_answer *a, err error, const char *member,
                      const char *why, uint32_t retry_after_ms)
{
    sio_answer_refusal(e, a,
                       &(struct event_refusal){.error = error,
                                               .member = member,
                                               .why = why,
                                               .retry_after_ms = retry_after_ms});
}

void sio_answer_refusal(struct edge *e, const struct sio_answer *a, const struct event_refusal *r)
{
    struct sio_socket *s = sio_answered(e, a);
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    stats_add(&e->stats.errors[STATS_SOCKETIO][r->error], 1);
    if (s == NULL) {
        return;
    }
    json_open(&w, '[');
    if (!a->wanted) {
        json_write_string(&w, SPAN("error"));
    }
    json_open(&w, '{');
    if (a->wanted) {
        json_member_bool(&w, "ok", false);
        json_member_open(&w, "error", '{');
    }
    event_error_members(&w, r);
    if (a->wanted) {
        json_close(&w, '}');
    }
    json_close(&w, '}');
    json_close(&w, ']');
    if (a->wanted) {
        sio_answer(e, a, buf_span(&out), NULL, 0);
    } else {
        stats_add(&e->stats.messages_out[STATS_SOCKETIO][FRAME_ERROR], 1);
        sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
    }
    buf_deinit(&out);
}
