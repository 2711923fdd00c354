/*
 * One SQLite connection of the store with its prepared statements. One thread at a time; opened
 * without SQLite's own mutexes.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_DB_H
#define SB_ADAPTERS_STORE_SQLITE_DB_H

#include <sqlite3.h>

#include "adapters/store_sqlite/store_sqlite.h"

enum db_role { DB_WRITER, DB_READER };

/* The statements around a request. */
enum db_control {
    DB_BEGIN, /* BEGIN IMMEDIATE */
    DB_BEGIN_READ,
    DB_COMMIT,
    DB_ROLLBACK,
    DB_SAVEPOINT,
    DB_RELEASE,
    DB_ROLLBACK_TO,
    DB_CONTROL_COUNT
};

struct db {
    sqlite3 *db;
    sqlite3_stmt *queries[QUERY_COUNT]; /* prepared at first use */
    sqlite3_stmt *controls[DB_CONTROL_COUNT];
    uint64_t deadline_ns;      /* monotonic; 0: none. Reads only */
    struct store_value *cells; /* scratch for rows being collected */
    size_t cell_cap;
};

/* Opens an existing file (or a memory database) with the pragmas of its role. The connection
 * leaves the write-ahead log alone when it closes, until db_adopt(). */
err db_open(struct db *c, const struct sqlite_store_conf *conf, enum db_role role);
/* The file is ours: switches to WAL, and the last close may checkpoint. */
err db_adopt(struct db *c, const struct sqlite_store_conf *conf);
void db_close(struct db *c); /* harmless on a zeroed one */
/* Runs one control statement. */
err db_control(struct db *c, enum db_control what);
/* SQL without results, possibly several statements. */
err db_exec(struct db *c, const char *sql);
/* The first column of the first row of `sql`; false when it fails or gives none. */
bool db_int(struct db *c, const char *sql, int64_t *out);
/* The store's word for the connection's last failure `code` (a SQLite result code). */
err db_error(struct db *c, int code);
bool db_in_transaction(const struct db *c);

/*
 * Runs the steps of a request in whatever transaction is open, and collects their results into
 * the request's arena. On an error (also ERR_CONFLICT for an expectation) failed_step is set,
 * the results are empty, and the caller rolls back.
 */
err db_run(struct db *c, struct store_req *req);
/* Forgets the results of a request whose transaction did not hold. */
void db_drop_results(struct store_req *req);

#endif
