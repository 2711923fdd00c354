/*
 * A bounded pool of threads for work that blocks or burns CPU (password hashing, disk reads).
 * `work` runs on a worker; then `done` runs on the loop that submitted it, by mail.
 */
#ifndef SB_LOOP_WORKERS_H
#define SB_LOOP_WORKERS_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/mail.h"
#include "ports/post.h"

struct workers;

struct work {
    struct mail mail;  /* the pool's, from submit to done */
    unsigned loop;     /* where done runs */
    void (*work)(struct work *w);
    void (*done)(struct work *w);
};

/* `queue_max` works wait at most. `post` carries the answers. */
struct workers *workers_new(unsigned thread_count, unsigned queue_max, struct post *post);
/* Finishes what is queued, joins the threads. */
void workers_free(struct workers *ws);
/* False when the queue is full: then nothing happens and the caller refuses the request. */
bool workers_submit(struct workers *ws, struct work *w) MUST_CHECK;

#endif
