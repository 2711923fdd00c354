/*
 * Read threads: each has a query-only connection of its own and takes one request at a time. A
 * request is one snapshot, begun after it was submitted, so it sees all that had been
 * acknowledged by then.
 */
#include "adapters/store_sqlite/state.h"

err reader_run(struct db *c, struct store_req *req, unsigned read_ms_max)
{
    c->deadline_ns = store_now_ns() + (uint64_t)read_ms_max * 1000000U;
    bool several = req->step_count > 1 && !db_in_transaction(c);
    err e = several ? db_control(c, DB_BEGIN_READ) : ERR_NONE;
    if (e == ERR_NONE) {
        e = db_run(c, req);
    }
    c->deadline_ns = 0;
    if (several && db_in_transaction(c)) {
        err ignored = db_control(c, DB_ROLLBACK);
        (void)ignored;
    }
    return e;
}

/* Waits for a request and makes it current, in one step for cancel(). */
static struct store_req *next(struct reader *r)
{
    struct queue *q = &r->store->reads;
    pthread_mutex_lock(&q->lock);
    while (q->head == NULL && !q->closed) {
        pthread_cond_wait(&q->ready, &q->lock);
    }
    r->current = queue_pop_locked(q);
    r->cancelled = false;
    struct store_req *req = r->current;
    pthread_mutex_unlock(&q->lock);
    return req;
}

static bool finish(struct reader *r)
{
    struct queue *q = &r->store->reads;
    pthread_mutex_lock(&q->lock);
    r->current = NULL;
    bool cancelled = r->cancelled;
    pthread_mutex_unlock(&q->lock);
    return cancelled;
}

static void *reader_main(void *arg)
{
    struct reader *r = arg;
    struct sqlite_store *s = r->store;
    struct store_req *req;
    while ((req = next(r)) != NULL) {
        if (words_asked(req)) {
            words_await(s->words);
        }
        req->error = reader_run(&r->conn, req, s->conf.read_ms_max);
        if (finish(r)) {
            db_drop_results(req);
            req->error = ERR_STORE_CANCELLED;
        }
        if (store_error_is_ours(req->error)) {
            s->failures++;
            LOG(s->log, LOG_ERROR, "store.read_failed", LOG_STR("error", err_name(req->error)),
                LOG_STR("query", query_name(req->steps[req->failed_step].query)),
                LOG_STR("detail", sqlite3_errmsg(r->conn.db)));
        }
        store_answer(s, req);
    }
    return NULL;
}

err readers_start(struct sqlite_store *s)
{
    for (unsigned i = 0; i < s->conf.read_threads; i++) {
        struct reader *r = &s->readers[i];
        r->store = s;
        err e = db_open(&r->conn, &s->conf, DB_READER);
        if (e != ERR_NONE) {
            return e;
        }
        if (pthread_create(&r->thread, NULL, reader_main, r) != 0) {
            db_close(&r->conn);
            return ERR_STORE_FAILED;
        }
        s->reader_count++;
    }
    return ERR_NONE;
}

void readers_stop(struct sqlite_store *s)
{
    queue_close(&s->reads);
    for (unsigned i = 0; i < s->reader_count; i++) {
        pthread_join(s->readers[i].thread, NULL);
        db_close(&s->readers[i].conn);
    }
    s->reader_count = 0;
}

void readers_cancel(struct sqlite_store *s, struct store_req *req)
{
    struct queue *q = &s->reads;
    pthread_mutex_lock(&q->lock);
    bool waiting = queue_remove_locked(q, req);
    for (unsigned i = 0; i < s->reader_count && !waiting; i++) {
        struct reader *r = &s->readers[i];
        if (r->current == req) {
            r->cancelled = true;
            sqlite3_interrupt(r->conn.db);
        }
    }
    pthread_mutex_unlock(&q->lock);
    if (waiting) {
        req->error = ERR_STORE_CANCELLED;
        store_answer(s, req);
    }
}
