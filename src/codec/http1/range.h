/* Parts of a representation: Range of a request, answered with 206 (RFC 9110 14.2), and
 * Content-Range of a PUT that goes on where an earlier one broke off. */
#ifndef SB_CODEC_HTTP1_RANGE_H
#define SB_CODEC_HTTP1_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/span.h"

/* Offsets that every client can say exactly. */
#define HTTP1_RANGE_MAX 9007199254740991

enum http1_range {
    HTTP1_RANGE_WHOLE, /* 200: no range, one that is malformed or in another unit, or several */
    HTTP1_RANGE_PART,  /* 206 */
    HTTP1_RANGE_NONE,  /* 416: nothing of it is there */
};
/* Reads a Range field (ptr NULL: absent) for `total` bytes: "bytes=0-9", "bytes=10-" or "bytes=-5".
 * WHOLE and PART set *from and *len, which is above 0 for PART. Fuzz target: http1_range. */
enum http1_range http1_range_read(span value, uint64_t total, uint64_t *from, uint64_t *len);

struct http1_content_range {
    uint64_t from;
    uint64_t len;  /* above 0 */
    int64_t total; /* -1: not said ("*") */
};
/* Reads "bytes 0-9/100" or "bytes 0-9/ *" (without the space); false on anything else, among it an
 * end before the begin, or at or behind the total. Fuzz target: http1_range. */
bool http1_content_range_read(span value, struct http1_content_range *out) MUST_CHECK;

#endif
