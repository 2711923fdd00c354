/*
 * A circuit breaker: spares a receiver that fails, and those who would wait for it (CONTRACT 5).
 * Pure: time comes with the call, in monotonic milliseconds. One thread.
 *
 *     CLOSED --failures within window_ms--> OPEN --open_ms--> HALF_OPEN --probe succeeds--> CLOSED
 *                                            ^                    |
 *                                            +--- probe fails ----+
 *
 * HALF_OPEN lets one call through, the probe. What ends late, of calls that began in another
 * state, says nothing about the present and is ignored.
 */
#ifndef SB_DOMAIN_BREAKER_H
#define SB_DOMAIN_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

#define BREAKER_FAILURES_MAX 64 /* their times are kept */
#define BREAKER_FAILURES 5      /* the numbers of CONTRACT 5 */
#define BREAKER_WINDOW_MS 60000
#define BREAKER_OPEN_MS 60000

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
const char *breaker_state_name(enum breaker_state s); /* "half_open" */

struct breaker_conf {
    unsigned failures; /* 1 to BREAKER_FAILURES_MAX; 0: never opens */
    int64_t window_ms;
    int64_t open_ms;
};

/* Zeroed it is closed. All private. */
struct breaker {
    enum breaker_state state;
    uint32_t era;      /* counts changes of state */
    bool probing;      /* HALF_OPEN: the probe is under way */
    int64_t opened_ms;
    unsigned count;    /* failures ever noted while closed, counted up to the ring's size */
    unsigned next;     /* where the next one is noted */
    int64_t failed_ms[BREAKER_FAILURES_MAX];
};

/* Permission for one call; the end of it must be reported. */
struct breaker_pass {
    uint32_t era;
};

/* Whether a call may be made now. False: *retry_ms until it is worth asking again, at least 1. */
bool breaker_ask(struct breaker *b, const struct breaker_conf *conf, int64_t now_ms,
                 struct breaker_pass *pass, int64_t *retry_ms) MUST_CHECK;
/* How the call ended. True when the state has changed by it. */
bool breaker_report(struct breaker *b, const struct breaker_conf *conf, struct breaker_pass pass,
                    bool ok, int64_t now_ms);
/* The call was given up and says nothing about the receiver. */
void breaker_return(struct breaker *b, struct breaker_pass pass);

#endif
