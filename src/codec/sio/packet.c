/* The layout is read from the left; then the payload is checked as JSON, as what its type asks for,
 * and, where attachments are announced, for its placeholders. */
#include "codec/sio/packet.h"

#include "base/utf8.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"
#include "codec/json/walk.h"
#include "codec/sio/placeholder.h"

static bool is_digit(span rest)
{
    return rest.len > 0 && (uint8_t)(rest.ptr[0] - '0') <= 9;
}

static void drop(span *rest, size_t n)
{
    *rest = span_of(rest->ptr + n, rest->len - n);
}

/* The digits at the front; false when there are none, or more than `max`. */
static bool take_number(span *rest, uint64_t max, uint64_t *out)
{
    size_t n = 0;
    while (n < rest->len && is_digit(span_of(rest->ptr + n, 1))) {
        n++;
    }
    span digits = span_of(rest->ptr, n);
    drop(rest, n);
    return span_u64(digits, max, out);
}

static enum sio_fault take_attachments(span *rest, struct sio_packet *out)
{
    uint64_t n;
    if (!take_number(rest, SIO_ATTACHMENTS_MAX, &n) || rest->len == 0 || rest->ptr[0] != '-') {
        return SIO_BAD_ATTACHMENTS;
    }
    drop(rest, 1);
    out->attachments = (unsigned)n;
    return SIO_OK;
}

enum sio_fault sio_namespace_check(span sent, struct sio_packet *out)
{
    out->query = sent;
    out->nsp = span_cut(&out->query, '?');
    bool ok = out->nsp.len > 0 && out->nsp.ptr[0] == '/' &&
              out->nsp.len <= SIO_NAMESPACE_BYTES_MAX && utf8_storable(sent);
    for (size_t i = 0; ok && i < sent.len; i++) {
        uint8_t b = sent.ptr[i];
        ok = b != '\t' && b != '\n' && b != 0x7f && (b != ',' || i > out->nsp.len);
    }
    return ok ? SIO_OK : SIO_BAD_NAMESPACE;
}

/* Ends at the first ',', or at the end of the text. */
static enum sio_fault take_namespace(span *rest, struct sio_packet *out)
{
    out->nsp = SPAN("/");
    if (rest->len == 0 || rest->ptr[0] != '/') {
        return SIO_OK;
    }
    span sent = span_cut(rest, ',');
    return sio_namespace_check(sent, out);
}

static enum sio_fault take_id(span *rest, struct sio_packet *out)
{
    if (!is_digit(*rest)) {
        return SIO_OK;
    }
    out->has_id = true;
    return take_number(rest, SIO_ACK_ID_MAX, &out->id) ? SIO_OK : SIO_BAD_ID;
}

bool sio_event_reserved(span name)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (span_eq(name, span_str(reserved[i]))) {
            return true;
        }
    }
    return false;
}

/* Longest text of a name: each byte as \u0000. */
#define NAME_TEXT_BYTES_MAX (SIO_EVENT_NAME_BYTES_MAX * 6 + 2)

/* `event`: a string with its quotes. */
static bool name_ok(span event)
{
    if (event.len > NAME_TEXT_BYTES_MAX) {
        return false;
    }
    if (memchr(event.ptr, '\\', event.len) == NULL) {
        span name = span_of(event.ptr + 1, event.len - 2);
        return name.len <= SIO_EVENT_NAME_BYTES_MAX && !sio_event_reserved(name);
    }
    buf name = {0};
    bool ok = json_string(event, &name) && name.len <= SIO_EVENT_NAME_BYTES_MAX &&
              !sio_event_reserved(buf_span(&name));
    buf_deinit(&name);
    return ok;
}

static bool event_ok(struct sio_packet *out)
{
    struct json_iter it;
    if (!json_array_begin(&it, out->payload) || !json_array_next(&it, &out->event)) {
        return false;
    }
    if (json_type(out->event) == JSON_NUMBER) {
        return out->event.len <= SIO_EVENT_NAME_BYTES_MAX;
    }
    return json_type(out->event) == JSON_STRING && name_ok(out->event);
}

static bool payload_ok(struct sio_packet *out)
{
    enum json_type type = json_type(out->payload);
    switch (out->type) {
    case SIO_CONNECT:
        return type == JSON_NONE || type == JSON_OBJECT;
    case SIO_DISCONNECT:
        return type == JSON_NONE;
    case SIO_EVENT:
    case SIO_BINARY_EVENT:
        return event_ok(out);
    case SIO_ACK:
    case SIO_BINARY_ACK:
        return type == JSON_ARRAY;
    case SIO_CONNECT_ERROR:
        return type == JSON_OBJECT || type == JSON_STRING;
    }
    return false;
}

void sio_see(struct sio_seen *o, span key, span scalar)
{
    o->members++;
    if (json_string_eq(key, SPAN("_placeholder"))) {
        o->placeholder = json_type(scalar) == JSON_BOOL && scalar.ptr[0] == 't';
    } else if (json_string_eq(key, SPAN("num"))) {
        o->num = scalar;
    }
}

bool sio_seen_num(const struct sio_seen *o, unsigned *num)
{
    int64_t n;
    if (!o->placeholder || o->members != 2 || !json_i64(o->num, &n) || n < 0 ||
        n >= SIO_ATTACHMENTS_MAX) {
        return false;
    }
    *num = (unsigned)n;
    return true;
}

