/*
 * A growable byte buffer, owned by whoever holds the struct. Zero-initialised is valid and
 * empty. Growth doubles; appends cannot fail (see mem.h).
 */
#ifndef SB_BASE_BUF_H
#define SB_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/span.h"

typedef struct buf {
    uint8_t *ptr; /* owned */
    size_t len;
    size_t cap;
} buf;

void buf_deinit(buf *b);                   /* frees; the buffer is empty and usable again */
static inline void buf_clear(buf *b) { b->len = 0; } /* keeps the memory */
/* Makes room for `more` bytes after len and returns where they go; len is unchanged. */
uint8_t *buf_reserve(buf *b, size_t more);
void buf_append(buf *b, const void *ptr, size_t len);
static inline void buf_append_span(buf *b, span s) { buf_append(b, s.ptr, s.len); }
void buf_append_str(buf *b, const char *text);
void buf_append_byte(buf *b, uint8_t byte);
void buf_append_u64(buf *b, uint64_t value); /* decimal */
void buf_append_i64(buf *b, int64_t value);  /* decimal */
void buf_printf(buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops the first `n` bytes (n <= len), moving the rest to the front. Cost: len - n. */
void buf_consume(buf *b, size_t n);
static inline span buf_span(const buf *b) { return span_of(b->ptr, b->len); }

#endif
