#include "adapters/store_sqlite/word_index.h"

#include "adapters/store_sqlite/state.h"
#include "base/mem.h"

#include <time.h>

/* After the first message that is not indexed, or when there are many. */
#define INDEX_MS 200
#define INDEX_MESSAGES 2048
/* By then whoever adds waits until more is indexed than was added. */
#define LATE_MS 500
/* Searches do not wait for what was not indexed by then. */
#define PATIENCE_MS 1000
#define RETRY_MS 1000 /* after an error */
/* Of one statement: some 0.2 ms; 20 ms when all of them are as long as they may be. */
#define MESSAGES 32
#define PACE 2 /* indexed for each that was added, when late */

#define NS_A_MS 1000000U

enum statement { ST_AT, ST_NEXT, ST_ADD, ST_SAVE, ST_COUNT };

static const char *const statement_sql[ST_COUNT] = {
    [ST_AT] = "SELECT upto, (SELECT coalesce(max(n), 0) FROM chat_message) FROM chat_search_at",
    [ST_NEXT] = "SELECT coalesce(max(n), 0), count(*) FROM"
                " (SELECT n FROM chat_message WHERE n > ?1 ORDER BY n LIMIT ?2)",
    [ST_ADD] = "INSERT INTO chat_search (rowid, room, text)"
               " SELECT n, room, text FROM chat_message_text WHERE n > ?1 AND n <= ?2 ORDER BY n",
    [ST_SAVE] = "UPDATE chat_search_at SET upto = ?1",
};

struct words {
    struct sqlite_store *store;
    sqlite3_stmt *statements[ST_COUNT]; /* owned; NULL: not used yet */
    uint64_t retry_ns;                  /* not before; 0: at any time */
    uint64_t added;                     /* since the last work */
    bool failing;

    pthread_mutex_t lock;  /* for what follows */
    pthread_cond_t indexed_more;
    uint64_t noted, indexed; /* messages, counted from the start of the process */
    uint64_t since_ns;       /* when the oldest that is not indexed was noted; 0: there is none */
    bool wanted;             /* somebody waits */
    bool stopped;
};

/* --- statements --- */

static sqlite3_stmt *statement(struct words *w, enum statement which)
{
    sqlite3_stmt **stmt = &w->statements[which];
    if (*stmt == NULL) { /* NULL again on an error, which the step then tells */
        sqlite3_prepare_v3(w->store->conn.db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                           stmt, NULL);
    }
    return *stmt;
}

/* Runs one with up to two integers, and reads up to two of its only row. */
static err run(struct words *w, enum statement which, const int64_t in[2], int64_t out[2])
{
    struct db *c = &w->store->conn;
    sqlite3_stmt *stmt = statement(w, which);
    int count = stmt == NULL ? 0 : sqlite3_bind_parameter_count(stmt);
    for (int i = 0; i < count; i++) {
        sqlite3_bind_int64(stmt, i + 1, in[i]);
    }
    int code = stmt == NULL ? sqlite3_extended_errcode(c->db) : sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        out[0] = sqlite3_column_int64(stmt, 0);
        out[1] = sqlite3_column_int64(stmt, 1);
        code = sqlite3_step(stmt);
    }
    sqlite3_reset(stmt);
    return code == SQLITE_DONE ? ERR_NONE : db_error(c, code == SQLITE_OK ? SQLITE_ERROR : code);
}

/* --- a slice --- */

struct slice {
    uint64_t end_ns;
    uint64_t done; /* messages */
    bool all;      /* none is left */
};

static err index_some(struct words *w, struct slice *x)
{
    int64_t at[2] = {-1, 0}, none[2];
    err e = run(w, ST_AT, NULL, at);
    int64_t from = at[0];
    e = e == ERR_NONE && from < 0 ? ERR_STORE_CORRUPT : e; /* the mark is lost */
    x->all = at[1] <= from;
    for (bool over = false; e == ERR_NONE && !x->all && !over; over = store_now_ns() >= x->end_ns) {
        int64_t next[2] = {0, 0};
        e = run(w, ST_NEXT, (const int64_t[]){from, MESSAGES}, next);
        if (e == ERR_NONE && next[1] > 0) {
            e = run(w, ST_ADD, (const int64_t[]){from, next[0]}, none);
            from = next[0];
            x->done += (uint64_t)next[1];
        }
        x->all = from >= at[1] || next[1] == 0;
    }
    return e != ERR_NONE || from == at[0] ? e : run(w, ST_SAVE, (const int64_t[]){from, 0}, none);
}

static void fail(struct words *w, err e)
{
    struct db *c = &w->store->conn;
    if (!w->failing) {
        LOG(w->store->log, LOG_WARN, "store.index_failed", LOG_STR("error", err_name(e)),
            LOG_STR("detail", sqlite3_errmsg(c->db)));
    }
    if (db_in_transaction(c)) {
        err ignored = db_control(c, DB_ROLLBACK);
        (void)ignored; /* the next BEGIN tells */
    }
    w->failing = true;
    w->retry_ns = store_now_ns() + (uint64_t)RETRY_MS * NS_A_MS;
}

