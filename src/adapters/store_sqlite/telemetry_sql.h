/*
 * The statements of settling (telemetry_settle.h), prepared on the writer's connection when they
 * are first used. The writer's thread.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_TELEMETRY_SQL_H
#define SB_ADAPTERS_STORE_SQLITE_TELEMETRY_SQL_H

#include "adapters/store_sqlite/db.h"

enum statement {
    ST_STATE,
    ST_SAVE,
    ST_LOAD,
    ST_SERIES,
    ST_SERIES_NEW,
    ST_SAMPLE,
    ST_ROLLUP,
    ST_LATEST,
    ST_FIRST,
    ST_CLEAR,
    ST_COUNT
};

/* Zeroed but for the connection, which is borrowed. */
struct settle_sql {
    struct db *db;
    sqlite3_stmt *statements[ST_COUNT]; /* owned; NULL: not used yet */
};

/* The statement, reset; NULL when it cannot be prepared, which running it then tells. */
sqlite3_stmt *sql_statement(struct settle_sql *q, enum statement which);
/* Text, or NULL for a span without ptr; it stays the caller's until the statement is run. */
void sql_bind_text(sqlite3_stmt *stmt, int at, span s);
/* Runs one that gives no row that is wanted, and resets it. ERR_NONE or as db_error. */
err sql_run(struct settle_sql *q, sqlite3_stmt *stmt) MUST_CHECK;
/* The same for one that gives one row at most: *found is made true when it does, and `out` are its
 * first two integers. */
err sql_run_for(struct settle_sql *q, sqlite3_stmt *stmt, int64_t out[2], bool *found) MUST_CHECK;
/* Finalizes what was prepared. */
void sql_deinit(struct settle_sql *q);

#endif
