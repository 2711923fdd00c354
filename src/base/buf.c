#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

/* The first allocation: most control messages and envelopes fit without growing again. */
#define BUF_CAP_MIN 64

void buf_deinit(buf *b)
{
    mem_free(b->ptr);
    *b = (buf){0};
}

uint8_t *buf_reserve(buf *b, size_t more)
{
    size_t left = b->cap - b->len;
    if (UNLIKELY(more > left || b->ptr == NULL)) {
        ASSERT(more <= SIZE_MAX / 4 && b->len <= SIZE_MAX / 4);
        size_t need = b->len + more;
        size_t cap = b->cap < BUF_CAP_MIN ? BUF_CAP_MIN : b->cap;
        while (cap < need) {
            cap *= 2;
        }
        b->ptr = mem_realloc(b->ptr, cap);
        b->cap = cap;
    }
    return b->ptr + b->len;
}

void buf_append(buf *b, const void *ptr, size_t len)
{
    if (len > 0) {
        memcpy(buf_reserve(b, len), ptr, len);
        b->len += len;
    }
}

void buf_append_str(buf *b, const char *text) { buf_append(b, text, strlen(text)); }

void buf_append_byte(buf *b, uint8_t byte)
{
    *buf_reserve(b, 1) = byte;
    b->len++;
}

void buf_append_u64(buf *b, uint64_t value)
{
    char digits[20]; /* 18446744073709551615 */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_append(b, digits + at, sizeof digits - at);
}

void buf_append_i64(buf *b, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        buf_append_byte(b, '-');
        magnitude = 0 - magnitude; /* in unsigned arithmetic, for INT64_MIN */
    }
    buf_append_u64(b, magnitude);
}

void buf_printf(buf *b, const char *fmt, ...)
{
    va_list args;
    va_list again;
    va_start(args, fmt);
    va_copy(again, args);
    uint8_t *at = buf_reserve(b, 1);
    size_t left = b->cap - b->len;
    int len = vsnprintf((char *)at, left, fmt, args);
    ASSERT(len >= 0);
    if ((size_t)len >= left) {
        at = buf_reserve(b, (size_t)len + 1); /* vsnprintf always ends with a NUL */
        vsnprintf((char *)at, (size_t)len + 1, fmt, again);
    }
    b->len += (size_t)len;
    va_end(again);
    va_end(args);
}

void buf_consume(buf *b, size_t n)
{
    ASSERT(n <= b->len);
    if (n > 0) {
        memmove(b->ptr, b->ptr + n, b->len - n);
        b->len -= n;
    }
}
