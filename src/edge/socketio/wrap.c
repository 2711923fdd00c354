#include "edge/socketio/wrap.h"

#include "codec/json/write.h"
#include "codec/sio/msgpack.h"
#include "edge/resume.h"
#include "edge/socketio/emit.h"
#include "edge/socketio/internal.h"
#include "edge/socketio/issuer.h"
#include "tables/events.h"

/* What a blob says. */
struct said {
    span nsp;
    buf args; /* without the last bracket */
    const span *attachments;
    unsigned count;
};

static void put_event(const struct blob *b, span pos, buf *args)
{
    char id[UUID_TEXT_LEN + 1];
    span data = issuer_is_result(b) ? issuer_result(b) : blob_payload(b);
    buf_append_byte(args, '[');
    json_put_string(args, span_str(event_name(event_spoken((enum event)b->event))));
    buf_append_byte(args, ',');
    buf_append_span(args, data);
    if (data.len >= 2 && data.ptr[data.len - 1] == '}') { /* payloads are objects */
        uuid_format(b->id, id);
        args->len--;
        buf_append_str(args, data.len > 2 ? ",\"pos\":\"" : "\"pos\":\"");
        buf_append_span(args, pos);
        buf_append_str(args, "\",\"eventId\":\"");
        buf_append(args, id, UUID_TEXT_LEN);
        buf_append_str(args, "\"}");
    }
}

static span without_last(span array) { return span_slice(array, 0, array.len - 1); }

/* False when the wire has no words for it. */
static bool say(struct edge *e, const struct blob *b, span pos, struct said *s)
{
    const struct emit *m = emit_of_blob(e, b);
    span data = blob_payload(b);
    *s = (struct said){.nsp = SPAN("/")};
    if (m != NULL) {
        s->nsp = m->nsp;
        s->attachments = m->attachments;
        s->count = m->attachment_count;
        buf_append_span(&s->args, without_last(m->args));
    } else if (b->pos != 0) {
        put_event(b, pos, &s->args);
    } else if (data.len > 2 && data.ptr[0] == '[') {
        buf_append_span(&s->args, without_last(data));
    }
    return s->args.len > 0;
}

static void put_text(enum eio_format format, const struct said *s, buf *out)
{
    buf head = {0};
    sio_packet_head(&head, SIO_EVENT, s->count, s->nsp, -1);
    eio_put(out, format, false, buf_span(&head), buf_span(&s->args));
    for (unsigned i = 0; i < s->count; i++) {
        eio_put(out, format, true, SPAN_NONE, s->attachments[i]);
    }
    buf_deinit(&head);
}

static void put_msgpack(enum eio_format format, const struct said *s, buf *out)
{
    buf message = {0};
    sio_msgpack_put(&message, SIO_EVENT, s->nsp, -1, buf_span(&s->args), s->attachments,
                    s->count);
    eio_put(out, format, true, SPAN_NONE, buf_span(&message));
    buf_deinit(&message);
}

typedef void (*put_fn)(enum eio_format format, const struct said *s, buf *out);

static void wrap(const struct edge *e, const struct blob *b, bool offsets, put_fn put,
                 enum eio_format format, buf *out)
{
    char pos[POS_TEXT_MAX];
    struct edge *edge = e->peers[loop_index(e->loop)]; /* whose cache of emits may change */
    span offset = span_of(pos, b->pos != 0 ? edge_pos(e, b, pos)
                                           : pos_text(journal_now(e->home->journal), pos));
    struct said s;
    if (say(edge, b, offset, &s)) {
        const struct sio_nsp_ops *ops = sio_nsp_ops_of(e->sio, s.nsp);
        if (offsets && ops != NULL && ops->recovers) {
            buf_append_str(&s.args, ",\"");
            buf_append_span(&s.args, offset);
            buf_append_byte(&s.args, '"');
        }
        buf_append_byte(&s.args, ']');
        put(format, &s, out);
    }
    buf_deinit(&s.args);
}

void sio_wrap(const struct edge *e, const struct blob *b, buf *out)
{
    wrap(e, b, true, put_text, EIO_FORMAT_WS, out);
}

void sio_wrap_poll(const struct edge *e, const struct blob *b, buf *out)
{
    wrap(e, b, true, put_text, EIO_FORMAT_POLL, out);
}

void sio_wrap_v3(const struct edge *e, const struct blob *b, buf *out)
{
    wrap(e, b, false, put_text, EIO_FORMAT_WS3, out);
}

void sio_wrap_msgpack(const struct edge *e, const struct blob *b, buf *out)
{
    wrap(e, b, true, put_msgpack, EIO_FORMAT_WS, out);
}

void sio_wrap_msgpack_poll(const struct edge *e, const struct blob *b, buf *out)
{
    wrap(e, b, true, put_msgpack, EIO_FORMAT_POLL, out);
}
