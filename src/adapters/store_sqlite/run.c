/*
 * Runs a request's steps on a connection: bind, step, collect. Nothing here knows about
 * transactions; the caller has opened one.
 */
#include "adapters/store_sqlite/db.h"

#include "base/mem.h"

/* Scratch for a larger result (1.5 MB) is given back after its request. */
#define CELLS_KEPT_MAX 65536

struct collected {
    size_t cells;
    unsigned rows;
};

static err query_stmt(struct db *c, enum query q, sqlite3_stmt **out)
{
    if (c->queries[q] == NULL) {
        int code = sqlite3_prepare_v3(c->db, query_sql(q), -1, SQLITE_PREPARE_PERSISTENT,
                                      &c->queries[q], NULL);
        if (code != SQLITE_OK) {
            return db_error(c, code);
        }
        ASSERT((unsigned)sqlite3_bind_parameter_count(c->queries[q]) == query_param_count(q));
        ASSERT((unsigned)sqlite3_column_count(c->queries[q]) == query_column_count(q));
    }
    *out = c->queries[q];
    return ERR_NONE;
}

/* Text and bytes stay in the request's arena, which outlives the step: no copy. */
static int bind(sqlite3_stmt *stmt, const struct store_value *v, unsigned count)
{
    int code = SQLITE_OK;
    for (int p = 1; p <= (int)count && code == SQLITE_OK; p++, v++) {
        const char *ptr = v->type >= STORE_TEXT && v->s.ptr != NULL ? (const char *)v->s.ptr : "";
        switch (v->type) {
        case STORE_NULL:
            code = sqlite3_bind_null(stmt, p);
            break;
        case STORE_INT:
            code = sqlite3_bind_int64(stmt, p, v->i);
            break;
        case STORE_REAL:
            code = sqlite3_bind_double(stmt, p, v->d);
            break;
        case STORE_TEXT:
            code = sqlite3_bind_text64(stmt, p, ptr, v->s.len, SQLITE_STATIC, SQLITE_UTF8);
            break;
        case STORE_BLOB:
            code = sqlite3_bind_blob64(stmt, p, ptr, v->s.len, SQLITE_STATIC);
            break;
        }
    }
    return code;
}

static struct store_value column(sqlite3_stmt *stmt, int i, struct arena *arena)
{
    switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_INTEGER:
        return (struct store_value){.type = STORE_INT, .i = sqlite3_column_int64(stmt, i)};
    case SQLITE_FLOAT:
        return (struct store_value){.type = STORE_REAL, .d = sqlite3_column_double(stmt, i)};
    case SQLITE_TEXT: {
        const void *ptr = sqlite3_column_text(stmt, i);
        span s = span_of(ptr, (size_t)sqlite3_column_bytes(stmt, i));
        return (struct store_value){.type = STORE_TEXT, .s = arena_dup(arena, s)};
    }
    case SQLITE_BLOB: {
        const void *ptr = sqlite3_column_blob(stmt, i);
        span s = span_of(ptr, (size_t)sqlite3_column_bytes(stmt, i));
        return (struct store_value){.type = STORE_BLOB, .s = arena_dup(arena, s)};
    }
    default:
        return (struct store_value){.type = STORE_NULL};
    }
}

static void collect_row(struct db *c, sqlite3_stmt *stmt, struct arena *arena,
                        struct collected *got)
{
    int columns = sqlite3_column_count(stmt);
    if (got->cells + (size_t)columns > c->cell_cap) {
        c->cell_cap = c->cell_cap == 0 ? 256 : c->cell_cap * 2;
        c->cells = mem_realloc(c->cells, c->cell_cap * sizeof *c->cells);
    }
    for (int i = 0; i < columns; i++) {
        c->cells[got->cells++] = column(stmt, i, arena);
    }
    got->rows++;
}

/* One set of a step. Rows over `rows_left` are cut and the request is marked. */
static err run_set(struct db *c, sqlite3_stmt *stmt, struct store_req *req,
                   struct store_step *step, unsigned set, unsigned *rows_left,
                   struct collected *got)
{
    unsigned params = query_param_count(step->query);
    int code = bind(stmt, step->params + (size_t)set * params, params);
    bool write = query_is_write(step->query);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(stmt);
        if (code != SQLITE_ROW) {
            break;
        }
        if (*rows_left == 0) {
            req->more = true;
            if (!write) { /* a write runs to its end, or it would not happen */
                code = SQLITE_DONE;
            }
            continue;
        }
        --*rows_left;
        collect_row(c, stmt, &req->arena, got);
    }
    err e = code == SQLITE_DONE ? ERR_NONE : db_error(c, code);
    if (e == ERR_NONE && write) {
        unsigned changed = (unsigned)sqlite3_changes(c->db);
        ((uint8_t *)step->changed)[set] = changed > 0;
        step->change_count += changed;
    }
    sqlite3_reset(stmt);
    return e;
}

static bool as_expected(const struct store_step *step)
{
    unsigned n = query_is_write(step->query) ? step->change_count : step->row_count;
    switch (step->expect) {
    case STORE_SOME:
        return n > 0;
    case STORE_NO_ROW:
        return n == 0;
    case STORE_ANY:
        break;
    }
    return true;
}

static err run_step(struct db *c, struct store_req *req, struct store_step *step,
                    unsigned *rows_left)
{
    sqlite3_stmt *stmt;
    err e = query_stmt(c, step->query, &stmt);
    if (e != ERR_NONE) {
        return e;
    }
    if (query_is_write(step->query)) {
        step->changed = ARENA_ARRAY(&req->arena, uint8_t, step->set_count);
    }
    struct collected got = {0};
    for (unsigned set = 0; set < step->set_count && e == ERR_NONE; set++) {
        e = run_set(c, stmt, req, step, set, rows_left, &got);
    }
    if (e != ERR_NONE) {
        return e;
    }
    if (got.rows > 0) {
        struct store_value *cells = ARENA_ARRAY(&req->arena, struct store_value, got.cells);
        memcpy(cells, c->cells, got.cells * sizeof *cells);
        step->cells = cells;
        step->row_count = got.rows;
    }
    return as_expected(step) ? ERR_NONE : ERR_CONFLICT;
}

void db_drop_results(struct store_req *req)
{
    for (unsigned i = 0; i < req->step_count; i++) {
        struct store_step *step = &req->steps[i];
        step->row_count = 0;
        step->cells = NULL;
        step->changed = NULL;
        step->change_count = 0;
    }
    req->more = false;
}

static err run_steps(struct db *c, struct store_req *req)
{
    unsigned rows_left = req->row_max;
    for (unsigned i = 0; i < req->step_count; i++) {
        err e = run_step(c, req, &req->steps[i], &rows_left);
        if (e != ERR_NONE) {
            db_drop_results(req);
            req->failed_step = i;
            return e;
        }
    }
    return ERR_NONE;
}

err db_run(struct db *c, struct store_req *req)
{
    err e = run_steps(c, req);
    if (c->cell_cap > CELLS_KEPT_MAX) {
        mem_free(c->cells);
        c->cells = NULL;
        c->cell_cap = 0;
    }
    return e;
}
