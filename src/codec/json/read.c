/*
 * The text was validated, so a value's end is found by looking only at quotes and brackets. All
 * loops still stop at the end of the span: text that was not validated cannot lead outside.
 */
#include "codec/json/read.h"

#include "base/utf8.h"
#include "codec/json/lex.h"

static const uint8_t *skip_container(const uint8_t *p, const uint8_t *end)
{
    unsigned depth = 0;
    while (p < end) {
        switch (*p) {
        case '"':
            p = lex_skip_string(p, end);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            depth--;
            if (depth == 0) {
                return p + 1;
            }
            break;
        default:
            break;
        }
        p++;
    }
    return end;
}

/* `p` is at the first byte of a value; returns the place after its last. */
static const uint8_t *skip_value(const uint8_t *p, const uint8_t *end)
{
    if (*p == '"') {
        return lex_skip_string(p, end);
    }
    if (*p == '{' || *p == '[') {
        return skip_container(p, end);
    }
    while (p < end && *p != ',' && *p != ']' && *p != '}' && !lex_is_space(*p)) {
        p++;
    }
    return p;
}

span json_root(span text)
{
    if (text.len == 0) {
        return SPAN_NONE;
    }
    const uint8_t *end = text.ptr + text.len;
    const uint8_t *p = lex_skip_space(text.ptr, end);
    while (end > p && lex_is_space(end[-1])) {
        end--;
    }
    return span_of(p, (size_t)(end - p));
}

enum json_type json_type(span value)
{
    if (value.len == 0) {
        return JSON_NONE;
    }
    switch (value.ptr[0]) {
    case 'n':
        return JSON_NULL;
    case 't':
    case 'f':
        return JSON_BOOL;
    case '"':
        return JSON_STRING;
    case '[':
        return JSON_ARRAY;
    case '{':
        return JSON_OBJECT;
    default:
        return JSON_NUMBER;
    }
}

static bool container_begin(struct json_iter *it, span value, uint8_t bracket)
{
    *it = (struct json_iter){NULL, NULL};
    if (value.len < 2 || value.ptr[0] != bracket) {
        return false;
    }
    *it = (struct json_iter){value.ptr + 1, value.ptr + value.len - 1};
    return true;
}

bool json_object_begin(struct json_iter *it, span object)
{
    return container_begin(it, object, '{');
}

bool json_array_begin(struct json_iter *it, span array)
{
    return container_begin(it, array, '[');
}

bool json_array_next(struct json_iter *it, span *value)
{
    const uint8_t *p = lex_skip_space(it->at, it->end);
    if (p < it->end && *p == ',') {
        p = lex_skip_space(p + 1, it->end);
    }
    if (p >= it->end) {
        *value = SPAN_NONE;
        return false;
    }
    const uint8_t *after = skip_value(p, it->end);
    if (after == p) { /* only in text that was not validated */
        after = it->end;
    }
    *value = span_of(p, (size_t)(after - p));
    it->at = after;
    return true;
}

bool json_object_next(struct json_iter *it, span *key, span *value)
{
    *value = SPAN_NONE;
    if (!json_array_next(it, key)) {
        return false;
    }
    it->at = lex_skip_space(it->at, it->end);
    if (it->at < it->end) {
        it->at++; /* the colon */
    }
    return json_array_next(it, value);
}

bool json_get(span object, const char *key, span *value)
{
    struct json_iter it;
    span name, v;
    span wanted = span_str(key);
    *value = SPAN_NONE;
    bool found = false;
    if (json_object_begin(&it, object)) {
        while (json_object_next(&it, &name, &v)) {
            if (json_string_eq(name, wanted)) {
                *value = v;
                found = true;
            }
        }
    }
    return found;
}

size_t json_count(span container)
{
    struct json_iter it;
    span key, value;
    size_t n = 0;
    if (json_object_begin(&it, container)) {
        while (json_object_next(&it, &key, &value)) {
            n++;
        }
    } else if (json_array_begin(&it, container)) {
        while (json_array_next(&it, &value)) {
            n++;
        }
    }
    return n;
}

/* The bytes between the quotes; false for other types. */
static bool string_body(span value, span *body)
{
    if (value.len < 2 || value.ptr[0] != '"') {
        return false;
    }
    *body = span_of(value.ptr + 1, value.len - 2);
    return true;
}

/* Cuts the next run off `*body`: plain bytes up to an escape, or one escape decoded to `out`. */
static span next_run(span *body, uint8_t out[4])
{
    const uint8_t *p = body->ptr;
    const uint8_t *end = p + body->len;
    if (*p != '\\') {
        const uint8_t *stop = memchr(p, '\\', body->len);
        span run = span_of(p, (size_t)((stop != NULL ? stop : end) - p));
        *body = span_of(p + run.len, body->len - run.len);
        return run;
    }
    static const uint8_t plain[256] = {['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r',
                                       ['t'] = '\t', ['"'] = '"',  ['/'] = '/',  ['\\'] = '\\'};
    size_t used = body->len < 2 ? body->len : 2;
    size_t made = 1;
    int unit = -1;
    out[0] = body->len < 2 ? '\\' : plain[p[1]];
    if (body->len >= 2 && p[1] == 'u' && (unit = lex_hex4(p + 2, end)) >= 0) {
        uint32_t codepoint = (uint32_t)unit;
        used = 6;
        if (lex_is_pair(p, end)) {
            codepoint = 0x10000 + (((uint32_t)unit & 0x3ff) << 10) +
                        ((uint32_t)lex_hex4(p + 8, end) & 0x3ff);
            used = 12;
        }
        if (codepoint >= 0xd800 && codepoint <= 0xdfff) {
            codepoint = 0xfffd; /* without its other half */
        }
        made = utf8_encode(codepoint, out);
    }
    *body = span_of(p + used, body->len - used);
    return span_of(out, made);
}

/* Writes the unescaped text, never longer than the body; returns its length. */
static size_t unescape(span body, uint8_t *to)
{
    uint8_t *start = to;
    uint8_t out[4];
    while (body.len > 0) {
        span run = next_run(&body, out);
        memcpy(to, run.ptr, run.len);
        to += run.len;
    }
    return (size_t)(to - start);
}

bool json_string(span value, buf *out)
{
    span body;
    if (!string_body(value, &body)) {
        return false;
    }
    out->len += unescape(body, buf_reserve(out, body.len));
    return true;
}

span json_string_in(span value, struct arena *a)
{
    span body;
    if (!string_body(value, &body)) {
        return SPAN_NONE;
    }
    if (span_find(body, '\\') < 0) {
        return body;
    }
    uint8_t *to = arena_alloc(a, body.len);
    return span_of(to, unescape(body, to));
}

bool json_string_eq(span value, span text)
{
    span body;
    if (!string_body(value, &body) || body.len < text.len) {
        return false;
    }
    if (body.len == text.len) { /* an escape would make the body longer than its text */
        return span_eq(body, text);
    }
    uint8_t out[4];
    while (body.len > 0) {
        span run = next_run(&body, out);
        if (run.len > text.len || memcmp(run.ptr, text.ptr, run.len) != 0) {
            return false;
        }
        text = span_slice(text, run.len, text.len);
    }
    return text.len == 0;
}

bool json_bool(span value, bool *out)
{
    *out = value.len > 0 && value.ptr[0] == 't';
    return json_type(value) == JSON_BOOL;
}
