/*
 * The contract of ports/store.h, run on every adapter: a SQLite file and SQLite in memory. What
 * only a file has (damage, full disks, crashes) is in store_file_test.c and store_crash_test.c.
 */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

#define DEVICE_2 "01900000-0000-7000-8000-000000000002"
#define HOUR_MS 3600000
#define MINUTE_MS 60000

struct fixture {
    struct store *store;
    struct inbox in;
    struct test_log log;
    char *dir;
};

static int open_store(void **state, struct sqlite_store_conf conf)
{
    struct fixture *f = calloc(1, sizeof *f);
    inbox_init(&f->in);
    test_log_init(&f->log);
    f->dir = test_dir_new();
    char *path = conf.path != NULL ? strdup(conf.path) : test_path(f->dir, "s.db");
    conf.path = path;
    conf.synchronous = STORE_SYNC_OFF;
    assert_int_equal(sqlite_store_open(&conf, &f->in.post, &f->log.log, &f->store), ERR_NONE);
    free(path);
    fixture_device(f->store, DEVICE_ID);
    *state = f;
    return 0;
}

static int open_file(void **state) { return open_store(state, (struct sqlite_store_conf){0}); }
static int open_memory(void **state)
{
    return open_store(state, (struct sqlite_store_conf){.path = ":memory:"});
}
static int open_small_file(void **state)
{
    return open_store(state, (struct sqlite_store_conf){.queue_max = 4, .read_ms_max = 100});
}
static int open_small_memory(void **state)
{
    return open_store(state, (struct sqlite_store_conf){
                                 .path = ":memory:", .queue_max = 4, .read_ms_max = 100});
}

static int close_store(void **state)
{
    struct fixture *f = *state;
    if (f->store != NULL) {
        f->store->close(f->store);
    }
    test_dir_free(f->dir);
    free(f);
    return 0;
}

static struct store *store_in(void **state) { return ((struct fixture *)*state)->store; }

/* --- transactions --- */

static void a_failed_step_undoes_the_steps_before_it(void **state)
{
    struct store *s = store_in(state);
    struct store_req *req = store_req_new(0, 3, NULL, NULL);
    req_add(req, 0, QUERY_META_PUT, "tt", "a", "1");
    req_add(req, 1, QUERY_PRINCIPAL_INSERT, "tttttti", DEVICE_ID, "", DEVICE_ID, "device", "d",
            "active", (int64_t)1); /* exists */
    req_add(req, 2, QUERY_META_PUT, "tt", "b", "2");
    assert_int_equal(store_run(s, req), ERR_STORE_CONSTRAINT);
    assert_int_equal(req->failed_step, 1);
    assert_int_equal(req->steps[0].change_count, 0);
    store_req_free(req);
    req = req_make(QUERY_META_GET, "t", "a");
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 0);
    store_req_free(req);
}

static void an_unmet_expectation_is_a_conflict_and_undoes_all(void **state)
{
    struct store *s = store_in(state);
    struct store_req *req = store_req_new(0, 2, NULL, NULL);
    req_add(req, 0, QUERY_META_PUT, "tt", "a", "1");
    req_add(req, 1, QUERY_USER_SET_PASSWORD, "tti", DEVICE_2, "hash", (int64_t)5);
    req->steps[1].expect = STORE_SOME;
    assert_int_equal(store_run(s, req), ERR_CONFLICT);
    assert_int_equal(req->failed_step, 1);
    store_req_free(req);

    req = req_make(QUERY_META_INSERT, "tt", "a", "2");
    req->steps[0].expect = STORE_NO_ROW; /* but it inserts */
    run_expect(s, req, ERR_CONFLICT);
    req = req_make(QUERY_META_GET, "t", "a");
    req->steps[0].expect = STORE_NO_ROW;
    run_expect(s, req, ERR_NONE);
    req = req_make(QUERY_META_GET, "t", "a");
    req->steps[0].expect = STORE_SOME;
    run_expect(s, req, ERR_CONFLICT);
}

