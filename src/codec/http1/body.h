/*
 * Decoding of a message body (RFC 9112 6, 7) in pieces: fixed length, chunked, or (responses
 * only) until the connection closes. Gives slices of the input and copies nothing.
 *
 *     init -> feed* -> done            feed returns 0 (more), HTTP1_BODY_DONE, or < 0
 *
 * Strict: CRLF only; a chunk size is 1-15 hexadecimal digits, followed by CRLF or ";" at once;
 * extensions are checked, bounded and ignored; trailer fields are checked, bounded and
 * discarded, and Content-Length, Transfer-Encoding and Host among them are an error.
 */
#ifndef SB_CODEC_HTTP1_BODY_H
#define SB_CODEC_HTTP1_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/span.h"
#include "codec/http1/error.h"

/* A chunk size line with its extension, without CRLF; senders use under 20 bytes. Above: 400. */
#define HTTP1_CHUNK_LINE_BYTES_MAX 256
/* All extensions of one body, so that tiny chunks with long extensions cannot make a small body
 * expensive; above: 400. */
#define HTTP1_CHUNK_EXTENSIONS_BYTES_MAX 4096
/* The whole trailer section; it is read only to be dropped; above: 431. */
#define HTTP1_TRAILERS_BYTES_MAX 4096

#define HTTP1_BODY_DONE 1

/* Private; 32 bytes, part of the connection. */
struct http1_body {
    uint64_t left;      /* of the fixed length or the current chunk; its size while digits arrive */
    uint64_t total;     /* body bytes given out or announced by the current chunk */
    uint64_t bytes_max; /* above: HTTP1_ERR_BODY_TOO_LARGE */
    uint16_t line_bytes;
    uint16_t extension_bytes;
    uint16_t trailer_bytes;
    uint8_t trailer_names;
    uint8_t state;
};

/* A body of `content_length` bytes (-1 with chunked false: none). Returns 0, or
 * HTTP1_ERR_BODY_TOO_LARGE at once when the announced length is above bytes_max. */
int http1_body_init(struct http1_body *b, int64_t content_length, bool chunked,
                    uint64_t bytes_max) MUST_CHECK;
/* A response body that ends with the connection (RFC 9112 6.3 rule 8). */
void http1_body_init_until_close(struct http1_body *b, uint64_t bytes_max);

/*
 * Takes bytes from the start of `in`. *out is the next slice of the body (inside `in`, maybe
 * empty), *consumed the bytes used up. Returns HTTP1_BODY_DONE when the body is complete (bytes
 * after *consumed belong to the next message); 0 when it is not: call again with the rest of
 * the input, or with more when all was consumed; < 0: an http1_error, which stays. A call that
 * returns 0 with a non-empty `in` consumes at least one byte. Fuzz target: http1_body.
 */
int http1_body_feed(struct http1_body *b, span in, span *out, size_t *consumed) MUST_CHECK;

/* The body is complete (at once after init when there is none). */
bool http1_body_done(const struct http1_body *b);
/* The connection closed: HTTP1_BODY_DONE if that completes the body, else
 * HTTP1_ERR_BODY_TRUNCATED. */
int http1_body_eof(struct http1_body *b) MUST_CHECK;

#endif
