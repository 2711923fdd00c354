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

/* The submitter's, borrowed from submit until done is called; the last word on its memory is
 * done's. */
struct work {
    struct mail mail;  /* the pool's, from submit to done */
    unsigned loop;     /* where done runs */
    void (*work)(struct work *w);
    void (*done)(struct work *w);
};

/* `queue_max` works wait at most, besides those that run. `post` (borrowed) carries the answers.
 * Aborts when a thread cannot be made (start-up only). */
struct workers *workers_new(unsigned thread_count, unsigned queue_max, struct post *post);
/* Finishes what is queued, joins the threads: blocks. The answers are mail that the loops still
 * have to run. Nobody may submit any more. */
void workers_free(struct workers *ws);
/* Works start in the order submitted. False when the queue is full: then nothing happens and the
 * caller refuses the request. Any thread. */
bool workers_submit(struct workers *ws, struct work *w) MUST_CHECK;
/* How many wait, for a gauge. Any thread. */
unsigned workers_queued(struct workers *ws);

#endif