static void a_read_step_inside_a_write_sees_the_steps_before_it(void **state)
{
    struct store *s = store_in(state);
    struct store_req *req = store_req_new(0, 2, NULL, NULL);
    req_add(req, 0, QUERY_META_PUT, "tt", "a", "value \xc3\xa9");
    req_add(req, 1, QUERY_META_GET, "t", "a");
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[1].row_count, 1);
    assert_true(span_eq(store_text(store_cell(req, 1, 0, 0)), SPAN("value \xc3\xa9")));
    store_req_free(req);
}

static void an_update_of_another_version_conflicts(void **state)
{
    struct store *s = store_in(state);
    for (int i = 0; i < 2; i++) {
        struct store_req *req =
            req_make(QUERY_DEVICE_UPDATE, "tttttttii", DEVICE_ID, "new name", "host", "active",
                     "[]", "[\"a\"]", "{}", (int64_t)9, (int64_t)1);
        req->steps[0].expect = STORE_SOME;
        run_expect(s, req, i == 0 ? ERR_NONE : ERR_CONFLICT);
    }
}

/* --- values and rows --- */

static void values_come_back_as_they_went_in(void **state)
{
    struct store *s = store_in(state);
    unsigned char hash[32];
    for (unsigned i = 0; i < sizeof hash; i++) {
        hash[i] = (unsigned char)(i * 9);
    }
    run_expect(s,
               req_make(QUERY_CREDENTIAL_INSERT, "tttbttnni", "01900000-0000-7000-8000-0000000000aa",
                        DEVICE_ID, "device_key", hash, "", NULL, (int64_t)1234567890123),
               ERR_NONE);
    struct store_req *req = req_make(QUERY_CREDENTIAL_BY_HASH, "b", hash);
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 1);
    assert_true(span_eq(store_text(store_cell(req, 0, 0, 1)), SPAN(DEVICE_ID)));
    assert_int_equal(store_cell(req, 0, 0, 3)->type, STORE_TEXT);
    assert_int_equal(store_text(store_cell(req, 0, 0, 3)).len, 0);
    assert_int_equal(store_cell(req, 0, 0, 4)->type, STORE_NULL);
    assert_int_equal(store_int(store_cell(req, 0, 0, 8)), 1234567890123);
    store_req_free(req);
}

static struct store_req *metrics_batch(const char *device, int64_t from, unsigned count)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_METRICS_INSERT, count);
    for (unsigned i = 0; i < count; i++) {
        store_set_text(req, 0, i, 0, span_str(device));
        store_set_int(req, 0, i, 1, from + (int64_t)i * MINUTE_MS);
        store_set_real(req, 0, i, 2, i);
        store_set_int(req, 0, i, 3, 1000 + i);
    }
    return req;
}

static void changed_tells_new_rows_from_duplicates(void **state)
{
    struct store *s = store_in(state);
    run_expect(s, metrics_req(DEVICE_ID, 2 * MINUTE_MS, 5.0), ERR_NONE);
    struct store_req *req = metrics_batch(DEVICE_ID, 0, 4);
    assert_int_equal(store_run(s, req), ERR_NONE);
    const uint8_t expected[] = {1, 1, 0, 1};
    assert_memory_equal(req->steps[0].changed, expected, sizeof expected);
    assert_int_equal(req->steps[0].change_count, 3);
    store_req_free(req);
    assert_int_equal(metrics_count(s, DEVICE_ID), 4);
}

static void rows_over_the_bound_are_cut_and_more_is_set(void **state)
{
    struct store *s = store_in(state);
    run_expect(s, metrics_batch(DEVICE_ID, 0, 10), ERR_NONE);
    struct store_req *req = req_make(QUERY_METRICS_LAST, "ti", DEVICE_ID, (int64_t)100);
    req->row_max = 3;
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 3);
    assert_true(req->more);
    assert_int_equal(store_int(store_cell(req, 0, 0, 0)), 9 * MINUTE_MS);
    store_req_free(req);
    req = req_make(QUERY_METRICS_LAST, "ti", DEVICE_ID, (int64_t)100);
    req->row_max = 10;
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 10);
    assert_false(req->more);
    store_req_free(req);
}

