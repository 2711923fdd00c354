/*
 * A data frame is taken in two ways. When it is a whole message and lies in the input, it is
 * unmasked and handed out in place. Otherwise its header is consumed, `left` counts what is to
 * come, and every later call hands out what is there. Control frames are short and may stand
 * between the frames of a message, so they wait until they are whole (at most 131 bytes).
 */
#include "codec/ws/session.h"

#include "base/utf8.h"
#include "codec/ws/deflate.h"

#define FLAG_CLIENT 1 /* our role; the peer's frames are not masked */
#define FLAG_OVER 2   /* a close frame came, or an error */
#define FLAG_DEFLATE 4 /* permessage-deflate was agreed */
#define FLAGS_REST (FLAG_CLIENT | FLAG_OVER | FLAG_DEFLATE)
#define FLAG_FIN 8         /* the current frame is its message's last */
#define FLAG_COMPRESSED 16 /* the unfinished message is compressed */

_Static_assert(FLAGS_REST < 1 << WS_REST_BITS, "see session.h");

#define CLOSE_PROTOCOL 1002
#define CLOSE_NO_CODE 1005
#define CLOSE_BAD_UTF8 1007
#define CLOSE_POLICY 1008
#define CLOSE_TOO_BIG 1009


void ws_session_init(struct ws_session *s, enum ws_role role)
{
    *s = (struct ws_session){.flags = role == WS_CLIENT ? FLAG_CLIENT : 0};
}

bool ws_session_is_over(const struct ws_session *s)
{
    return (s->flags & FLAG_OVER) != 0;
}

uint8_t ws_session_rest(const struct ws_session *s) { return s->flags & FLAGS_REST; }

void ws_session_wake(struct ws_session *s, uint8_t rest)
{
    ASSERT((rest & ~FLAGS_REST) == 0);
    *s = (struct ws_session){.flags = rest};
}

bool ws_rest_is_over(uint8_t rest) { return (rest & FLAG_OVER) != 0; }

bool ws_rest_deflates(uint8_t rest) { return (rest & FLAG_DEFLATE) != 0; }

void ws_session_allow_deflate(struct ws_session *s) { s->flags |= FLAG_DEFLATE; }

bool ws_session_deflates(const struct ws_session *s) { return (s->flags & FLAG_DEFLATE) != 0; }

static ptrdiff_t fail(struct ws_session *s, struct ws_event *ev, int code, const char *why)
{
    s->flags |= FLAG_OVER;
    s->left = 0;
    s->opcode = 0;
    *ev = (struct ws_event){.type = WS_EVENT_NONE, .code = (uint16_t)code, .why = why};
    return -code;
}

/* 8.1: invalid UTF-8 fails the connection; at the first impossible byte, not at the end. */
static bool text_feed(struct ws_session *s, span piece, bool last)
{
    struct utf8_state st = {.state = s->utf8};
    bool ok = utf8_feed(&st, piece);
    s->utf8 = st.state;
    return ok && (!last || utf8_complete(&st));
}

/* Hands out `len` payload bytes of the current data frame. */
static ptrdiff_t take_piece(struct ws_session *s, uint8_t *data, size_t len, struct ws_event *ev)
{
    if ((s->flags & FLAG_CLIENT) == 0) {
        ws_mask(data, len, s->key, 0);
        uint8_t key[4];
        memcpy(key, s->key, sizeof key);
        for (size_t i = 0; i < sizeof key; i++) {
            s->key[i] = key[(i + len) & 3];
        }
    }
    s->left -= (uint32_t)len;
    bool last = s->left == 0 && (s->flags & FLAG_FIN) != 0;
    span piece = span_of(data, len);
    bool compressed = (s->flags & FLAG_COMPRESSED) != 0;
    if (s->opcode == WS_OP_TEXT && !compressed && !text_feed(s, piece, last)) {
        return fail(s, ev, CLOSE_BAD_UTF8, "text is not UTF-8");
    }
    *ev = (struct ws_event){
        .type = len > 0 || last ? WS_EVENT_FRAGMENT : WS_EVENT_NONE,
        .opcode = s->opcode,
        .last = last,
        .compressed = compressed,
        .payload = piece,
    };
    if (last) {
        s->opcode = 0;
        s->bytes = 0;
        s->fragments = 0;
    }
    return (ptrdiff_t)len;
}

static ptrdiff_t take_whole(struct ws_session *s, const struct ws_frame *f, uint8_t *data,
                            struct ws_event *ev)
{
    size_t len = (size_t)f->len;
    if ((s->flags & FLAG_CLIENT) == 0) {
        ws_mask(data, len, f->key, 0);
    }
    span payload = span_of(data, len);
    if (f->opcode == WS_OP_TEXT && !f->rsv1 && !utf8_valid(payload)) {
        return fail(s, ev, CLOSE_BAD_UTF8, "text is not UTF-8");
    }
    *ev = (struct ws_event){
        .type = WS_EVENT_MESSAGE,
        .opcode = f->opcode,
        .last = true,
        .compressed = f->rsv1,
        .payload = payload,
    };
    return (ptrdiff_t)len;
}