bool sio_placeholder(span value, unsigned *num)
{
    struct json_iter it;
    struct sio_seen o = {0};
    span key, member;
    if (!json_object_begin(&it, value)) {
        return false;
    }
    while (o.members <= 2 && json_object_next(&it, &key, &member)) {
        sio_see(&o, key, member);
    }
    return sio_seen_num(&o, num);
}

/* Every placeholder names an attachment that is announced, and none is named twice. */
static bool placeholders_ok(const struct sio_packet *p)
{
    struct sio_seen stack[JSON_WALK_DEPTH_MAX + 1]; /* arrays have a place that is not used */
    unsigned depth = 0;
    unsigned named = 0; /* a bit for each attachment */
    span key = SPAN_NONE;
    struct json_walk w;
    span text;
    stack[0] = (struct sio_seen){0};
    json_walk_begin(&w, p->payload);
    for (enum json_token t; (t = json_walk_next(&w, &text)) != JSON_T_END;) {
        struct sio_seen *o = &stack[depth];
        switch (t) {
        case JSON_T_KEY:
            key = text;
            break;
        case JSON_T_SCALAR:
            if (key.len > 0) {
                sio_see(o, key, text);
            }
            key = SPAN_NONE;
            break;
        case JSON_T_OPEN:
            if (key.len > 0) {
                sio_see(o, key, SPAN_NONE);
            }
            key = SPAN_NONE;
            ASSERT(depth < JSON_WALK_DEPTH_MAX);
            stack[++depth] = (struct sio_seen){0};
            break;
        case JSON_T_CLOSE: {
            unsigned num;
            if (o->placeholder) {
                if (!sio_seen_num(o, &num) || num >= p->attachments || (named >> num & 1) != 0) {
                    return false;
                }
                named |= 1u << num;
            }
            ASSERT(depth > 0);
            depth--;
            break;
        }
        case JSON_T_END:
            break;
        }
    }
    return true;
}

enum sio_fault sio_packet_check(struct sio_packet *out)
{
    if (!payload_ok(out)) {
        return SIO_BAD_PAYLOAD;
    }
    return out->attachments == 0 || placeholders_ok(out) ? SIO_OK : SIO_BAD_PLACEHOLDER;
}

static enum sio_fault take_payload(span rest, unsigned depth_max, struct sio_packet *out)
{
    if (rest.len == 0) {
        return SIO_OK;
    }
    /* White space before it would be an ack id to the reference. */
    if (rest.ptr[0] != '[' && rest.ptr[0] != '{') {
        return SIO_BAD_PAYLOAD;
    }
    int error = json_check(rest, depth_max, JSON_REFUSE_PROTO | JSON_LONE_SURROGATES, NULL);
    if (error == JSON_E_PROTO && out->type == SIO_EVENT) {
        out->refused_names = true;
        error = json_check(rest, depth_max, JSON_LONE_SURROGATES, NULL);
    }
    if (error != 0) {
        return SIO_BAD_JSON;
    }
    out->payload = json_root(rest);
    return SIO_OK;
}

enum sio_fault sio_packet_read(span text, unsigned depth_max, struct sio_packet *out)
{
    *out = (struct sio_packet){0};
    if (text.len == 0 || text.ptr[0] < '0' || text.ptr[0] > '0' + SIO_BINARY_ACK ||
        text.ptr[0] == '0' + SIO_CONNECT_ERROR) {
        return SIO_BAD_TYPE;
    }
    out->type = (enum sio_type)(text.ptr[0] - '0');
    drop(&text, 1);
    enum sio_fault f = SIO_OK;
    if (out->type == SIO_BINARY_EVENT || out->type == SIO_BINARY_ACK) {
        out->type = out->type == SIO_BINARY_EVENT ? SIO_EVENT : SIO_ACK;
        f = take_attachments(&text, out);
    }
    f = f != SIO_OK ? f : take_namespace(&text, out);
    f = f != SIO_OK ? f : take_id(&text, out);
    f = f != SIO_OK ? f : take_payload(text, depth_max, out);
    return f != SIO_OK ? f : sio_packet_check(out);
}

void sio_packet_head(buf *out, enum sio_type type, unsigned attachments, span nsp, int64_t id)
{
    ASSERT(attachments <= SIO_ATTACHMENTS_MAX);
    if (attachments > 0) {
        ASSERT(type == SIO_EVENT || type == SIO_ACK);
        type = type == SIO_EVENT ? SIO_BINARY_EVENT : SIO_BINARY_ACK;
    }
    buf_append_byte(out, (uint8_t)('0' + type));
    if (attachments > 0) {
        buf_append_u64(out, attachments);
        buf_append_byte(out, '-');
    }
    if (nsp.len > 1) {
        buf_append_span(out, nsp);
        buf_append_byte(out, ',');
    }
    if (id >= 0) {
        buf_append_u64(out, (uint64_t)id);
    }
}

const char *sio_fault_name(enum sio_fault f)
{
    static const char *const names[] = {
        [SIO_OK] = "ok",
        [SIO_BAD_TYPE] = "bad_type",
        [SIO_BAD_ATTACHMENTS] = "bad_attachments",
        [SIO_BAD_NAMESPACE] = "bad_namespace",
        [SIO_BAD_ID] = "bad_id",
        [SIO_BAD_JSON] = "bad_json",
        [SIO_BAD_PAYLOAD] = "bad_payload",
        [SIO_BAD_PLACEHOLDER] = "bad_placeholder",
    };
    return (unsigned)f < ARRAY_LEN(names) ? names[f] : "unknown";
}
