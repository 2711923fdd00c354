/* See line.h. */
#include "adapters/log_json/line.h"

#include "base/timefmt.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDACTED "[redacted]"
#define ELLIPSIS "\xe2\x80\xa6"
#define CUT_MARK ",\"cut\":true"

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[level];
}

/* Appends the escaped form of the character at the start of `s`; returns the bytes it took. */
static size_t append_char(buf *out, span s)
{
    uint8_t c = s.ptr[0];
    if (c == '"' || c == '\\') {
        buf_append_byte(out, '\\');
        buf_append_byte(out, c);
        return 1;
    }
    if (c < 0x20 || c == 0x7f) {
        buf_printf(out, "\\u%04x", c);
        return 1;
    }
    if (c < 0x80) {
        buf_append_byte(out, c);
        return 1;
    }
    size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (len <= s.len && utf8_valid(span_slice(s, 0, len))) {
        buf_append(out, s.ptr, len);
        return len;
    }
    buf_append_str(out, "\\ufffd");
    return 1;
}

/* The end of the text that follows `token=` at `at`, or `at` when it does not stand there. */
static size_t secret_end(span s, size_t at)
{
    span mark = SPAN("token=");
    if (!span_ieq(span_slice(s, at, mark.len), mark)) {
        return at;
    }
    size_t end = at + mark.len;
    while (end < s.len && strchr("&# \"';,\t\r\n", s.ptr[end]) == NULL) {
        end++;
    }
    return end;
}

static void append_string(buf *out, span s)
{
    buf_append_byte(out, '"');
    size_t start = out->len;
    size_t at = 0;
    while (at < s.len) {
        if (out->len - start >= LOG_VALUE_BYTES_MAX) {
            buf_append_str(out, ELLIPSIS);
            break;
        }
        size_t end = (s.ptr[at] | 0x20) == 't' ? secret_end(s, at) : at;
        if (end > at) {
            buf_append_str(out, "token=" REDACTED);
            at = end;
        } else {
            at += append_char(out, span_slice(s, at, s.len));
        }
    }
    buf_append_byte(out, '"');
}

static bool is_secret(span name)
{
    static const char *const secrets[] = {"token",  "password",      "key",
                                          "secret", "authorization", "cookie"};
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        if (span_ieq(name, span_str(secrets[i]))) {
            return true;
        }
    }
    return false;
}

/* The shortest of two forms that reads back as the same number. */
static void append_double(buf *out, double v)
{
    if (!isfinite(v)) {
        buf_append_str(out, "null");
        return;
    }
    char text[40];
    (void)snprintf(text, sizeof text, "%.15g", v);
    if (strtod(text, NULL) != v) {
        (void)snprintf(text, sizeof text, "%.17g", v);
    }
    buf_append_str(out, text);
}

static void append_field(buf *out, const struct log_field *f)
{
    buf_append_byte(out, ',');
    append_string(out, span_str(f->name));
    buf_append_byte(out, ':');
    switch (f->type) {
    case LOG_FIELD_STR:
        append_string(out, is_secret(span_str(f->name)) ? SPAN(REDACTED) : f->str);
        break;
    case LOG_FIELD_I64:
        buf_append_i64(out, f->i64);
        break;
    case LOG_FIELD_U64:
        buf_append_u64(out, f->u64);
        break;
    case LOG_FIELD_F64:
        append_double(out, f->f64);
        break;
    case LOG_FIELD_BOOL:
        buf_append_str(out, f->flag ? "true" : "false");
        break;
    }
}

void log_line_append(buf *out, int64_t wall_ms, enum log_level level, const char *event,
                     const char *node, const struct log_field *fields, unsigned count)
{
    size_t start = out->len;
    char ts[TIME_MS_LEN + 1];
    time_format_ms(wall_ms, ts);
    buf_printf(out, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":", ts, level_name(level));
    append_string(out, span_str(event));
    buf_append_str(out, ",\"node\":");
    append_string(out, span_str(node));
    for (unsigned i = 0; i < count; i++) {
        size_t before = out->len;
        append_field(out, &fields[i]);
        if (out->len - start > LOG_LINE_BYTES_MAX - sizeof CUT_MARK - 2) {
            out->len = before;
            buf_append_str(out, CUT_MARK);
            break;
        }
    }
    buf_append_str(out, "}\n");
}
