/*
 * A span is a borrowed view of bytes: it owns nothing and is valid as long as what it points
 * into. Two words, passed by value.
 */
#ifndef SB_BASE_SPAN_H
#define SB_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct span {
    const uint8_t *ptr;
    size_t len;
} span;

/* A span over a string literal, without its NUL. */
#define SPAN(lit) ((span){(const uint8_t *)("" lit), sizeof(lit) - 1})
#define SPAN_NONE ((span){NULL, 0})
/* For printf: ("%.*s", SPAN_FMT(s)). */
#define SPAN_FMT(s) (int)(s).len, (const char *)(s).ptr

static inline span span_of(const void *ptr, size_t len)
{
    return (span){(const uint8_t *)ptr, len};
}

static inline span span_str(const char *text)
{
    return (span){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

static inline bool span_eq(span a, span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case-insensitive equality (HTTP field names and tokens, RFC 9110 5.1). */
bool span_ieq(span a, span b);
bool span_starts(span s, span prefix);
/* The position of `byte` in `s`, or -1. */
ptrdiff_t span_find(span s, uint8_t byte);
/* `s` from `from` on, at most `len` bytes; clamped to the end, never out of bounds. */
span span_slice(span s, size_t from, size_t len);
/* Without leading and trailing SP and HTAB. */
span span_trim(span s);
/* Cuts the part before `sep` off `*rest` and returns it; without `sep` the whole, leaving
 * SPAN_NONE. After a final `sep` an empty part with a pointer remains, so a loop that ends at
 * rest.ptr == NULL sees every part. */
span span_cut(span *rest, uint8_t sep);
/* An unsigned decimal of digits only (no sign, no space); false if empty, other bytes or > max. */
bool span_u64(span s, uint64_t max, uint64_t *out);
/* Equality in time independent of the content, for secrets; lengths may leak. */
bool span_eq_secret(span a, span b);

#endif
