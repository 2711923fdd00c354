/*
 * kill -9 in the middle of ingest: a child process writes and reports every acknowledgement; it
 * is killed at a random moment; then the file opens clean, holds every acknowledged request
 * whole, and nothing twice. Telemetry is settled meanwhile, all the time. SIGNALBOX_CRASH_ROUNDS
 * (default 10) rounds on one file; SIGNALBOX_CRASH_SEED repeats a run.
 */
#include "store_fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define ROWS_PER_ROUND 1000000 /* more than a round can write */
#define SAMPLES 4              /* of telemetry a request; the first with an id */
#define RUN_MS_MAX 200         /* a round lives at most this long after its first answer */
#define ACKED_MAX 2000000

struct producer {
    struct store *store;
    int64_t base;
    int out;
};

static struct store_req *request_of(int64_t at)
{
    struct store_req *req = store_req_new(0, 3, NULL, NULL);
    char id[40];
    snprintf(id, sizeof id, "%036lld", (long long)at);
    store_step_init(req, 0, QUERY_METRICS_INSERT, 3);
    for (unsigned set = 0; set < 3; set++) {
        store_set_text(req, 0, set, 0, SPAN(DEVICE_ID));
        store_set_int(req, 0, set, 1, at * 3 + set);
        store_set_real(req, 0, set, 2, 1.0);
    }
    req_add(req, 1, QUERY_AUDIT_INSERT, "titttttttt", id, at, NULL, "", "row", "", "", "ok", "",
            NULL);
    store_step_init(req, 2, QUERY_TELEMETRY_APPEND, SAMPLES);
    for (unsigned set = 0; set < SAMPLES; set++) {
        store_set_text(req, 2, set, 0, SPAN(DEVICE_ID));
        store_set_text(req, 2, set, 1, span_str(at % 2 == 0 ? "even" : "odd"));
        store_set_real(req, 2, set, 2, (double)(at % 100));
        store_set_text(req, 2, set, 3, SPAN("C"));
        store_set_int(req, 2, set, 5, at);
        store_set_int(req, 2, set, 6, at + 1);
        if (set == 0) {
            store_set_text(req, 2, set, 7, span_str(id));
        }
    }
    return req;
}

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (int64_t at = p->base; at < p->base + ROWS_PER_ROUND / THREADS; at++) {
        struct store_req *req = request_of(at);
        if (store_run(p->store, req) == ERR_NONE) {
            ssize_t n = write(p->out, &at, sizeof at);
            if (n != (ssize_t)sizeof at) {
                _exit(3);
            }
        }
        store_req_free(req);
    }
    return NULL;
}

static void child_main(const char *path, int64_t base, int out)
{
    struct store *s;
    const struct sqlite_store_conf conf = {.path = path, .settle_ms = 1, .settle_slice_us = 1};
    if (sqlite_store_open(&conf, NULL, NULL, &s) != ERR_NONE) {
        _exit(2);
    }
    struct producer producers[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        producers[i] = (struct producer){s, base + (int64_t)i * ROWS_PER_ROUND / THREADS, out};
        if (pthread_create(&threads[i], NULL, produce, &producers[i]) != 0) {
            _exit(4);
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    _exit(5); /* the parent kills first */
}

/* Runs one round and appends what it acknowledged. */
static void run_round(const char *path, int64_t base, long delay_us, int64_t *acked, size_t *count)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        child_main(path, base, fds[1]);
    }
    close(fds[1]);
    bool killed = false;
    struct timespec start;
    for (;;) {
        assert_true(*count < ACKED_MAX);
        ssize_t n = read(fds[0], &acked[*count], sizeof *acked);
        if (n != (ssize_t)sizeof *acked) {
            break;
        }
        ++*count;
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (acked[*count - 1] >= base && (*count == 1 || acked[*count - 2] < base)) {
            start = now;
        }
        long us = (now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000;
        if (!killed && us >= delay_us) {
            kill(child, SIGKILL);
            killed = true;
        }
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(fds[0]);
}

static int64_t sql_int(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

/* As it was left: part of it settled, part of it not. */
static void check_telemetry(sqlite3 *db)
{
    int64_t samples = sql_int(db, "SELECT count(*) FROM audit_log") * SAMPLES;
    assert_int_equal(sql_int(db, "SELECT count(*) FROM telemetry_data"), samples);
    assert_int_equal(sql_int(db, "SELECT count(DISTINCT id) FROM telemetry_data"), samples);
    assert_int_equal(sql_int(db, "SELECT coalesce(sum(n), 0) FROM telemetry_rollup"
                                 " WHERE resolution_ms = 60000")
                         + sql_int(db, "SELECT count(*) FROM telemetry_unsettled"),
                     samples);
}

static void check_settled(const char *path, int64_t last_acked)
{
    struct store *s;
    const struct sqlite_store_conf conf = {.path = path, .settle_ms = 1};
    assert_int_equal(sqlite_store_open(&conf, NULL, NULL, &s), ERR_NONE);
    struct store_req *again = request_of(last_acked); /* the sample with an id is there already */
    again->steps[2].set_count = 1;
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    req->steps[0] = again->steps[2];
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].change_count, 0);
    store_req_free(req);
    store_req_free(again);
    wait_settled(s);
    s->close(s);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    check_telemetry(db);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM telemetry_unsettled"), 0);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM (SELECT series, timestamp / 60000 AS m,"
                                 " count(*) AS n, sum(value) AS s, min(value) AS a,"
                                 " max(value) AS b FROM telemetry_sample GROUP BY 1, 2) AS t"
                                 " JOIN telemetry_rollup r ON r.series = t.series"
                                 " AND r.resolution_ms = 60000 AND r.bucket_ms = m * 60000"
                                 " WHERE r.n <> t.n OR r.sum <> s OR r.min <> a OR r.max <> b"),
                     0);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM telemetry_latest l WHERE timestamp <>"
                                 " (SELECT max(timestamp) FROM telemetry_sample s"
                                 " WHERE s.series = l.id)"),
                     0);
    sqlite3_close(db);
}

