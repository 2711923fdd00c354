/*
 * How long to wait before the next connection, and whether there is to be one. Full jitter: a
 * random part of a ceiling that doubles from 1 s to 60 s, so that a thousand agents do not come
 * back in one moment. Pure; one thread.
 */
#ifndef SB_AGENT_BACKOFF_H
#define SB_AGENT_BACKOFF_H

#include <stdint.h>

#include "tables/closes.h"

#define BACKOFF_MS_MIN 1000
#define BACKOFF_MS_MAX 60000
/* Even a lucky draw waits this long: a refused connection must not become a busy loop. */
#define BACKOFF_FLOOR_MS 100

/* Zero-initialised is valid: no attempt has failed. */
struct backoff {
    unsigned attempts;
};

/* What a close code of the server asks for (CONTRACT 8); codes that the table does not have go by
 * their hundred: 40xx never, 41xx back off, 42xx at once, others as a lost connection. */
enum close_reconnect backoff_rule(int close_code);
/* The wait in ms, BACKOFF_FLOOR_MS to BACKOFF_MS_MAX + BACKOFF_FLOOR_MS; `random` is any number.
 * RECONNECT_BACKOFF begins at a ceiling of 16 s, RECONNECT_NOW draws from 1 s and forgets former
 * failures; RECONNECT_NEVER is the caller's to honour (asserted). */
int64_t backoff_next_ms(struct backoff *b, enum close_reconnect rule, uint64_t random);

#endif
