/*
 * Every row of tables/queries.def prepares against the migrated schema, and its shapes say the
 * truth about parameters, columns and what kind it is.
 */
#include "store_fixture.h"

#include <sqlite3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    char *dir;
    sqlite3 *db;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = test_dir_new();
    char *path = test_path(f->dir, "q.db");
    struct store *s;
    assert_int_equal(sqlite_store_open(&(struct sqlite_store_conf){.path = path}, NULL, NULL, &s),
                     ERR_NONE);
    s->close(s);
    assert_int_equal(sqlite3_open(path, &f->db), SQLITE_OK);
    free(path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sqlite3_close(f->db);
    test_dir_free(f->dir);
    free(f);
    return 0;
}

static sqlite3_stmt *prepare(struct fixture *f, enum query q)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(f->db, query_sql(q), -1, &stmt, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", query_name(q), sqlite3_errmsg(f->db));
    }
    return stmt;
}

static void every_query_prepares_with_its_shapes(void **state)
{
    struct fixture *f = *state;
    for (enum query q = QUERY_NONE + 1; q < QUERY_COUNT; q++) {
        sqlite3_stmt *stmt = prepare(f, q);
        if ((unsigned)sqlite3_bind_parameter_count(stmt) != query_param_count(q) ||
            (unsigned)sqlite3_column_count(stmt) != query_column_count(q)) {
            fail_msg("%s: %d parameters, %d columns", query_name(q),
                     sqlite3_bind_parameter_count(stmt), sqlite3_column_count(stmt));
        }
        assert_true(query_param_count(q) < 32 && query_column_count(q) < 64);
        sqlite3_finalize(stmt);
    }
}

static void reads_do_not_write(void **state)
{
    struct fixture *f = *state;
    for (enum query q = QUERY_NONE + 1; q < QUERY_COUNT; q++) {
        sqlite3_stmt *stmt = prepare(f, q);
        if ((sqlite3_stmt_readonly(stmt) != 0) == query_is_write(q)) {
            fail_msg("%s has the wrong kind", query_name(q));
        }
        sqlite3_finalize(stmt);
    }
}

static char letter_of(const char *declared)
{
    return declared == NULL                  ? '*'
           : strcmp(declared, "TEXT") == 0    ? 't'
           : strcmp(declared, "INTEGER") == 0 ? 'i'
           : strcmp(declared, "REAL") == 0    ? 'r'
           : strcmp(declared, "BLOB") == 0    ? 'b'
                                              : '*';
}

/* Columns that come straight from a table have its type and may be NULL where it says so. */
static void column_shapes_follow_the_schema(void **state)
{
    struct fixture *f = *state;
    for (enum query q = QUERY_NONE + 1; q < QUERY_COUNT; q++) {
        sqlite3_stmt *stmt = prepare(f, q);
        const char *shape = query_columns(q);
        for (int i = 0; i < sqlite3_column_count(stmt); i++, shape++) {
            bool may_be_null = shape[1] == '?';
            char expected = letter_of(sqlite3_column_decltype(stmt, i));
            const char *table = sqlite3_column_table_name(stmt, i);
            int not_null = 1;
            int key = 0;
            if (table != NULL) {
                sqlite3_table_column_metadata(f->db, NULL, table,
                                              sqlite3_column_origin_name(stmt, i), NULL, NULL,
                                              &not_null, &key, NULL);
            }
            bool fits = expected == '*' || expected == *shape ||
                        (expected == 'i' && *shape == 'r'); /* reals take integers */
            if (!fits || (!not_null && !key && !may_be_null)) {
                fail_msg("%s: column %d is %s in the schema", query_name(q), i,
                         sqlite3_column_decltype(stmt, i));
            }
            shape += may_be_null;
        }
        sqlite3_finalize(stmt);
    }
}

/* A query that walks a whole big table would hold the writer or a reader for long. */
static void big_tables_are_never_scanned(void **state)
{
    static const char *const big[] = {"device_metrics", "device_metrics_rollup",
                                      "device_process_sample", "device_state_records",
                                      "connection_logs", "event_log", "audit_log",
                                      "telemetry_sample", "telemetry_rollup", "telemetry_latest",
                                      "s", "d", "r", "l", "x"}; /* telemetry's aliases */
    struct fixture *f = *state;
    for (enum query q = QUERY_NONE + 1; q < QUERY_COUNT; q++) {
        char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", query_sql(q));
        sqlite3_stmt *stmt = NULL;
        assert_int_equal(sqlite3_prepare_v2(f->db, sql, -1, &stmt, NULL), SQLITE_OK);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *line = (const char *)sqlite3_column_text(stmt, 3);
            for (unsigned i = 0; i < ARRAY_LEN(big); i++) {
                bool alias = big[i][1] == '\0';
                if (alias && strncmp(query_name(q), "TELEMETRY_", 10) != 0) {
                    continue;
                }
                char scan[80];
                snprintf(scan, sizeof scan, "SCAN %s", big[i]);
                bool walks = strncmp(line, scan, strlen(scan)) == 0 &&
                             (line[strlen(scan)] == '\0' || line[strlen(scan)] == ' ');
                /* an index of the few open rows only */
                if (walks && strstr(line, "connection_logs_open") == NULL) {
                    fail_msg("%s: %s", query_name(q), line);
                }
            }
        }
        sqlite3_finalize(stmt);
        sqlite3_free(sql);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_query_prepares_with_its_shapes),
        cmocka_unit_test(reads_do_not_write),
        cmocka_unit_test(column_shapes_follow_the_schema),
        cmocka_unit_test(big_tables_are_never_scanned),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
