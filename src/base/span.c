#include "base/span.h"

/* Locale-free, unlike tolower. */
static uint8_t ascii_lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c; }

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }

bool span_ieq(span a, span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool span_starts(span s, span prefix)
{
    return s.len >= prefix.len && span_eq(span_of(s.ptr, prefix.len), prefix);
}

ptrdiff_t span_find(span s, uint8_t byte)
{
    const uint8_t *at = s.len == 0 ? NULL : memchr(s.ptr, byte, s.len);
    return at == NULL ? -1 : at - s.ptr;
}

span span_slice(span s, size_t from, size_t len)
{
    if (from >= s.len) {
        return s.len == 0 ? s : span_of(s.ptr + s.len, 0);
    }
    size_t left = s.len - from;
    return span_of(s.ptr + from, len < left ? len : left);
}

span span_trim(span s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s = span_of(s.ptr + 1, s.len - 1);
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

span span_cut(span *rest, uint8_t sep)
{
    span whole = *rest;
    ptrdiff_t at = span_find(whole, sep);
    if (at < 0) {
        *rest = SPAN_NONE;
        return whole;
    }
    *rest = span_slice(whole, (size_t)at + 1, whole.len);
    return span_of(whole.ptr, (size_t)at);
}

bool span_u64(span s, uint64_t max, uint64_t *out)
{
    if (s.len == 0) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint64_t digit = (uint64_t)s.ptr[i] - '0';
        if (digit > 9 || value > max / 10 || value * 10 > max - digit || digit > max) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool span_eq_secret(span a, span b)
{
    if (a.len != b.len) {
        return false;
    }
    /* volatile keeps the compiler from leaving the loop at the first difference. */
    volatile uint8_t diff = 0;
    for (size_t i = 0; i < a.len; i++) {
        diff = (uint8_t)(diff | (a.ptr[i] ^ b.ptr[i]));
    }
    return diff == 0;
}
