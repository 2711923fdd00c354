/*
 * The store port on SQLite: one file in WAL mode, or `:memory:`.
 *
 *   any thread --submit--> queue --> writer thread: BEGIN IMMEDIATE, each request, COMMIT
 *                            |        (synced), answers, checkpoint
 *                            +-----> read threads: own query-only connections
 *
 * The writer commits whenever it is free: it takes all that is queued up to commit_rows_max
 * rows, never waits for more, and answers after the commit returned. So an idle store answers
 * after one sync and a busy one shares each sync among many requests. A request that fails by
 * itself (a constraint, an expectation) leaves nothing, and the others happen (writer.c); a failing
 * commit fails all that shared it. With `:memory:` there is one connection, and reads run on the
 * writer in the order submitted.
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
    unsigned settle_ms;            /* telemetry is settled this long after it came, or sooner when
                                      there is much of it; default 5,000: seldom enough to cost an
                                      idle machine nothing */
    unsigned settle_slice_us;      /* how long settling may hold the writer at a time; default
                                      20,000: what a commit of others may wait for it */
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

/* Makes a closed, migrated file a store of its own: it forgets the epoch of its event log, so that
 * the next start gives it another, and sessions that might come back. Blocks. ERR_NONE or the
 * store's errors of a write. */
err sqlite_store_disown(const char *path) MUST_CHECK;

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

struct sqlite_repair {
    uint64_t pages;         /* of the damaged file, its write-ahead log included */
    uint64_t log_frames;    /* pages taken from that log */
    uint64_t unknown_pages; /* with rows or index entries whose table nobody can tell */
    bool header_lost;
    bool free_lost;         /* rows found outside their table may have been deleted ones */
    unsigned schema;        /* of the damaged file; the new one has the newest */
    uint64_t refused;       /* rows, over all tables */
    unsigned table_count;
    struct sqlite_repair_table {
        char name[64];
        uint64_t rows;    /* in the new file */
        uint64_t refused; /* read, but against a rule of the schema; kept aside */
        int64_t lost;     /* by the count of an index that is whole; -1: not known */
        uint64_t strays;  /* pages of rows that were found outside the table */
    } tables[SQLITE_REPORT_TABLES_MAX];
    char why[256]; /* of a refusal, "it ..." */
};

/*
 * Writes a new store at `to` with every row of the damaged file `from` (and of its write-ahead
 * log) that can be read. `from` is only read, and page by page, without SQLite: unreadable pages
 * cost what they hold and no more. The new file's schema is made by the migrations; rows that
 * break one of its rules (a double key, a missing parent) go to `aside` instead, a JSON object a
 * line: {table, why, row}. Numbers of events are not given twice.
 * Nothing may write to `from` meanwhile. `to` and `aside` must not exist; aside is made when it is
 * needed, and both are removed on failure. Blocks: reads every page once or twice and writes every
 * row. Memory: about 5 bytes a page, a row, and a cache of 16 MiB. ERR_NONE, or with `why`:
 *   ERR_CONFLICT            `to` or `aside` exists
 *   ERR_STORE_CORRUPT       nothing to save: empty, no file, or another program's
 *   ERR_STORE_SCHEMA_NEWER  a newer release wrote it
 *   ERR_STORE_BUSY          somebody wrote to `from` meanwhile
 *   ERR_STORE_READ_ONLY     `from` cannot be read or `to` cannot be made
 *   others                  the store's errors of a write
 */
err sqlite_store_repair(const char *from, const char *to, const char *aside,
                        struct sqlite_repair *out) MUST_CHECK;

#endif
