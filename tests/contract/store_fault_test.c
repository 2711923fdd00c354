/*
 * What a file can suffer while the store runs: full disks, failing writes and syncs, load, slow
 * reads. Nothing acknowledged is lost, nothing needs a restart.
 */
#include "store_fixture.h"

#include "fault_vfs.h"

#include <sqlite3.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

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

static void a_store_that_failed_finds_by_itself_that_it_works_again(void **state)
{
    struct fixture *f = *state;
    struct store *s = must_open(f, FAULT_VFS);
    struct store_stats stats;
    unsigned next = 0;
    unsigned acked = 0;
    fixture_device(s, DEVICE_ID);
    fault_plan.space_bytes = 4096;
    while (insert(s, &next, &acked) == ERR_NONE) {
    }
    s->stats(s, &stats);
    assert_int_equal(stats.health, ERR_STORE_FULL);
    fault_plan_clear();
    for (unsigned i = 0; i < 3000 && stats.health != ERR_NONE; i++) { /* nobody writes */
        nanosleep(&(struct timespec){0, 10000000}, NULL);
        s->stats(s, &stats);
    }
    assert_int_equal(stats.health, ERR_NONE);
    s->close(s);
    assert_int_equal(f->log.recovered, 1);
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

static unsigned put_samples(struct store *s, int64_t at)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_TELEMETRY_APPEND, 10);
    for (unsigned i = 0; i < 10; i++) {
        store_set_text(req, 0, i, 0, SPAN(DEVICE_ID));
        store_set_text(req, 0, i, 1, i % 2 == 0 ? SPAN("a") : SPAN("b"));
        store_set_real(req, 0, i, 2, 1);
        store_set_text(req, 0, i, 3, SPAN("C"));
        store_set_int(req, 0, i, 5, at);
        store_set_int(req, 0, i, 6, at);
    }
    err e = store_run(s, req);
    assert_true(e == ERR_NONE || e == ERR_STORE_FAILED || e == ERR_STORE_FULL);
    store_req_free(req);
    return e == ERR_NONE ? 10 : 0;
}

static void telemetry_settles_once_on_a_disk_that_fails(void **state)
{
    struct fixture *f = *state;
    struct sqlite_store_conf conf = {
        .path = f->path, .vfs = FAULT_VFS, .settle_ms = 1, .settle_slice_us = 1};
    struct store *s;
    assert_int_equal(sqlite_store_open(&conf, NULL, &f->log.log, &s), ERR_NONE);
    fixture_device(s, DEVICE_ID);
    unsigned acked = 0;
    for (unsigned i = 0; i < 300; i++) {
        if (i % 100 < 40) {
            fault_plan.write_fail_in = 1 + i % 40;
        } else {
            fault_plan.space_bytes = i % 100 < 60 ? 0 : 100000;
            fault_plan.sync_fails = i % 10 == 0;
        }
        acked += put_samples(s, (int64_t)i * MINUTE_MS / 10);
        nanosleep(&(struct timespec){0, 1000000}, NULL); /* settling meets the fault */
        if (i % 10 == 9) {
            fault_plan_clear();
        }
    }
    fault_plan_clear();
    acked += put_samples(s, 0);
    wait_settled(s);
    s->close(s);
    assert_sound(f->path);
    assert_true(acked >= 500 && f->log.settle_failed > 0);
    assert_int_equal(sql_int(f->path, "SELECT count(*) FROM telemetry_sample"), acked);
    assert_int_equal(sql_int(f->path, "SELECT sum(n) FROM telemetry_rollup"
                                      " WHERE resolution_ms = 60000"),
                     acked);
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

static void insert_many(struct store *s)
{
    fixture_device(s, DEVICE_ID);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_METRICS_INSERT, 30000);
    for (unsigned set = 0; set < 30000; set++) {
        store_set_text(req, 0, set, 0, SPAN(DEVICE_ID));
        store_set_int(req, 0, set, 1, (int64_t)set * MINUTE_MS);
    }
    run_expect(s, req, ERR_NONE);
}

/* Some ten milliseconds over what insert_many() made. */
static struct store_req *slow_read(void)
{
    struct store_req *req = req_make(QUERY_METRICS_BUCKETS, "tiiii", DEVICE_ID, (int64_t)0,
                                     INT64_MAX, (int64_t)MINUTE_MS, (int64_t)100000);
    req->row_max = 100000;
    return req;
}

static unsigned answered;
static unsigned cancelled;

static void on_slow_read(struct store_req *req)
{
    answered++;
    cancelled += req->error == ERR_STORE_CANCELLED;
    assert_true(req->error == ERR_NONE || req->error == ERR_STORE_CANCELLED);
    assert_int_equal(req->steps[0].row_count, req->error == ERR_NONE ? 30000 : 0);
    store_req_free(req);
}

static void a_running_read_can_be_cancelled(void **state)
{
    struct fixture *f = *state;
    struct inbox in;
    inbox_init(&in);
    struct sqlite_store_conf conf = {.path = f->path, .synchronous = STORE_SYNC_OFF};
    struct store *s;
    assert_int_equal(sqlite_store_open(&conf, &in.post, &f->log.log, &s), ERR_NONE);
    insert_many(s);
    answered = 0;
    cancelled = 0;
    for (unsigned i = 1; i <= 20; i++) {
        struct store_req *req = slow_read();
        req->done = on_slow_read;
        s->submit(s, req);
        struct store_stats stats = {.read_waiting = 1};
        while (stats.read_waiting > 0) { /* until a reader has taken it */
            s->stats(s, &stats);
        }
        s->cancel(s, req);
        inbox_run_until(&in, &answered, i);
    }
    assert_true(cancelled > 0);
    s->close(s);
}

static void a_read_over_its_time_is_stopped(void **state)
{
    struct fixture *f = *state;
    struct sqlite_store_conf conf = {
        .path = f->path, .synchronous = STORE_SYNC_OFF, .read_ms_max = 1};
    struct store *s;
    assert_int_equal(sqlite_store_open(&conf, NULL, &f->log.log, &s), ERR_NONE);
    insert_many(s); /* the bound is for reads */
    run_expect(s, slow_read(), ERR_STORE_TIMEOUT);
    assert_int_equal(run_int(s, req_make(QUERY_DEVICE_COUNT, "")), 1);
    s->close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    fault_vfs_register();
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_refuses_writes_until_there_is_space),
        TEST(a_store_that_failed_finds_by_itself_that_it_works_again),
        TEST(a_failing_write_or_sync_costs_only_its_own_commit),
        TEST(telemetry_settles_once_on_a_disk_that_fails),
        TEST(an_answer_follows_a_sync),
        TEST(the_log_stays_bounded_under_load),
        TEST(a_running_read_can_be_cancelled),
        TEST(a_read_over_its_time_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
