/*
 * Token buckets. A bucket holds up to `burst` tokens and gains `count` in `period_ms`; each take
 * costs one. What is refused is told when to come back, and that time doubles while refusals go
 * on, up to RETRY_AFTER_MS_MAX. A bucket is plain memory: embed it (a connection), or let a
 * limiter keep them by key (addresses, accounts). One thread.
 */
#ifndef SB_HUB_RATELIMIT_H
#define SB_HUB_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/span.h"

#define RETRY_AFTER_MS_MAX 60000

struct bucket_rule {
    uint32_t count;     /* at least 1 */
    uint32_t period_ms; /* at least 1 */
    uint32_t burst;     /* at least 1 */
};

/* Zeroed: full. */
struct bucket {
    int64_t empty_us;     /* monotonic time at which all taken tokens are repaid */
    uint32_t window_s;    /* when the minute of `refused` began, in seconds */
    uint16_t refused;     /* in that minute, for closing who never stops */
    uint8_t streak;       /* refusals without a success between them */
};

/* Takes one; false when empty, then *retry_after_ms (may be NULL) is 1 to RETRY_AFTER_MS_MAX.
 * now_ms is monotonic. Cost: a few operations. */
bool bucket_take(struct bucket *b, const struct bucket_rule *r, int64_t now_ms,
                 uint32_t *retry_after_ms) MUST_CHECK;
/* Refusals in the minute that is running. */
unsigned bucket_refused(const struct bucket *b, int64_t now_ms);

struct limiter;

/* Buckets by key, at most key_count_max: the one used longest ago gives way, so a flood of new
 * keys costs memory up to the bound only (about 100 bytes a key). `r` is copied. */
struct limiter *limiter_new(const struct bucket_rule *r, uint32_t key_count_max);
void limiter_free(struct limiter *l);
/* bucket_take on the bucket of `key` (any bytes; kept as a seeded hash). */
bool limiter_take(struct limiter *l, span key, int64_t now_ms,
                  uint32_t *retry_after_ms) MUST_CHECK;

#endif
