/*
 * A receiver of webhook calls: one URL of the operator's or of a robot's, with what it can bear.
 * Calls run side by side, up to calls_max; more wait in order, up to queue_max; more than that,
 * and all while the breaker is open, are refused at once. Nothing is called twice.
 *
 *     any loop --receiver_call--> the receiver's home: breaker, queue --> webhook port
 *          <------------------------- done ------------------------------------'
 *
 * It lives on one home, whose thread alone touches it; receiver_call may be made on any loop.
 */
#ifndef SB_DOMAIN_RECEIVER_H
#define SB_DOMAIN_RECEIVER_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "domain/breaker.h"
#include "domain/receiver_types.h"
#include "ports/webhook.h"

struct home;
struct receiver;

enum receiver_result {
    RECEIVER_ANSWERED,    /* a status of 200 to 299 */
    RECEIVER_REFUSED,     /* 300 to 499 but for 408 and 429: it has decided so */
    RECEIVER_FAILED,      /* another status */
    RECEIVER_TIMEOUT,
    RECEIVER_UNREACHABLE,
    RECEIVER_TOO_LONG,
    RECEIVER_BREAKER,     /* not called: it failed too often a moment ago */
    RECEIVER_BUSY,        /* not called: too many wait already */
    RECEIVER_NONE,        /* not called: no URL is configured */
    RECEIVER_CLOSED,      /* the server ends */
    RECEIVER_RESULT_COUNT
};
const char *receiver_result_name(enum receiver_result r); /* "unreachable" */

/* The caller's, from receiver_call until done. */
struct receiver_call {
    unsigned loop; /* where done runs */
    uuid id;
    buf body;      /* the caller's; unchanged until done */
    void (*done)(struct receiver_call *c);
    /* The outcome: */
    enum receiver_result result;
    int status;        /* of the answer, or 0 */
    uint32_t retry_ms; /* BREAKER: until it is worth trying again */
    buf answer;        /* the caller frees it */
    /* Private: */
    struct receiver *receiver;
    struct mail mail;
    struct list link;
    struct webhook_call call;
    struct breaker_pass pass;
    int64_t due_ms;
    buf kept; /* url, ca and secret as of its beginning */
};

/* What others may know; written by the home's thread, read by any. */
struct receiver_state {
    _Atomic uint32_t breaker; /* enum breaker_state */
    _Atomic uint32_t active;
    _Atomic uint32_t waiting;
};

/* `conf` gives what is in force now, on the home's thread; borrowed for the moment. `name` is for
 * logs: static. On home `h`. */
struct receiver *receiver_new(struct home *h, const char *name,
                              const struct receiver_conf *(*conf)(const struct home *h));
/* NULL is allowed. Nothing is under way (asserted): the port has closed and its mail has run. */
void receiver_free(struct receiver *r);
/* Calls; done runs once, later, never inside this. Any loop: `from` is its home. */
void receiver_call(struct receiver *r, const struct home *from, struct receiver_call *c);
const char *receiver_name(const struct receiver *r); /* as it was given */
/* Any thread. */
const struct receiver_state *receiver_state(const struct receiver *r);

#endif
