/* Telemetry in the store, on every adapter: what was acknowledged is read once, wherever it is. */
#include "store_fixture.h"

#include <stdio.h>

#define DEVICE_2 "01900000-0000-7000-8000-000000000002"
#define MINUTE_MS 60000
#define HOUR_MS 3600000
#define NOW 100000000

static struct store *store_in(void **state) { return ((struct store_fixture *)*state)->store; }

static struct store_req *sample(const char *device, const char *sensor, int64_t at, double value,
                                const char *sample_id)
{
    return req_make(QUERY_TELEMETRY_APPEND, "ttrttiit", device, sensor, value, "C", NULL, at,
                    (int64_t)NOW, sample_id);
}

/* How many of the request's rows were new. */
static unsigned put(struct store *s, struct store_req *req)
{
    assert_int_equal(store_run(s, req), ERR_NONE);
    unsigned n = req->steps[0].change_count;
    store_req_free(req);
    return n;
}

static struct store_req *range(struct store *s, const char *device, const char *sensor,
                               int64_t from, int64_t to, int64_t after, int64_t key, int64_t limit)
{
    struct store_req *req = req_make(QUERY_TELEMETRY_RANGE, "ttiiiii", device, sensor, from, to,
                                     after, key, limit);
    assert_int_equal(store_run(s, req), ERR_NONE);
    return req;
}

static unsigned count(struct store *s, const char *device, const char *sensor)
{
    struct store_req *req = range(s, device, sensor, 0, INT64_MAX, 0, 0, 10000);
    unsigned n = req->steps[0].row_count;
    store_req_free(req);
    return n;
}

static double cell(const struct store_req *req, unsigned row, unsigned column)
{
    return store_real(store_cell(req, 0, row, column));
}

static void check_text(const struct store_req *req, unsigned row, unsigned column, const char *text)
{
    assert_true(span_eq(store_text(store_cell(req, 0, row, column)), span_str(text)));
}

static void samples_are_read_by_sensor_and_time(void **state)
{
    struct store *s = store_in(state);
    assert_int_equal(put(s, sample(DEVICE_ID, "temp", 3000, 3.5, NULL)), 1);
    assert_int_equal(put(s, sample(DEVICE_ID, "temp", 1000, 1.5, NULL)), 1);
    assert_int_equal(put(s, sample(DEVICE_ID, "hum", 2000, 40, "x")), 1);
    struct store_req *req = range(s, DEVICE_ID, "temp", 1000, 3000, 0, 0, 10);
    assert_int_equal(req->steps[0].row_count, 1);
    check_text(req, 0, 1, "temp");
    assert_int_equal(store_int(store_cell(req, 0, 0, 2)), 1000);
    assert_true(cell(req, 0, 3) == 1.5);
    check_text(req, 0, 4, "C");
    assert_int_equal(store_cell(req, 0, 0, 5)->type, STORE_NULL);
    assert_int_equal(store_cell(req, 0, 0, 6)->type, STORE_NULL);
    store_req_free(req);
    req = range(s, DEVICE_ID, "", 0, 9000, 0, 0, 10);
    assert_int_equal(req->steps[0].row_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(store_int(store_cell(req, 0, i, 2)), 1000 * (i + 1));
    }
    check_text(req, 1, 6, "x");
    store_req_free(req);
    assert_int_equal(count(s, DEVICE_2, ""), 0);
}

static void pages_follow_each_other_without_a_hole(void **state)
{
    struct store *s = store_in(state);
    for (int i = 0; i < 50; i++) { /* many of one time, over the pages' ends */
        put(s, sample(DEVICE_ID, i % 3 == 0 ? "a" : "b", 1000 + i / 20, i, NULL));
    }
    int64_t at = 0;
    int64_t key = 0;
    unsigned seen = 0;
    bool values[50] = {false};
    for (unsigned rows = 7; rows == 7;) {
        struct store_req *req = range(s, DEVICE_ID, "", 500, 5000, at, key, 7);
        rows = req->steps[0].row_count;
        for (unsigned i = 0; i < rows; i++, seen++) {
            int64_t row_key = store_int(store_cell(req, 0, i, 0));
            int64_t row_at = store_int(store_cell(req, 0, i, 2));
            assert_true(row_at > at || (row_at == at && row_key > key));
            at = row_at;
            key = row_key;
            unsigned value = (unsigned)cell(req, i, 3);
            assert_false(values[value]);
            values[value] = true;
        }
        store_req_free(req);
    }
    assert_int_equal(seen, 50);
}

static void a_sample_with_an_id_is_stored_once(void **state)
{
    struct store *s = store_in(state);
    fixture_device(s, DEVICE_2);
    assert_int_equal(put(s, sample(DEVICE_ID, "temp", 1000, 1, "x")), 1);
    assert_int_equal(put(s, sample(DEVICE_ID, "temp", 1000, 1, "x")), 0);
    assert_int_equal(put(s, sample(DEVICE_ID, "other", 1000, 1, "x")), 0);
    assert_int_equal(put(s, sample(DEVICE_ID, "temp", 1001, 1, "x")), 1);
    assert_int_equal(put(s, sample(DEVICE_2, "temp", 1000, 1, "x")), 1);
    assert_int_equal(put(s, sample(DEVICE_ID, "temp", 1000, 1, NULL)), 1);
    assert_int_equal(put(s, sample(DEVICE_ID, "temp", 1000, 1, NULL)), 1);
    assert_int_equal(count(s, DEVICE_ID, ""), 4);
}

