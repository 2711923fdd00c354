/*
 * Repair: what can be read of a damaged file, in a new one. The old file's pages are read without
 * SQLite (image.c, page.c, salvage.c); the new file is made by the migrations, up to the old
 * file's version, so that rows have the columns they were written with, and then brought to the
 * newest. Rows pass through ordinary INSERTs: what the schema forbids is kept aside.
 */
#include "adapters/store_sqlite/repair.h"

#include "adapters/store_sqlite/state.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Rows of one transaction: its journal is in memory. */
#define COMMIT_ROWS 5000
/* Numbers left out when the last one given is not known. */
#define SEQUENCE_GAP 1000000

static void fail(struct repair *r, err e, const char *why)
{
    if (r->error == ERR_NONE) {
        r->error = e;
        snprintf(r->out->why, sizeof r->out->why, "%s", why);
    }
}

static void take(struct repair *r, err e)
{
    if (e != ERR_NONE) {
        char why[200];
        snprintf(why, sizeof why, "the new file cannot be written: %s", sqlite3_errmsg(r->db.db));
        fail(r, e, why);
    }
}

void repair_refuse(struct repair *r, const struct tree *t, const char *why,
                   const struct store_value *values, unsigned count)
{
    r->refused[t - r->trees.list]++;
    aside_row(&r->aside, t, why, values, count);
    if (r->aside.failed) {
        fail(r, r->aside.exists ? ERR_CONFLICT : ERR_STORE_FAILED,
             r->aside.exists ? "the file for rows kept aside exists"
                             : "rows kept aside cannot be written");
    }
}

/* --- rows into the new file --- */

static void prepare(struct repair *r, const struct tree *t, unsigned count)
{
    if (r->insert_into == t && r->insert_count == count) {
        return;
    }
    sqlite3_finalize(r->insert);
    r->insert = NULL;
    sqlite3_str *sql = sqlite3_str_new(r->db.db);
    sqlite3_str_appendf(sql, "INSERT INTO main.\"%w\" (", t->name);
    for (unsigned i = 0; i < count; i++) {
        sqlite3_str_appendf(sql, "%s\"%w\"", i == 0 ? "" : ", ", t->columns[i].name);
    }
    for (unsigned i = 0; i < count; i++) {
        sqlite3_str_appendf(sql, "%s?%u", i == 0 ? ") VALUES (" : ", ", i + 1);
    }
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    int code = sqlite3_prepare_v2(r->db.db, text, -1, &r->insert, NULL);
    sqlite3_free(text);
    if (code != SQLITE_OK) {
        take(r, db_error(&r->db, code));
    }
    r->insert_into = t;
    r->insert_count = count;
}

static void bind(sqlite3_stmt *stmt, int at, const struct store_value *v)
{
    switch (v->type) {
    case STORE_NULL:
        sqlite3_bind_null(stmt, at);
        break;
    case STORE_INT:
        sqlite3_bind_int64(stmt, at, v->i);
        break;
    case STORE_REAL:
        sqlite3_bind_double(stmt, at, v->d);
        break;
    case STORE_TEXT:
        sqlite3_bind_text64(stmt, at, (const char *)v->s.ptr, v->s.len, SQLITE_STATIC,
                            SQLITE_UTF8);
        break;
    case STORE_BLOB:
        sqlite3_bind_blob64(stmt, at, v->s.ptr == NULL ? (const void *)"" : v->s.ptr, v->s.len,
                            SQLITE_STATIC);
        break;
    }
}

static void commit_some(struct repair *r, unsigned after)
{
    if (r->uncommitted >= after && r->error == ERR_NONE && db_in_transaction(&r->db)) {
        r->uncommitted = 0;
        take(r, db_control(&r->db, DB_COMMIT));
    }
}

