/* RFC 3339 times in UTC and epoch milliseconds; pure, no locale, no time zone database. */
#ifndef SB_BASE_TIMEFMT_H
#define SB_BASE_TIMEFMT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define TIME_MS_LEN 24 /* 2025-07-16T21:30:00.000Z */
#define TIME_S_LEN 20  /* 2025-07-16T21:30:00Z */

/* Writes TIME_MS_LEN characters and a NUL; years 0000-9999 (asserted). */
void time_format_ms(int64_t epoch_ms, char text[TIME_MS_LEN + 1]);
void time_format_s(int64_t epoch_ms, char text[TIME_S_LEN + 1]);
/* RFC 3339 5.6 with any fraction (cut to ms) and any offset; false on anything else, and on a
 * time outside the years 0000-9999 of UTC, so that whatever was read can be written. A leap
 * second (23:59:60 UTC) reads as :59.999. Fuzz target: timefmt_fuzz.c. */
bool time_parse(span text, int64_t *epoch_ms);
/* IMF-fixdate of RFC 9110 5.6.7, 29 characters and a NUL. */
void time_format_http(int64_t epoch_ms, char text[30]);

#endif
