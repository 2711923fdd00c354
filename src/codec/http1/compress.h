/*
 * Compressed answers (RFC 9110 8.4, 12.5.3): which coding a client wants, and whole bodies in it.
 * gzip is RFC 1952, deflate is zlib's format (RFC 1950), as the RFC says and clients expect.
 * Everything zlib needs stands in one http1_compressor a loop, 264 KiB made at its first use.
 */
#ifndef SB_CODEC_HTTP1_COMPRESS_H
#define SB_CODEC_HTTP1_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/span.h"
#include "codec/http1/fields.h"

enum http1_coding { HTTP1_IDENTITY, HTTP1_GZIP, HTTP1_DEFLATE };

/* What the client's Accept-Encoding weighs highest; gzip among equals. HTTP1_IDENTITY without the
 * field, when both are refused or not named, or when identity is named with a higher weight. */
enum http1_coding http1_coding_choose(const struct http1_fields *f);
/* The value of Content-Encoding ("gzip"); empty for HTTP1_IDENTITY. */
span http1_coding_name(enum http1_coding coding);

/* Where zlib's memory comes from: as mem_alloc and mem_free, never NULL. */
struct http1_compress_memory {
    void *(*alloc)(size_t bytes);
    void (*release)(void *ptr);
};

struct http1_compressor;

/* Owned by the caller; `memory` is borrowed. */
struct http1_compressor *http1_compressor_new(const struct http1_compress_memory *memory);
void http1_compressor_free(struct http1_compressor *z); /* NULL is allowed */

/* Appends the body in a coding that is not HTTP1_IDENTITY. False, with nothing appended, when it
 * would not be shorter. Takes and keeps room for body.len bytes of `out` at most. */
MUST_CHECK bool http1_compress(struct http1_compressor *z, enum http1_coding coding, span body,
                               buf *out);

#endif
