/* The two bodies of CONTRACT 7: the success envelope and problem+json (RFC 9457). */
#include "edge/rest/internal.h"

#include "base/timefmt.h"

#include <stdio.h>

static void member_time(struct json_writer *w, const char *name, int64_t ms)
{
    char text[TIME_MS_LEN + 1];
    time_format_ms(ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

void envelope_write(buf *out, span data, span next_cursor, int64_t now_ms)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_bool(&w, "success", true);
    json_member_raw(&w, "data", data.len == 0 ? SPAN("null") : data);
    if (next_cursor.len > 0) {
        json_member_string(&w, "next_cursor", next_cursor);
    }
    member_time(&w, "timestamp", now_ms);
    json_close(&w, '}');
}

void problem_write(buf *out, err e, unsigned status, const char *detail, span instance,
                   const struct rest_fault *faults, unsigned fault_count, span details,
                   int64_t now_ms)
{
    char type[96];
    const char *said = detail != NULL ? detail : err_text(e);
    snprintf(type, sizeof type, "urn:signalbox:error:%s", err_code(e));
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "type", span_str(type));
    json_member_string(&w, "title", span_str(err_text(e)));
    json_member_u64(&w, "status", status);
    json_member_string(&w, "detail", span_str(said));
    json_member_string(&w, "instance", instance);
    json_member_string(&w, "code", span_str(err_code(e)));
    json_member_open(&w, "errors", '[');
    for (unsigned i = 0; i < fault_count; i++) {
        json_open(&w, '{');
        json_member_string(&w, "member", span_str(faults[i].member));
        json_member_string(&w, "detail", span_str(faults[i].detail));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    if (details.len > 0) {
        json_member_raw(&w, "details", details);
    }
    json_member_bool(&w, "success", false);
    json_member_string(&w, "error", span_str(said));
    member_time(&w, "timestamp", now_ms);
    json_close(&w, '}');
}

void rest_member_uuid(struct json_writer *w, const char *name, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    json_member_string(w, name, span_of(text, UUID_TEXT_LEN));
}

void rest_member_time(struct json_writer *w, const char *name, int64_t ms)
{
    char text[TIME_MS_LEN + 1];
    if (ms == 0) {
        json_member_null(w, name);
        return;
    }
    time_format_ms(ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}
