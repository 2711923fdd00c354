/*
 * The audit log: who did what to whom, with what outcome, from where. Operations on devices and
 * keys write their row in their own transaction, as sign-ins do; what only the command line knows
 * of (its commands, and what was refused there) is noted when it has been answered.
 *
 * Not in it: failed sign-ins, which any stranger could cause without end; each is a log line
 * (auth.fail) and counted. Rows live for retention_log_days.
 */
#ifndef SB_DOMAIN_AUDIT_H
#define SB_DOMAIN_AUDIT_H

#include "domain/home.h"

/* Who asks. */
struct actor {
    uuid id;      /* nil: nobody known (the command line) */
    span name;    /* may be empty; cut to 100 bytes */
    span address; /* of the peer, as text; may be empty; cut to 64 bytes */
};

struct audit_entry {
    const struct actor *who;
    const char *action;      /* "device.create", "auth.login", "user.disable" ... */
    const char *target_kind; /* "device", "user", "key", "store"; may be "" */
    span target;             /* its id or name; may be empty; cut to 100 bytes */
    bool failed;             /* outcome "failed" instead of "ok" */
    span detail;             /* a JSON object of what else there is to know; empty: nothing */
};

/* Step `i` of a request: the entry, in the same transaction. */
void audit_step(struct home *h, struct store_req *req, unsigned i, const struct audit_entry *e);
/* The same for `count` entries in one step: each is then set once. */
void audit_steps(struct store_req *req, unsigned i, unsigned count);
void audit_set(struct home *h, struct store_req *req, unsigned i, unsigned set,
               const struct audit_entry *e);
/* Stores an entry by itself. Everything is copied. A failure is a log line, `audit.lost`. `done`
 * (NULL: nobody waits) runs once it is on disk, or lost, on this loop, never inside the call. */
void audit_note(struct home *h, const struct audit_entry *e, void (*done)(void *owner),
                void *owner);

struct audit_filter {
    int64_t from_ms; /* inclusive */
    int64_t to_ms;   /* exclusive */
    span actor;      /* id as text; empty: any, as below */
    span action;     /* exact */
    span target;     /* id or name, exact */
    span after;      /* `next` of the page before; empty: from the newest */
    unsigned limit;  /* 1-200 */
};
struct audit_row {
    span id;
    int64_t at_ms;
    span actor_id;   /* empty: nobody known */
    span actor_name; /* as noted, else the principal's present name */
    span action;
    span target_kind;
    span target;
    span outcome;
    span address;
    span detail;     /* a JSON object; empty: none */
};
struct audit_result {
    err error; /* ERR_NONE; ERR_INVALID_REQUEST: `after` is none of ours; the store's rows */
    const struct audit_row *rows; /* newest first */
    unsigned count;
    span next; /* where the next page begins; empty at the end */
};
typedef void (*audit_done)(void *owner, const struct audit_result *r);
/* Answers once, on this loop, never inside the call; the result is borrowed for the call of `done`.
 * Costs a read of an index by time: filters other than times look at every row in between. */
void audit_list(struct home *h, const struct audit_filter *in, audit_done done, void *owner);

#endif
