/*
 * What request and response heads share: finding the end, splitting the fields, and the facts
 * that decide framing and persistence. Internal to codec/http1.
 */
#ifndef SB_CODEC_HTTP1_HEAD_H
#define SB_CODEC_HTTP1_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "codec/http1/error.h"
#include "codec/http1/fields.h"

struct http1_head {
    span start_line; /* without CRLF, not empty */
    span lines;      /* the field lines with their CRLFs, and the empty line */
};

/*
 * Searches the end of a head. Returns its bytes (> 0) and fills *head; 0: incomplete; < 0:
 * BAD_START, BARE_CR (in a leading empty line), BARE_LF, REQUEST_LINE_TOO_LONG, HEAD_TOO_LARGE.
 * The error is a function of the bytes alone, not of how they were split. `leading_crlf` allows
 * one empty line first (RFC 9112 2.2).
 */
int http1_head_find(span in, const struct http1_limits *lim, bool leading_crlf,
                    struct http1_scan *scan, struct http1_head *head);

/* Splits the field lines. Returns 0, or BARE_CR, FOLDED_FIELD, BAD_FIELD_NAME, BAD_FIELD_VALUE,
 * TOO_MANY_FIELDS. */
int http1_head_fields(span lines, size_t fields_max, struct http1_fields *out);

struct http1_facts {
    unsigned host_count;
    span host;
    int64_t content_length; /* -1 when absent */
    bool chunked;
    bool close;          /* Connection lists close */
    bool keep_alive;     /* Connection lists keep-alive */
    bool upgrade;        /* Connection lists upgrade */
    bool websocket;      /* Upgrade lists websocket */
    bool coding_wanted;  /* Accept-Encoding stands */
    bool expect;         /* Expect: 100-continue */
    bool expect_unknown; /* any other expectation */
};

/* Gathers the facts. Returns 0 or BAD_CONTENT_LENGTH, CONTENT_LENGTH_TWICE,
 * CONTENT_LENGTH_TOO_LARGE, LENGTH_AND_CODING, CODING_IN_1_0, BAD_CODING, UNKNOWN_CODING. */
int http1_head_facts(const struct http1_fields *fields, unsigned minor, struct http1_facts *out);

/* "HTTP/1.0" or "HTTP/1.1". Returns the minor version, BAD_VERSION or UNSUPPORTED_VERSION. */
int http1_head_version(span text);

#endif