/* A compressed message is measured when it is inflated; what it is made of is bounded here. */
static uint64_t payload_bytes_max(uint32_t message_bytes_max, bool compressed)
{
    uint64_t max = message_bytes_max;
    if (compressed) {
        max = ws_deflate_payload_bytes_max(message_bytes_max);
    }
    return max < UINT32_MAX ? max : UINT32_MAX;
}

static ptrdiff_t feed_data(struct ws_session *s, const struct ws_limits *limits,
                           const struct ws_frame *f, uint8_t *data, size_t len,
                           struct ws_event *ev)
{
    bool first = f->opcode != WS_OP_CONTINUATION;
    if (first && s->opcode != 0) { /* 5.4: "the frames of one message MUST NOT be interleaved" */
        return fail(s, ev, CLOSE_PROTOCOL, "new message inside a fragmented one");
    }
    if (!first && s->opcode == 0) {
        return fail(s, ev, CLOSE_PROTOCOL, "continuation of nothing");
    }
    bool compressed = first ? f->rsv1 : (s->flags & FLAG_COMPRESSED) != 0;
    uint64_t max = payload_bytes_max(limits->message_bytes_max, compressed);
    if (s->bytes > max || f->len > max - s->bytes) {
        return fail(s, ev, CLOSE_TOO_BIG, "message too big");
    }
    if (first && f->fin && f->len <= len) {
        return take_whole(s, f, data, ev);
    }
    if (s->fragments < UINT16_MAX) {
        s->fragments++;
    }
    if (limits->fragments_max != 0 && s->fragments > limits->fragments_max) {
        return fail(s, ev, CLOSE_POLICY, "too many fragments");
    }
    if (first) {
        s->opcode = f->opcode;
        s->utf8 = 0;
        s->flags &= (uint8_t)~FLAG_COMPRESSED;
        s->flags |= compressed ? FLAG_COMPRESSED : 0;
    }
    memcpy(s->key, f->key, sizeof s->key);
    s->flags = (uint8_t)(f->fin ? s->flags | FLAG_FIN : s->flags & ~FLAG_FIN);
    s->bytes += (uint32_t)f->len;
    s->left = (uint32_t)f->len;
    return take_piece(s, data, f->len < len ? (size_t)f->len : len, ev);
}

static ptrdiff_t feed_close(struct ws_session *s, span payload, struct ws_event *ev)
{
    uint16_t code = CLOSE_NO_CODE;
    if (payload.len == 1) { /* 5.5.1: "the first two bytes MUST be a 2-byte unsigned integer" */
        return fail(s, ev, CLOSE_PROTOCOL, "close code of one byte");
    }
    if (payload.len >= 2) {
        code = (uint16_t)(payload.ptr[0] << 8 | payload.ptr[1]);
        payload = span_slice(payload, 2, payload.len);
        if (!ws_close_code_valid(code)) {
            return fail(s, ev, CLOSE_PROTOCOL, "invalid close code");
        }
        if (!utf8_valid(payload)) {
            return fail(s, ev, CLOSE_BAD_UTF8, "close reason is not UTF-8");
        }
    }
    s->flags |= FLAG_OVER;
    s->opcode = 0;
    *ev = (struct ws_event){.type = WS_EVENT_CLOSE, .code = code, .payload = payload};
    return 0;
}

static ptrdiff_t feed_control(struct ws_session *s, const struct ws_frame *f, uint8_t *data,
                              struct ws_event *ev)
{
    size_t len = (size_t)f->len;
    if ((s->flags & FLAG_CLIENT) == 0) {
        ws_mask(data, len, f->key, 0);
    }
    span payload = span_of(data, len);
    if (f->opcode == WS_OP_CLOSE) {
        ptrdiff_t error = feed_close(s, payload, ev);
        return error < 0 ? error : (ptrdiff_t)len;
    }
    *ev = (struct ws_event){
        .type = f->opcode == WS_OP_PING ? WS_EVENT_PING : WS_EVENT_PONG,
        .payload = payload,
    };
    return (ptrdiff_t)len;
}

ptrdiff_t ws_session_feed(struct ws_session *s, const struct ws_limits *limits, uint8_t *in,
                          size_t len, struct ws_event *ev)
{
    *ev = (struct ws_event){.type = WS_EVENT_NONE};
    if (len == 0) {
        return 0;
    }
    if ((s->flags & FLAG_OVER) != 0) { /* 1.4, 7.1.7: data after a close or failure is discarded */
        return (ptrdiff_t)len;
    }
    if (s->left > 0) {
        return take_piece(s, in, len < s->left ? len : s->left, ev);
    }
    struct ws_frame f;
    unsigned flags = (s->flags & FLAG_CLIENT) != 0 ? 0 : WS_FRAME_MASKED;
    flags |= (s->flags & FLAG_DEFLATE) != 0 ? WS_FRAME_RSV1_OK : 0;
    int head = ws_frame_decode(span_of(in, len), flags, &f);
    if (head < 0) {
        return fail(s, ev, CLOSE_PROTOCOL, ws_frame_error_name(head));
    }
    if (head == 0) {
        return 0;
    }
    ptrdiff_t n;
    if (f.opcode >= WS_OP_CLOSE) {
        if (len - (size_t)head < f.len) {
            return 0;
        }
        n = feed_control(s, &f, in + head, ev);
    } else {
        n = feed_data(s, limits, &f, in + head, len - (size_t)head, ev);
    }
    return n < 0 ? n : n + head;
}
