/*
 * What only a file can suffer: full disks, failing writes and syncs, damage, foreign and newer
 * files, missing rights. Nothing acknowledged is lost, and a refused file keeps its bytes.
 */
#include "store_fixture.h"

#include "fault_vfs.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MINUTE_MS 60000

struct fixture {
    char *dir;
    char *path;
    struct test_log log;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = test_dir_new();
    f->path = test_path(f->dir, "s.db");
    test_log_init(&f->log);
    fault_plan_clear();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fault_plan_clear();
    test_dir_free(f->dir);
    free(f->path);
    free(f);
    return 0;
}

static err try_open(struct fixture *f, const char *vfs, struct store **out)
{
    struct sqlite_store_conf conf = {.path = f->path, .vfs = vfs, .busy_ms_max = 50};
    return sqlite_store_open(&conf, NULL, &f->log.log, out);
}

static struct store *must_open(struct fixture *f, const char *vfs)
{
    struct store *s = NULL;
    assert_string_equal(err_name(try_open(f, vfs, &s)), "NONE");
    return s;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int64_t sql_int(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static void assert_sound(const char *path)
{
    assert_int_equal(sql_int(path, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    assert_int_equal(sql_int(path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_int_equal(
        sql_int(path, "SELECT (SELECT count(*) FROM device_metrics) - (SELECT coalesce(sum(n), 0)"
                      " FROM device_metrics_rollup WHERE resolution_ms = 3600000)"),
        0);
}

/* --- faults while running --- */

/* Inserts one row and counts it when it was acknowledged. */
static err insert(struct store *s, unsigned *next, unsigned *acked)
{
    struct store_req *req = metrics_req(DEVICE_ID, (int64_t)(*next)++ * MINUTE_MS, 1.0);
    err e = store_run(s, req);
    *acked += e == ERR_NONE;
    store_req_free(req);
    return e;
}

static void a_full_disk_refuses_writes_until_there_is_space(void **state)
{
    struct fixture *f = *state;
    struct store *s = must_open(f, FAULT_VFS);
    struct store_stats stats;
    unsigned next = 0;
    unsigned acked = 0;
    fixture_device(s, DEVICE_ID);
    for (unsigned round = 0; round < 5; round++) {
        fault_plan.space_bytes = 200000;
        unsigned full = 0;
        for (unsigned i = 0; i < 20000 && full < 20; i++) {
            err e = insert(s, &next, &acked);
            assert_true(e == ERR_NONE || e == ERR_STORE_FULL);
            full += e == ERR_STORE_FULL;
        }
        assert_int_equal(full, 20);
        s->stats(s, &stats);
        assert_int_equal(stats.health, ERR_STORE_FULL);
        assert_int_equal(metrics_count(s, DEVICE_ID), acked); /* reads go on */
        fault_plan_clear();
        assert_int_equal(insert(s, &next, &acked), ERR_NONE);
        s->stats(s, &stats);
        assert_int_equal(stats.health, ERR_NONE);
    }
    assert_true(f->log.failed >= 5 && f->log.failed == f->log.recovered);
    s->close(s);
    assert_sound(f->path);
    assert_int_equal(sql_int(f->path, "SELECT count(*) FROM device_metrics"), acked);
}

static void a_failing_write_or_sync_costs_only_its_own_commit(void **state)
{
    struct fixture *f = *state;
    struct store *s = must_open(f, FAULT_VFS);
    unsigned next = 0;
    unsigned acked = 0;
    fixture_device(s, DEVICE_ID);
    for (unsigned i = 1; i <= 60; i++) {
        fault_plan.write_fail_in = i;
        while (fault_plan.write_fail_in > 0) {
            err e = insert(s, &next, &acked);
            assert_true(e == ERR_NONE || e == ERR_STORE_FAILED);
        }
        assert_int_equal(insert(s, &next, &acked), ERR_NONE);
        fault_plan.sync_fails = true;
        assert_int_equal(insert(s, &next, &acked), ERR_STORE_FAILED);
        fault_plan.sync_fails = false;
        assert_int_equal(insert(s, &next, &acked), ERR_NONE);
    }
    assert_int_equal(metrics_count(s, DEVICE_ID), acked);
    s->close(s);
    assert_sound(f->path);
    assert_int_equal(sql_int(f->path, "SELECT count(*) FROM device_metrics"), acked);
}

static void an_answer_follows_a_sync(void **state)
{
    struct fixture *f = *state;
    struct store *s = must_open(f, FAULT_VFS);
    unsigned next = 0;
    unsigned acked = 0;
    fixture_device(s, DEVICE_ID);
    for (unsigned i = 0; i < 10; i++) {
        uint64_t before = fault_plan.syncs;
        assert_int_equal(insert(s, &next, &acked), ERR_NONE);
        assert_true(fault_plan.syncs > before);
    }
    s->close(s);
}

static void the_log_stays_bounded_under_load(void **state)
{
    struct fixture *f = *state;
    struct sqlite_store_conf conf = {.path = f->path, .synchronous = STORE_SYNC_OFF};
    struct store *s;
    assert_int_equal(sqlite_store_open(&conf, NULL, &f->log.log, &s), ERR_NONE);
    fixture_device(s, DEVICE_ID);
    char data[4000];
    memset(data, 'x', sizeof data - 1);
    data[sizeof data - 1] = '\0';
    for (unsigned i = 0; i < 50; i++) {
        struct store_req *req = store_req_new(0, 1, NULL, NULL);
        store_step_init(req, 0, QUERY_EVENT_INSERT, 200);
        for (unsigned set = 0; set < 200; set++) {
            store_set_text(req, 0, set, 0, SPAN(DEVICE_ID));
            store_set_int(req, 0, set, 1, i);
            store_set_text(req, 0, set, 2, SPAN("t"));
            store_set_text(req, 0, set, 3, SPAN("topic"));
            store_set_text(req, 0, set, 4, span_str(data));
        }
        run_expect(s, req, ERR_NONE); /* 40 MB in all */
    }
    char *wal = test_path(f->dir, "s.db-wal");
    struct stat st;
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size < 16 << 20);
    struct store_stats stats;
    s->stats(s, &stats);
    assert_true(stats.file_bytes > 40 << 20);
    s->close(s);
    assert_int_equal(stat(wal, &st), -1); /* emptied and removed */
    free(wal);
}

static void a_read_over_its_time_is_stopped(void **state)
{
    struct fixture *f = *state;
    struct sqlite_store_conf conf = {
        .path = f->path, .synchronous = STORE_SYNC_OFF, .read_ms_max = 1};
    struct store *s;
    assert_int_equal(sqlite_store_open(&conf, NULL, &f->log.log, &s), ERR_NONE);
    fixture_device(s, DEVICE_ID);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_METRICS_INSERT, 30000);
    for (unsigned set = 0; set < 30000; set++) {
        store_set_text(req, 0, set, 0, SPAN(DEVICE_ID));
        store_set_int(req, 0, set, 1, (int64_t)set * MINUTE_MS);
    }
    run_expect(s, req, ERR_NONE); /* the bound is for reads */
    run_expect(s,
               req_make(QUERY_METRICS_BUCKETS, "tiiii", DEVICE_ID, (int64_t)0, INT64_MAX,
                        (int64_t)MINUTE_MS, (int64_t)100000),
               ERR_STORE_TIMEOUT);
    assert_int_equal(run_int(s, req_make(QUERY_DEVICE_COUNT, "")), 1);
    s->close(s);
}

/* --- opening --- */

struct bytes {
    char *ptr;
    size_t len;
};

static struct bytes read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct stat st;
    fstat(fileno(file), &st);
    struct bytes b = {malloc((size_t)st.st_size + 1), (size_t)st.st_size};
    assert_int_equal(fread(b.ptr, 1, b.len, file), b.len);
    fclose(file);
    return b;
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    fclose(file);
}

/* Opening fails with `expected`, says so in the log, and leaves the file as it was. */
static void assert_refused(struct fixture *f, err expected)
{
    struct bytes before = read_file(f->path);
    struct store *s = NULL;
    f->log.event[0] = '\0';
    err e = try_open(f, NULL, &s);
    assert_string_equal(err_name(e), err_name(expected));
    assert_string_equal(f->log.event, "store.refused");
    assert_string_equal(f->log.error, err_name(expected));
    assert_true(f->log.why[0] != '\0');
    struct bytes after = read_file(f->path);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.ptr, after.ptr, before.len);
    free(before.ptr);
    free(after.ptr);
}

/* A closed store of some pages. */
static void make_store(struct fixture *f)
{
    struct store *s = must_open(f, NULL);
    fixture_device(s, DEVICE_ID);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_METRICS_INSERT, 500);
    for (unsigned set = 0; set < 500; set++) {
        store_set_text(req, 0, set, 0, SPAN(DEVICE_ID));
        store_set_int(req, 0, set, 1, (int64_t)set * MINUTE_MS);
    }
    run_expect(s, req, ERR_NONE);
    s->close(s);
}

static void a_new_file_is_for_its_owner_only(void **state)
{
    struct fixture *f = *state;
    umask(0);
    make_store(f);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct store *s = must_open(f, NULL); /* opens again and keeps its rows */
    assert_int_equal(metrics_count(s, DEVICE_ID), 500);
    assert_int_equal(run_int(s, req_make(QUERY_SCHEMA_VERSION, "")),
                     sqlite_store_schema_version());
    s->close(s);
}

static void an_empty_file_becomes_a_store(void **state)
{
    struct fixture *f = *state;
    write_file(f->path, "", 0);
    struct store *s = must_open(f, NULL);
    s->close(s);
}

static void what_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    char noise[20000];
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (char)(i * 7919 >> 3);
    }
    const size_t lengths[] = {1, 50, 100, 4096, sizeof noise};
    for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
        write_file(f->path, noise, lengths[i]);
        assert_refused(f, ERR_STORE_CORRUPT);
        memcpy(noise, "SQLite format 3", 16); /* the name alone does not help */
    }
}

