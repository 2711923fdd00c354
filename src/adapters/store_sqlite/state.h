/* The store's own state, shared by the files of this adapter. */
#ifndef SB_ADAPTERS_STORE_SQLITE_STATE_H
#define SB_ADAPTERS_STORE_SQLITE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "adapters/store_sqlite/db.h"
#include "adapters/store_sqlite/queue.h"
#include "adapters/store_sqlite/telemetry_settle.h"
#include "adapters/store_sqlite/word_index.h"

#define READ_THREADS_MAX 16

struct sqlite_store;

struct reader {
    struct sqlite_store *store;
    pthread_t thread;
    struct db conn;
    struct store_req *current; /* under reads.lock; what cancel() may interrupt */
    bool cancelled;            /* under reads.lock; `current` was given up */
};

struct sqlite_store {
    struct store port;
    struct sqlite_store_conf conf;
    char *path; /* owned */
    bool memory;
    struct post *post;
    struct log *log;

    struct queue writes;
    struct db conn; /* the writer thread's, from start to close */
    pthread_t writer;
    pthread_mutex_t conn_lock; /* memory stores: a backup uses the writer's connection */
    unsigned wal_pages;         /* the writer's; frames in the log after the last commit */
    unsigned wal_checkpoint_at; /* the writer's; frames at which to checkpoint next */
    bool checkpoint_failing;    /* the writer's */
    unsigned groups_apart;      /* the writer's; groups still to be run with savepoints */
    uint64_t probed_ns;         /* the writer's; when it last tried a store that fails */
    struct settle *settle;      /* the writer's */
    struct words *words;        /* the writer's, but for those who wait */

    struct queue reads;
    struct reader readers[READ_THREADS_MAX];
    unsigned reader_count;

    _Atomic uint64_t unanswered;
    _Atomic uint64_t commits;
    _Atomic uint64_t rows_written;
    _Atomic uint64_t commit_ns_last;
    _Atomic uint64_t commit_ns_sum;
    _Atomic uint64_t commit_buckets[STORE_COMMIT_BUCKETS];
    _Atomic uint64_t failures;
    _Atomic uint64_t unsettled;
    _Atomic int health; /* an err */
};

/* file.c: looks at the file before SQLite does, and makes it (mode 0600) when it is missing. */
err file_prepare(const struct sqlite_store_conf *conf, struct log *log, bool *created);
/* file.c: refuses what must not be written to: another program's database, a newer schema,
 * damage. Changes nothing. */
err file_verify(struct db *c, const struct sqlite_store_conf *conf, struct log *log);
/* file.c: the one log line of a refusal. */
void file_refuse(struct log *log, const struct sqlite_store_conf *conf, err e, const char *why,
                 const char *advice);
/* file.c: flushes a file and its directory entry. */
bool file_sync(const char *path);

/* migrate.c: runs the steps that are missing, up to the one with the number `last`. */
err migrate_run(struct db *c, unsigned last, struct log *log);
/* The version of the newest step in the file, 0 for an empty one. */
err migrate_version(struct db *c, unsigned *out);

/* writer.c */
void *writer_main(void *store);
void writer_watch_log(struct sqlite_store *s); /* counts the log's frames from here on */

/* readers.c */
err readers_start(struct sqlite_store *s);
void readers_stop(struct sqlite_store *s); /* drains, joins */
void readers_cancel(struct sqlite_store *s, struct store_req *req);
/* Runs a read request in a transaction of its own, within the time allowed. */
err reader_run(struct db *c, struct store_req *req, unsigned read_ms_max);

/* backup.c */
err backup_run(struct store *self, const char *path);

/* Posts the completion of a submitted request. */
void store_answer(struct sqlite_store *s, struct store_req *req);
uint64_t store_now_ns(void); /* monotonic */
/* Whether `e` tells about the store rather than about the request. */
bool store_error_is_ours(err e);

#endif