static void on_row(void *ctx, struct tree *t, const struct store_value *values, unsigned count)
{
    struct repair *r = ctx;
    if (r->error != ERR_NONE) {
        return;
    }
    if (!db_in_transaction(&r->db)) {
        take(r, db_control(&r->db, DB_BEGIN));
    }
    prepare(r, t, count);
    if (r->error != ERR_NONE) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        bind(r->insert, (int)i + 1, &values[i]);
    }
    int code = sqlite3_step(r->insert);
    if ((code & 0xff) == SQLITE_CONSTRAINT) {
        char why[200];
        snprintf(why, sizeof why, "%s", sqlite3_errmsg(r->db.db));
        repair_refuse(r, t, why, values, count);
    } else if (code != SQLITE_DONE) {
        take(r, db_error(&r->db, code));
    }
    sqlite3_reset(r->insert);
    r->uncommitted++;
    commit_some(r, COMMIT_ROWS);
}

/* sqlite_sequence is not written like a table: the larger number of each name holds. */
static void on_sequence(void *ctx, struct tree *t, const struct store_value *values, unsigned n)
{
    struct repair *r = ctx;
    sqlite3_stmt *stmt = NULL;
    if (n != 2 || values[0].type != STORE_TEXT || values[1].type != STORE_INT) {
        t->damaged = true;
        return;
    }
    const struct tree *of = trees_find(&r->trees, values[0].s);
    if (of == NULL || !of->is_table || r->error != ERR_NONE) {
        return;
    }
    sqlite3_prepare_v2(r->db.db, "INSERT INTO temp.repair_sequence VALUES (?1, ?2)", -1, &stmt,
                       NULL);
    bind(stmt, 1, &values[0]);
    bind(stmt, 2, &values[1]);
    int code = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    take(r, code == SQLITE_DONE ? ERR_NONE : db_error(&r->db, code));
}

static void sequences(struct repair *r)
{
    const struct tree *t = trees_find(&r->trees, SPAN("sqlite_sequence"));
    char gap[300];
    take(r, db_exec(&r->db, "INSERT INTO main.sqlite_sequence (name, seq)"
                            " SELECT name, 0 FROM temp.repair_sequence"
                            " WHERE name NOT IN (SELECT name FROM main.sqlite_sequence);"
                            "UPDATE main.sqlite_sequence SET seq = max(seq, (SELECT max(o.seq)"
                            " FROM temp.repair_sequence o WHERE o.name = sqlite_sequence.name))"
                            " WHERE name IN (SELECT name FROM temp.repair_sequence)"));
    if (t == NULL || t->damaged) {
        snprintf(gap, sizeof gap,
                 "UPDATE main.sqlite_sequence SET seq = seq + %d"
                 " WHERE name NOT IN (SELECT name FROM temp.repair_sequence)",
                 SEQUENCE_GAP);
        take(r, db_exec(&r->db, gap));
    }
    take(r, db_exec(&r->db, "DROP TABLE temp.repair_sequence"));
}

/* --- the old file --- */

static void on_schema(void *ctx, struct tree *t, const struct store_value *values, unsigned n)
{
    struct repair *r = ctx;
    bool table = span_eq(store_text(&values[0]), SPAN("table"));
    bool index = span_eq(store_text(&values[0]), SPAN("index"));
    struct tree *found = n < 4 ? NULL : trees_find(&r->trees, store_text(&values[1]));
    (void)t;
    r->other_program = r->other_program || table;
    if (found != NULL && found->root == 0 && found->is_table == table && (table || index) &&
        values[3].i > 1 && values[3].i <= r->image.page_count) {
        found->root = (uint32_t)values[3].i;
        r->known_tables += table && strncmp(found->name, "sqlite_", 7) != 0;
    }
}

static void on_migration(void *ctx, struct tree *t, const struct store_value *values, unsigned n)
{
    struct repair *r = ctx;
    (void)t;
    if (n > 0 && values[0].type == STORE_INT && values[0].i > r->version &&
        values[0].i <= UINT32_MAX) {
        r->version = values[0].i;
    }
}