static void returning_gives_numbers_in_commit_order(void **state)
{
    struct store *s = store_in(state);
    for (int64_t i = 1; i <= 3; i++) {
        struct store_req *req = req_make(QUERY_EVENT_INSERT, "tittt", DEVICE_2, i, "t", "x", "{}");
        assert_int_equal(run_int(s, req), i);
    }
    run_expect(s, req_make(QUERY_EVENT_EXPIRE, "ii", (int64_t)10, (int64_t)10), ERR_NONE);
    struct store_req *req =
        req_make(QUERY_EVENT_INSERT, "tittt", DEVICE_2, (int64_t)1, "t", "x", "{}");
    assert_int_equal(run_int(s, req), 4); /* not 1 again, though the log was empty */
}

static void lengths_are_held_by_constraints(void **state)
{
    struct store *s = store_in(state);
    char name[102];
    memset(name, 'n', 101);
    name[101] = '\0';
    run_expect(s,
               req_make(QUERY_DEVICE_UPDATE, "tttttttii", DEVICE_ID, name, "host", "active", "[]",
                        "[]", "{}", (int64_t)9, (int64_t)1),
               ERR_STORE_CONSTRAINT);
    run_expect(s, metrics_req(DEVICE_2, 1, 1.0), ERR_STORE_CONSTRAINT); /* no such device */
}

/* --- metrics --- */

static double bucket_cell(const struct store_req *req, unsigned row, unsigned column)
{
    return store_real(store_cell(req, 0, row, column));
}

/* Columns: bucket, n, cpu avg, min, max, last, ... */
static void check_cpu(const struct store_req *req, unsigned row, int n, double avg, double min,
                      double max, double last)
{
    assert_int_equal(store_int(store_cell(req, 0, row, 1)), n);
    assert_true(bucket_cell(req, row, 2) == avg);
    assert_true(bucket_cell(req, row, 3) == min);
    assert_true(bucket_cell(req, row, 4) == max);
    assert_true(bucket_cell(req, row, 5) == last);
}

static struct store_req *rollup_req(int64_t to, int64_t bucket_ms, int64_t resolution_ms)
{
    return req_make(QUERY_ROLLUP_BUCKETS, "tiiiii", DEVICE_ID, (int64_t)0, to, bucket_ms,
                    (int64_t)1000, resolution_ms);
}

static void rollups_follow_new_rows_only_and_in_any_order(void **state)
{
    struct store *s = store_in(state);
    run_expect(s, metrics_req(DEVICE_ID, 50 * MINUTE_MS, 30.0), ERR_NONE);
    run_expect(s, metrics_req(DEVICE_ID, 10 * MINUTE_MS, 90.0), ERR_NONE); /* backfill */
    for (int i = 0; i < 3; i++) {
        run_expect(s, metrics_req(DEVICE_ID, 70 * MINUTE_MS, 6.0), ERR_NONE); /* re-sent */
    }
    struct store_req *no_cpu = metrics_req(DEVICE_ID, 80 * MINUTE_MS, 0);
    ((struct store_value *)&no_cpu->steps[0].params[2])->type = STORE_NULL;
    run_expect(s, no_cpu, ERR_NONE);

    struct store_req *req = rollup_req(2 * HOUR_MS, HOUR_MS, HOUR_MS);
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 2);
    check_cpu(req, 0, 2, 60.0, 30.0, 90.0, 30.0);
    check_cpu(req, 1, 2, 6.0, 6.0, 6.0, 0.0); /* the newest has no CPU value */
    assert_int_equal(store_cell(req, 0, 1, 5)->type, STORE_NULL);
    store_req_free(req);
    req = rollup_req(2 * HOUR_MS, 2 * HOUR_MS, MINUTE_MS);
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 1);
    check_cpu(req, 0, 4, 42.0, 6.0, 90.0, 0.0);
    store_req_free(req);
}

