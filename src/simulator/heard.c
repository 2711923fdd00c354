/* What the server says, read. */
#include "simulator/heard.h"

#include "codec/json/read.h"
#include "codec/json/scan.h"
#include "codec/sio/packet.h"

#define DEPTH_MAX 16
#define RETRY_MS_MAX 3600000

/* The error object {type,message,code,details}, or its type alone. */
static void read_error(span error, struct heard *out)
{
    span type = error, details;
    buf text = {0};
    int64_t ms = 0;
    if (json_type(error) == JSON_OBJECT && !json_get(error, "type", &type)) {
        (void)json_get(error, "code", &type);
    }
    if (json_string(type, &text) && text.len > 0 && text.len <= HEARD_CODE_MAX) {
        memcpy(out->code, text.ptr, text.len);
    }
    buf_deinit(&text);
    if (json_get(error, "details", &details) && json_get(details, "retryAfterMs", &details) &&
        json_i64(details, &ms) && ms > 0) {
        out->retry_after_ms = ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX;
    }
}

/* The version that is desired, and what it is. */
static bool read_desired(span config, struct heard *out)
{
    span version;
    return json_get(config, "version", &version) && json_i64(version, &out->version) &&
           out->version >= 0 && json_get(config, "desired", &out->desired);
}

static void read_ack(span data, struct heard *out)
{
    span value, config;
    int64_t n;
    out->kind = HEARD_ACK;
    out->data = data;
    if (!json_get(data, "ok", &value) || !json_bool(value, &out->ok)) {
        out->kind = HEARD_BAD;
    } else if (!out->ok && json_get(data, "error", &value)) {
        read_error(value, out);
    } else if (json_get(data, "accepted", &value) && json_i64(value, &n) && n >= 0 &&
               n <= UINT32_MAX) {
        out->accepted = (uint32_t)n;
    } else if (json_get(data, "config", &config) && json_type(config) == JSON_OBJECT &&
               !read_desired(config, out)) {
        out->kind = HEARD_BAD;
    }
}

static void read_command(span data, struct heard *out)
{
    out->kind = HEARD_COMMAND;
    if (!json_get(data, "requestId", &out->request_id) ||
        json_type(out->request_id) != JSON_STRING ||
        out->request_id.len > HEARD_REQUEST_BYTES_MAX) {
        out->request_id = SPAN_NONE;
        out->kind = HEARD_BAD;
    }
}

static void read_config(span data, struct heard *out)
{
    out->kind = read_desired(data, out) ? HEARD_CONFIG : HEARD_BAD;
}

static void read_closing(span data, struct heard *out)
{
    span value;
    int64_t code = 0;
    out->kind = HEARD_CLOSING;
    if (json_get(data, "code", &value) && json_i64(value, &code) && code >= 1000 && code <= 4999) {
        out->close_code = (int)code;
    }
}

/* What both wires call the same. */
static void read_named(span name, span data, struct heard *out)
{
    static const struct {
        const char *name;
        void (*read)(span data, struct heard *out);
    } rows[] = {{"device:command", read_command},
                {"device:config-update", read_config},
                {"closing", read_closing}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (json_string_eq(name, span_str(rows[i].name))) {
            rows[i].read(data, out);
            return;
        }
    }
    if (json_string_eq(name, SPAN("error"))) {
        out->kind = HEARD_ERROR;
        read_error(data, out);
    }
}

/* --- the raw wire --- */

static void read_raw(span text, struct heard *out)
{
    span type, data = SPAN_NONE, id;
    int64_t number;
    if (json_check(text, DEPTH_MAX, 0, NULL) != 0 || !json_get(json_root(text), "type", &type) ||
        json_type(type) != JSON_STRING) {
        out->kind = HEARD_BAD;
        return;
    }
    (void)json_get(json_root(text), "data", &data);
    if (json_string_eq(type, SPAN("ack"))) {
        read_ack(data, out);
        if (!json_get(data, "id", &id) || !json_i64(id, &number) || number <= 0) {
            out->kind = HEARD_BAD;
        } else {
            out->id = (uint64_t)number;
        }
    } else if (json_string_eq(type, SPAN("connected"))) {
        out->kind = HEARD_JOINED;
    } else {
        read_named(type, data, out);
        if (out->kind == HEARD_COMMAND && json_get(json_root(text), "id", &id) &&
            json_i64(id, &number) && number >= 0) {
            out->wants_ack = true;
            out->id = (uint64_t)number;
        }
    }
}