/* Roots of every tree and the schema's version, by a look that leaves no marks. */
static void look(struct repair *r)
{
    struct tree *schema = mem_alloc(sizeof *schema);
    trees_schema(schema);
    r->other_program = false;
    r->known_tables = 0;
    r->version = 0;
    salvage_deinit(&r->salvage);
    salvage_init(&r->salvage, &r->image);
    salvage_schema(&r->salvage, schema, on_schema, r);
    struct tree *m = trees_find(&r->trees, SPAN("schema_migration"));
    salvage_tree(&r->salvage, m, on_migration, r);
    unsigned known = sqlite_store_schema_version();
    if (r->version > known) {
        snprintf(r->out->why, sizeof r->out->why,
                 "it has schema %lld and this program knows %u: use the release that wrote it",
                 (long long)r->version, known);
        r->error = ERR_STORE_SCHEMA_NEWER;
    } else if (r->other_program && r->known_tables == 0) {
        fail(r, ERR_STORE_CORRUPT, "it belongs to another program");
    }
    mem_free(schema);
}

/* --- the new file --- */

static void remove_new(struct repair *r)
{
    char name[4300];
    db_close(&r->db);
    unlink(r->to);
    snprintf(name, sizeof name, "%s-journal", r->to);
    unlink(name);
}

static bool make_empty(struct repair *r)
{
    int fd = open(r->to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        bool exists = errno == EEXIST;
        char why[200];
        snprintf(why, sizeof why, "%s: %s", "the new file cannot be made", strerrordesc_np(errno));
        fail(r, exists ? ERR_CONFLICT : errno == ENOSPC ? ERR_STORE_FULL : ERR_STORE_READ_ONLY,
             exists ? "the new file exists already" : why);
        return false;
    }
    close(fd);
    return true;
}

/* A store of that version with no rows, and what its trees look like. */
static void make_new(struct repair *r, unsigned version)
{
    const struct sqlite_store_conf conf = {.path = r->to};
    err e = db_open(&r->db, &conf, DB_WRITER);
    e = e != ERR_NONE ? e : db_exec(&r->db, "PRAGMA journal_mode = memory;"
                                            "PRAGMA synchronous = off; PRAGMA foreign_keys = off");
    e = e != ERR_NONE ? e : migrate_run(&r->db, version, NULL);
    if (e == ERR_NONE && !trees_learn(&r->db, &r->trees)) {
        e = db_error(&r->db, sqlite3_extended_errcode(r->db.db));
        e = e == ERR_NONE ? ERR_STORE_FAILED : e;
    }
    if (e != ERR_NONE && r->db.db != NULL) {
        take(r, e);
    } else if (e != ERR_NONE) {
        fail(r, e, "the new file cannot be opened");
    }
}

static void make_and_look(struct repair *r)
{
    make_new(r, sqlite_store_schema_version());
    if (r->error == ERR_NONE) {
        look(r);
    }
    unsigned version = (unsigned)r->version;
    if (r->error == ERR_NONE && version > 0 && version < sqlite_store_schema_version()) {
        remove_new(r);
        if (make_empty(r)) {
            make_new(r, version);
        }
        if (r->error == ERR_NONE) {
            look(r);
        }
    }
    r->out->schema = version;
}

static void load(struct repair *r)
{
    struct salvage *s = &r->salvage;
    take(r, repair_rules_off(r));
    take(r, db_exec(&r->db, "CREATE TEMP TABLE repair_sequence (name TEXT, seq INTEGER)"));
    for (unsigned i = 0; i < r->trees.count && r->error == ERR_NONE; i++) {
        struct tree *t = &r->trees.list[i];
        salvage_row row = !t->is_table || t->shadow ? NULL : on_row;
        if (strcmp(t->name, "schema_migration") == 0) {
            continue; /* looked at; the new file has its own */
        }
        salvage_tree(s, t, strcmp(t->name, "sqlite_sequence") == 0 ? on_sequence : row, r);
    }
    if (r->error == ERR_NONE) {
        salvage_strays(s, r->trees.list, r->trees.count, on_row, r);
    }
    commit_some(r, 0);
    sqlite3_finalize(r->insert);
    r->insert = NULL;
    if (r->error == ERR_NONE) {
        sequences(r);
    }
}