static void a_cut_file_is_refused(void **state)
{
    struct fixture *f = *state;
    make_store(f);
    struct bytes whole = read_file(f->path);
    for (size_t len = 4096; len < whole.len; len += whole.len / 7) {
        write_file(f->path, whole.ptr, len);
        assert_refused(f, ERR_STORE_CORRUPT);
    }
    free(whole.ptr);
}

static void a_damaged_page_is_refused(void **state)
{
    struct fixture *f = *state;
    make_store(f);
    struct bytes whole = read_file(f->path);
    char *damaged = malloc(whole.len);
    for (size_t page = 1; page < whole.len / 4096; page++) {
        memcpy(damaged, whole.ptr, whole.len);
        memset(damaged + page * 4096, 0xa5, 4096);
        write_file(f->path, damaged, whole.len);
        assert_refused(f, ERR_STORE_CORRUPT);
    }
    write_file(f->path, whole.ptr, whole.len);
    struct store *s = must_open(f, NULL);
    assert_int_equal(metrics_count(s, DEVICE_ID), 500);
    s->close(s);
    free(damaged);
    free(whole.ptr);
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    make_store(f);
    run_sql(f->path, "INSERT INTO schema_migration VALUES (9999, 'from the future', 1)");
    assert_refused(f, ERR_STORE_SCHEMA_NEWER);
    assert_non_null(strstr(f->log.why, "9999"));
}

