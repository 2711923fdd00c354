/*
 * The store port on SQLite: one file in WAL mode, or `:memory:`.
 *
 *   any thread --submit--> queue --> writer thread: BEGIN IMMEDIATE, each request in its own
 *                            |        savepoint, COMMIT (synced), answers, checkpoint
 *                            +-----> read threads: own query-only connections
 *
 * The writer commits whenever it is free: it takes all that is queued up to commit_rows_max
 * rows, never waits for more, and answers after the commit returned. So an idle store answers
 * after one sync and a busy one shares each sync among many requests. A request that fails by
 * itself (a constraint, an expectation) is rolled back alone; a failing commit fails all that
 * shared it. With `:memory:` there is one connection, and reads run on the writer in the order
 * submitted.
 *
 * A full disk fails requests with ERR_STORE_FULL until there is space again; nothing needs a
 * restart. What was answered without an error stays stored (with synchronous FULL: through a
 * power loss too).
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_H
#define SB_ADAPTERS_STORE_SQLITE_H

#include "base/assert.h"
#include "ports/log.h"
#include "ports/post.h"
#include "ports/store.h"

enum store_sync {
    STORE_SYNC_FULL,   /* acknowledged means synced: survives a power loss */
    STORE_SYNC_NORMAL, /* survives a crash of the process, not of the machine */
    STORE_SYNC_OFF,    /* for tests and benches that measure something else */
};

/* Zero means the default where one is named. */
struct sqlite_store_conf {
    const char *path;              /* a file, made with mode 0600 if missing; or ":memory:" */
    const char *vfs;               /* NULL: the system's; tests inject faults by another one */
    enum store_sync synchronous;
    unsigned read_threads;         /* 1-16; default 2 */
    unsigned queue_max;            /* requests waiting for the writer, and as many for the readers;
                                      more complete with ERR_STORE_BUSY; default 65,536 */
    unsigned commit_rows_max;      /* parameter sets in one commit; a larger request goes alone;
                                      default 1,000 */
    unsigned read_ms_max;          /* a longer read fails with ERR_STORE_TIMEOUT; default 5,000 */
    unsigned busy_ms_max;          /* wait for another process's write lock; default 2,000 */
    uint64_t verify_bytes_max;     /* up to this file size quick_check runs before opening;
                                      default 32 MiB (about 0.1 s) */
};

/*
 * Opens, checks and migrates. `post` carries answers to loops and may be NULL if every request
 * comes from store_run; `log` may be NULL. Both are borrowed until close.
 * On failure nothing is open, the file's bytes are as they were, and one log line
 * `store.refused` says why and what to do:
 *   ERR_STORE_READ_ONLY     the file or its directory cannot be written, or does not exist
 *   ERR_STORE_FULL          no space for the file
 *   ERR_STORE_CORRUPT       not a database, damaged, or another program's database
 *   ERR_STORE_SCHEMA_NEWER  a newer release migrated the file
 *   ERR_STORE_BUSY          another process holds the write lock
 *   ERR_STORE_FAILED        anything else
 * Blocks (start-up). The result's close() frees it.
 */
err sqlite_store_open(const struct sqlite_store_conf *conf, struct post *post, struct log *log,
                      struct store **out) MUST_CHECK;

/* The newest schema version this build knows. */
unsigned sqlite_store_schema_version(void);

#define SQLITE_REPORT_TABLES_MAX 64 /* tables counted; later ones, by name, are left out */

struct sqlite_report {
    uint64_t bytes;        /* of the file, without its write-ahead log */
    unsigned schema;       /* 0: not known */
    unsigned known_schema; /* sqlite_store_schema_version() */
    unsigned table_count;
    struct sqlite_report_table {
        char name[64];
        int64_t rows;
    } tables[SQLITE_REPORT_TABLES_MAX];
    char why[256]; /* of a refusal, "it ..." */
};

/*
 * Whether the file would serve as a store: every page and index sound, a schema that this build
 * knows or can migrate, every reference met. Writes nothing to the file; a running server may use
 * it meanwhile. Blocks for about a second for each few hundred MB. ERR_NONE, or with `why`:
 *   ERR_STORE_CORRUPT       damaged, empty, or another program's
 *   ERR_STORE_SCHEMA_NEWER  a newer release wrote it
 *   ERR_STORE_READ_ONLY     it cannot be opened, or is not there
 *   others                  the store's errors of a read
 */
err sqlite_store_check(const char *path, struct sqlite_report *out) MUST_CHECK;

#endif
