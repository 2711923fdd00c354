/* What the server says to the agent. */
#include "agent/incoming.h"

#include "base/assert.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"

#define RETRY_MS_MAX 3600000

/* The error object of Devices {type,message,code,details}, or its type alone. */
static void read_error(span error, struct incoming *out)
{
    span code = error, details;
    buf text = {0};
    int64_t ms = 0;
    if (json_type(error) == JSON_OBJECT && !json_get(error, "type", &code)) {
        (void)json_get(error, "code", &code);
    }
    if (json_string(code, &text) && text.len <= INCOMING_CODE_MAX && text.len > 0) {
        memcpy(out->code, text.ptr, text.len);
    }
    buf_deinit(&text);
    if (json_get(error, "details", &details) && json_get(details, "retryAfterMs", &details) &&
        json_i64(details, &ms) && ms > 0) {
        out->retry_after_ms = ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX;
    }
}

static bool read_ack(span data, struct incoming *out)
{
    span id, ok, error;
    int64_t number;
    if (!json_get(data, "id", &id) || !json_i64(id, &number) || number <= 0 ||
        !json_get(data, "ok", &ok) || !json_bool(ok, &out->ok)) {
        return false;
    }
    out->id = (uint64_t)number;
    if (!out->ok && json_get(data, "error", &error)) {
        read_error(error, out);
    }
    return true;
}

bool incoming_parse(span text, struct incoming *out)
{
    span type, data = SPAN_NONE;
    *out = (struct incoming){.type = INCOMING_OTHER};
    if (json_check(text, INCOMING_DEPTH_MAX, 0, NULL) != 0) {
        return false;
    }
    span root = json_root(text);
    if (!json_get(root, "type", &type) || json_type(type) != JSON_STRING) {
        return false;
    }
    (void)json_get(root, "data", &data);
    if (json_string_eq(type, SPAN("ack"))) {
        out->type = INCOMING_ACK;
        return read_ack(data, out);
    }
    if (json_string_eq(type, SPAN("error"))) {
        out->type = INCOMING_ERROR;
        read_error(data, out);
        return true;
    }
    if (json_string_eq(type, SPAN("device:command"))) {
        out->type = INCOMING_COMMAND;
        return json_get(data, "requestId", &out->request_id) &&
               json_type(out->request_id) == JSON_STRING;
    }
    return true;
}

bool incoming_code_is_final(const char *code)
{
    static const char *const final[] = {"INVALID_MESSAGE_FORMAT", "TELEMETRY_VALIDATION_FAILED",
                                        "INVALID_REQUEST"};
    for (unsigned i = 0; i < ARRAY_LEN(final); i++) {
        if (strcmp(code, final[i]) == 0) {
            return true;
        }
    }
    return false;
}