static void buckets_of_rows_and_of_rollups_agree(void **state)
{
    struct store *s = store_in(state);
    run_expect(s, metrics_batch(DEVICE_ID, 0, 180), ERR_NONE);
    struct store_req *raw = req_make(QUERY_METRICS_BUCKETS, "tiiii", DEVICE_ID, (int64_t)0,
                                     (int64_t)3 * HOUR_MS, (int64_t)HOUR_MS, (int64_t)100);
    struct store_req *hour = rollup_req(3 * HOUR_MS, HOUR_MS, HOUR_MS);
    struct store_req *minute = rollup_req(3 * HOUR_MS, HOUR_MS, MINUTE_MS);
    assert_int_equal(store_run(s, raw), ERR_NONE);
    assert_int_equal(store_run(s, hour), ERR_NONE);
    assert_int_equal(store_run(s, minute), ERR_NONE);
    assert_int_equal(raw->steps[0].row_count, 3);
    check_cpu(raw, 1, 60, 89.5, 60.0, 119.0, 119.0);
    for (unsigned row = 0; row < 3; row++) {
        for (unsigned column = 0; column < query_column_count(QUERY_METRICS_BUCKETS); column++) {
            assert_true(bucket_cell(raw, row, column) == bucket_cell(hour, row, column));
            assert_true(bucket_cell(raw, row, column) == bucket_cell(minute, row, column));
        }
    }
    store_req_free(raw);
    store_req_free(hour);
    store_req_free(minute);
}

static unsigned changes_of(struct store *s, struct store_req *req)
{
    assert_int_equal(store_run(s, req), ERR_NONE);
    unsigned n = req->steps[0].change_count;
    store_req_free(req);
    return n;
}

static void retention_deletes_in_batches_and_leaves_rollups(void **state)
{
    struct store *s = store_in(state);
    run_expect(s, metrics_batch(DEVICE_ID, 0, 100), ERR_NONE);
    int64_t before = 50 * MINUTE_MS;
    assert_int_equal(changes_of(s, req_make(QUERY_METRICS_EXPIRE, "ii", before, (int64_t)30)), 30);
    assert_int_equal(changes_of(s, req_make(QUERY_METRICS_EXPIRE, "ii", before, (int64_t)30)), 20);
    assert_int_equal(changes_of(s, req_make(QUERY_METRICS_EXPIRE, "ii", before, (int64_t)30)), 0);
    assert_int_equal(metrics_count(s, DEVICE_ID), 50);
    struct store_req *req = rollup_req(HOUR_MS, HOUR_MS, HOUR_MS);
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(store_int(store_cell(req, 0, 0, 1)), 60);
    store_req_free(req);
    assert_int_equal(changes_of(s, req_make(QUERY_ROLLUP_EXPIRE, "iii", (int64_t)5 * MINUTE_MS,
                                            (int64_t)100, (int64_t)MINUTE_MS)),
                     5);
    assert_int_equal(changes_of(s, req_make(QUERY_METRICS_PURGE, "ti", DEVICE_ID, (int64_t)40)), 40);
    assert_int_equal(changes_of(s, req_make(QUERY_ROLLUP_PURGE, "ti", DEVICE_ID, (int64_t)1000)),
                     97);
}

static void the_newest_state_survives_retention(void **state)
{
    struct store *s = store_in(state);
    for (int64_t at = 1; at <= 3; at++) {
        run_expect(s,
                   req_make(QUERY_STATE_INSERT, "tttittttti" "it", DEVICE_ID, "Linux", "x86_64",
                            (int64_t)10, "host", "10.0.0.1", "aa:bb", "[]", "[]", at, (int64_t)2,
                            "0.1.0"),
                   ERR_NONE);
    }
    assert_int_equal(changes_of(s, req_make(QUERY_STATE_EXPIRE, "ii", (int64_t)100, (int64_t)10)), 2);
    struct store_req *req = req_make(QUERY_STATE_LATEST, "t", DEVICE_ID);
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(store_int(store_cell(req, 0, 0, 9)), 3);
    store_req_free(req);
}

