/* Strings are copied in runs between bytes that need an escape; numbers are as short as exact. */
#include "codec/json/write.h"

#include "base/assert.h"
#include "base/utf8.h"
#include "codec/json/lex.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53: whole numbers below it are exact */
/* Below this a value of up to three decimals times 1000 has at most 15 digits: exact, shortest. */
#define MILLI_MAX 1e12
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The first byte at or after `p` that cannot be copied as it is and is not ASCII, or `end`. */
static const uint8_t *skip_plain(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8) {
        uint64_t w = lex_load8(p);
        uint64_t stop = lex_equal8(w, '"') | lex_equal8(w, '\\') | lex_below8(w, 0x20) |
                        (w & LEX_HIGHS);
        if (stop != 0) {
            return p + (__builtin_ctzll(stop) >> 3);
        }
        p += 8;
    }
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
        p++;
    }
    return p;
}

/* The length of the character at `p` (a byte >= 0x80), or 0 when it is not UTF-8. */
static size_t character_len(const uint8_t *p, const uint8_t *end)
{
    size_t len = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
    return (size_t)(end - p) >= len && utf8_valid(span_of(p, len)) ? len : 0;
}

static void put_escape(buf *out, uint8_t b)
{
    static const char shorts[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    static const char hex[] = "0123456789abcdef";
    uint8_t text[6] = {'\\', b};
    if (b >= 0x20) {
        buf_append(out, text, 2);
    } else if (shorts[b] != 0) {
        text[1] = (uint8_t)shorts[b];
        buf_append(out, text, 2);
    } else {
        memcpy(text + 1, "u00", 3);
        text[4] = (uint8_t)hex[b >> 4];
        text[5] = (uint8_t)hex[b & 15];
        buf_append(out, text, 6);
    }
}

void json_put_string(buf *out, span text)
{
    buf_reserve(out, text.len + 2);
    buf_append_byte(out, '"');
    const uint8_t *p = text.ptr;
    const uint8_t *end = text.len > 0 ? p + text.len : p;
    while (p < end) {
        const uint8_t *run = p;
        size_t len = 1;
        while ((p = skip_plain(p, end)) < end && *p >= 0x80 && (len = character_len(p, end)) > 0) {
            p += len;
        }
        buf_append(out, run, (size_t)(p - run));
        if (p == end) {
            break;
        }
        if (*p >= 0x80) {
            buf_append_str(out, REPLACEMENT);
        } else {
            put_escape(out, *p);
        }
        p++;
    }
    buf_append_byte(out, '"');
}

/* Up to three decimals, which is what sensors and percentages have; false when there are more. */
static bool put_milli(buf *out, double value)
{
    if (!(fabs(value) < MILLI_MAX)) {
        return false;
    }
    int64_t milli = llrint(value * 1000);
    if ((double)milli / 1000 != value) {
        return false;
    }
    if (milli < 0) {
        buf_append_byte(out, '-');
        milli = -milli;
    }
    buf_append_u64(out, (uint64_t)milli / 1000);
    unsigned fraction = (unsigned)(milli % 1000);
    char digits[4] = {'.', (char)('0' + fraction / 100), (char)('0' + fraction / 10 % 10),
                      (char)('0' + fraction % 10)};
    size_t n = sizeof digits;
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    buf_append(out, digits, n > 1 ? n : 0);
    return true;
}

void json_put_double(buf *out, double value)
{
    ASSERT(isfinite(value));
    if (fabs(value) < WHOLE_MAX && value == trunc(value)) {
        buf_append_i64(out, (int64_t)value);
        return;
    }
    if (put_milli(out, value)) {
        return;
    }
    char text[32]; /* -1.2345678901234567e-308 */
    int n = 0;
    for (int precision = 15; precision <= 17; precision++) {
        n = snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    buf_append(out, text, (size_t)n);
}

static void before_value(struct json_writer *w)
{
    if (w->comma) {
        buf_append_byte(w->out, ',');
    }
    w->comma = true;
}

void json_open(struct json_writer *w, char bracket)
{
    ASSERT(bracket == '{' || bracket == '[');
    before_value(w);
    buf_append_byte(w->out, (uint8_t)bracket);
    w->comma = false;
}

void json_close(struct json_writer *w, char bracket)
{
    ASSERT(bracket == '}' || bracket == ']');
    buf_append_byte(w->out, (uint8_t)bracket);
    w->comma = true;
}

void json_key(struct json_writer *w, const char *name)
{
    size_t len = strlen(name);
    before_value(w);
    uint8_t *p = buf_reserve(w->out, len + 3);
    p[0] = '"';
    memcpy(p + 1, name, len);
    p[len + 1] = '"';
    p[len + 2] = ':';
    w->out->len += len + 3;
    w->comma = false;
}

void json_key_span(struct json_writer *w, span name)
{
    before_value(w);
    json_put_string(w->out, name);
    buf_append_byte(w->out, ':');
    w->comma = false;
}

void json_write_string(struct json_writer *w, span text)
{
    before_value(w);
    json_put_string(w->out, text);
}

void json_write_i64(struct json_writer *w, int64_t value)
{
    before_value(w);
    buf_append_i64(w->out, value);
}

void json_write_u64(struct json_writer *w, uint64_t value)
{
    before_value(w);
    buf_append_u64(w->out, value);
}

void json_write_double(struct json_writer *w, double value)
{
    before_value(w);
    json_put_double(w->out, value);
}

void json_write_bool(struct json_writer *w, bool value)
{
    before_value(w);
    buf_append_str(w->out, value ? "true" : "false");
}

void json_write_null(struct json_writer *w)
{
    before_value(w);
    buf_append_str(w->out, "null");
}

void json_write_raw(struct json_writer *w, span json)
{
    before_value(w);
    buf_append_span(w->out, json);
}

void json_member_string(struct json_writer *w, const char *name, span text)
{
    json_key(w, name);
    json_write_string(w, text);
}

void json_member_i64(struct json_writer *w, const char *name, int64_t value)
{
    json_key(w, name);
    json_write_i64(w, value);
}

void json_member_u64(struct json_writer *w, const char *name, uint64_t value)
{
    json_key(w, name);
    json_write_u64(w, value);
}

void json_member_double(struct json_writer *w, const char *name, double value)
{
    json_key(w, name);
    json_write_double(w, value);
}

void json_member_bool(struct json_writer *w, const char *name, bool value)
{
    json_key(w, name);
    json_write_bool(w, value);
}

void json_member_null(struct json_writer *w, const char *name)
{
    json_key(w, name);
    json_write_null(w);
}

void json_member_raw(struct json_writer *w, const char *name, span json)
{
    json_key(w, name);
    json_write_raw(w, json);
}

void json_member_open(struct json_writer *w, const char *name, char bracket)
{
    json_key(w, name);
    json_open(w, bracket);
}
