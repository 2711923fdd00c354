/* The two bodies of CONTRACT 7: the success envelope and problem+json (RFC 9457). Their timestamp
 * has milliseconds, but for Home's paths, whatever the answer is. */
#include "edge/rest/internal.h"

#include "base/timefmt.h"

#include <stdio.h>

bool home_path(span path)
{
    static const char *const roots[] = {"/api/v1/websocket", "/api/v1/rooms", "/api/v1/entities",
                                        "/api/v1/scenes"};
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        span root = span_str(roots[i]);
        if (span_starts(path, root) && (path.len == root.len || path.ptr[root.len] == '/')) {
            return true;
        }
    }
    return false;
}

static void member_timestamp(struct json_writer *w, span path, int64_t ms)
{
    if (home_path(path)) {
        rest_member_second(w, "timestamp", ms);
    } else {
        rest_member_time(w, "timestamp", ms);
    }
}

void envelope_write(buf *out, span path, span data, span next_cursor, int64_t now_ms)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_bool(&w, "success", true);
    json_member_raw(&w, "data", data.len == 0 ? SPAN("null") : data);
    if (next_cursor.len > 0) {
        json_member_string(&w, "next_cursor", next_cursor);
    }
    member_timestamp(&w, path, now_ms);
    json_close(&w, '}');
}

void problem_write(buf *out, const struct problem *p, int64_t now_ms)
{
    char type[96];
    const char *detail = p->detail != NULL ? p->detail : err_text(p->error);
    snprintf(type, sizeof type, "urn:signalbox:error:%s", err_code(p->error));
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "type", span_str(type));
    json_member_string(&w, "title", span_str(err_text(p->error)));
    json_member_u64(&w, "status", p->status);
    json_member_string(&w, "detail", span_str(detail));
    json_member_string(&w, "instance", p->path);
    json_member_string(&w, "code", span_str(err_code(p->error)));
    json_member_open(&w, "errors", '[');
    for (unsigned i = 0; i < p->fault_count; i++) {
        json_open(&w, '{');
        json_member_string(&w, "member", span_str(p->faults[i].member));
        json_member_string(&w, "detail", span_str(p->faults[i].detail));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    if (p->details.len > 0) {
        json_member_raw(&w, "details", p->details);
    }
    json_member_bool(&w, "success", false);
    json_member_string(&w, "error", span_str(p->said != NULL ? p->said : detail));
    member_timestamp(&w, p->path, now_ms);
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

void rest_member_second(struct json_writer *w, const char *name, int64_t ms)
{
    char text[TIME_S_LEN + 1];
    if (ms == 0) {
        json_member_null(w, name);
        return;
    }
    time_format_s(ms, text);
    json_member_string(w, name, span_of(text, TIME_S_LEN));
}
