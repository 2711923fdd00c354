/*
 * Heads that we send, in both roles, and decoding of a response head (the client role: the
 * agent's WebSocket handshake). RFC 9112 4, 6, 9; RFC 9110 6.6.1, 15.
 *
 *     http1_response_begin, http1_put*, http1_head_end, then the body or chunks
 *     http1_request_begin, http1_put*, http1_head_end, ...
 */
#ifndef SB_CODEC_HTTP1_RESPONSE_H
#define SB_CODEC_HTTP1_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/span.h"
#include "codec/http1/error.h"
#include "codec/http1/fields.h"
#include "codec/http1/request.h"

/* The reason phrase of a status code ("Not Found"); of an unknown one "". */
const char *http1_reason(unsigned status);

/* Appends "HTTP/1.1 <status> <reason>" and, unless date_ms < 0, a Date field (epoch ms). Status
 * 100-599 (asserted). The version is 1.1 whatever the request's was (RFC 9110 2.5). */
void http1_response_begin(buf *out, unsigned status, int64_t date_ms);
/* Appends "<METHOD> <target> HTTP/1.1" and Host. Target and host have no space and no control
 * characters (asserted). */
void http1_request_begin(buf *out, enum http1_method method, span target, span host);

/* Appends one field. The name is a token and the value has no CR, LF, NUL or other control
 * (asserted): check values that strangers supplied with http1_value_ok first. Framing and
 * connection-level fields that head_end writes (Content-Length, Transfer-Encoding) are not
 * passed here (asserted). */
void http1_put(buf *out, span name, span value);
void http1_put_str(buf *out, const char *name, const char *value);
void http1_put_u64(buf *out, const char *name, uint64_t value);
/* Whether a value may be sent: HTAB, SP, visible ASCII, bytes from 0x80 (RFC 9110 5.5). */
bool http1_value_ok(span value);

enum http1_framing {
    HTTP1_NO_BODY, /* 1xx, 204, 304, 101; requests without a body */
    HTTP1_LENGTH,  /* Content-Length: body_bytes, 0 included; also the answer to HEAD */
    HTTP1_CHUNKED  /* Transfer-Encoding: chunked (only to HTTP/1.1 peers) */
};

/* Ends the head with the framing field and the empty line. body_bytes counts for HTTP1_LENGTH. */
void http1_head_end(buf *out, enum http1_framing framing, uint64_t body_bytes);

/* Appends one chunk; empty data appends nothing (an empty chunk would end the body). */
void http1_chunk(buf *out, span data);
/* Appends the last chunk, without trailers. */
void http1_chunk_last(buf *out);

/* A decoded response head; spans point into the input. */
struct http1_response {
    uint16_t status; /* 100-599 */
    uint8_t minor;
    span reason;            /* may be empty */
    int64_t content_length; /* -1 when absent, or when it does not count (below) */
    bool chunked;
    bool until_close;       /* no length: the body ends with the connection */
    bool keep_alive;        /* false whenever until_close */
    bool upgrade_websocket; /* 101, Connection lists upgrade, Upgrade is websocket */
    struct http1_fields fields;
};

/*
 * Decodes one response head to a request of `method`; results, `scan`, limits (the status line
 * counts as request line, its error is HEAD_TOO_LARGE) and strictness as http1_request_parse. A
 * response to HEAD and those of status 1xx, 204, 304 have no body: content_length is -1 for
 * 1xx, 204 and 304 whatever they say, chunked and until_close are false. Interim responses
 * (100-199 but 101) are returned like others: parse again behind them.
 * Fuzz target: http1_response.
 */
int http1_response_parse(span in, const struct http1_limits *lim, struct http1_scan *scan,
                         enum http1_method method, struct http1_response *out) MUST_CHECK;

/* Of a response: the first value of a field; ptr is NULL when absent. */
span http1_response_field(const struct http1_response *res, const char *name);

#endif
