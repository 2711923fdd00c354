/*
 * Decoding of a request head (RFC 9112 2, 3, 5, 6; RFC 9110), strict against request smuggling:
 * whatever two readers could understand differently is refused, and the connection with it.
 *
 * Narrower than the RFC allows, on purpose:
 *   - lines end with CRLF only; a bare LF or CR is an error (2.2 would let LF pass);
 *   - at most one empty line before the request line; exactly one SP between its parts (3);
 *   - obs-fold and white space before the colon are errors (5.1, 5.2); values hold HTAB, SP,
 *     visible ASCII and bytes from 0x80 (5.5);
 *   - Content-Length once, digits only, at most 15 of them; never beside Transfer-Encoding;
 *   - Transfer-Encoding is exactly `chunked`, once, and never in HTTP/1.0 (6.1);
 *   - no tabs around the values of these two;
 *   - Host exactly once in 1.1, at most once in 1.0, never empty, no user information (3.2);
 *   - origin-form and absolute-form (http, https); asterisk-form for OPTIONS only; CONNECT,
 *     TRACE and unknown methods are 501; a fragment or backslash in the path is an error.
 *     Characters of RFC 3986, plus what browsers leave raw: [ ] | in paths, and { } ^ ` \ too
 *     in queries.
 * An absent body length means no body (6.3); whether a route answers 411 is its own decision.
 */
#ifndef SB_CODEC_HTTP1_REQUEST_H
#define SB_CODEC_HTTP1_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/span.h"
#include "codec/http1/error.h"
#include "codec/http1/fields.h"

enum http1_method {
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_PATCH,
    HTTP1_DELETE,
    HTTP1_OPTIONS,
    HTTP1_METHOD_COUNT
};

/* About 3.4 KB: keep one for a loop, not for a connection. All spans point into the input. */
struct http1_request {
    enum http1_method method;
    span method_text;
    span target; /* as sent */
    span path;   /* raw, begins with "/" (a constant if absolute-form has none) or is "*" */
    span query;  /* raw, without "?"; ptr is NULL when there is no "?" */
    uint8_t minor; /* HTTP/1.minor: 0 or 1 */

    span host;              /* authority of an absolute-form target, else Host; ptr NULL if none */
    int64_t content_length; /* -1 when absent */
    bool chunked;           /* body in chunked coding */
    bool keep_alive;        /* the connection persists after the answer (RFC 9112 9.3) */
    bool upgrade_websocket; /* HTTP/1.1, Connection lists upgrade, Upgrade lists websocket */
    bool expect_continue;   /* Expect: 100-continue of a request with a body, in HTTP/1.1 */
    bool accept_gzip;       /* Accept-Encoding allows gzip */

    struct http1_fields fields; /* every field, in the order received */
};

/*
 * Decodes one head from the start of `in`. Returns > 0: bytes of the head (a tolerated leading
 * CRLF included); the body, if any, follows them. 0: incomplete; call again with more bytes of
 * the same head at the end of `in` (which may have moved). < 0: an http1_error; answer its
 * status and close.
 * `scan` belongs to the connection (fields.h). `out` is written when the result is > 0 and
 * undefined otherwise. Which error is returned does not depend on how the bytes were split.
 * Cost: each byte is searched once and, when the head is complete, classified once by table.
 * Fuzz target: http1_request.
 */
int http1_request_parse(span in, const struct http1_limits *lim, struct http1_scan *scan,
                        struct http1_request *out) MUST_CHECK;

/* The first value of a field (name without case); ptr is NULL when absent. */
span http1_field(const struct http1_request *req, const char *name);
/* How many lines a field has, for fields that must stand once (Authorization, Origin, ...). */
size_t http1_field_count(const struct http1_request *req, const char *name);
/* Whether a body follows the head: chunked, or a length above zero. */
static inline bool http1_request_has_body(const struct http1_request *req)
{
    return req->chunked || req->content_length > 0;
}

/* "GET" and so on. */
const char *http1_method_name(enum http1_method method);

#endif
