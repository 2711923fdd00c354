#include "edge/socketio/wrap.h"

#include "codec/json/write.h"
#include "codec/sio/msgpack.h"
#include "edge/resume.h"
#include "edge/socketio/chat.h"
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

/* "pos":"...","eventId":"...", of what is logged. */
static span put_place(const struct blob *b, span pos, buf *out)
{
    char id[UUID_TEXT_LEN + 1];
    size_t from = out->len;
    uuid_format(b->id, id);
    buf_append_str(out, "\"pos\":\"");
    buf_append_span(out, pos);
    buf_append_str(out, "\",\"eventId\":\"");
    buf_append(out, id, UUID_TEXT_LEN);
    buf_append_byte(out, '"');
    return span_slice(buf_span(out), from, out->len - from);
}

static void put_event(const struct blob *b, span pos, buf *args)
{
    buf place = {0};
    span data = issuer_is_result(b) ? issuer_result(b) : blob_payload(b);
    buf_append_byte(args, '[');
    json_put_string(args, span_str(event_name(event_spoken((enum event)b->event))));
    buf_append_byte(args, ',');
    buf_append_span(args, data);
    if (data.len >= 2 && data.ptr[data.len - 1] == '}') { /* payloads are objects */
        args->len--;
        buf_append_str(args, data.len > 2 ? "," : "");
        buf_append_span(args, put_place(b, pos, &place));
        buf_append_byte(args, '}');
    }
    buf_deinit(&place);
}

/* In the envelope, which is the one argument. `own`: for who asked, with its requestId. */
static void put_chat(const struct blob *b, const char *name, span pos, bool own, buf *args)
{
    struct arena arena = {0};
    buf place = {0};
    struct chat_stored stored = own ? chat_stored_of(blob_payload(b), &arena)
                                    : (struct chat_stored){
                                          .payload = chat_stored_payload(blob_payload(b))};
    buf_append_byte(args, '[');
    json_put_string(args, span_str(name));
    buf_append_byte(args, ',');
    chat_envelope_put(args, span_str(name), stored.payload,
                      b->pos != 0 ? put_place(b, pos, &place) : SPAN_NONE, stored.request_id);
    buf_deinit(&place);
    arena_reset(&arena);
}

/* What is not logged and no whole array of arguments: typing, presence, chunks. */
static bool is_ephemeral_chat(const struct blob *b, span data)
{
    return data.len >= 2 && data.ptr[0] == '{' && b->event < OUT_COUNT &&
           chat_is_name(span_str(event_out_row((enum event_out)b->event)->name));
}

static span without_last(span array) { return span_slice(array, 0, array.len - 1); }

/* False when the wire has no words for it. */
static bool say(struct edge *e, const struct blob *b, span pos, bool own, struct said *s)
{
    const struct emit *m = emit_of_blob(e, b);
    span data = blob_payload(b);
    *s = (struct said){.nsp = SPAN("/")};
    if (m != NULL) {
        s->nsp = m->nsp;
        s->attachments = m->attachments;
        s->count = m->attachment_count;
        buf_append_span(&s->args, without_last(m->args));
    } else if (b->pos != 0 && event_is_chat((enum event)b->event)) {
        put_chat(b, event_name((enum event)b->event), pos, own, &s->args);
    } else if (b->pos != 0) {
        put_event(b, pos, &s->args);
    } else if (is_ephemeral_chat(b, data)) {
        put_chat(b, event_out_row((enum event_out)b->event)->name, pos, false, &s->args);
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

static void wrap(const struct edge *e, const struct blob *b, bool own, bool offsets, put_fn put,
                 enum eio_format format, buf *out)
{
    char pos[POS_TEXT_MAX];
    struct edge *edge = e->peers[loop_index(e->loop)]; /* whose cache of emits may change */
    span offset = span_of(pos, b->pos != 0 ? edge_pos(e, b, pos)
                                           : pos_text(journal_now(e->home->journal), pos));
    struct said s;
    if (say(edge, b, offset, own, &s)) {
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

static void wrap_as(const struct edge *e, enum edge_wire wire, const struct blob *b, bool own,
                    buf *out)
{
    static const struct {
        put_fn put;
        enum eio_format format;
        bool no_offsets;
    } forms[WIRE_COUNT] = {
        [WIRE_SIO] = {put_text, EIO_FORMAT_WS, false},
        [WIRE_SIO_POLL] = {put_text, EIO_FORMAT_POLL, false},
        [WIRE_SIO3] = {put_text, EIO_FORMAT_WS3, true},
        [WIRE_SIO_MSGPACK] = {put_msgpack, EIO_FORMAT_WS, false},
        [WIRE_SIO_MSGPACK_POLL] = {put_msgpack, EIO_FORMAT_POLL, false},
    };
    wrap(e, b, own, !forms[wire].no_offsets, forms[wire].put, forms[wire].format, out);
}

void sio_wrap(const struct edge *e, const struct blob *b, buf *out)
{
    wrap_as(e, WIRE_SIO, b, false, out);
}

void sio_wrap_poll(const struct edge *e, const struct blob *b, buf *out)
{
    wrap_as(e, WIRE_SIO_POLL, b, false, out);
}

void sio_wrap_v3(const struct edge *e, const struct blob *b, buf *out)
{
    wrap_as(e, WIRE_SIO3, b, false, out);
}

void sio_wrap_msgpack(const struct edge *e, const struct blob *b, buf *out)
{
    wrap_as(e, WIRE_SIO_MSGPACK, b, false, out);
}

void sio_wrap_msgpack_poll(const struct edge *e, const struct blob *b, buf *out)
{
    wrap_as(e, WIRE_SIO_MSGPACK_POLL, b, false, out);
}

void sio_wrap_own(const struct edge *e, enum edge_wire wire, const struct blob *b, buf *out)
{
    wrap_as(e, wire, b, true, out);
}

uint32_t sio_own(struct edge *e, const struct blob *b)
{
    struct arena arena = {0};
    span data = blob_payload(b);
    struct sio_socket *s = NULL;
    if (data.len > 2 && data.ptr[data.len - 2] == '"') { /* else it names nobody */
        s = sio_find(e, chat_stored_of(data, &arena).sid);
    }
    arena_reset(&arena);
    return s == NULL ? UINT32_MAX : conn_slot(sio_engine(s)->conn);
}
