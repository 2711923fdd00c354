/*
 * One SQLite connection of the store with its prepared statements. One thread at a time; opened
 * without SQLite's own mutexes.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_CONN_H
#define SB_ADAPTERS_STORE_SQLITE_CONN_H

#include <sqlite3.h>

#include "adapters/store_sqlite/store_sqlite.h"

enum conn_role { CONN_WRITER, CONN_READER };

/* The statements around a request. */
enum conn_control {
    CONN_BEGIN, /* BEGIN IMMEDIATE */
    CONN_BEGIN_READ,
    CONN_COMMIT,
    CONN_ROLLBACK,
    CONN_SAVEPOINT,
    CONN_RELEASE,
    CONN_ROLLBACK_TO,
    CONN_CONTROL_COUNT
};

struct conn {
    sqlite3 *db;
    sqlite3_stmt *queries[QUERY_COUNT]; /* prepared at first use */
    sqlite3_stmt *controls[CONN_CONTROL_COUNT];
    uint64_t deadline_ns;      /* monotonic; 0: none. Reads only */
    struct store_value *cells; /* scratch for rows being collected */
    size_t cell_cap;
};

/* Opens an existing file (or a memory database) with the pragmas of its role. The connection
 * leaves the write-ahead log alone when it closes, until conn_adopt(). */
err conn_open(struct conn *c, const struct sqlite_store_conf *conf, enum conn_role role);
/* The file is ours: switches to WAL, and the last close may checkpoint. */
err conn_adopt(struct conn *c, const struct sqlite_store_conf *conf);
void conn_close(struct conn *c); /* harmless on a zeroed one */
/* Runs one control statement. */
err conn_control(struct conn *c, enum conn_control what);
/* SQL without results, possibly several statements. */
err conn_exec(struct conn *c, const char *sql);
/* The first column of the first row of `sql`; false when it fails or gives none. */
bool conn_int(struct conn *c, const char *sql, int64_t *out);
/* The store's word for the connection's last failure `code` (a SQLite result code). */
err conn_error(struct conn *c, int code);
bool conn_in_transaction(const struct conn *c);

/*
 * Runs the steps of a request in whatever transaction is open, and collects their results into
 * the request's arena. On an error (also ERR_CONFLICT for an expectation) failed_step is set,
 * the results are empty, and the caller rolls back.
 */
err conn_run(struct conn *c, struct store_req *req);
/* Forgets the results of a request whose transaction did not hold. */
void conn_drop_results(struct store_req *req);

#endif
