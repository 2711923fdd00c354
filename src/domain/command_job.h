/*
 * Group commands: one command for every device that is in a group when it is asked for, sent no
 * faster than a rate, and no further once too many have failed.
 *
 *     running --every command is over--> done
 *        |---- too many failed --------> aborted    (what waits is not sent, what is queued ends)
 *        \---- job_cancel -------------> cancelled  (the same, and what is under way ends too)
 *
 * A job is rows: its own, and one a target, fixed in the transaction that makes it. Home 0 runs
 * those that are open, a step a second: it reads how the commands stand, and sends the next ones
 * (domain/command.h). A target's requestId is made of the job's id, and what became of it is noted
 * after the command is recorded, so a step that a crash cut off is made again and repeats nothing.
 * In any minute at most `rate` commands are given to devices, over restarts too.
 *
 * The issuer needs the right to send commands in the scope of the group, hence of each device in
 * it; that is asked once, when the job is made. Who loses rights later does not stop it: job_cancel
 * does. Nor does deleting the group.
 *
 * Operations start on any home loop and answer once, on that loop, never inside the call.
 */
#ifndef SB_DOMAIN_COMMAND_JOB_H
#define SB_DOMAIN_COMMAND_JOB_H

#include "domain/audit.h"
#include "domain/home.h"

#define JOBS_OPEN_MAX 100          /* at a time: each is a read a second */
#define JOB_RATE_PER_MINUTE 600    /* without a rate */
#define JOB_RATE_PER_MINUTE_MAX 6000

enum job_state { JOB_RUNNING, JOB_DONE, JOB_ABORTED, JOB_CANCELLED };

struct job_counts {
    unsigned total;
    unsigned waiting;  /* not sent yet */
    unsigned pending;  /* sent, or queued for their devices */
    unsigned executed;
    unsigned failed;   /* in any way; devices that were deleted after it was sent, too */
    unsigned refused;  /* could not be sent: the device was deleted, or has too many waiting */
    unsigned skipped;  /* not sent when the job was stopped */
};

struct job_row {
    uuid id;
    uuid group;
    uuid issued_by;      /* nil: nobody known */
    span command;
    span parameters;     /* JSON; empty: none */
    int64_t timeout_ms;
    bool queue;
    int64_t rate;        /* per minute */
    int64_t abort_percent; /* of those that ended; -1: never */
    enum job_state state;
    int64_t created_ms;
    int64_t ended_ms;    /* nothing is under way any more; 0: not yet */
};

/* How it stands with one device. */
struct job_target {
    uuid device;
    const char *status;  /* "waiting", "pending", "executed", "failed", "refused", "skipped" */
    uuid command;        /* nil: none was recorded */
    span phase;          /* empty: none */
    span response;       /* JSON; empty: none */
    span error_code;     /* empty: none */
    span error_message;
    int64_t created_ms, sent_ms, executed_ms; /* 0: not */
};

/* Borrowed for the call of done. */
struct job_result {
    /* ERR_NONE; ERR_NOT_FOUND: no such group or job; ERR_CONFLICT: the group is empty, the job is
     * over, or JOBS_OPEN_MAX are open; ERR_INVALID_REQUEST: `after` is none of ours; the
     * store's. */
    err error;
    const char *why; /* static text, or NULL */
    const struct job_row *rows; /* one, or a page */
    unsigned count;
    struct job_counts counts;   /* job_create, job_get, job_cancel */
    const struct job_target *targets; /* job_targets: as many as count */
    span next;                  /* where the next page begins; empty at the end */
};
typedef void (*job_done)(void *owner, const struct job_result *r);

/* Checked members; empty spans and zeroes take the defaults, abort_percent -1 none. */
struct job_draft {
    uuid id; /* nil: a new one; one that exists is answered as it is */
    uuid group;
    span command;
    span parameters;
    int64_t timeout_ms;
    bool queue;
    int64_t rate;
    int64_t abort_percent;
};
void job_create(struct home *h, const struct job_draft *in, const struct actor *who, job_done done,
                void *owner);
void job_get(struct home *h, uuid id, job_done done, void *owner);
void job_cancel(struct home *h, uuid id, const struct actor *who, job_done done, void *owner);
/* A group's, newest first; `after` is empty or `next` of the page before, limit 1-200. */
void job_list(struct home *h, uuid group, span after, unsigned limit, job_done done, void *owner);
/* By device; rows has the job. */
void job_targets(struct home *h, uuid id, span after, unsigned limit, job_done done, void *owner);

struct fleet;
/* Home 0 runs jobs for as long as its fleet lives: the fleet calls these. */
void jobs_start(struct fleet *f);
void jobs_stop(struct fleet *f);

#endif
