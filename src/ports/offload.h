/*
 * Port: work that burns CPU or blocks, run away from the loops (loop/workers in the server; at
 * once in the command line tool). `work` runs on some thread and touches only the job and what
 * it owns; `done` then runs on loop `loop`, exactly once, never inside submit. Any thread.
 */
#ifndef SB_PORTS_OFFLOAD_H
#define SB_PORTS_OFFLOAD_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/mail.h"

/* The submitter's, borrowed from submit until done is called. */
struct job {
    struct mail mail; /* the port's, from submit to done */
    unsigned loop;    /* where done runs */
    void (*work)(struct job *j);
    void (*done)(struct job *j);
};

struct offload {
    /* False when too many jobs wait already: then nothing happens, and the caller refuses. */
    bool (*submit)(struct offload *self, struct job *j);
};

static inline bool MUST_CHECK offload_submit(struct offload *o, struct job *j)
{
    return o->submit(o, j);
}

#endif
