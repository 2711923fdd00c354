/* Commands as JSON objects. */
#include "shape/command.h"

#include "base/timefmt.h"
#include "codec/json/write.h"
#include "shape/decode.h"

static void member_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_MS_LEN + 1];
    if (epoch_ms != 0) {
        time_format_ms(epoch_ms, text);
        json_member_string(w, name, span_of(text, TIME_MS_LEN));
    }
}

static void member_uuid(struct json_writer *w, const char *name, uuid value)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(value, id);
    json_member_string(w, name, span_of(id, UUID_TEXT_LEN));
}

static void member_error(struct json_writer *w, const struct command_row *row)
{
    if (row->error_code.len > 0) {
        json_member_open(w, "error", '{');
        json_member_string(w, "code", row->error_code);
        json_member_string(w, "message", row->error_message);
        json_close(w, '}');
    }
}

void command_put_result(buf *out, const struct command_row *row, bool parameters)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "commandId", row->id);
    json_member_string(&w, "requestId", row->request_id);
    member_uuid(&w, "deviceId", row->device);
    json_member_string(&w, "command", row->command);
    if (parameters && row->parameters.len > 0) {
        json_member_raw(&w, "parameters", row->parameters);
    }
    json_member_string(&w, "status",
                       span_str(shape_command_status_name((int)command_status_of(row->phase))));
    json_member_string(&w, "phase", span_str(shape_command_phase_name((int)row->phase)));
    if (row->response.len > 0) {
        json_member_raw(&w, "response", row->response);
    }
    member_error(&w, row);
    if (row->late) {
        json_member_bool(&w, "late", true);
    }
    member_time(&w, "createdAt", row->created_ms);
    member_time(&w, "sentAt", row->sent_ms);
    member_time(&w, "executedAt", row->executed_ms);
    json_close(&w, '}');
}

void command_put_issuer(buf *out, uuid issuer, span result)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "issuer", issuer);
    json_member_raw(&w, "result", result);
    json_close(&w, '}');
}

void command_put_device(buf *out, const struct command_row *row)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "deviceId", row->device);
    json_member_string(&w, "command", row->command);
    if (row->parameters.len > 0) {
        json_member_raw(&w, "parameters", row->parameters);
    }
    json_member_string(&w, "requestId", row->request_id);
    member_time(&w, "timestamp", row->requested_ms);
    json_member_i64(&w, "timeoutMs", row->timeout_ms);
    member_time(&w, "expiresAt", row->expires_ms);
    if (row->no_response) {
        json_member_bool(&w, "expectResponse", false);
    }
    json_close(&w, '}');
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* The next byte that counts, -1 at the end; `in_string` follows the quotes. */
static int next(span s, size_t *at, bool *in_string)
{
    while (*at < s.len && !*in_string && is_space(s.ptr[*at])) {
        ++*at;
    }
    if (*at == s.len) {
        return -1;
    }
    uint8_t c = s.ptr[(*at)++];
    if (c == '"') {
        size_t slashes = 0;
        while (*in_string && slashes + 2 <= *at && s.ptr[*at - 2 - slashes] == '\\') {
            slashes++;
        }
        if (slashes % 2 == 0) {
            *in_string = !*in_string;
        }
    }
    return c;
}

bool command_same_json(span a, span b)
{
    size_t at_a = 0, at_b = 0;
    bool in_a = false, in_b = false;
    if (a.len == 0 || b.len == 0) {
        return a.len == b.len;
    }
    for (;;) {
        int x = next(a, &at_a, &in_a), y = next(b, &at_b, &in_b);
        if (x != y) {
            return false;
        }
        if (x < 0) {
            return true;
        }
    }
}
