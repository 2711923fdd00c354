#include "adapters/store_sqlite/repair.h"

/* One reference of a table: child columns to parent columns, as SQL on `c` and `p`. */
struct reference {
    char parent[64];
    char missing[1000]; /* a condition on `c`: no parent is there */
};

err repair_rules_off(struct repair *r)
{
    /* A temporary table holds the triggers' text; temp_store is memory. */
    err e = db_exec(&r->db, "CREATE TEMP TABLE repair_trigger AS"
                            " SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger'");
    sqlite3_stmt *stmt = NULL;
    while (e == ERR_NONE) {
        char sql[200];
        int code = sqlite3_prepare_v2(r->db.db,
                                      "SELECT name FROM main.sqlite_master WHERE type = 'trigger'",
                                      -1, &stmt, NULL);
        code = code == SQLITE_OK ? sqlite3_step(stmt) : code;
        if (code == SQLITE_ROW) {
            sqlite3_snprintf(sizeof sql, sql, "DROP TRIGGER main.\"%w\"",
                             (const char *)sqlite3_column_text(stmt, 0));
        }
        sqlite3_finalize(stmt);
        if (code != SQLITE_ROW) {
            e = code == SQLITE_DONE ? ERR_NONE : db_error(&r->db, code);
            break;
        }
        e = db_exec(&r->db, sql);
    }
    for (unsigned i = 0; i < r->trees.count && e == ERR_NONE; i++) {
        char sql[200];
        const struct tree *t = &r->trees.list[i];
        sqlite3_snprintf(sizeof sql, sql, "DELETE FROM main.\"%w\"", t->name);
        if (t->is_table && !t->shadow && strcmp(t->name, "schema_migration") != 0) {
            e = db_exec(&r->db, sql);
        }
    }
    return e;
}

err repair_rules_on(struct repair *r)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(r->db.db, "SELECT sql FROM temp.repair_trigger", -1, &stmt, NULL);
    err e = ERR_NONE;
    while (e == ERR_NONE && code == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        e = db_exec(&r->db, (const char *)sqlite3_column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    e = e != ERR_NONE ? e : code != SQLITE_OK ? db_error(&r->db, code) : ERR_NONE;
    return e != ERR_NONE ? e : db_exec(&r->db, "DROP TABLE temp.repair_trigger");
}

/* The `n`-th reference of a table; false when there are fewer. A reference of several columns is
 * met by one parent row with all of them, and by a NULL in any. */
static bool reference_read(struct repair *r, const char *table, int n, struct reference *out)
{
    sqlite3_stmt *stmt = NULL;
    size_t len = 0;
    char nulls[400] = "";
    size_t nulls_len = 0;
    int code = sqlite3_prepare_v2(r->db.db,
                                  "SELECT \"table\", \"from\", \"to\" FROM"
                                  " pragma_foreign_key_list(?1) WHERE id = ?2 ORDER BY seq",
                                  -1, &stmt, NULL);
    sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 2, n);
    *out = (struct reference){0};
    while (code == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *from = (const char *)sqlite3_column_text(stmt, 1);
        const char *to = (const char *)sqlite3_column_text(stmt, 2);
        sqlite3_snprintf(sizeof out->parent, out->parent, "%s", sqlite3_column_text(stmt, 0));
        sqlite3_snprintf((int)(sizeof out->missing - len), out->missing + len,
                         "%sp.\"%w\" = c.\"%w\"", len == 0 ? "" : " AND ", to == NULL ? from : to,
                         from);
        len = strlen(out->missing);
        sqlite3_snprintf((int)(sizeof nulls - nulls_len), nulls + nulls_len,
                         " AND c.\"%w\" IS NOT NULL", from);
        nulls_len = strlen(nulls);
    }
    sqlite3_finalize(stmt);
    char match[sizeof out->missing];
    sqlite3_snprintf(sizeof match, match, "%s", out->missing);
    sqlite3_snprintf(sizeof out->missing, out->missing,
                     "NOT EXISTS (SELECT 1 FROM \"%w\" p WHERE %s)%s", out->parent, match, nulls);
    return len > 0;
}

static void value_of(sqlite3_stmt *stmt, int column, struct store_value *out)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        *out = (struct store_value){.type = STORE_INT, .i = sqlite3_column_int64(stmt, column)};
        break;
    case SQLITE_FLOAT:
        *out = (struct store_value){.type = STORE_REAL, .d = sqlite3_column_double(stmt, column)};
        break;
    case SQLITE_NULL:
        *out = (struct store_value){.type = STORE_NULL};
        break;
    default: {
        bool text = sqlite3_column_type(stmt, column) == SQLITE_TEXT;
        const void *ptr = sqlite3_column_blob(stmt, column);
        *out = (struct store_value){
            .type = text ? STORE_TEXT : STORE_BLOB,
            .s = span_of(ptr, (size_t)sqlite3_column_bytes(stmt, column))};
        break;
    }
    }
}