static void processes_are_found_at_or_before_a_time(void **state)
{
    struct store *s = store_in(state);
    run_expect(s, req_make(QUERY_PROCESS_INSERT, "tit", DEVICE_ID, (int64_t)1000, "[1]"), ERR_NONE);
    run_expect(s, req_make(QUERY_PROCESS_INSERT, "tit", DEVICE_ID, (int64_t)2000, "[2]"), ERR_NONE);
    struct store_req *req =
        req_make(QUERY_PROCESS_AT, "tii", DEVICE_ID, (int64_t)1999, (int64_t)1000);
    assert_int_equal(run_int(s, req), 1000);
    req = req_make(QUERY_PROCESS_AT, "tii", DEVICE_ID, (int64_t)9000, (int64_t)1000);
    req->steps[0].expect = STORE_NO_ROW;
    run_expect(s, req, ERR_NONE);
}

static void deleting_a_principal_takes_its_rows_along(void **state)
{
    struct store *s = store_in(state);
    run_expect(s, metrics_batch(DEVICE_ID, 0, 5), ERR_NONE);
    run_expect(s, req_make(QUERY_BINDING_INSERT, "tttti", DEVICE_ID, "device", "global", "",
                           (int64_t)1),
               ERR_NONE);
    run_expect(s, req_make(QUERY_PRINCIPAL_DELETE, "t", DEVICE_ID), ERR_NONE);
    assert_int_equal(run_int(s, req_make(QUERY_DEVICE_COUNT, "")), 0);
    assert_int_equal(metrics_count(s, DEVICE_ID), 0);
}

static void devices_are_listed_by_filters_and_pages(void **state)
{
    struct store *s = store_in(state);
    fixture_device(s, DEVICE_2);
    run_expect(s, req_make(QUERY_DEVICE_UPDATE, "tttttttii", DEVICE_2, "Boiler Room", "plc",
                           "maintenance", "[]", "[\"site-a\",\"hot\"]", "{}", (int64_t)9,
                           (int64_t)1),
               ERR_NONE);
    const struct {
        const char *status, *connection, *type, *tag, *text, *name, *id;
        unsigned count;
    } cases[] = {
        {NULL, NULL, NULL, NULL, NULL, "", "", 2},
        {"maintenance", "offline", "plc", "\"hot\"", "boiler", "", "", 1},
        {"active", NULL, NULL, NULL, NULL, "", "", 1},
        {NULL, "online", NULL, NULL, NULL, "", "", 0},
        {NULL, NULL, NULL, "\"ho\"", NULL, "", "", 0},
        {NULL, NULL, NULL, NULL, NULL, "Boiler Room", DEVICE_2, 1},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_req *req = req_make(QUERY_DEVICE_LIST, "ttttttti", cases[i].status,
                                         cases[i].connection, cases[i].type, cases[i].tag,
                                         cases[i].text, cases[i].name, cases[i].id, (int64_t)50);
        assert_int_equal(store_run(s, req), ERR_NONE);
        assert_int_equal(req->steps[0].row_count, cases[i].count);
        store_req_free(req);
    }
}

/* --- many requests --- */

struct counted {
    unsigned done;
    unsigned failed;
    unsigned busy;
    unsigned closed;
    unsigned cancelled;
    unsigned order[2000];
};

static void on_done(struct store_req *req)
{
    struct counted *n = req->owner;
    if (n->done < ARRAY_LEN(n->order)) {
        n->order[n->done] = req->row_max;
    }
    n->done++;
    n->failed += req->error != ERR_NONE;
    n->busy += req->error == ERR_STORE_BUSY;
    n->closed += req->error == ERR_STORE_CLOSED;
    n->cancelled += req->error == ERR_STORE_CANCELLED;
    store_req_free(req);
}

