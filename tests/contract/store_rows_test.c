/* What the queries mean, on every adapter: rollups, buckets, retention, lists, cascades. */
#include "store_fixture.h"

#define DEVICE_2 "01900000-0000-7000-8000-000000000002"
#define HOUR_MS 3600000
#define MINUTE_MS 60000

static struct store *store_in(void **state) { return ((struct store_fixture *)*state)->store; }

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
    assert_int_equal(changes_of(s, req_make(QUERY_METRICS_PURGE, "ti", DEVICE_ID, (int64_t)40)),
                     40);
    assert_int_equal(changes_of(s, req_make(QUERY_ROLLUP_PURGE, "ti", DEVICE_ID, (int64_t)1000)),
                     97);
}

/* The answer under a key, with the position of an event of the same transaction. */
static struct store_req *answer_req(const char *key, int64_t now, bool logged)
{
    static const uint8_t hash[32] = {1};
    struct store_req *req = store_req_new(0, logged ? 2 : 1, NULL, NULL);
    unsigned at = logged;
    if (logged) {
        req_add(req, 0, QUERY_EVENT_INSERT, "tittt", DEVICE_2, (int64_t)1, "t", "x", "{}");
    }
    req_add(req, at, QUERY_IDEMPOTENCY_INSERT, "tttbitii", DEVICE_2, "/route", key, hash,
            (int64_t)200, "{}", now, (int64_t)logged);
    req->steps[at].expect = STORE_SOME;
    return req;
}

/* The position of the answer, 0 without one; -1: there is no answer. */
static int64_t answer_of(struct store *s, const char *key)
{
    struct store_req *req = req_make(QUERY_IDEMPOTENCY_GET, "ttt", DEVICE_2, "/route", key);
    assert_int_equal(store_run(s, req), ERR_NONE);
    int64_t n = req->steps[0].row_count == 0 ? -1 : store_int(store_cell(req, 0, 0, 4));
    store_req_free(req);
    return n;
}

static void an_answer_is_stored_once_with_what_was_logged_and_expires(void **state)
{
    struct store *s = store_in(state);
    run_expect(s, answer_req("a", 10, true), ERR_NONE);
    run_expect(s, answer_req("b", 20, false), ERR_NONE);
    run_expect(s, answer_req("c", 30, true), ERR_NONE);
    run_expect(s, answer_req("a", 40, true), ERR_CONFLICT); /* nor is its event */
    assert_int_equal(answer_of(s, "a"), 1);
    assert_int_equal(answer_of(s, "b"), 0);
    assert_int_equal(answer_of(s, "c"), 2);
    assert_int_equal(answer_of(s, "d"), -1);
    assert_int_equal(changes_of(s, req_make(QUERY_IDEMPOTENCY_EXPIRE, "ii", (int64_t)30,
                                            (int64_t)1)),
                     1);
    assert_int_equal(answer_of(s, "a"), -1);
    assert_int_equal(changes_of(s, req_make(QUERY_IDEMPOTENCY_EXPIRE, "ii", (int64_t)30,
                                            (int64_t)10)),
                     1);
    assert_int_equal(answer_of(s, "c"), 2);
}

static void the_newest_state_survives_retention(void **state)
{
    struct store *s = store_in(state);
    for (int64_t at = 1; at <= 3; at++) {
        run_expect(s,
                   req_make(QUERY_STATE_INSERT, "tttitttttiit", DEVICE_ID, "Linux", "x86_64",
                            (int64_t)10, "host", "10.0.0.1", "aa:bb", "[]", "[]", at, (int64_t)2,
                            "0.1.0"),
                   ERR_NONE);
    }
    assert_int_equal(changes_of(s, req_make(QUERY_STATE_EXPIRE, "ii", (int64_t)100, (int64_t)10)),
                     2);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(rollups_follow_new_rows_only_and_in_any_order),
        ON_BOTH(buckets_of_rows_and_of_rollups_agree),
        ON_BOTH(retention_deletes_in_batches_and_leaves_rollups),
        ON_BOTH(an_answer_is_stored_once_with_what_was_logged_and_expires),
        ON_BOTH(the_newest_state_survives_retention),
        ON_BOTH(processes_are_found_at_or_before_a_time),
        ON_BOTH(deleting_a_principal_takes_its_rows_along),
        ON_BOTH(devices_are_listed_by_filters_and_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