/* Rules again, newest schema, on disk. */
static void finish(struct repair *r)
{
    take(r, repair_parents(r));
    if (r->error == ERR_NONE) {
        take(r, repair_telemetry(r));
    }
    if (r->error == ERR_NONE) {
        take(r, repair_rules_on(r));
    }
    if (r->error == ERR_NONE) {
        take(r, repair_search(r));
    }
    if (r->error == ERR_NONE) {
        take(r, migrate_run(&r->db, sqlite_store_schema_version(), NULL));
    }
    if (r->error == ERR_NONE && image_changed(&r->image)) {
        fail(r, ERR_STORE_BUSY, "somebody wrote to it meanwhile: stop the server first");
    }
}

/* By the fullest index that is whole: each row of the table has one entry there. */
static int64_t lost_rows(const struct repair *r, unsigned table)
{
    const struct tree *t = &r->trees.list[table];
    int64_t lost = t->damaged ? -1 : 0;
    for (unsigned i = 0; i < r->trees.count; i++) {
        const struct tree *x = &r->trees.list[i];
        if (!x->is_table && r->trees.table_of[i] == table && !r->trees.partial[i] &&
            !x->damaged && t->damaged) {
            int64_t missing = x->rows > t->rows ? (int64_t)(x->rows - t->rows) : 0;
            lost = missing > lost ? missing : lost;
        }
    }
    return lost;
}

static void report(struct repair *r)
{
    struct sqlite_repair *out = r->out;
    out->pages = r->image.page_count;
    out->log_frames = r->image.frame_count;
    out->header_lost = r->image.header_lost;
    out->free_lost = r->salvage.free_lost;
    out->unknown_pages = r->salvage.unknown_pages;
    for (unsigned i = 0; i < r->trees.count; i++) {
        const struct tree *t = &r->trees.list[i];
        bool shown = t->is_table && !t->shadow && strncmp(t->name, "sqlite_", 7) != 0 &&
                     strcmp(t->name, "schema_migration") != 0;
        if (shown && out->table_count < SQLITE_REPORT_TABLES_MAX) {
            struct sqlite_repair_table *row = &out->tables[out->table_count++];
            snprintf(row->name, sizeof row->name, "%s", t->name);
            row->rows = t->rows - r->refused[i];
            row->refused = r->refused[i];
            row->lost = lost_rows(r, i);
            row->strays = t->stray_pages;
            out->refused += row->refused;
        }
    }
}

err sqlite_store_repair(const char *from, const char *to, const char *aside,
                        struct sqlite_repair *out)
{
    struct repair *r = mem_calloc(1, sizeof *r);
    *out = (struct sqlite_repair){0};
    r->out = out;
    r->to = to;
    r->aside.path = aside;
    r->error = image_open(&r->image, from, out->why);
    if (r->error == ERR_NONE && access(aside, F_OK) == 0) {
        fail(r, ERR_CONFLICT, "the file for rows kept aside exists already");
    }
    if (r->error == ERR_NONE && make_empty(r)) {
        make_and_look(r);
        if (r->error == ERR_NONE) {
            /* schema_migration's tree was marked by the look; the rest begins with it. */
            load(r);
        }
        if (r->error == ERR_NONE) {
            finish(r);
        }
        sqlite3_finalize(r->insert);
        db_close(&r->db);
        err disowned = r->error == ERR_NONE ? sqlite_store_disown(to) : ERR_NONE;
        if (disowned != ERR_NONE) { /* numbers of lost events would be given again */
            fail(r, disowned, "the new file cannot be written");
        }
        bool kept = aside_close(&r->aside);
        if (!kept || !file_sync(to)) {
            fail(r, ERR_STORE_FAILED, "the new files cannot be synced");
        }
        report(r);
        if (r->error != ERR_NONE) {
            remove_new(r);
            if (out->refused > 0 && !r->aside.exists) {
                unlink(aside);
            }
        }
    }
    salvage_deinit(&r->salvage);
    image_close(&r->image);
    err e = r->error;
    mem_free(r);
    return e;
}