static void the_newest_of_each_sensor_is_known(void **state)
{
    struct store *s = store_in(state);
    put(s, sample(DEVICE_ID, "temp", 5000, 5, "e"));
    put(s, sample(DEVICE_ID, "temp", 4000, 4, NULL));
    put(s, sample(DEVICE_ID, "temp", 5000, 6, NULL)); /* not newer */
    put(s, sample(DEVICE_ID, "hum", 1000, 40, NULL));
    struct store_req *req = req_make(QUERY_TELEMETRY_LATEST, "ti", DEVICE_ID, (int64_t)10);
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 2);
    check_text(req, 0, 0, "hum");
    check_text(req, 1, 0, "temp");
    assert_true(cell(req, 1, 1) == 5);
    assert_int_equal(store_int(store_cell(req, 0, 1, 4)), 5000);
    check_text(req, 1, 5, "e");
    store_req_free(req);
}

/* sensor_type, unit, bucket, n, avg, min, max, last */
static void check_bucket(const struct store_req *req, unsigned row, int64_t bucket, int n,
                         double avg, double min, double max, double last)
{
    assert_int_equal(store_int(store_cell(req, 0, row, 2)), bucket);
    assert_int_equal(store_int(store_cell(req, 0, row, 3)), n);
    assert_true(cell(req, row, 4) == avg);
    assert_true(cell(req, row, 5) == min);
    assert_true(cell(req, row, 6) == max);
    assert_true(cell(req, row, 7) == last);
}

static void check_buckets(struct store_req *req, struct store *s)
{
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 3);
    check_text(req, 0, 0, "hum");
    check_bucket(req, 0, HOUR_MS, 1, 40, 40, 40, 40);
    check_text(req, 1, 0, "temp");
    check_bucket(req, 1, 0, 2, 5, 2, 8, 2);
    check_bucket(req, 2, HOUR_MS, 1, 7, 7, 7, 7);
    store_req_free(req);
}

static void buckets_of_rows_and_of_rollups_agree(void **state)
{
    struct store *s = store_in(state);
    put(s, sample(DEVICE_ID, "temp", 50 * MINUTE_MS, 2, NULL));
    put(s, sample(DEVICE_ID, "temp", 10 * MINUTE_MS, 8, NULL)); /* late */
    put(s, sample(DEVICE_ID, "temp", 70 * MINUTE_MS, 7, "x"));
    put(s, sample(DEVICE_ID, "temp", 70 * MINUTE_MS, 9, "x")); /* re-sent */
    put(s, sample(DEVICE_ID, "hum", 70 * MINUTE_MS, 40, NULL));
    check_buckets(req_make(QUERY_TELEMETRY_BUCKETS, "ttiiii", DEVICE_ID, "", (int64_t)0,
                           (int64_t)2 * HOUR_MS, (int64_t)HOUR_MS, (int64_t)100),
                  s);
    for (int64_t resolution = MINUTE_MS; resolution <= HOUR_MS; resolution *= 60) {
        check_buckets(req_make(QUERY_TELEMETRY_ROLLUP_BUCKETS, "ttiiiii", DEVICE_ID, "", (int64_t)0,
                               (int64_t)2 * HOUR_MS, (int64_t)HOUR_MS, (int64_t)100, resolution),
                      s);
    }
}

static void telemetry_goes_with_its_device(void **state)
{
    struct store *s = store_in(state);
    fixture_device(s, DEVICE_2);
    assert_int_equal(put(s, sample("01900000-0000-7000-8000-000000000009", "a", 1, 1, NULL)), 0);
    put(s, sample(DEVICE_2, "a", 1000, 1, NULL));
    put(s, sample(DEVICE_ID, "a", 1000, 1, "x"));
    put(s, sample(DEVICE_ID, "a", 2000, 1, NULL));
    run_expect(s, req_make(QUERY_PRINCIPAL_DELETE, "t", DEVICE_ID), ERR_NONE);
    assert_int_equal(put(s, sample(DEVICE_ID, "a", 3000, 1, NULL)), 0);
    fixture_device(s, DEVICE_ID); /* one of the same name is another one */
    assert_int_equal(count(s, DEVICE_ID, ""), 0);
    assert_int_equal(put(s, sample(DEVICE_ID, "a", 1000, 1, "x")), 1);
    assert_int_equal(count(s, DEVICE_ID, ""), 1);
    assert_int_equal(count(s, DEVICE_2, ""), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(samples_are_read_by_sensor_and_time),
        ON_BOTH(pages_follow_each_other_without_a_hole),
        ON_BOTH(a_sample_with_an_id_is_stored_once),
        ON_BOTH(the_newest_of_each_sensor_is_known),
        ON_BOTH(buckets_of_rows_and_of_rollups_agree),
        ON_BOTH(telemetry_goes_with_its_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
