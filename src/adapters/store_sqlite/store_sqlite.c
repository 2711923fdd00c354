#include "adapters/store_sqlite/store_sqlite.h"

#include "adapters/store_sqlite/state.h"
#include "base/mem.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READ_THREADS_DEFAULT 2
#define QUEUE_MAX_DEFAULT 65536
#define COMMIT_ROWS_MAX_DEFAULT 1000
#define READ_MS_MAX_DEFAULT 5000
#define BUSY_MS_MAX_DEFAULT 2000
#define SETTLE_MS_DEFAULT 5000
#define SETTLE_SLICE_US_DEFAULT 20000
#define VERIFY_BYTES_MAX_DEFAULT (32U << 20)

static struct sqlite_store *store_of(struct store *self)
{
    return CONTAINER_OF(self, struct sqlite_store, port);
}

uint64_t store_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

bool store_error_is_ours(err e)
{
    return e == ERR_STORE_FULL || e == ERR_STORE_READ_ONLY || e == ERR_STORE_CORRUPT ||
           e == ERR_STORE_FAILED || e == ERR_STORE_BUSY;
}

void store_answer(struct sqlite_store *s, struct store_req *req)
{
    store_complete(s->post, req); /* first: who reads 0 finds every completion posted */
    atomic_fetch_sub(&s->unanswered, 1);
}

static void on_submit(struct store *self, struct store_req *req)
{
    struct sqlite_store *s = store_of(self);
    store_req_check(req);
    atomic_fetch_add(&s->unanswered, 1);
    bool read = !s->memory && store_req_is_read(req);
    err e = queue_push(read ? &s->reads : &s->writes, req);
    if (e != ERR_NONE) {
        req->error = e;
        store_answer(s, req);
    }
}

static void on_cancel(struct store *self, struct store_req *req)
{
    struct sqlite_store *s = store_of(self);
    if (!s->memory && store_req_is_read(req)) {
        readers_cancel(s, req);
    }
}

static char *name_with(const char *path, const char *suffix)
{
    size_t bytes = strlen(path) + strlen(suffix) + 1;
    char *name = mem_alloc(bytes);
    snprintf(name, bytes, "%s%s", path, suffix);
    return name;
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
    char *name = name_with(path, suffix);
    struct stat st;
    uint64_t bytes = stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
    mem_free(name);
    return bytes;
}

/* Of a file made by an open that then failed. */
static void remove_file(const char *path, const char *suffix)
{
    char *name = name_with(path, suffix);
    unlink(name);
    mem_free(name);
}

static void on_stats(struct store *self, struct store_stats *out)
{
    struct sqlite_store *s = store_of(self);
    *out = (struct store_stats){
        .write_waiting = queue_count(&s->writes),
        .read_waiting = queue_count(&s->reads),
        .unanswered = atomic_load(&s->unanswered),
        .commits = s->commits,
        .rows_written = s->rows_written,
        .commit_ns_last = s->commit_ns_last,
        .commit_ns_sum = s->commit_ns_sum,
        .failures = s->failures,
        .unsettled = atomic_load(&s->unsettled),
        .file_bytes = s->memory ? 0 : file_bytes(s->path, "") + file_bytes(s->path, "-wal"),
        .health = (err)atomic_load(&s->health),
    };
    for (unsigned i = 0; i < STORE_COMMIT_BUCKETS; i++) {
        out->commit_buckets[i] = s->commit_buckets[i];
    }
}

static void release(struct sqlite_store *s)
{
    settle_free(s->settle);
    words_free(s->words);
    db_close(&s->conn);
    queue_deinit(&s->writes);
    queue_deinit(&s->reads);
    pthread_mutex_destroy(&s->conn_lock);
    mem_free(s->path);
    mem_free(s);
}

static void on_close(struct store *self)
{
    struct sqlite_store *s = store_of(self);
    queue_close(&s->writes);
    pthread_join(s->writer, NULL);
    words_stop(s->words);
    readers_stop(s);
    release(s); /* the last connection: copies what is left of the log and removes it */
}

