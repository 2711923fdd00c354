#include "edge/socketio/chat.h"

#include "base/utf8.h"
#include "codec/json/read.h"
#include "codec/json/write.h"

/* "1" or "1.<whatever>": a minor version only adds members. */
static bool version_fits(span version)
{
    return version.len > 0 && version.ptr[0] == '1' && (version.len == 1 || version.ptr[1] == '.');
}

static void read_request_id(struct chat_envelope *e, span value, struct arena *arena)
{
    span text = json_string_in(value, arena);
    size_t characters = 0;
    for (size_t i = 0; i < text.len; i++) {
        characters += (text.ptr[i] & 0xc0) != 0x80;
    }
    if (json_type(value) != JSON_STRING || characters == 0 || characters > CHAT_REQUEST_ID_MAX ||
        !utf8_storable(text)) {
        e->bad = "must be a string of 1 to 100 characters";
        e->member = "requestId";
    } else {
        e->request_id = text;
    }
}

static void refuse(struct chat_envelope *e, const char *member, const char *why)
{
    if (e->bad == NULL) {
        e->member = member;
        e->bad = why;
    }
}

struct chat_envelope chat_envelope_read(span arg, span name, struct arena *arena)
{
    struct chat_envelope e = {.data = arg};
    struct json_iter it;
    span key, value, event = SPAN_NONE, data = SPAN_NONE, id = SPAN_NONE, version = SPAN_NONE;
    if (!json_object_begin(&it, arg)) {
        return e;
    }
    while (json_object_next(&it, &key, &value)) {
        span *to = json_string_eq(key, SPAN("event"))       ? &event
                   : json_string_eq(key, SPAN("data"))      ? &data
                   : json_string_eq(key, SPAN("requestId")) ? &id
                   : json_string_eq(key, SPAN("version"))   ? &version
                                                            : &key;
        *to = value;
    }
    if (json_type(version) != JSON_STRING || json_type(data) != JSON_OBJECT) {
        return e;
    }
    e.data = data;
    if (json_type(id) != JSON_NONE && json_type(id) != JSON_NULL) {
        read_request_id(&e, id, arena);
    }
    if (!version_fits(json_string_in(version, arena))) {
        refuse(&e, "version", "is not spoken here");
    }
    if (json_type(event) != JSON_NONE && !json_string_eq(event, name)) {
        refuse(&e, "event", "is not the name of this event");
    }
    return e;
}

void chat_envelope_put(buf *out, span name, span data, span more, span request_id)
{
    buf_append_str(out, "{\"event\":");
    json_put_string(out, name);
    buf_append_str(out, ",\"data\":");
    buf_append_span(out, data);
    if (more.len > 0) {
        ASSERT(data.len >= 2 && data.ptr[data.len - 1] == '}');
        out->len--;
        buf_append_str(out, data.len > 2 ? "," : "");
        buf_append_span(out, more);
        buf_append_byte(out, '}');
    }
    if (request_id.len > 0) {
        buf_append_str(out, ",\"requestId\":");
        json_put_string(out, request_id);
    }
    buf_append_str(out, ",\"version\":\"" CHAT_VERSION "\"}");
}

/* Whether an array ends with a string: who asked, for payloads are objects. */
static bool has_requester(span data)
{
    return data.len > 2 && data.ptr[data.len - 1] == ']' && data.ptr[data.len - 2] == '"';
}

span chat_stored_payload(span data)
{
    struct json_iter it;
    span payload = SPAN_NONE;
    if (data.len < 2 || data.ptr[0] != '[') {
        return data;
    }
    if (!has_requester(data)) {
        return span_slice(data, 1, data.len - 2);
    }
    return json_array_begin(&it, data) && json_array_next(&it, &payload) ? payload : SPAN_NONE;
}

int64_t chat_stored_seq(span data)
{
    span value;
    int64_t seq = 0;
    return json_get(chat_stored_payload(data), "seq", &value) && json_i64(value, &seq) ? seq : 0;
}

struct chat_stored chat_stored_of(span data, struct arena *arena)
{
    struct chat_stored s = {.payload = chat_stored_payload(data)};
    struct json_iter it;
    span sid, id;
    if (data.len > 0 && data.ptr[0] == '[' && has_requester(data) && json_array_begin(&it, data) &&
        json_array_next(&it, &sid) && json_array_next(&it, &sid) && json_array_next(&it, &id)) {
        s.sid = json_string_in(sid, arena);
        s.request_id = json_string_in(id, arena);
    }
    return s;
}
