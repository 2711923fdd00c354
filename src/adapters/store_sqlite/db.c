/*
 * Connections: opening, pragmas, the statements of transactions, and the translation of SQLite's
 * result codes into the store's errors.
 */
#include "adapters/store_sqlite/db.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define WRITER_CACHE_KIB 16384
#define READER_CACHE_KIB 4096
/* The log file is cut back to this after a checkpoint that emptied it. */
#define WAL_BYTES_KEPT (64 << 20)
/* Virtual machine steps between looks at the clock: some ten microseconds. */
#define PROGRESS_STEPS 1000

static const char *const control_sql[DB_CONTROL_COUNT] = {
    [DB_BEGIN] = "BEGIN IMMEDIATE",
    [DB_BEGIN_READ] = "BEGIN",
    [DB_COMMIT] = "COMMIT",
    [DB_ROLLBACK] = "ROLLBACK",
    [DB_SAVEPOINT] = "SAVEPOINT request",
    [DB_RELEASE] = "RELEASE request",
    [DB_ROLLBACK_TO] = "ROLLBACK TO request",
};

static int on_progress(void *ctx)
{
    struct db *c = ctx;
    if (c->deadline_ns == 0) {
        return 0;
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec > c->deadline_ns;
}

static bool is_memory(const struct sqlite_store_conf *conf)
{
    return strcmp(conf->path, ":memory:") == 0;
}

/* SQLite counts its memory under a mutex of the process, at each allocation; nobody asks. */
static void configure(void) { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

err db_open(struct db *c, const struct sqlite_store_conf *conf, enum db_role role)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure); /* too late for a process that uses SQLite already: no harm */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(conf->path, &c->db, flags, conf->vfs);
    if (code != SQLITE_OK) {
        err e = db_error(c, code);
        db_close(c);
        return e;
    }
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* The triggers and the view of chat's full text use FTS5 and JSON, which SQLite does not call
     * harmless in a schema; functions of ours, which might not be, there are none. */
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    sqlite3_busy_timeout(c->db, (int)conf->busy_ms_max);
    if (role == DB_READER || is_memory(conf)) {
        sqlite3_progress_handler(c->db, PROGRESS_STEPS, on_progress, c);
    }
    char sql[200];
    snprintf(sql, sizeof sql, "PRAGMA cache_size = -%d; PRAGMA temp_store = memory;%s",
             role == DB_WRITER ? WRITER_CACHE_KIB : READER_CACHE_KIB,
             role == DB_READER ? " PRAGMA query_only = on;" : "");
    err e = db_exec(c, sql);
    if (e != ERR_NONE) {
        db_close(c);
    }
    return e;
}

err db_adopt(struct db *c, const struct sqlite_store_conf *conf)
{
    static const char *const levels[] = {
        [STORE_SYNC_FULL] = "full", [STORE_SYNC_NORMAL] = "normal", [STORE_SYNC_OFF] = "off"};
    char sql[200];
    /* The writer checkpoints by itself, after the answers have gone out. */
    snprintf(sql, sizeof sql,
             "PRAGMA journal_mode = wal; PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = 0;"
             "PRAGMA journal_size_limit = %d;",
             levels[conf->synchronous], WAL_BYTES_KEPT);
    err e = db_exec(c, sql);
    if (e == ERR_NONE) {
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    }
    return e;
}

void db_close(struct db *c)
{
    for (unsigned i = 0; i < QUERY_COUNT; i++) {
        sqlite3_finalize(c->queries[i]);
    }
    for (unsigned i = 0; i < DB_CONTROL_COUNT; i++) {
        sqlite3_finalize(c->controls[i]);
    }
    if (c->db != NULL) {
        int code = sqlite3_close(c->db);
        ASSERT(code == SQLITE_OK); /* a statement is still open somewhere */
    }
    mem_free(c->cells);
    *c = (struct db){0};
}

err db_control(struct db *c, enum db_control what)
{
    sqlite3_stmt **stmt = &c->controls[what];
    int code = SQLITE_OK;
    if (*stmt == NULL) {
        code = sqlite3_prepare_v3(c->db, control_sql[what], -1, SQLITE_PREPARE_PERSISTENT, stmt,
                                  NULL);
        if (code != SQLITE_OK) {
            return db_error(c, code);
        }
    }
    code = sqlite3_step(*stmt);
    err e = code == SQLITE_DONE ? ERR_NONE : db_error(c, code);
    sqlite3_reset(*stmt);
    return e;
}

err db_exec(struct db *c, const char *sql)
{
    int code = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? ERR_NONE : db_error(c, code);
}

bool db_int(struct db *c, const char *sql, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    bool ok = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
              sqlite3_step(stmt) == SQLITE_ROW;
    if (ok) {
        *out = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return ok;
}

/* A full disk shows as SQLITE_FULL only for some calls; others fail with the system's word. */
static bool is_out_of_space(sqlite3 *db)
{
    int os = db == NULL ? 0 : sqlite3_system_errno(db);
    return os == ENOSPC || os == EDQUOT || os == EFBIG;
}

err db_error(struct db *c, int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return ERR_STORE_FULL;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERR_STORE_READ_ONLY;
    case SQLITE_CANTOPEN:
        return is_out_of_space(c->db) ? ERR_STORE_FULL : ERR_STORE_READ_ONLY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_STORE_CORRUPT;
    case SQLITE_CONSTRAINT:
        return ERR_STORE_CONSTRAINT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_STORE_BUSY;
    case SQLITE_INTERRUPT:
        return ERR_STORE_TIMEOUT;
    case SQLITE_IOERR:
        return is_out_of_space(c->db) ? ERR_STORE_FULL : ERR_STORE_FAILED;
    default:
        return ERR_STORE_FAILED;
    }
}

bool db_in_transaction(const struct db *c) { return sqlite3_get_autocommit(c->db) == 0; }
