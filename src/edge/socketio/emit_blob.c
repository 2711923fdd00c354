/* What the blob of an emit says, and the names of topics. */
#include "edge/socketio/emit.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "codec/json/read.h"
#include "codec/json/write.h"

/* --- topics --- */

static bool is_special(uint8_t byte) { return byte == '/' || byte == '+' || byte == '%'; }

/* SIZE_MAX when there is no room for it. */
static size_t put_escaped(char *out, size_t at, span text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool special = is_special(text.ptr[i]);
        if (at + (special ? 3 : 1) > HUB_TOPIC_BYTES_MAX) {
            return SIZE_MAX;
        }
        if (special) {
            out[at++] = '%';
            hex_encode(span_of(text.ptr + i, 1), out + at);
            at += 2;
        } else {
            out[at++] = (char)text.ptr[i];
        }
    }
    return at;
}

span emit_topic(span nsp, span room, char out[HUB_TOPIC_BYTES_MAX])
{
    _Static_assert(3 + 3 * SIO_NAMESPACE_BYTES_MAX <= HUB_TOPIC_BYTES_MAX, "a namespace fits");
    ASSERT(nsp.len <= SIO_NAMESPACE_BYTES_MAX);
    memcpy(out, "io/", 3);
    size_t at = put_escaped(out, 3, nsp);
    if (room.len > 0) {
        if (at == HUB_TOPIC_BYTES_MAX) {
            return SPAN_NONE;
        }
        out[at++] = '/';
        at = put_escaped(out, at, room);
    }
    return at == SIZE_MAX ? SPAN_NONE : span_of(out, at);
}

bool emit_room_ok(span nsp, span room)
{
    char topic[HUB_TOPIC_BYTES_MAX];
    return room.len > 0 && room.len <= EMIT_ROOM_BYTES_MAX && utf8_storable(room) &&
           span_find(room, '\n') < 0 && span_find(room, '\t') < 0 &&
           emit_topic(nsp, room, topic).len > 0;
}

/* --- writing --- */

static void write_texts(struct json_writer *w, const char *name, const span *texts, unsigned count)
{
    if (count > 0) {
        json_member_open(w, name, '[');
        for (unsigned i = 0; i < count; i++) {
            json_write_string(w, texts[i]);
        }
        json_close(w, ']');
    }
}

static void write_attachments(struct json_writer *w, const struct emit *m)
{
    if (m->attachment_count > 0) {
        json_member_open(w, "bin", '[');
        for (unsigned i = 0; i < m->attachment_count; i++) {
            buf_append_str(w->out, i == 0 ? "\"" : ",\"");
            char *to = (char *)buf_reserve(w->out, BASE64_SIZE(m->attachments[i].len));
            w->out->len += base64_encode(m->attachments[i], to);
            buf_append_byte(w->out, '"');
        }
        json_close(w, ']');
    }
}

void emit_write(buf *out, const struct emit *m)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "nsp", m->nsp);
    json_member_raw(&w, "args", m->args);
    write_attachments(&w, m);
    write_texts(&w, "rooms", m->rooms, m->room_count);
    if (m->principal_count > 0) {
        json_member_open(&w, "principals", '[');
        for (unsigned i = 0; i < m->principal_count; i++) {
            char id[UUID_TEXT_LEN + 1];
            uuid_format(m->principals[i], id);
            json_write_string(&w, span_of(id, UUID_TEXT_LEN));
        }
        json_close(&w, ']');
    }
    write_texts(&w, "except", m->except, m->except_count);
    if (m->kinds != 0) {
        json_member_u64(&w, "kinds", m->kinds);
    }
    json_close(&w, '}');
}

/* --- reading --- */

/* An array of strings; false when it is none, or has more than `max`. */
static bool read_texts(span list, unsigned max, struct arena *a, const span **out, unsigned *count)
{
    struct json_iter it;
    span value;
    size_t have = json_count(list);
    if (!json_array_begin(&it, list) || have > max) {
        return false;
    }
    span *texts = ARENA_ARRAY(a, span, have + 1);
    for (*count = 0; *count < have && json_array_next(&it, &value); ++*count) {
        if (json_type(value) != JSON_STRING) {
            return false;
        }
        texts[*count] = json_string_in(value, a);
    }
    *out = texts;
    return true;
}

static bool read_attachments(span list, struct arena *a, struct emit *m)
{
    const span *texts;
    unsigned count;
    if (!read_texts(list, SIO_ATTACHMENTS_MAX, a, &texts, &count)) {
        return false;
    }
    span *out = ARENA_ARRAY(a, span, count + 1);
    for (unsigned i = 0; i < count; i++) {
        uint8_t *to = arena_alloc(a, texts[i].len / 4 * 3 + 3);
        ptrdiff_t len = base64_decode(texts[i], to);
        if (len < 0) {
            return false;
        }
        out[i] = span_of(to, (size_t)len);
    }
    m->attachments = out;
    m->attachment_count = count;
    return true;
}

static bool read_principals(span list, struct arena *a, struct emit *m)
{
    const span *texts;
    unsigned count;
    if (!read_texts(list, EMIT_ROOMS_MAX, a, &texts, &count)) {
        return false;
    }
    uuid *out = ARENA_ARRAY(a, uuid, count + 1);
    for (unsigned i = 0; i < count; i++) {
        if (!uuid_parse(texts[i], &out[i])) {
            return false;
        }
    }
    m->principals = out;
    m->principal_count = count;
    return true;
}

static bool read_kinds(span value, struct emit *m)
{
    int64_t kinds;
    bool ok = json_i64(value, &kinds) && kinds >= 0 && kinds <= (EMIT_DEVICES | EMIT_CLIENTS);
    m->kinds = ok ? (unsigned)kinds : 0;
    return ok;
}

static bool read_member(span key, span value, struct arena *a, struct emit *m)
{
    if (json_string_eq(key, SPAN("nsp"))) {
        m->nsp = json_string_in(value, a);
    } else if (json_string_eq(key, SPAN("args"))) {
        m->args = value;
    } else if (json_string_eq(key, SPAN("bin"))) {
        return read_attachments(value, a, m);
    } else if (json_string_eq(key, SPAN("rooms"))) {
        return read_texts(value, EMIT_ROOMS_MAX, a, &m->rooms, &m->room_count);
    } else if (json_string_eq(key, SPAN("principals"))) {
        return read_principals(value, a, m);
    } else if (json_string_eq(key, SPAN("except"))) {
        return read_texts(value, EMIT_ROOMS_MAX, a, &m->except, &m->except_count);
    } else if (json_string_eq(key, SPAN("kinds"))) {
        return read_kinds(value, m);
    }
    return true;
}

bool emit_read(span json, struct arena *a, struct emit *out)
{
    struct json_iter it;
    span key, value;
    *out = (struct emit){0};
    if (!json_object_begin(&it, json)) {
        return false;
    }
    while (json_object_next(&it, &key, &value)) {
        if (!read_member(key, value, a, out)) {
            return false;
        }
    }
    return out->nsp.len > 0 && out->nsp.len <= SIO_NAMESPACE_BYTES_MAX &&
           json_type(out->args) == JSON_ARRAY;
}
