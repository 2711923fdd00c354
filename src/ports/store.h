/*
 * Port: the store. A request is data: one or more steps, each a query of tables/queries.def with
 * its parameters. All steps of a request run in one transaction, in order, or none does; write
 * requests of one store run one after another in the order submitted. `done` runs exactly once,
 * on the loop that the request names, after the transaction is committed and synced (writes: an
 * answer of ERR_NONE means on disk) or has failed; never inside submit.
 *
 * Nothing blocks the caller. When more than the configured number of requests wait, the new one
 * completes with ERR_STORE_BUSY. "Now" is always a parameter.
 */
#ifndef SB_PORTS_STORE_H
#define SB_PORTS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/mail.h"
#include "base/span.h"
#include "tables/errors.h"
#include "tables/queries.h"

struct post;

/* As the `loop` of a request: done runs at once on a thread of the store. For store_run only. */
#define STORE_LOOP_NONE (~0u)

enum store_type { STORE_NULL, STORE_INT, STORE_REAL, STORE_TEXT, STORE_BLOB };

struct store_value {
    enum store_type type;
    union {
        int64_t i;
        double d;
        span s; /* TEXT (UTF-8) and BLOB; in the request's arena, or its owner's */
    };
};

/* store_meta's name of the event log's epoch. A copy of a store must not have it: its numbers would
 * be given again, to other events. */
#define STORE_META_EPOCH "epoch"

/* What a step must do for the transaction to go on; else it is rolled back whole and the
 * request's error is ERR_CONFLICT with `failed_step` set. */
enum store_expect {
    STORE_ANY,  /* nothing */
    STORE_SOME, /* at least one row changed (write) or returned (read) */
    STORE_NO_ROW, /* none changed or returned */
};

struct store_step {
    enum query query;
    enum store_expect expect;
    unsigned set_count;               /* parameter sets; > 1 repeats a write for each set */
    const struct store_value *params; /* set_count x query_param_count(query), in the arena */
    /* Results, in the request's arena: */
    unsigned row_count;
    const struct store_value *cells; /* row_count x query_column_count(query) */
    const uint8_t *changed;          /* per set: 1 if it changed a row (0: duplicate ignored) */
    unsigned change_count;           /* rows changed over all sets */
};

struct store_req {
    struct mail mail;   /* the store's, from submit to done */
    unsigned loop;      /* where done runs */
    struct arena arena; /* owns steps, parameters and results */
    struct store_step *steps;
    unsigned step_count;
    unsigned row_max; /* bound of rows over all steps; more: the rest is cut and `more` is set */
    bool more;
    err error;
    unsigned failed_step;
    void (*done)(struct store_req *req);
    void *owner; /* the caller's */
};

/* Transactions by their length: [i] took at most store_commit_bound_ns(i), and more than the bound
 * before; the last is everything longer. */
#define STORE_COMMIT_BUCKETS 14
uint64_t store_commit_bound_ns(unsigned i); /* the last is UINT64_MAX */

struct store_stats {
    uint64_t write_waiting; /* requests queued for the writer */
    uint64_t read_waiting;
    uint64_t unanswered;    /* requests submitted whose completion has not been posted */
    uint64_t commits;
    uint64_t rows_written;
    uint64_t commit_ns_last;
    uint64_t commit_ns_sum;
    uint64_t commit_buckets[STORE_COMMIT_BUCKETS];
    uint64_t failures;
    uint64_t unsettled; /* telemetry acknowledged and not in its final place yet, about */
    uint64_t file_bytes;
    err health; /* ERR_NONE, or why the last write failed (full, read-only, corrupt). A store that
                   fails tries itself when nobody writes, so this ends by itself, too */
};

struct store {
    /* Takes the request over until done. Reads (every step is a read query) run on workers
     * beside the writer and see everything acknowledged before submit. Any thread. */
    void (*submit)(struct store *self, struct store_req *req);
    /* Asks that done run without the result: a read that is not finished completes soon with
     * ERR_STORE_CANCELLED; a write that was submitted still happens and completes as usual.
     * Only between submit and done, on the loop that submitted. */
    void (*cancel)(struct store *self, struct store_req *req);
    void (*stats)(struct store *self, struct store_stats *out);
    /* A consistent copy into a new file at `path`, while running; without the epoch and without
     * sessions that may come back, which are this store's. Blocks: call on a worker.
     * ERR_CONFLICT when the file exists already; else the errors of a write. */
    err (*backup)(struct store *self, const char *path);
    /* Finishes what is queued, checkpoints, closes. Blocks. */
    void (*close)(struct store *self);
};

/*
 * Submits and waits; for the command line, start-up and tests, never on a loop: the calling
 * thread sleeps until the request is answered. Sets req->loop; req->done is not called. The
 * request still belongs to the caller afterwards. Returns req->error.
 */
err store_run(struct store *s, struct store_req *req);

/* For adapters. Posts the answer to the request's loop (or runs it, for STORE_LOOP_NONE). */
void store_complete(struct post *post, struct store_req *req);
/* For adapters. Asserts that every parameter fits its query's shape ('r' takes integers too) and
 * that reads have one set; returns the number of parameter sets over all steps. */
unsigned store_req_check(const struct store_req *req);
bool store_req_is_read(const struct store_req *req); /* every step is a read query */

/* A request of `step_count` zeroed steps (at most 16), owned by the caller. */
struct store_req *store_req_new(unsigned loop, unsigned step_count,
                                void (*done)(struct store_req *), void *owner);
void store_req_free(struct store_req *req);
/* Reserves set_count parameter sets for step `i`, all NULL; fill them with store_set_*. */
void store_step_init(struct store_req *req, unsigned i, enum query q, unsigned set_count);
/* Setters of parameter `p` in set `set` of step `i`; text and bytes are copied. */
void store_set_int(struct store_req *req, unsigned i, unsigned set, unsigned p, int64_t v);
void store_set_real(struct store_req *req, unsigned i, unsigned set, unsigned p, double v);
void store_set_text(struct store_req *req, unsigned i, unsigned set, unsigned p, span v);
void store_set_blob(struct store_req *req, unsigned i, unsigned set, unsigned p, span v);
/* The same without a copy: `v` lives, unchanged, until done. */
void store_set_borrowed(struct store_req *req, unsigned i, unsigned set, unsigned p, span v);
/* Cell of a result; asserted bounds. NULL cells read as 0, 0.0 and the empty span. */
const struct store_value *store_cell(const struct store_req *req, unsigned i, unsigned row,
                                     unsigned column);
static inline int64_t store_int(const struct store_value *v)
{
    return v->type == STORE_INT ? v->i : v->type == STORE_REAL ? (int64_t)v->d : 0;
}
static inline double store_real(const struct store_value *v)
{
    return v->type == STORE_REAL ? v->d : v->type == STORE_INT ? (double)v->i : 0.0;
}
static inline span store_text(const struct store_value *v)
{
    return v->type == STORE_TEXT || v->type == STORE_BLOB ? v->s : SPAN_NONE;
}

#endif
