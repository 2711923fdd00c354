/*
 * A bounded first-in first-out queue of requests between threads, linked through the requests'
 * own mail. The lock is public: the readers keep what they are running under it, too.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_QUEUE_H
#define SB_ADAPTERS_STORE_SQLITE_QUEUE_H

#include <pthread.h>

#include "ports/store.h"

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct mail *head;
    struct mail **tail;
    unsigned count;
    unsigned max;
    bool closed;
    bool woken;
};

/* Empty, open, for at most `max` requests. Any thread may use all of these afterwards. */
void queue_init(struct queue *q, unsigned max);
void queue_deinit(struct queue *q); /* empty (asserted) */
/* ERR_STORE_BUSY when it is full, ERR_STORE_CLOSED after queue_close(). */
err queue_push(struct queue *q, struct store_req *req);
/* Whoever waits in queue_take(), or is about to, returns. */
void queue_wake(struct queue *q);
/* No pushes from here on; takers drain what is left. */
void queue_close(struct queue *q);
unsigned queue_count(struct queue *q);
bool queue_is_done(struct queue *q); /* closed and empty */
/*
 * Waits at most wait_ms (-1: for ever) for requests and takes the first one and those behind it
 * as long as their parameter sets add up to at most sets_max. Returns them linked by
 * queue_next(), or NULL when the time is over, somebody woke it, or the queue is closed and empty.
 */
struct store_req *queue_take(struct queue *q, unsigned sets_max, int wait_ms);
struct store_req *queue_next(const struct store_req *req);
/* The following expect the lock to be held. */
struct store_req *queue_pop_locked(struct queue *q); /* NULL when empty */
bool queue_remove_locked(struct queue *q, struct store_req *req); /* cost: the queue's length */

#endif