static void another_programs_database_is_refused(void **state)
{
    struct fixture *f = *state;
    run_sql(f->path, "CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')");
    assert_refused(f, ERR_STORE_CORRUPT);
}

static void a_file_that_another_writer_holds_is_refused(void **state)
{
    struct fixture *f = *state;
    make_store(f);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_refused(f, ERR_STORE_BUSY);
    sqlite3_close(db);
    struct store *s = must_open(f, NULL);
    s->close(s);
}

static void a_path_that_is_no_file_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    struct sqlite_store_conf conf = {.path = f->dir};
    assert_int_equal(sqlite_store_open(&conf, NULL, &f->log.log, &s), ERR_STORE_FAILED);
    conf.path = "/nowhere/at/all.db";
    assert_int_equal(sqlite_store_open(&conf, NULL, &f->log.log, &s), ERR_STORE_READ_ONLY);
    assert_string_equal(f->log.event, "store.refused");
}

static void a_disk_without_space_for_the_schema_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    for (int64_t space = 0; space < 60000; space += 9000) {
        fault_plan.space_bytes = space;
        assert_int_equal(try_open(f, FAULT_VFS, &s), ERR_STORE_FULL);
        assert_int_equal(access(f->path, F_OK), -1);
    }
    fault_plan_clear();
    s = must_open(f, FAULT_VFS);
    s->close(s);
}

/* Runs `open` as a user whom rights bind (root passes them by); the child's exit is the err. */
static err open_unprivileged(struct fixture *f)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(250);
        }
        struct store *s = NULL;
        err e = try_open(f, NULL, &s);
        if (e == ERR_NONE) {
            s->close(s);
        }
        _exit((int)e);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (err)WEXITSTATUS(status);
}

static void missing_rights_are_refused(void **state)
{
    struct fixture *f = *state;
    make_store(f);
    struct bytes before = read_file(f->path);
    chmod(f->dir, 0755);
    chmod(f->path, 0444); /* a read-only file */
    assert_string_equal(err_name(open_unprivileged(f)), "STORE_READ_ONLY");
    chmod(f->path, 0666);
    chmod(f->dir, 0555); /* a directory in which no log can be made */
    assert_string_equal(err_name(open_unprivileged(f)), "STORE_READ_ONLY");
    chmod(f->dir, 0777);
    struct bytes after = read_file(f->path);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.ptr, after.ptr, before.len);
    assert_string_equal(err_name(open_unprivileged(f)), "NONE");
    free(before.ptr);
    free(after.ptr);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    fault_vfs_register();
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_refuses_writes_until_there_is_space),
        TEST(a_failing_write_or_sync_costs_only_its_own_commit),
        TEST(an_answer_follows_a_sync),
        TEST(the_log_stays_bounded_under_load),
        TEST(a_read_over_its_time_is_stopped),
        TEST(a_new_file_is_for_its_owner_only),
        TEST(an_empty_file_becomes_a_store),
        TEST(what_is_no_database_is_refused),
        TEST(a_cut_file_is_refused),
        TEST(a_damaged_page_is_refused),
        TEST(a_newer_schema_is_refused),
        TEST(another_programs_database_is_refused),
        TEST(a_file_that_another_writer_holds_is_refused),
        TEST(a_path_that_is_no_file_is_refused),
        TEST(a_disk_without_space_for_the_schema_leaves_nothing_behind),
        TEST(missing_rights_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
