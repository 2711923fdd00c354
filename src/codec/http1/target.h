/*
 * Paths and queries of a request target (RFC 3986 3.3, 3.4, 5.2.4; form encoding of queries as
 * browsers write it). The request parser has checked characters and percent-encoding already;
 * these functions check again, so they are safe on any bytes. No function allocates but by
 * appending to `out`.
 */
#ifndef SB_CODEC_HTTP1_TARGET_H
#define SB_CODEC_HTTP1_TARGET_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/span.h"

/*
 * Appends the decoded, normalised path: every segment percent-decoded, "." dropped, ".." taking
 * the segment before it away (also when written %2e). The result begins with "/" and has at
 * most path.len bytes, so it can be split at "/" and compared with routes or asset names.
 * Returns false, with `out` as it was, when
 *   - the path does not begin with "/" (so "*" is refused),
 *   - percent-encoding is malformed,
 *   - a segment decodes to NUL, another control (below 0x20, 0x7f), or invalid UTF-8,
 *   - a segment holds "/" (%2F) or "\" (raw or %5C) after decoding: readers disagree whether it
 *     separates, and no name of ours needs it,
 *   - ".." would leave the root.
 * Empty segments ("//") stay, and so match no route.
 */
bool http1_path_normalize(span path, buf *out) MUST_CHECK;

/* Cuts the next segment off a normalised path: "/a/b" gives "a", "b", then false; "/" gives one
 * empty segment, "/a/" gives "a" and an empty one. */
bool http1_path_next(span *rest, span *segment);

/* Appends `s` percent-decoded; `plus` reads "+" as a space (queries). False, with `out` as it
 * was, on a malformed percent-encoding. */
bool http1_percent_decode(span s, bool plus, buf *out) MUST_CHECK;
/* Appends `s` with everything but unreserved characters percent-encoded: one segment or one
 * query component. At most 3 * s.len bytes. */
void http1_percent_encode(span s, buf *out);

/* Cuts the next raw "key=value" (or "key") off a query; empty pairs are skipped; false at the
 * end. value.ptr is NULL when there is no "=". */
bool http1_query_next(span *rest, span *key, span *value);
/* Appends the decoded value of the first pair whose decoded key equals `key`. Returns false,
 * appending nothing, when there is none or its value is malformed. A key without "=" has an
 * empty value. Cost: the length of the query. */
bool http1_query_get(span query, span key, buf *out);
/* How many pairs have that key, for parameters that must stand once. */
size_t http1_query_count(span query, span key);

#endif
