/*
 * Applications' events as calls of their receiver (app_body.h says what is posted). An answer of
 * 200 to 299 becomes the ack (app_answer.h); what else may happen is SERVER_ERROR, with the reason
 * in `details`. Calls of one socket are begun in order and run side by side: a receiver may see
 * them overtake each other.
 */
#ifndef SB_EDGE_SOCKETIO_APP_HOOK_H
#define SB_EDGE_SOCKETIO_APP_HOOK_H

#include "domain/receiver.h"
#include "edge/socketio/socketio.h"

/* Calls the receiver; answers later, exactly once, if the socket is still there. */
void app_hook_event(struct sio_socket *s, const struct sio_event *ev);

/* A call of a receiver from a loop: home it by `call.done`, which gives it to app_hook_end. */
struct app_hook {
    struct receiver_call call;
    struct receiver *receiver;
    struct edge *edge;
    uint64_t begun_ns;
};

/* Fills in everything but the body, which is the caller's to write before app_hook_begin. The
 * receiver is applications' (home.app_receiver) or that of /ws (home.home_receiver). */
void app_hook_init(struct app_hook *h, struct edge *e, struct receiver *to,
                   void (*done)(struct receiver_call *c));
void app_hook_begin(struct app_hook *h);
/* In done, before its outcome is used: counts it. `bad`: the answer cannot be understood. */
void app_hook_count(const struct app_hook *h, bool bad);
/* In done, at last: frees what it holds, not h. */
void app_hook_deinit(struct app_hook *h);
/* For people: why the receiver did not answer. Static text. */
const char *app_hook_reason(enum receiver_result r);

#endif
