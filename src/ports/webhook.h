/*
 * Port: calls to receivers over HTTP. One call is one POST of a JSON body to one URL, signed so
 * that the receiver knows who calls:
 *
 *     Content-Type: application/json
 *     User-Agent: signalbox/<version>
 *     X-Signalbox-Delivery: <id>                 the same when the bytes are sent twice
 *     X-Signalbox-Signature: t=<unix>,v1=<hex>   HMAC-SHA256 of "<unix>.<body>" by the secret
 *
 * `done` runs exactly once, on the loop that the call names, never inside call or cancel. A call is
 * made at most once: nothing is tried again (only what a kept connection refused unread). Nothing
 * blocks the caller; how many calls are under way is bounded by who calls (domain/receiver.h).
 * Redirects are not followed: they would let an answer choose who is sent our bodies.
 */
#ifndef SB_PORTS_WEBHOOK_H
#define SB_PORTS_WEBHOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/mail.h"
#include "base/uuid.h"

#define WEBHOOK_CALLS_MAX 8192 /* under way in one adapter; more: call refuses */

enum webhook_result {
    WEBHOOK_OK,          /* a status of 200 to 299, and the whole answer */
    WEBHOOK_STATUS,      /* another; the answer is what came with it */
    WEBHOOK_TIMEOUT,     /* the answer was not whole after timeout_ms */
    WEBHOOK_UNREACHABLE, /* no connection, no such name, no trust in its certificate, no HTTP */
    WEBHOOK_TOO_LONG,    /* more than answer_bytes_max */
    WEBHOOK_CANCELLED,   /* by cancel, or because the port closes */
    WEBHOOK_RESULT_COUNT
};

/* The caller's, borrowed with all it points to from call until done. */
struct webhook_call {
    unsigned loop;             /* where done runs */
    const char *url;           /* checked by who configures it */
    const char *ca;            /* PEM file of the authorities to trust; empty: the system's */
    span secret;               /* empty: not signed */
    span body;                 /* JSON */
    uuid id;
    uint32_t timeout_ms;       /* of everything: name, connection, TLS, answer; not 0 */
    uint32_t answer_bytes_max;
    void (*done)(struct webhook_call *c);
    /* The outcome: */
    enum webhook_result result;
    int status;                /* of the answer; 0: none came */
    buf answer;                /* empty unless OK or STATUS; the caller frees it */
    const char *why;           /* static text for logs; "" when OK or STATUS */
    /* The port's: */
    struct mail mail;
    struct list link;
    void *transfer;
    bool cancelled;
};

struct webhook {
    /* False when too many are under way: then nothing happens. Any thread. */
    bool (*call)(struct webhook *self, struct webhook_call *c);
    /* Asks that it end soon: done runs with WEBHOOK_CANCELLED, or with what it was just about to
     * say. The receiver may have taken the body. Between call and done, on the loop it names. */
    void (*cancel)(struct webhook *self, struct webhook_call *c);
};

static inline bool MUST_CHECK webhook_call(struct webhook *w, struct webhook_call *c)
{
    return w->call(w, c);
}
static inline void webhook_cancel(struct webhook *w, struct webhook_call *c) { w->cancel(w, c); }

#endif