static err orphans_aside(struct repair *r, const struct tree *t, const struct reference *ref,
                         bool *any)
{
    char why[100];
    sqlite3_stmt *stmt = NULL;
    sqlite3_str *sql = sqlite3_str_new(r->db.db);
    snprintf(why, sizeof why, "refers to a row of %s that is missing", ref->parent);
    sqlite3_str_appendall(sql, "SELECT ");
    for (unsigned i = 0; i < t->count; i++) {
        sqlite3_str_appendf(sql, "%sc.\"%w\"", i == 0 ? "" : ", ", t->columns[i].name);
    }
    sqlite3_str_appendf(sql, " FROM \"%w\" c WHERE %s", t->name, ref->missing);
    char *text = sqlite3_str_finish(sql);
    int code = sqlite3_prepare_v2(r->db.db, text, -1, &stmt, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct store_value values[RECORD_VALUES_MAX];
        for (unsigned i = 0; i < t->count; i++) {
            value_of(stmt, (int)i, &values[i]);
        }
        repair_refuse(r, t, why, values, t->count);
        *any = true;
        code = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    sqlite3_free(text);
    return code == SQLITE_DONE ? ERR_NONE : db_error(&r->db, code);
}

static err orphans_remove(struct repair *r, const struct tree *t, const struct reference *ref)
{
    char sql[1400];
    sqlite3_snprintf(sizeof sql, sql, "DELETE FROM \"%w\" AS c WHERE %s", t->name, ref->missing);
    return db_exec(&r->db, sql);
}

err repair_parents(struct repair *r)
{
    err e = ERR_NONE;
    bool any = true;
    while (any && e == ERR_NONE) {
        any = false;
        for (unsigned i = 0; i < r->trees.count && e == ERR_NONE; i++) {
            const struct tree *t = &r->trees.list[i];
            struct reference ref;
            for (int n = 0; t->is_table && e == ERR_NONE && reference_read(r, t->name, n, &ref);
                 n++) {
                bool here = false;
                e = orphans_aside(r, t, &ref, &here);
                e = e != ERR_NONE || !here ? e : orphans_remove(r, t, &ref);
                any = any || here;
            }
        }
    }
    return e;
}

/* What is not settled has no reference that SQLite knows. */
static err tail_parents(struct repair *r)
{
    const struct tree *tail = trees_find(&r->trees, SPAN("telemetry_tail"));
    const struct reference ref = {
        .parent = "devices",
        .missing = "c.device_id <> '' AND NOT EXISTS (SELECT 1 FROM devices p"
                   " WHERE p.id = c.device_id)"};
    bool any = false;
    err e = orphans_aside(r, tail, &ref, &any);
    return e != ERR_NONE || !any ? e : orphans_remove(r, tail, &ref);
}

err repair_telemetry(struct repair *r)
{
    if (trees_find(&r->trees, SPAN("telemetry_tail")) == NULL) {
        return ERR_NONE; /* the file is older */
    }
    err e = tail_parents(r);
    return e != ERR_NONE ? e
                         : db_exec(&r->db,
                                   "DELETE FROM telemetry_tail WHERE device_id = '' OR id IN"
                                   " (SELECT id FROM telemetry_sample);"
                                   "INSERT INTO telemetry_tail (id, device_id, sensor_type, value,"
                                   " unit, timestamp, created_at) SELECT 1 + max("
                                   " (SELECT coalesce(max(id), 0) FROM telemetry_tail),"
                                   " (SELECT coalesce(max(id), 0) FROM telemetry_sample),"
                                   " (SELECT coalesce(max(upto), 0) FROM telemetry_settling)),"
                                   " '', '-', 0, '-', 0, 0;"
                                   "DELETE FROM telemetry_settling;"
                                   "INSERT INTO telemetry_settling"
                                   " VALUES (1, 0, '', '', '', 0, 0, 0)");
}

/* FTS5's own word for it, 'rebuild', does not read views that look into JSON. */
err repair_search(struct repair *r)
{
    int64_t there = 0;
    if (!db_int(&r->db, "SELECT count(*) FROM main.sqlite_master WHERE name = 'chat_search'",
                &there)) {
        return db_error(&r->db, sqlite3_extended_errcode(r->db.db));
    }
    err e = there == 0 ? ERR_NONE
                       : db_exec(&r->db, "INSERT INTO chat_search (rowid, room, text)"
                                         " SELECT n, room, text FROM chat_message_text");
    if (e != ERR_NONE || trees_find(&r->trees, SPAN("chat_search_at")) == NULL) {
        return e;
    }
    return db_exec(&r->db, "INSERT OR REPLACE INTO chat_search_at"
                           " SELECT 1, coalesce(max(n), 0) FROM chat_message");
}
