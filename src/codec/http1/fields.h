/*
 * Header fields of a parsed head: an array of spans into the caller's input, and the searches
 * that HTTP semantics need (RFC 9110 5). Names compare without case. Nothing is copied, no
 * function allocates; all are pure and cost one walk over the fields.
 */
#ifndef SB_CODEC_HTTP1_FIELDS_H
#define SB_CODEC_HTTP1_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* Room for fields in one head. Browsers send 10-25; a limit above this is clamped to it, and a
 * head with more is refused with 431. */
#define HTTP1_FIELDS_CAP 100

struct http1_field {
    span name;  /* a token, in the sender's case */
    span value; /* without surrounding white space; may be empty, then with a non-NULL ptr */
};

struct http1_fields {
    size_t count;
    struct http1_field items[HTTP1_FIELDS_CAP];
};

/* Limits of a head, for both roles. */
struct http1_limits {
    size_t request_line_bytes_max; /* method to CRLF, without it; above: 414 */
    size_t head_bytes_max;         /* start line, fields and CRLFs; above: 431 */
    size_t fields_max;             /* above: 431 */
};

/* http_header_bytes_max of the config table replaces head_bytes_max. */
#define HTTP1_LIMITS_DEFAULT                                                                       \
    ((struct http1_limits){                                                                        \
        .request_line_bytes_max = 8192, .head_bytes_max = 16384, .fields_max = 64})

/*
 * How far an incomplete head was searched for its end, so that a head that arrives byte by byte
 * costs O(n). The connection keeps it between calls: zero-initialised before the first byte of
 * a head. A decoder that returns anything but 0 zeroes it again, ready for the next head.
 */
struct http1_scan {
    uint32_t pos;        /* bytes searched */
    uint32_t line_bytes; /* length of the start line, 0 until its CRLF was seen */
};

/* The value of the first field of that name; ptr is NULL when there is none. */
span http1_fields_get(const struct http1_fields *f, span name);
/* How many field lines have that name. */
size_t http1_fields_count(const struct http1_fields *f, span name);
/* Whether any line of that name lists `token` (RFC 9110 5.6.1; without case). */
bool http1_fields_list_has(const struct http1_fields *f, span name, span token);
/* The weight of `coding` in Accept-Encoding, over all lines, as http1_list_weight: -1 unless it is
 * named. */
int http1_fields_weight_named(const struct http1_fields *f, span coding);
/* The same, that of "*" when it is not named. */
int http1_fields_coding_weight(const struct http1_fields *f, span coding);
/* Whether Accept-Encoding allows `coding` ("gzip"): named with q > 0, or "*" with q > 0 while
 * not named (RFC 9110 12.5.3). Without the field: false, so that identity is sent. */
bool http1_fields_accept_coding(const struct http1_fields *f, span coding);

#endif