/* One transaction. */
static void work(struct words *w, struct slice *x)
{
    struct db *c = &w->store->conn;
    x->all = false;
    x->end_ns = store_now_ns() + (uint64_t)w->store->conf.settle_slice_us * 1000U;
    pthread_mutex_lock(&w->store->conn_lock);
    err e = db_control(c, DB_BEGIN);
    e = e != ERR_NONE ? e : index_some(w, x);
    e = e != ERR_NONE ? e : db_control(c, DB_COMMIT);
    if (e != ERR_NONE) {
        x->all = false;
        fail(w, e);
    } else {
        w->failing = false;
        w->retry_ns = 0;
    }
    pthread_mutex_unlock(&w->store->conn_lock);
}

/* --- when --- */

/* When there is work, in monotonic ns; UINT64_MAX: not before something is added. Locked. */
static uint64_t due_ns(const struct words *w)
{
    uint64_t due = w->since_ns == 0 ? UINT64_MAX
                   : w->wanted || w->noted - w->indexed >= INDEX_MESSAGES
                       ? 0
                       : w->since_ns + (uint64_t)INDEX_MS * NS_A_MS;
    return due > w->retry_ns ? due : w->retry_ns;
}

int words_wait_ms(struct words *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t due = due_ns(w);
    pthread_mutex_unlock(&w->lock);
    uint64_t now = store_now_ns();
    return due == UINT64_MAX ? -1 : due <= now ? 0 : (int)((due - now) / NS_A_MS) + 1;
}

/* Takes note of what a slice did; returns whether another one is to follow at once. */
static bool worked(struct words *w, const struct slice *x)
{
    pthread_mutex_lock(&w->lock);
    if (x->all) {
        w->indexed = w->noted;
        w->since_ns = 0;
        w->wanted = false;
    }
    bool late = w->since_ns != 0 && store_now_ns() > w->since_ns + (uint64_t)LATE_MS * NS_A_MS;
    pthread_cond_broadcast(&w->indexed_more);
    pthread_mutex_unlock(&w->lock);
    return late && !w->failing && x->done < PACE * w->added;
}

void words_work(struct words *w)
{
    struct slice x = {0};
    for (bool again = words_wait_ms(w) == 0; again;) {
        work(w, &x);
        again = worked(w, &x);
    }
    w->added = 0;
}

void words_work_all(struct words *w)
{
    struct slice x = {0};
    while (!x.all && !w->failing) {
        work(w, &x);
        worked(w, &x);
    }
}

void words_note(struct words *w, const struct store_req *req)
{
    uint64_t added = 0;
    for (unsigned i = 0; i < req->step_count; i++) {
        bool adds = req->steps[i].query == QUERY_CHAT_MESSAGE_INSERT;
        added += adds ? req->steps[i].change_count : 0;
    }
    if (added == 0) {
        return;
    }
    w->added += added;
    pthread_mutex_lock(&w->lock);
    w->noted += added;
    w->since_ns = w->since_ns != 0 ? w->since_ns : store_now_ns();
    pthread_mutex_unlock(&w->lock);
}

/* --- who looks for words --- */

bool words_asked(const struct store_req *req)
{
    for (unsigned i = 0; i < req->step_count; i++) {
        if (req->steps[i].query == QUERY_CHAT_SEARCH) {
            return true;
        }
    }
    return false;
}

static struct timespec when(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000U), (long)(ns % 1000000000U)};
}

void words_await(struct words *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t all = w->noted;
    if (w->indexed < all && !w->wanted) {
        w->wanted = true;
        queue_wake(&w->store->writes);
    }
    bool patient = true;
    while (w->indexed < all && w->since_ns != 0 && !w->stopped && patient) {
        uint64_t until = w->since_ns + (uint64_t)PATIENCE_MS * NS_A_MS;
        struct timespec at = when(until);
        patient = store_now_ns() < until &&
                  pthread_cond_timedwait(&w->indexed_more, &w->lock, &at) == 0;
    }
    pthread_mutex_unlock(&w->lock);
}

void words_stop(struct words *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopped = true;
    pthread_cond_broadcast(&w->indexed_more);
    pthread_mutex_unlock(&w->lock);
}

struct words *words_new(struct sqlite_store *s)
{
    struct words *w = mem_calloc(1, sizeof *w);
    int64_t at[2] = {0, 0};
    w->store = s;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->indexed_more, &attr);
    pthread_condattr_destroy(&attr);
    if (run(w, ST_AT, NULL, at) == ERR_NONE && at[1] > at[0]) {
        w->noted = (uint64_t)(at[1] - at[0]);
        w->since_ns = store_now_ns();
    }
    return w;
}

void words_free(struct words *w)
{
    if (w == NULL) {
        return;
    }
    for (unsigned i = 0; i < ST_COUNT; i++) {
        sqlite3_finalize(w->statements[i]);
    }
    pthread_cond_destroy(&w->indexed_more);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}
