/*
 * Values that are lists (RFC 9110 5.6.1): tokens, entity tags, weighted codings. All functions
 * are pure, take one field value, skip empty elements and never fail: what is malformed does
 * not match. Cost: one walk over the value.
 */
#ifndef SB_CODEC_HTTP1_LIST_H
#define SB_CODEC_HTTP1_LIST_H

#include <stdbool.h>

#include "base/span.h"

/* Cuts the next non-empty element off `*rest`, trimmed; false at the end. Commas inside quoted
 * strings do not separate. */
bool http1_list_next(span *rest, span *element);
/* Whether `token` is one of the elements, without case, for lists of tokens: Connection, Upgrade
 * (Sec-WebSocket-Protocol is case-sensitive: walk with http1_list_next). No quoted strings are
 * known there, so every comma separates: a stray quote cannot hide `close`. */
bool http1_list_has(span value, span token);
/* Weight of `coding` in an Accept-Encoding value in thousandths (RFC 9110 12.4.2): 0-1000, or
 * -1 when it is not named. "*" is only found when asked for. A malformed weight counts as 0. */
int http1_list_weight(span value, span coding);
/* If-None-Match against the current entity tag (with its quotes, W/ or not): "*" or any tag
 * equal by weak comparison (RFC 9110 8.8.3.2, 13.1.2). */
bool http1_etag_matches(span if_none_match, span etag);
/* The same by strong comparison for If-Match (13.1.1): weak tags never match. */
bool http1_etag_matches_strong(span if_match, span etag);

#endif
