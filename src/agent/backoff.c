/* How long to wait before the next connection. */
#include "agent/backoff.h"

#include "base/assert.h"

/* 1 s << 6 is beyond the maximum. */
#define ATTEMPTS_MAX 6
/* 1 s << 4: where a server that asks for patience lets us begin. */
#define ATTEMPTS_PATIENT 4

enum close_reconnect backoff_rule(int close_code_)
{
    for (int r = 0; r < CLOSE_COUNT; r++) {
        if (close_code_ != 0 && close_code((close_reason)r) == close_code_) {
            return close_reconnect_rule((close_reason)r);
        }
    }
    switch (close_code_ / 100) {
    case 40:
        return RECONNECT_NEVER;
    case 41:
        return RECONNECT_BACKOFF;
    case 42:
        return RECONNECT_NOW;
    default:
        return RECONNECT_FREE;
    }
}

int64_t backoff_next_ms(struct backoff *b, enum close_reconnect rule, uint64_t random)
{
    ASSERT(rule != RECONNECT_NEVER);
    if (rule == RECONNECT_NOW) {
        b->attempts = 0;
    } else if (rule == RECONNECT_BACKOFF && b->attempts < ATTEMPTS_PATIENT) {
        b->attempts = ATTEMPTS_PATIENT;
    }
    int64_t ceiling = (int64_t)BACKOFF_MS_MIN << b->attempts;
    if (ceiling > BACKOFF_MS_MAX) {
        ceiling = BACKOFF_MS_MAX;
    }
    if (b->attempts < ATTEMPTS_MAX) {
        b->attempts++;
    }
    return BACKOFF_FLOOR_MS + (int64_t)(random % (uint64_t)ceiling);
}
