/*
 * kill -9 in the middle of ingest: a child process writes and reports every acknowledgement; it
 * is killed at a random moment; then the file opens clean, holds every acknowledged request
 * whole, and nothing twice. SIGNALBOX_CRASH_ROUNDS (default 10) rounds on one file;
 * SIGNALBOX_CRASH_SEED repeats a run.
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
#define RUN_MS_MAX 200         /* a round lives at most this long after its first answer */
#define ACKED_MAX 2000000

struct producer {
    struct store *store;
    int64_t base;
    int out;
};

static struct store_req *request_of(int64_t at)
{
    struct store_req *req = store_req_new(0, 2, NULL, NULL);
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
    if (sqlite_store_open(&(struct sqlite_store_conf){.path = path}, NULL, NULL, &s) != ERR_NONE) {
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

static void check_file(const char *path, const int64_t *acked, size_t count)
{
    struct store *s;
    assert_int_equal(sqlite_store_open(&(struct sqlite_store_conf){.path = path}, NULL, NULL, &s),
                     ERR_NONE);
    s->close(s);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sql_int(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    sqlite3_stmt *stmt;
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT (SELECT count(*) FROM audit_log WHERE id = printf('%036d', ?1))"
                           " + (SELECT count(*) FROM device_metrics WHERE device_uuid = '" DEVICE_ID
                           "' AND recorded_at BETWEEN ?1 * 3 AND ?1 * 3 + 2)",
                           -1, &stmt, NULL),
        SQLITE_OK);
    for (size_t i = 0; i < count; i++) {
        sqlite3_bind_int64(stmt, 1, acked[i]);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int64(stmt, 0), 4); /* whole, once */
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