/* row_max is used as the request's number. */
static void submit(struct store *s, struct store_req *req, struct counted *n, unsigned number)
{
    req->done = on_done;
    req->owner = n;
    req->row_max = number;
    s->submit(s, req);
}

static void writes_are_answered_in_the_order_submitted(void **state)
{
    struct fixture *f = *state;
    struct counted n = {0};
    for (unsigned i = 0; i < 2000; i++) {
        submit(f->store, metrics_req(DEVICE_ID, (int64_t)i * MINUTE_MS, 1.0), &n, i);
    }
    inbox_run_until(&f->in, &n.done, 2000);
    assert_int_equal(n.failed, 0);
    for (unsigned i = 0; i < 2000; i++) {
        assert_int_equal(n.order[i], i);
    }
    struct store_stats stats;
    f->store->stats(f->store, &stats);
    assert_true(stats.commits < 500); /* the queue was taken in groups */
    assert_true(stats.rows_written >= 2000);
    assert_int_equal(stats.write_waiting, 0);
    assert_int_equal(stats.health, ERR_NONE);
    assert_int_equal(metrics_count(f->store, DEVICE_ID), 2000);
}

static void a_failing_request_does_not_touch_its_neighbours(void **state)
{
    struct fixture *f = *state;
    struct counted n = {0};
    for (unsigned i = 0; i < 300; i++) {
        const char *device = i % 3 == 0 ? DEVICE_2 : DEVICE_ID; /* DEVICE_2 does not exist */
        struct store_req *req = i % 2 == 0 ? metrics_batch(device, (int64_t)i * HOUR_MS, 2)
                                           : metrics_req(device, (int64_t)i * HOUR_MS, 1.0);
        submit(f->store, req, &n, i);
    }
    inbox_run_until(&f->in, &n.done, 300);
    assert_int_equal(n.failed, 100);
    assert_int_equal(metrics_count(f->store, DEVICE_ID), 300);
}

struct producer {
    struct store *store;
    unsigned first;
    unsigned ok;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (unsigned i = 0; i < 200; i++) {
        struct store_req *req = metrics_req(DEVICE_ID, (int64_t)(p->first + i) * MINUTE_MS, 1.0);
        p->ok += store_run(p->store, req) == ERR_NONE && req->steps[0].changed[0] == 1;
        store_req_free(req);
        /* What was acknowledged is seen by a read submitted afterwards. */
        req = req_make(QUERY_METRICS_RANGE, "tiii", DEVICE_ID, (int64_t)(p->first + i) * MINUTE_MS,
                       (int64_t)(p->first + i + 1) * MINUTE_MS, (int64_t)10);
        p->ok += store_run(p->store, req) == ERR_NONE && req->steps[0].row_count == 1;
        store_req_free(req);
    }
    return NULL;
}

static void threads_share_commits_and_see_what_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct producer producers[8];
    pthread_t threads[8];
    for (unsigned i = 0; i < 8; i++) {
        producers[i] = (struct producer){f->store, i * 1000, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(producers[i].ok, 400);
    }
    assert_int_equal(metrics_count(f->store, DEVICE_ID), 1600);
}

static void a_full_queue_answers_busy(void **state)
{
    struct fixture *f = *state;
    struct counted n = {0};
    for (unsigned i = 0; i < 500; i++) {
        submit(f->store, metrics_batch(DEVICE_ID, (int64_t)i * HOUR_MS, 50), &n, i);
    }
    inbox_run_until(&f->in, &n.done, 500);
    assert_true(n.busy > 0);
    assert_int_equal(n.failed, n.busy);
    assert_int_equal(metrics_count(f->store, DEVICE_ID), (500 - n.busy) * 50);
}