static struct sqlite_store *new_store(const struct sqlite_store_conf *conf, struct post *post,
                                      struct log *log)
{
    struct sqlite_store *s = mem_calloc(1, sizeof *s);
    s->path = mem_strndup(conf->path, strlen(conf->path));
    s->conf = *conf;
    struct sqlite_store_conf *c = &s->conf;
    c->path = s->path;
    c->read_threads = c->read_threads == 0 ? READ_THREADS_DEFAULT : c->read_threads;
    ASSERT(c->read_threads <= READ_THREADS_MAX);
    c->queue_max = c->queue_max == 0 ? QUEUE_MAX_DEFAULT : c->queue_max;
    c->commit_rows_max = c->commit_rows_max == 0 ? COMMIT_ROWS_MAX_DEFAULT : c->commit_rows_max;
    c->read_ms_max = c->read_ms_max == 0 ? READ_MS_MAX_DEFAULT : c->read_ms_max;
    c->busy_ms_max = c->busy_ms_max == 0 ? BUSY_MS_MAX_DEFAULT : c->busy_ms_max;
    c->settle_ms = c->settle_ms == 0 ? SETTLE_MS_DEFAULT : c->settle_ms;
    c->settle_slice_us = c->settle_slice_us == 0 ? SETTLE_SLICE_US_DEFAULT : c->settle_slice_us;
    if (c->verify_bytes_max == 0) {
        c->verify_bytes_max = VERIFY_BYTES_MAX_DEFAULT;
    }
    s->memory = strcmp(s->path, ":memory:") == 0;
    s->post = post;
    s->log = log;
    s->port = (struct store){
        .submit = on_submit,
        .cancel = on_cancel,
        .stats = on_stats,
        .backup = backup_run,
        .close = on_close,
    };
    queue_init(&s->writes, c->queue_max);
    queue_init(&s->reads, c->queue_max);
    pthread_mutex_init(&s->conn_lock, NULL);
    return s;
}

/* Takes the verified file over: WAL, the write lock for a moment (so that a second writer or a
 * directory that cannot hold the log shows now), migrations. */
static err adopt(struct sqlite_store *s)
{
    err e = db_adopt(&s->conn, &s->conf);
    e = e != ERR_NONE ? e : db_control(&s->conn, DB_BEGIN);
    e = e != ERR_NONE ? e : db_control(&s->conn, DB_ROLLBACK);
    e = e != ERR_NONE ? e : migrate_run(&s->conn, sqlite_store_schema_version(), s->log);
    if (e != ERR_NONE) {
        file_refuse(s->log, &s->conf, e, sqlite3_errmsg(s->conn.db),
                    e == ERR_STORE_BUSY   ? "stop the other process that writes to the file"
                    : e == ERR_STORE_FULL ? "free some space and start again"
                                          : "make the file and its directory writable");
    }
    return e;
}

static err open_file(struct sqlite_store *s, bool *created)
{
    err e = s->memory ? ERR_NONE : file_prepare(&s->conf, s->log, created);
    if (e != ERR_NONE) {
        return e;
    }
    e = db_open(&s->conn, &s->conf, DB_WRITER);
    if (e != ERR_NONE) {
        file_refuse(s->log, &s->conf, e, "SQLite cannot open the file", "see the error");
        return e;
    }
    e = file_verify(&s->conn, &s->conf, s->log);
    return e != ERR_NONE ? e : adopt(s);
}

static err start_threads(struct sqlite_store *s)
{
    writer_watch_log(s);
    s->settle = settle_new(s);
    s->words = words_new(s);
    err e = s->memory ? ERR_NONE : readers_start(s);
    if (e == ERR_NONE && pthread_create(&s->writer, NULL, writer_main, s) != 0) {
        e = ERR_STORE_FAILED;
    }
    if (e != ERR_NONE) {
        readers_stop(s);
    }
    return e;
}

err sqlite_store_open(const struct sqlite_store_conf *conf, struct post *post, struct log *log,
                      struct store **out)
{
    struct sqlite_store *s = new_store(conf, post, log);
    bool created = false;
    err e = open_file(s, &created);
    e = e != ERR_NONE ? e : start_threads(s);
    if (e == ERR_NONE) {
        *out = &s->port;
        return ERR_NONE;
    }
    if (created) {
        remove_file(s->path, "");
        remove_file(s->path, "-wal");
        remove_file(s->path, "-shm");
    }
    release(s);
    return e;
}
