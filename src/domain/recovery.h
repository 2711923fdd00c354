/*
 * Sessions that outlive their connection: whoever was cut off comes back with its pid, within
 * recovery_ms, and goes on with what it was subscribed to (CONTRACT 8).
 *
 *      recovery_save (again and again)
 *     +----+
 *     |    v             drop                  window over
 *     +- alive ------------------> dropped ------------------> gone
 *          ^  |                     |
 *          |  +---- end --> gone    |
 *          +-------- claim ---------+
 *
 * The edge says what a session is (its subscriptions, in a form of its own); here it is kept in
 * memory and, written behind, in the store: at most one write of a session is on its way, the
 * newest wins, and kill -9 forgets at most what was not written yet. What was alive when a process
 * ended, however it did, is dropped when the next one starts. A session that is never saved costs
 * nothing.
 *
 * A session lives at its principal's home; any loop may call. Calls of one loop for one session
 * take effect in their order. Everything is copied.
 */
#ifndef SB_DOMAIN_RECOVERY_H
#define SB_DOMAIN_RECOVERY_H

#include "domain/home.h"
#include "hub/journal.h"

#define RECOVERY_PID_LEN 43             /* 256 bits in base64url */
#define RECOVERY_STATE_BYTES_MAX 16384  /* some 200 subscriptions; more is not kept */
#define RECOVERY_WIRE_BYTES_MAX 20

/* A new pid: random, unguessable. Ends with NUL. */
void recovery_pid(struct home *h, char out[RECOVERY_PID_LEN + 1]);

struct recovery_state {
    const char *wire; /* "monitor", "sse" ...; of static duration */
    span state;       /* JSON, the wire's own; 1 to RECOVERY_STATE_BYTES_MAX bytes */
    struct pos pos;   /* from here on the session needs replay, unless its client knows better */
};

/* The session is alive and is this now. Call it when a subscription to something ordered is made
 * or given up; not for every event. False when the state is too large or the wire's text is: then
 * the session is forgotten. Sessions of a principal are at most connections_per_principal_max, all
 * together take at most recovery_mb: over a bound the one dropped for longest goes, and while all
 * are alive the new one is not kept. */
bool recovery_save(struct home *h, span pid, uuid principal, const struct recovery_state *s);
/* The connection is gone and the window begins. `pos` NULL: as saved last. Harmless for a session
 * that was never saved. */
void recovery_drop(struct home *h, span pid, uuid principal, const struct pos *pos);
/* The session is over: its peer said so, or its rights ended. Harmless as above. */
void recovery_end(struct home *h, span pid, uuid principal);

struct recovery_result {
    err error; /* ERR_NONE; ERR_NOT_FOUND: unknown, alive, too late, claimed by somebody else, of
                  another principal or wire; the store's rows */
    span state;
    struct pos pos;
};
/* Borrowed for the call. */
typedef void (*recovery_done)(void *owner, const struct recovery_result *r);
/* Takes a dropped session over, once: it is alive again under its pid, and the caller saves, drops
 * or ends it from now on. Who has gone before the answer gives it back with recovery_drop. A pid
 * of any length and content may be asked for. Answers once, on this loop, never inside the call.
 * Costs a read of the store only for sessions of the process before. */
void recovery_claim(struct home *h, span pid, uuid principal, const char *wire, recovery_done done,
                    void *owner);

/* Before the first home is served: what was alive is dropped now. `*until_ms` (wall) is when the
 * last of them ends, 0 when there is none. Blocks (store_run). */
err recovery_start(struct store *s, int64_t now_ms, int64_t window_ms,
                   int64_t *until_ms) MUST_CHECK;

/* The sessions of one home; sets h->recovery. `until_ms` as above. Home 0 deletes the rows of
 * sessions that ended. Owned by the caller. */
struct recovery *recovery_new(struct home *h, int64_t until_ms);
/* No call may be under way. What is not written yet is not written. */
void recovery_free(struct recovery *r);

struct recovery_stats {
    unsigned alive;
    unsigned dropped;
    uint64_t bytes;    /* of memory for both */
    uint64_t claimed;  /* since the start, as all below */
    uint64_t unknown;  /* claims in vain */
    uint64_t expired;
    uint64_t refused;  /* not kept, or dropped early, because of a bound */
};
/* Counts of this home; on its loop. */
void recovery_stats(const struct recovery *r, struct recovery_stats *out);

#endif