static void close_finishes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct counted n = {0};
    for (unsigned i = 0; i < 200; i++) {
        submit(f->store, metrics_req(DEVICE_ID, (int64_t)i * MINUTE_MS, 1.0), &n, i);
    }
    f->store->close(f->store);
    f->store = NULL;
    inbox_run_until(&f->in, &n.done, 200);
    assert_int_equal(n.failed, 0);
}

static void a_cancelled_read_is_answered_and_a_cancelled_write_happens(void **state)
{
    struct fixture *f = *state;
    struct counted n = {0};
    for (unsigned i = 0; i < 50; i++) {
        struct store_req *req = req_make(QUERY_DEVICE_COUNT, "");
        submit(f->store, req, &n, 1);
        f->store->cancel(f->store, req);
    }
    inbox_run_until(&f->in, &n.done, 50);
    assert_int_equal(n.failed, n.cancelled);
    struct store_req *req = metrics_req(DEVICE_ID, 1, 1.0);
    submit(f->store, req, &n, 1);
    f->store->cancel(f->store, req);
    inbox_run_until(&f->in, &n.done, 51);
    assert_int_equal(metrics_count(f->store, DEVICE_ID), 1);
}

static void a_backup_is_a_store_of_its_own(void **state)
{
    struct fixture *f = *state;
    run_expect(f->store, metrics_batch(DEVICE_ID, 0, 50), ERR_NONE);
    char *path = test_path(f->dir, "copy of it's.db");
    assert_int_equal(f->store->backup(f->store, path), ERR_NONE);
    assert_int_equal(f->store->backup(f->store, path), ERR_CONFLICT);
    assert_int_equal(f->store->backup(f->store, "/nowhere/x.db"), ERR_STORE_READ_ONLY);
    run_expect(f->store, metrics_batch(DEVICE_ID, HOUR_MS, 50), ERR_NONE);
    struct store *copy;
    assert_int_equal(
        sqlite_store_open(&(struct sqlite_store_conf){.path = path}, NULL, NULL, &copy), ERR_NONE);
    assert_int_equal(metrics_count(copy, DEVICE_ID), 50);
    copy->close(copy);
    free(path);
}

#define BOTH(test)                                                                                 \
    {"file: " #test, test, open_file, close_store, NULL},                                          \
        {"memory: " #test, test, open_memory, close_store, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_failed_step_undoes_the_steps_before_it),
        BOTH(an_unmet_expectation_is_a_conflict_and_undoes_all),
        BOTH(a_read_step_inside_a_write_sees_the_steps_before_it),
        BOTH(an_update_of_another_version_conflicts),
        BOTH(values_come_back_as_they_went_in),
        BOTH(changed_tells_new_rows_from_duplicates),
        BOTH(rows_over_the_bound_are_cut_and_more_is_set),
        BOTH(returning_gives_numbers_in_commit_order),
        BOTH(lengths_are_held_by_constraints),
        BOTH(rollups_follow_new_rows_only_and_in_any_order),
        BOTH(buckets_of_rows_and_of_rollups_agree),
        BOTH(retention_deletes_in_batches_and_leaves_rollups),
        BOTH(the_newest_state_survives_retention),
        BOTH(processes_are_found_at_or_before_a_time),
        BOTH(deleting_a_principal_takes_its_rows_along),
        BOTH(devices_are_listed_by_filters_and_pages),
        BOTH(writes_are_answered_in_the_order_submitted),
        BOTH(a_failing_request_does_not_touch_its_neighbours),
        BOTH(threads_share_commits_and_see_what_was_acknowledged),
        BOTH(close_finishes_what_is_queued),
        BOTH(a_cancelled_read_is_answered_and_a_cancelled_write_happens),
        BOTH(a_backup_is_a_store_of_its_own),
        {"file: a_full_queue_answers_busy", a_full_queue_answers_busy, open_small_file, close_store,
         NULL},
        {"memory: a_full_queue_answers_busy", a_full_queue_answers_busy, open_small_memory,
         close_store, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
