/*
 * The writer thread: one turn takes what is queued, commits it as one transaction, answers, and
 * only then settles some telemetry, indexes words of chat and looks after the write-ahead log, so
 * that no answer waits for these longer than a slice.
 */
#include "adapters/store_sqlite/state.h"

/* Frames (4 KiB) after which the log is copied into the file: about 4 MiB, some 10 ms. */
#define CHECKPOINT_PAGES 1000
/* From here on (64 MiB) new readers are held off for a moment so that the log can start over. */
#define CHECKPOINT_HARD_PAGES 16384
#define CHECKPOINT_HARD_MS 100
/* An idle writer empties the log after this long. */
#define CHECKPOINT_IDLE_MS 1000

/* While the store fails and nobody writes it is tried so often: whoever is told by /health/ready
 * not to come writes nothing, and would never learn that it may again. */
#define PROBE_MS 1000
#define PROBE_BUSY_MS 100 /* what comes meanwhile waits no longer */

/* Groups whose requests are run apart after one of them failed. */
#define GROUPS_APART 16

static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct sqlite_store *s = ctx;
    s->wal_pages = (unsigned)pages;
    return SQLITE_OK;
}

void writer_watch_log(struct sqlite_store *s)
{
    s->wal_checkpoint_at = CHECKPOINT_PAGES;
    sqlite3_wal_hook(s->conn.db, on_commit, s);
}

/* A lone statement is atomic by itself; a request of several is not, nor is one whose success can
 * be the reason to roll back. */
static bool may_leave_parts(const struct store_req *req)
{
    return req->step_count > 1 || req->steps[0].set_count > 1 ||
           req->steps[0].expect == STORE_NO_ROW;
}

/* Runs one request inside the group's transaction. Returns an error only when that transaction
 * is gone; the request's own failure is in req->error, and then, if it ran `apart`, nothing of it
 * is left. */
static err run_one(struct sqlite_store *s, struct store_req *req, bool apart)
{
    struct db *c = &s->conn;
    if (store_req_is_read(req)) {
        req->error = reader_run(c, req, s->conf.read_ms_max);
        return db_in_transaction(c) ? ERR_NONE : req->error;
    }
    bool savepoint = apart && may_leave_parts(req);
    err e = savepoint ? db_control(c, DB_SAVEPOINT) : ERR_NONE;
    e = e != ERR_NONE ? e : db_run(c, req);
    req->error = e;
    if (!db_in_transaction(c)) { /* SQLite rolled everything back: full, I/O error, ... */
        return e == ERR_NONE ? ERR_STORE_FAILED : e;
    }
    if (!savepoint) {
        return ERR_NONE;
    }
    err undo = e == ERR_NONE ? ERR_NONE : db_control(c, DB_ROLLBACK_TO);
    err release = db_control(c, DB_RELEASE);
    return undo != ERR_NONE ? undo : release;
}

static void roll_back(struct db *c)
{
    if (db_in_transaction(c)) {
        err ignored = db_control(c, DB_ROLLBACK);
        (void)ignored; /* the next BEGIN tells */
    }
}

/* Begins a transaction and runs a group in it. *parts: a request failed, and left some of what it
 * did. */
static err run_all(struct sqlite_store *s, struct store_req *first, bool apart, bool *parts)
{
    err e = db_control(&s->conn, DB_BEGIN);
    bool failed = false;
    *parts = false;
    for (struct store_req *r = first; r != NULL && e == ERR_NONE && !*parts; r = queue_next(r)) {
        e = run_one(s, r, apart);
        bool undone = store_req_is_read(r) || !may_leave_parts(r) || apart;
        failed = failed || (r->error != ERR_NONE && !store_req_is_read(r));
        *parts = e == ERR_NONE && r->error != ERR_NONE && !undone;
    }
    if (apart && s->groups_apart > 0) {
        s->groups_apart = failed ? GROUPS_APART : s->groups_apart - 1;
    }
    return e;
}

/*
 * Runs and commits a group; the error is that of the whole group. A savepoint for each request
 * costs as much as the request: pages that it changes are copied. As nearly none fails, they run
 * without; when one does, all is rolled back and run again, each with its savepoint, as are some
 * groups behind it, so that whoever makes requests fail does not double the work of others.
 */
static err commit_group(struct sqlite_store *s, struct store_req *first)
{
    bool parts;
    err e = run_all(s, first, s->groups_apart > 0, &parts);
    if (parts) {
        e = db_control(&s->conn, DB_ROLLBACK);
        if (e != ERR_NONE || queue_next(first) == NULL) {
            return e; /* alone, it has its error and left nothing */
        }
        for (struct store_req *r = first; r != NULL; r = queue_next(r)) {
            db_drop_results(r);
            r->error = ERR_NONE;
        }
        s->groups_apart = GROUPS_APART;
        e = run_all(s, first, true, &parts);
    }
    if (e == ERR_NONE) {
        e = db_control(&s->conn, DB_COMMIT);
    }
    return e;
}

static uint64_t rows_changed(const struct store_req *req)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < req->step_count; i++) {
        n += req->steps[i].change_count;
    }
    return n;
}

/* A change of health is one log line, however many requests fail. */
static void set_health(struct sqlite_store *s, err e, const char *detail)
{
    err before = (err)atomic_exchange(&s->health, (int)e);
    if (before == e) {
        return;
    }
    if (e == ERR_NONE) {
        LOG(s->log, LOG_INFO, "store.recovered", LOG_STR("from", err_name(before)));
    } else {
        LOG(s->log, LOG_ERROR, "store.failed", LOG_STR("error", err_name(e)),
            LOG_STR("text", err_text(e)), LOG_STR("detail", detail));
    }
}