static void check_file(const char *path, const int64_t *acked, size_t count)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    check_telemetry(db);
    sqlite3_close(db);
    check_settled(path, acked[count - 1]);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sql_int(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    sqlite3_stmt *stmt;
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT (SELECT count(*) FROM audit_log WHERE id = printf('%036d', ?1))"
                           " + (SELECT count(*) FROM device_metrics WHERE device_uuid = '" DEVICE_ID
                           "' AND recorded_at BETWEEN ?1 * 3 AND ?1 * 3 + 2)"
                           " + (SELECT count(*) FROM telemetry_latest l JOIN telemetry_sample t"
                           " ON t.series = l.id WHERE l.device_id = '" DEVICE_ID "'"
                           " AND t.timestamp = ?1)",
                           -1, &stmt, NULL),
        SQLITE_OK);
    for (size_t i = 0; i < count; i++) {
        sqlite3_bind_int64(stmt, 1, acked[i]);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int64(stmt, 0), 4 + SAMPLES); /* whole, once */
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    int64_t requests = sql_int(db, "SELECT count(*) FROM audit_log");
    assert_true(requests >= (int64_t)count);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM device_metrics"), requests * 3);
    assert_int_equal(sql_int(db, "SELECT sum(n) FROM device_metrics_rollup"
                                 " WHERE resolution_ms = 60000"),
                     requests * 3);
    sqlite3_close(db);
}

static long setting(const char *name, long fallback)
{
    const char *text = getenv(name);
    return text == NULL ? fallback : strtol(text, NULL, 10);
}

static void no_acknowledged_row_is_lost_or_doubled(void **state)
{
    char *dir = test_dir_new();
    char *path = test_path(dir, "s.db");
    int64_t *acked = malloc(ACKED_MAX * sizeof *acked);
    size_t count = 0;
    struct store *s;
    assert_int_equal(sqlite_store_open(&(struct sqlite_store_conf){.path = path}, NULL, NULL, &s),
                     ERR_NONE);
    fixture_device(s, DEVICE_ID);
    s->close(s);
    long rounds = setting("SIGNALBOX_CRASH_ROUNDS", 10);
    long seed = setting("SIGNALBOX_CRASH_SEED", (long)time(NULL));
    srand48(seed);
    for (long round = 0; round < rounds; round++) {
        run_round(path, (int64_t)round * ROWS_PER_ROUND, lrand48() % (RUN_MS_MAX * 1000L), acked,
                  &count);
        check_file(path, acked, count);
    }
    print_message("seed %ld: %ld rounds, %zu requests acknowledged, all there once\n", seed, rounds,
                  count);
    free(acked);
    free(path);
    test_dir_free(dir);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_acknowledged_row_is_lost_or_doubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
