/*
 * Looks whether a file would serve as a store, without writing to it: for backups before they are
 * needed. Reads every page and every index, then every reference between tables.
 */
#include "adapters/store_sqlite/state.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define TELEMETRY_SCHEMA 7 /* from here on there is telemetry */

/* A word about the fault that SQLite reports last. */
static err failed(struct db *c, struct sqlite_report *out)
{
    int code = sqlite3_extended_errcode(c->db);
    snprintf(out->why, sizeof out->why, "it cannot be read: %s", sqlite3_errmsg(c->db));
    return db_error(c, code == SQLITE_OK ? SQLITE_ERROR : code);
}

/* Runs a check whose rows are faults, unless the first one says "ok". */
static err check_rows(struct db *c, const char *sql, const char *before, const char *after,
                      struct sqlite_report *out)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    code = code == SQLITE_OK ? sqlite3_step(stmt) : code;
    err e = code == SQLITE_DONE ? ERR_NONE : ERR_STORE_CORRUPT;
    if (code == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        text = text == NULL ? "" : text;
        e = strcmp(text, "ok") == 0 ? ERR_NONE : e;
        if (e != ERR_NONE) {
            snprintf(out->why, sizeof out->why, "%s%s%s", before, text, after);
        }
    } else if (code != SQLITE_DONE) {
        e = failed(c, out);
    }
    sqlite3_finalize(stmt);
    return e;
}

static err check_version(struct db *c, struct sqlite_report *out)
{
    err e = migrate_version(c, &out->schema);
    if (e != ERR_NONE) {
        return failed(c, out);
    }
    if (out->schema == 0) {
        snprintf(out->why, sizeof out->why, "it is empty or belongs to another program");
        return ERR_STORE_CORRUPT;
    }
    if (out->schema > sqlite_store_schema_version()) {
        snprintf(out->why, sizeof out->why,
                 "it has schema %u and this program knows %u: use the release that wrote it",
                 out->schema, sqlite_store_schema_version());
        return ERR_STORE_SCHEMA_NEWER;
    }
    return ERR_NONE;
}

static err count_tables(struct db *c, struct sqlite_report *out)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(c->db,
                                  "SELECT name FROM pragma_table_list WHERE schema = 'main'"
                                  " AND type = 'table' AND name NOT LIKE 'sqlite@_%' ESCAPE '@'"
                                  " ORDER BY name",
                                  -1, &stmt, NULL);
    while (code == SQLITE_OK && out->table_count < SQLITE_REPORT_TABLES_MAX &&
           (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct sqlite_report_table *t = &out->tables[out->table_count++];
        char sql[200];
        snprintf(t->name, sizeof t->name, "%s", (const char *)sqlite3_column_text(stmt, 0));
        sqlite3_snprintf(sizeof sql, sql, "SELECT count(*) FROM \"%w\"", t->name);
        code = db_int(c, sql, &t->rows) ? SQLITE_OK : SQLITE_ERROR;
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_DONE || code == SQLITE_OK ? ERR_NONE : failed(c, out);
}

static err open_read_only(struct db *c, const char *path, struct sqlite_report *out)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        snprintf(out->why, sizeof out->why, "%s", strerrordesc_np(errno));
        return ERR_STORE_READ_ONLY;
    }
    out->bytes = (uint64_t)st.st_size;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &c->db, flags, NULL);
    if (code != SQLITE_OK) {
        return failed(c, out);
    }
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_busy_timeout(c->db, 2000);
    return db_exec(c, "PRAGMA cell_size_check = on; PRAGMA temp_store = memory;");
}

err sqlite_store_check(const char *path, struct sqlite_report *out)
{
    struct db c = {0};
    *out = (struct sqlite_report){.known_schema = sqlite_store_schema_version()};
    err e = open_read_only(&c, path, out);
    e = e != ERR_NONE ? e : check_rows(&c, "PRAGMA integrity_check(1)", "it is damaged: ", "", out);
    e = e != ERR_NONE ? e : check_version(&c, out);
    e = e != ERR_NONE ? e
                      : check_rows(&c, "PRAGMA foreign_key_check",
                                   "a row of ", " refers to a row that is missing", out);
    e = e != ERR_NONE || out->schema < TELEMETRY_SCHEMA
            ? e
            : check_rows(&c,
                         "SELECT 'telemetry' WHERE (SELECT count(*) FROM telemetry_settling) <> 1",
                         "the mark of what is settled is missing: ", "", out);
    e = e != ERR_NONE ? e : count_tables(&c, out);
    if (e != ERR_NONE && out->why[0] == '\0') {
        (void)failed(&c, out);
    }
    db_close(&c);
    return e;
}
