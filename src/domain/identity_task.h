/*
 * Work that waits (for mail to another home, the store, a worker): a struct that embeds a task,
 * a `step` of its own and one resume(task), called after each wait on the loop of task.home. The
 * embedding struct frees itself when it has answered.
 */
#ifndef SB_DOMAIN_IDENTITY_TASK_H
#define SB_DOMAIN_IDENTITY_TASK_H

#include "domain/home.h"

struct task {
    struct mail mail;
    struct home *home;      /* where it runs now */
    struct store_req *req;  /* the last answer; owned; freed by the next request or task_deinit */
    struct job job;
    bool job_refused;       /* task_offload: too many waited, nothing was done */
    void (*work)(struct task *t); /* on a worker */
    void (*resume)(struct task *t);
};

/* Goes on at home `index`; at once when it is there already. */
void task_go(struct task *t, unsigned index);
/* Goes on here after the mail that is posted already; never inside this call. */
void task_later(struct task *t);
/* A request of steps for this task; the answer is t->req when it resumes. */
struct store_req *task_req(struct task *t, unsigned step_count);
/* Submits t->req. */
void task_store(struct task *t);
/* Runs work(t) elsewhere, then resumes here. */
void task_offload(struct task *t, void (*work)(struct task *t));
void task_deinit(struct task *t);

#endif
