#include "adapters/store_sqlite/tree_shape.h"

#include <stdio.h>
#include <strings.h>

static enum salvage_type type_of(const char *declared)
{
    static const struct {
        const char *name;
        enum salvage_type type;
    } types[] = {{"INTEGER", SALVAGE_INT},
                 {"REAL", SALVAGE_REAL},
                 {"TEXT", SALVAGE_TEXT},
                 {"BLOB", SALVAGE_BLOB}};
    for (unsigned i = 0; declared != NULL && i < ARRAY_LEN(types); i++) {
        if (strcasecmp(declared, types[i].name) == 0) {
            return types[i].type;
        }
    }
    return SALVAGE_ANY;
}

static sqlite3_stmt *prepare(struct db *c, const char *sql, const char *name)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL) == SQLITE_OK && name != NULL) {
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_TRANSIENT);
    }
    return stmt; /* NULL steps as an error */
}

static const char *text(sqlite3_stmt *stmt, int column)
{
    const char *t = (const char *)sqlite3_column_text(stmt, column);
    return t == NULL ? "" : t;
}

static bool add(struct trees *t, const char *name, struct tree **out)
{
    bool room = t->count < TREES_MAX && strlen(name) < sizeof t->list[0].name;
    if (room) {
        *out = &t->list[t->count++];
        **out = (struct tree){0};
        snprintf((*out)->name, sizeof (*out)->name, "%s", name);
    }
    return room;
}

/* A table WITHOUT ROWID stores its key's columns first, in the key's order. */
static bool learn_columns(struct db *c, struct tree *t)
{
    sqlite3_stmt *stmt = prepare(c,
                                 t->by_rowid ? "SELECT name, type, \"notnull\", pk, 0 FROM"
                                               " pragma_table_info(?1) ORDER BY cid"
                                             : "SELECT name, type, \"notnull\", pk, pk = 0 FROM"
                                               " pragma_table_info(?1) ORDER BY 5, pk, cid",
                                 t->name);
    unsigned keys = 0;
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW && t->count < RECORD_VALUES_MAX) {
        struct tree_column *col = &t->columns[t->count++];
        bool key = sqlite3_column_int(stmt, 3) > 0;
        keys += key;
        snprintf(col->name, sizeof col->name, "%s", text(stmt, 0));
        col->type = type_of(text(stmt, 1));
        col->is_rowid = t->by_rowid && key && col->type == SALVAGE_INT;
        col->not_null = sqlite3_column_int(stmt, 2) != 0 || (key && !t->by_rowid);
    }
    sqlite3_finalize(stmt);
    for (unsigned i = 0; keys > 1 && i < t->count; i++) {
        t->columns[i].is_rowid = false; /* only a key of one integer column is the rowid */
    }
    return code == SQLITE_DONE;
}

static bool learn_tables(struct db *c, struct trees *out)
{
    sqlite3_stmt *stmt = prepare(c,
                                 "SELECT name, wr, type = 'shadow' FROM pragma_table_list"
                                 " WHERE schema = 'main' AND type IN ('table', 'shadow')"
                                 " AND (name NOT LIKE 'sqlite@_%' ESCAPE '@'"
                                 " OR name = 'sqlite_sequence') ORDER BY name",
                                 NULL);
    bool ok = true;
    int code;
    while (ok && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct tree *t = NULL;
        ok = add(out, text(stmt, 0), &t);
        if (ok) {
            t->is_table = true;
            t->by_rowid = sqlite3_column_int(stmt, 1) == 0;
            t->shadow = sqlite3_column_int(stmt, 2) != 0;
            ok = learn_columns(c, t);
        }
    }
    sqlite3_finalize(stmt);
    return ok && code == SQLITE_DONE;
}

static void learn_key(struct tree *index, const struct tree *table, const char *name)
{
    struct tree_column *col = &index->columns[index->count++];
    *col = (struct tree_column){.type = SALVAGE_INT, .not_null = true}; /* the rowid */
    for (unsigned i = 0; i < table->count; i++) {
        if (strcmp(table->columns[i].name, name) == 0) {
            *col = table->columns[i];
            col->is_rowid = false;
        }
    }
}

/* The key of a table WITHOUT ROWID is the table itself and no index of its own. */
static bool learn_indexes(struct db *c, struct trees *out, unsigned table)
{
    struct tree *index = NULL;
    char last[64] = "";
    sqlite3_stmt *stmt = prepare(c,
                                 "SELECT l.name, l.partial, x.name FROM pragma_index_list(?1) l,"
                                 " pragma_index_xinfo(l.name) x WHERE l.origin <> 'pk' OR ?2"
                                 " ORDER BY l.seq, x.seqno",
                                 out->list[table].name);
    sqlite3_bind_int(stmt, 2, out->list[table].by_rowid);
    bool ok = true;
    int code;
    while (ok && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (strcmp(last, text(stmt, 0)) != 0) {
            ok = add(out, text(stmt, 0), &index);
            snprintf(last, sizeof last, "%s", text(stmt, 0));
        }
        ok = ok && index->count < RECORD_VALUES_MAX;
        if (ok) {
            out->table_of[out->count - 1] = table;
            out->partial[out->count - 1] = sqlite3_column_int(stmt, 1) != 0;
            learn_key(index, &out->list[table], text(stmt, 2));
        }
    }
    sqlite3_finalize(stmt);
    return ok && code == SQLITE_DONE;
}

bool trees_learn(struct db *c, struct trees *out)
{
    out->count = 0;
    bool ok = learn_tables(c, out);
    unsigned tables = out->count;
    for (unsigned i = 0; ok && i < tables; i++) {
        ok = learn_indexes(c, out, i);
    }
    return ok;
}

struct tree *trees_find(struct trees *t, span name)
{
    for (unsigned i = 0; i < t->count; i++) {
        if (span_eq(span_str(t->list[i].name), name)) {
            return &t->list[i];
        }
    }
    return NULL;
}

void trees_schema(struct tree *out)
{
    *out = (struct tree){
        .name = "sqlite_schema",
        .is_table = true,
        .by_rowid = true,
        .count = 5,
        .columns = {{.name = "type", .type = SALVAGE_TEXT, .not_null = true},
                    {.name = "name", .type = SALVAGE_TEXT, .not_null = true},
                    {.name = "tbl_name", .type = SALVAGE_TEXT, .not_null = true},
                    {.name = "rootpage", .type = SALVAGE_INT, .not_null = true},
                    {.name = "sql", .type = SALVAGE_TEXT}}};
}