/* --- Socket.IO --- */

/* 43<id>[{"ok":true,"accepted":<n>,... without reading the rest. */
static bool read_usual_ack(span text, struct heard *out)
{
    static const char rest[] = "[{\"ok\":true,\"accepted\":";
    const size_t rest_len = sizeof rest - 1;
    size_t at = 2;
    uint64_t n = 0;
    if (text.len < 4 || text.ptr[0] != '4' || text.ptr[1] != '3') {
        return false;
    }
    for (; at < text.len && at < 18 && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) {
        out->id = out->id * 10 + (uint64_t)(text.ptr[at] - '0');
    }
    if (text.len - at <= rest_len || memcmp(text.ptr + at, rest, rest_len) != 0) {
        out->id = 0;
        return false;
    }
    at += rest_len;
    for (size_t i = 0; i < 9 && at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; i++) {
        n = n * 10 + (uint64_t)(text.ptr[at++] - '0');
    }
    out->kind = HEARD_ACK;
    out->ok = true;
    out->accepted = (uint32_t)n;
    return true;
}

/* The first argument of an event, the first element of an ack. */
static span element(span array, unsigned index)
{
    struct json_iter it;
    span value = SPAN_NONE;
    if (json_array_begin(&it, array)) {
        for (unsigned i = 0; i <= index; i++) {
            if (!json_array_next(&it, &value)) {
                return SPAN_NONE;
            }
        }
    }
    return value;
}

/* CONNECT_ERROR is the one packet that the codec does not read: clients do not send it. */
static void read_connect_error(span json, struct heard *out)
{
    span data;
    out->kind = HEARD_REFUSED;
    if (json_check(json, DEPTH_MAX, 0, NULL) == 0 && json_get(json_root(json), "data", &data)) {
        read_error(data, out);
    }
}

static void read_packet(span text, struct heard *out)
{
    struct sio_packet p;
    if (text.len > 0 && text.ptr[0] == '4') {
        read_connect_error(span_slice(text, 1, text.len), out);
        return;
    }
    if (sio_packet_read(text, DEPTH_MAX, &p) != SIO_OK) {
        out->kind = HEARD_BAD;
        return;
    }
    switch (p.type) {
    case SIO_CONNECT:
        out->kind = HEARD_JOINED;
        break;
    case SIO_DISCONNECT:
        out->kind = HEARD_LEFT;
        break;
    case SIO_ACK:
        out->id = p.id;
        read_ack(element(p.payload, 0), out);
        out->kind = p.has_id ? out->kind : HEARD_BAD;
        break;
    case SIO_EVENT:
        out->id = p.id;
        out->wants_ack = p.has_id;
        read_named(p.event, element(p.payload, 1), out);
        break;
    case SIO_CONNECT_ERROR:
    case SIO_BINARY_EVENT:
    case SIO_BINARY_ACK:
        break;
    }
}

static void read_socketio(span text, struct heard *out)
{
    if (text.len == 0) {
        out->kind = HEARD_BAD;
    } else if (text.ptr[0] == '4') {
        if (!read_usual_ack(text, out)) {
            read_packet(span_slice(text, 1, text.len), out);
        }
    } else if (text.ptr[0] == '2') {
        out->kind = HEARD_PING;
    } else if (text.ptr[0] == '0') {
        out->kind = HEARD_OPEN;
    } else if (text.ptr[0] == '1') {
        out->kind = HEARD_LEFT;
    }
}

void heard_read(enum sim_wire wire, span text, struct heard *out)
{
    *out = (struct heard){.kind = HEARD_OTHER};
    if (wire == SIM_RAW) {
        read_raw(text, out);
    } else {
        read_socketio(text, out);
    }
}
