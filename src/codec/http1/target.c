#include "codec/http1/target.h"

#include "base/utf8.h"
#include "codec/http1/chars.h"

bool http1_percent_decode(span s, bool plus, buf *out)
{
    uint8_t *to = buf_reserve(out, s.len);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (c == '%') {
            int high = s.len - i < 3 ? -1 : http1_hex_value(s.ptr[i + 1]);
            int low = s.len - i < 3 ? -1 : http1_hex_value(s.ptr[i + 2]);
            if (high < 0 || low < 0) {
                return false;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        to[n++] = c;
    }
    out->len += n;
    return true;
}

void http1_percent_encode(span s, buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *to = buf_reserve(out, 3 * s.len);
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (http1_is(c, HTTP1_C_UNRESERVED)) {
            *to++ = c;
            out->len++;
        } else {
            *to++ = '%';
            *to++ = (uint8_t)digits[c >> 4];
            *to++ = (uint8_t)digits[c & 15];
            out->len += 3;
        }
    }
}

static bool segment_allowed(span segment)
{
    for (size_t i = 0; i < segment.len; i++) {
        uint8_t c = segment.ptr[i];
        if (http1_is(c, HTTP1_C_CONTROL) || c == '/' || c == '\\') {
            return false;
        }
    }
    return utf8_valid(segment);
}

/* Drops the last "/segment" of out->ptr[root..]; false when there is none. */
static bool segment_drop(buf *out, size_t root)
{
    if (out->len == root) {
        return false;
    }
    do {
        out->len--;
    } while (out->ptr[out->len] != '/');
    return true;
}

/* Appends "/" and the decoded segment, and resolves it when it is a dot segment. */
static bool segment_append(span raw, bool last, buf *out, size_t root)
{
    size_t slash = out->len;
    buf_append_byte(out, '/');
    if (!http1_percent_decode(raw, false, out)) {
        return false;
    }
    span segment = span_of(out->ptr + slash + 1, out->len - slash - 1);
    bool dot = span_eq(segment, SPAN("."));
    bool dots = span_eq(segment, SPAN(".."));
    if (!dot && !dots) {
        return segment_allowed(segment);
    }
    out->len = slash;
    if (dots && !segment_drop(out, root)) {
        return false;
    }
    if (last) {
        buf_append_byte(out, '/'); /* RFC 3986 5.2.4: "/a/.." is "/", "/a/." is "/a/" */
    }
    return true;
}

bool http1_path_normalize(span path, buf *out)
{
    size_t root = out->len;
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    span rest = span_slice(path, 1, path.len);
    while (true) {
        ptrdiff_t slash = span_find(rest, '/');
        bool last = slash < 0;
        span raw = span_slice(rest, 0, last ? rest.len : (size_t)slash);
        if (!segment_append(raw, last, out, root)) {
            out->len = root;
            return false;
        }
        if (last) {
            return true;
        }
        rest = span_slice(rest, (size_t)slash + 1, rest.len);
    }
}

bool http1_path_next(span *rest, span *segment)
{
    if (rest->len == 0 || rest->ptr[0] != '/') {
        return false;
    }
    span tail = span_slice(*rest, 1, rest->len);
    ptrdiff_t slash = span_find(tail, '/');
    size_t end = slash < 0 ? tail.len : (size_t)slash;
    *segment = span_slice(tail, 0, end);
    *rest = span_slice(tail, end, tail.len);
    return true;
}

bool http1_query_next(span *rest, span *key, span *value)
{
    while (rest->len > 0) {
        span pair = span_cut(rest, '&');
        if (pair.len == 0) {
            continue;
        }
        ptrdiff_t equals = span_find(pair, '=');
        *key = span_slice(pair, 0, equals < 0 ? pair.len : (size_t)equals);
        *value = equals < 0 ? SPAN_NONE : span_slice(pair, (size_t)equals + 1, pair.len);
        return true;
    }
    return false;
}

/* Whether `raw` decodes to `key`, without writing the decoded bytes anywhere. */
static bool key_is(span raw, span key)
{
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++, n++) {
        int c = raw.ptr[i] == '+' ? ' ' : raw.ptr[i];
        if (c == '%') {
            if (raw.len - i < 3 || http1_hex_value(raw.ptr[i + 1]) < 0 ||
                http1_hex_value(raw.ptr[i + 2]) < 0) {
                return false;
            }
            c = http1_hex_value(raw.ptr[i + 1]) << 4 | http1_hex_value(raw.ptr[i + 2]);
            i += 2;
        }
        if (n >= key.len || key.ptr[n] != c) {
            return false;
        }
    }
    return n == key.len;
}

bool http1_query_get(span query, span key, buf *out)
{
    span raw_key;
    span raw_value;
    while (http1_query_next(&query, &raw_key, &raw_value)) {
        if (key_is(raw_key, key)) {
            return http1_percent_decode(raw_value, true, out);
        }
    }
    return false;
}

size_t http1_query_count(span query, span key)
{
    size_t count = 0;
    span raw_key;
    span raw_value;
    while (http1_query_next(&query, &raw_key, &raw_value)) {
        count += key_is(raw_key, key);
    }
    return count;
}
