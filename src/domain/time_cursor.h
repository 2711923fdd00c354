/* Where a page of a list by time ends. */
#ifndef SB_DOMAIN_TIME_CURSOR_H
#define SB_DOMAIN_TIME_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/span.h"

#define TIME_CURSOR_BYTES 17
#define TIME_CURSOR_SIZE BASE64_SIZE(TIME_CURSOR_BYTES)

/* The last row's time and its key among those of that time, in base64url; `mark` says of which
 * list. The result lies in `text`. */
span time_cursor(char mark, int64_t at_ms, int64_t key, char text[TIME_CURSOR_SIZE]);
/* The two again. False for one that is none of this list's; then nothing is written. */
bool time_cursor_read(char mark, span cursor, int64_t *at_ms, int64_t *key) MUST_CHECK;

#endif
