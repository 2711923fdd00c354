/*
 * Port: calls to receivers over HTTP. One call is one POST of a JSON body to one URL, signed so
 * that the receiver knows who calls:
 *
 *     Content-Type: application/json
 *     User-Agent: signalbox/<version>
 *     X-Signalbox-Delivery: <id>                 the same when the bytes are sent twice
 *     X-Signalbox-Signature: t=<unix>,v1=<hex>   HMAC-SHA256 of "<unix>.<body>" by the secret
 *
 * An answer comes whole with `done`, or, if the call asks for it (on_part), piece by piece before:
 * what has come while the loop was at other things is one piece, so a receiver that sends a byte at
 * a time costs at most one mail a turn. Either way it ends with TOO_LONG when it is longer than
 * answer_bytes_max: so a call's memory is bounded, and a receiver that floods is cut off.
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
#define WEBHOOK_TYPE_MAX 64

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
    const char *accept;        /* media types; NULL: application/json */
    /* NULL: the answer comes whole. Else the pieces of an answer of status 200 to 299, in order, on
     * the same loop, never inside call or cancel, all before done and none after cancel; `data`,
     * not empty, is borrowed for the moment. content_type is known by then. */
    void (*on_part)(struct webhook_call *c, span data);
    void (*done)(struct webhook_call *c);
    /* The outcome: */
    enum webhook_result result;
    int status;                /* of the answer; 0: none came */
    char content_type[WEBHOOK_TYPE_MAX]; /* of the answer, cut; "" when it says none */
    buf answer;                /* empty unless OK or STATUS, and if it came in pieces; the caller
                                  frees it */
    const char *why;           /* static text for logs; "" when OK or STATUS */
    /* The port's: */
    struct mail mail;
    struct list link;
    void *transfer;
    struct webhook *port;
    struct mail part_mail;
    buf parts;                 /* have come and were not told */
    bool telling;              /* part_mail is on its way */
    uint32_t received;
    bool cancelled;
};

struct webhook {
    /* False when too many are under way: then nothing happens. Any thread. */
    bool (*call)(struct webhook *self, struct webhook_call *c);
    /* Asks that it end soon: done runs with WEBHOOK_CANCELLED, or with what it was just about to
     * say. The receiver may have taken the body. Between call and done, on the loop it names. */
    void (*cancel)(struct webhook *self, struct webhook_call *c);
    /* Whether a URL may be called: https, or http to this machine. False with *why, a predicate
     * ("is no URL"), static. Any thread; the first one may take some milliseconds. */
    bool (*check)(struct webhook *self, const char *url, const char **why);
};

static inline bool MUST_CHECK webhook_call(struct webhook *w, struct webhook_call *c)
{
    return w->call(w, c);
}
static inline bool MUST_CHECK webhook_check(struct webhook *w, const char *url, const char **why)
{
    return w->check(w, url, why);
}
static inline void webhook_cancel(struct webhook *w, struct webhook_call *c) { w->cancel(w, c); }

#endif