/* Gives every request its final error, counts, and answers in the order submitted. */
static void answer_group(struct sqlite_store *s, struct store_req *first, err group,
                         const char *detail)
{
    err ours = store_error_is_ours(group) ? group : ERR_NONE;
    uint64_t rows = 0;
    for (struct store_req *r = first; r != NULL; r = queue_next(r)) {
        if (group != ERR_NONE && (r->error == ERR_NONE || r->error == ERR_CONFLICT)) {
            db_drop_results(r);
            r->error = group;
        }
        ours = ours == ERR_NONE && store_error_is_ours(r->error) ? r->error : ours;
        s->failures += store_error_is_ours(r->error);
        rows += rows_changed(r);
    }
    s->rows_written += rows;
    if (ours != ERR_NONE || rows > 0) {
        set_health(s, ours, detail);
    }
    for (struct store_req *r = first, *next; r != NULL; r = next) {
        next = queue_next(r);
        store_answer(s, r);
    }
}

static void count_commit(struct sqlite_store *s, uint64_t took_ns)
{
    unsigned bucket = 0;
    while (took_ns > store_commit_bound_ns(bucket)) {
        bucket++;
    }
    s->commits++;
    s->commit_ns_last = took_ns;
    s->commit_ns_sum += took_ns;
    s->commit_buckets[bucket]++;
}

static void run_group(struct sqlite_store *s, struct store_req *first)
{
    bool words = false;
    for (struct store_req *r = first; r != NULL; r = queue_next(r)) {
        r->error = ERR_NONE;
        words = words || words_asked(r);
    }
    if (words) {
        words_work_all(s->words);
    }
    pthread_mutex_lock(&s->conn_lock);
    uint64_t start = store_now_ns();
    err e = commit_group(s, first);
    char detail[200] = "";
    if (e != ERR_NONE) {
        sqlite3_snprintf(sizeof detail, detail, "%s", sqlite3_errmsg(s->conn.db));
        roll_back(&s->conn);
    } else {
        count_commit(s, store_now_ns() - start);
        for (struct store_req *r = first; r != NULL; r = queue_next(r)) {
            settle_note(s->settle, r);
            words_note(s->words, r);
        }
    }
    pthread_mutex_unlock(&s->conn_lock);
    answer_group(s, first, e, detail);
}

/* Copies the log into the file. With nothing left in it, the next commit starts it over. */
static void checkpoint(struct sqlite_store *s)
{
    bool hard = s->wal_pages >= CHECKPOINT_HARD_PAGES;
    int in_log = 0;
    int copied = 0;
    sqlite3_busy_timeout(s->conn.db, CHECKPOINT_HARD_MS);
    int code = sqlite3_wal_checkpoint_v2(
        s->conn.db, NULL, hard ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, &in_log,
        &copied);
    sqlite3_busy_timeout(s->conn.db, (int)s->conf.busy_ms_max);
    bool failed = code != SQLITE_OK && code != SQLITE_BUSY;
    if (failed && !s->checkpoint_failing) {
        LOG(s->log, LOG_WARN, "store.checkpoint_failed",
            LOG_STR("detail", sqlite3_errmsg(s->conn.db)));
    }
    s->checkpoint_failing = failed;
    if (code == SQLITE_OK && copied >= in_log) {
        s->wal_pages = 0;
        s->wal_checkpoint_at = CHECKPOINT_PAGES;
    } else {
        s->wal_checkpoint_at = s->wal_pages + CHECKPOINT_PAGES; /* a reader still needs it */
    }
}

/* Commits a page as it is. */
static void probe(struct sqlite_store *s)
{
    pthread_mutex_lock(&s->conn_lock);
    sqlite3_busy_timeout(s->conn.db, PROBE_BUSY_MS);
    int code = sqlite3_exec(s->conn.db, "PRAGMA user_version = 0", NULL, NULL, NULL);
    sqlite3_busy_timeout(s->conn.db, (int)s->conf.busy_ms_max);
    pthread_mutex_unlock(&s->conn_lock);
    s->probed_ns = store_now_ns();
    if (code == SQLITE_OK) {
        set_health(s, ERR_NONE, "");
    }
}

static bool is_to_probe(const struct sqlite_store *s)
{
    return atomic_load(&s->health) != ERR_NONE &&
           store_now_ns() - s->probed_ns >= PROBE_MS * UINT64_C(1000000);
}

/* The sooner of two waits, of which -1 is for ever. */
static int sooner(int a, int b) { return a < 0 || (b >= 0 && b < a) ? b : a; }

void *writer_main(void *store)
{
    struct sqlite_store *s = store;
    while (!queue_is_done(&s->writes)) {
        bool bad = atomic_load(&s->health) != ERR_NONE;
        int idle_ms = bad ? PROBE_MS : s->wal_pages > 0 ? CHECKPOINT_IDLE_MS : -1;
        int work_ms = sooner(settle_wait_ms(s->settle), words_wait_ms(s->words));
        int wait_ms = sooner(idle_ms, work_ms);
        struct store_req *first = queue_take(&s->writes, s->conf.commit_rows_max, wait_ms);
        bool works = wait_ms != idle_ms || words_wait_ms(s->words) == 0;
        if (first != NULL) {
            run_group(s, first);
        } else if (is_to_probe(s)) {
            probe(s);
        }
        settle_work(s->settle);
        words_work(s->words);
        /* An emptied log also gives a full disk room for the next commit. */
        bool full = atomic_load(&s->health) == ERR_STORE_FULL;
        bool idle = first == NULL && !works;
        if (s->wal_pages > 0 && (idle || full || s->wal_pages >= s->wal_checkpoint_at)) {
            checkpoint(s);
        }
    }
    return NULL;
}
