/* Telemetry in the store, on every adapter: what was acknowledged is read once, wherever it is. */
#include "store_fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define DEVICE_2 "01900000-0000-7000-8000-000000000002"
#define MINUTE_MS 60000
#define HOUR_MS 3600000
#define NOW 100000000

static bool settles;

static struct store *store_in(void **state)
{
    const struct store_fixture *f = *state;
    settles = f->settles;
    return f->store;
}

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
    if (settles) {
        wait_settled(s);
    }
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

/* --- against a model --- */

#define SAMPLES 3000
#define SENSORS 3
#define MINUTES 130

struct cell_model {
    int n;
    double sum, min, max, last;
    int64_t last_at;
};

struct model {
    struct cell_model minutes[SENSORS][MINUTES];
    bool ids[SAMPLES];
    unsigned rows;
};

static const char *const sensors[SENSORS] = {"a", "b", "c"};

static void model_add(struct model *m, unsigned sensor, int64_t at, double value)
{
    struct cell_model *c = &m->minutes[sensor][at / MINUTE_MS];
    c->last = c->n == 0 || at > c->last_at ? value : c->last;
    c->last_at = c->n == 0 || at > c->last_at ? at : c->last_at;
    c->min = c->n == 0 || value < c->min ? value : c->min;
    c->max = c->n == 0 || value > c->max ? value : c->max;
    c->sum += value;
    c->n++;
    m->rows++;
}

/* Values are small integers, so that sums are exact in any order. */
static void check_model(const struct model *m, struct store_req *req, struct store *s)
{
    req->row_max = 100000;
    assert_int_equal(store_run(s, req), ERR_NONE);
    unsigned row = 0;
    for (unsigned sensor = 0; sensor < SENSORS; sensor++) {
        for (unsigned i = 0; i < MINUTES; i++) {
            const struct cell_model *c = &m->minutes[sensor][i];
            if (c->n > 0) {
                check_text(req, row, 0, sensors[sensor]);
                check_bucket(req, row++, (int64_t)i * MINUTE_MS, c->n, c->sum / c->n, c->min,
                             c->max, c->last);
            }
        }
    }
    assert_int_equal(req->steps[0].row_count, row);
    store_req_free(req);
}

static void check_all(const struct model *m, struct store *s)
{
    int64_t to = (int64_t)MINUTES * MINUTE_MS;
    assert_int_equal(count(s, DEVICE_ID, ""), m->rows);
    check_model(m,
                req_make(QUERY_TELEMETRY_BUCKETS, "ttiiii", DEVICE_ID, "", (int64_t)0, to,
                         (int64_t)MINUTE_MS, (int64_t)10000),
                s);
    check_model(m,
                req_make(QUERY_TELEMETRY_ROLLUP_BUCKETS, "ttiiiii", DEVICE_ID, "", (int64_t)0, to,
                         (int64_t)MINUTE_MS, (int64_t)10000, (int64_t)MINUTE_MS),
                s);
}

static void rollups_say_what_the_rows_say_in_any_order(void **state)
{
    struct store *s = store_in(state);
    struct model *m = calloc(1, sizeof *m);
    srand48(7);
    for (unsigned i = 0; i < SAMPLES;) {
        unsigned batch = 1 + (unsigned)(lrand48() % 500);
        batch = batch < SAMPLES - i ? batch : SAMPLES - i;
        struct store_req *req = store_req_new(0, 1, NULL, NULL);
        store_step_init(req, 0, QUERY_TELEMETRY_APPEND, batch);
        for (unsigned set = 0; set < batch; set++, i++) {
            unsigned id = (unsigned)(lrand48() % SAMPLES); /* some come again, in any batch */
            unsigned sensor = id % SENSORS;
            int64_t at = id % 7 == 0 ? id / 7 * 10 : (int64_t)id * MINUTES * MINUTE_MS / SAMPLES;
            char name[20];
            snprintf(name, sizeof name, "s%u", id);
            store_set_text(req, 0, set, 0, SPAN(DEVICE_ID));
            store_set_text(req, 0, set, 1, span_str(sensors[sensor]));
            store_set_real(req, 0, set, 2, id % 100);
            store_set_text(req, 0, set, 3, SPAN("C"));
            store_set_text(req, 0, set, 4, SPAN("{\"a\":1}"));
            store_set_int(req, 0, set, 5, at);
            store_set_int(req, 0, set, 6, NOW);
            store_set_text(req, 0, set, 7, span_str(name));
            if (!m->ids[id]) {
                model_add(m, sensor, at, id % 100);
            }
            m->ids[id] = true;
        }
        put(s, req);
        check_all(m, s);
    }
    free(m);
}

/* --- an end --- */

static unsigned expire(struct store *s, int64_t before, int64_t limit, unsigned *next)
{
    struct store_req *req = store_req_new(0, 2, NULL, NULL);
    req_add(req, 0, QUERY_TELEMETRY_EXPIRE, "ii", before, limit);
    req_add(req, 1, QUERY_TELEMETRY_EXPIRE_NEXT, "ii", before, limit);
    assert_int_equal(store_run(s, req), ERR_NONE);
    unsigned n = req->steps[0].change_count;
    *next = req->steps[1].change_count;
    store_req_free(req);
    return n;
}

/* As retention does; how many went. */
static unsigned expire_all(struct store *s, int64_t before)
{
    unsigned gone = 0;
    for (unsigned next = 1, n = 1, i = 0; n + next > 0; i++, gone += n) {
        n = expire(s, before, 7, &next);
        assert_true(n <= 7 && i < 1000);
    }
    return gone;
}

static void retention_takes_the_oldest_of_all_series(void **state)
{
    struct store *s = store_in(state);
    fixture_device(s, DEVICE_2);
    for (int i = 0; i < 40; i++) {
        put(s, sample(i % 2 == 0 ? DEVICE_ID : DEVICE_2, i % 3 == 0 ? "a" : "b",
                      (int64_t)i * 20 * MINUTE_MS, i, NULL));
    }
    wait_settled(s);
    unsigned next;
    assert_int_equal(expire(s, INT64_MAX, 100, &next), 3); /* those of the oldest hour */
    assert_int_equal(expire_all(s, (int64_t)30 * 20 * MINUTE_MS), 27);
    assert_int_equal(count(s, DEVICE_ID, "") + count(s, DEVICE_2, ""), 10);
    put(s, sample(DEVICE_2, "b", 5, 1, NULL)); /* late, and old */
    wait_settled(s);
    assert_int_equal(expire_all(s, 1000), 1);
    assert_int_equal(expire_all(s, INT64_MAX), 10);
    struct store_req *req = req_make(QUERY_TELEMETRY_LATEST, "ti", DEVICE_2, (int64_t)10);
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 2); /* the last value is known however old it is */
    store_req_free(req);
    put(s, sample(DEVICE_2, "b", 6, 1, NULL)); /* a series that was empty */
    wait_settled(s);
    assert_int_equal(expire_all(s, 1000), 1);
    req = req_make(QUERY_TELEMETRY_ROLLUP_EXPIRE, "iii", (int64_t)2 * HOUR_MS, (int64_t)100,
                   (int64_t)HOUR_MS);
    assert_int_equal(put(s, req), 6);
}

static void a_device_is_purged_in_batches(void **state)
{
    struct store *s = store_in(state);
    fixture_device(s, DEVICE_2);
    for (int i = 0; i < 30; i++) {
        const char *device = i < 20 ? DEVICE_ID : DEVICE_2;
        put(s, sample(device, i % 2 == 0 ? "a" : "b", i * MINUTE_MS, 1, "x"));
    }
    wait_settled(s);
    assert_int_equal(put(s, req_make(QUERY_TELEMETRY_PURGE, "ti", DEVICE_ID, (int64_t)15)), 15);
    assert_int_equal(put(s, req_make(QUERY_TELEMETRY_PURGE, "ti", DEVICE_ID, (int64_t)15)), 5);
    assert_int_equal(put(s, req_make(QUERY_TELEMETRY_PURGE, "ti", DEVICE_ID, (int64_t)15)), 0);
    assert_int_equal(put(s, req_make(QUERY_TELEMETRY_ROLLUP_PURGE, "ti", DEVICE_ID, (int64_t)99)),
                     22);
    run_expect(s, req_make(QUERY_PRINCIPAL_DELETE, "t", DEVICE_ID), ERR_NONE);
    assert_int_equal(count(s, DEVICE_ID, ""), 0);
    assert_int_equal(count(s, DEVICE_2, ""), 10);
}

static void each_unit_is_a_series_of_its_own(void **state)
{
    struct store *s = store_in(state);
    put(s, sample(DEVICE_ID, "temp", 1000, 20, NULL));
    put(s, req_make(QUERY_TELEMETRY_APPEND, "ttrttiit", DEVICE_ID, "temp", 68.0, "F", "{}",
                    (int64_t)2000, (int64_t)NOW, NULL));
    struct store_req *req = req_make(QUERY_TELEMETRY_BUCKETS, "ttiiii", DEVICE_ID, "temp",
                                     (int64_t)0, (int64_t)HOUR_MS, (int64_t)HOUR_MS, (int64_t)9);
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 2);
    check_text(req, 0, 1, "C");
    check_bucket(req, 0, 0, 1, 20, 20, 20, 20);
    check_text(req, 1, 1, "F");
    store_req_free(req);
    req = req_make(QUERY_TELEMETRY_LATEST, "ti", DEVICE_ID, (int64_t)10);
    assert_int_equal(store_run(s, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 1);
    check_text(req, 0, 2, "F");
    check_text(req, 0, 3, "{}");
    store_req_free(req);
    assert_int_equal(count(s, DEVICE_ID, "temp"), 2);
}

/* --- while it is settled --- */

struct reading {
    struct store *store;
    _Atomic unsigned acked; /* samples */
    _Atomic bool stop;
    _Atomic unsigned reads;
};

/* A sum of n from the rollups and the number of rows: neither less than was acknowledged before,
 * nor any sample twice. */
static void *read_on(void *arg)
{
    struct reading *r = arg;
    for (; !r->stop; r->reads++) {
        unsigned before = r->acked;
        struct store_req *req = req_make(QUERY_TELEMETRY_ROLLUP_BUCKETS, "ttiiiii", DEVICE_ID, "",
                                         (int64_t)0, (int64_t)HOUR_MS, (int64_t)HOUR_MS,
                                         (int64_t)10, (int64_t)MINUTE_MS);
        assert_int_equal(store_run(r->store, req), ERR_NONE);
        int64_t n = 0;
        for (unsigned i = 0; i < req->steps[0].row_count; i++) {
            n += store_int(store_cell(req, 0, i, 3));
        }
        store_req_free(req);
        assert_true(n >= before);
        req = req_make(QUERY_TELEMETRY_RANGE, "ttiiiii", DEVICE_ID, "", (int64_t)0,
                       (int64_t)HOUR_MS, (int64_t)0, (int64_t)0, (int64_t)100000);
        req->row_max = 100000;
        assert_int_equal(store_run(r->store, req), ERR_NONE);
        assert_true(req->steps[0].row_count >= n);
        for (unsigned i = 0; i < req->steps[0].row_count; i++) { /* value i is at time i */
            assert_int_equal(store_int(store_cell(req, 0, i, 2)), i);
        }
        store_req_free(req);
    }
    return NULL;
}

static void readers_see_each_sample_once_at_any_moment(void **state)
{
    struct store *s = store_in(state);
    struct reading r = {.store = s};
    pthread_t thread;
    fixture_device(s, DEVICE_2);
    assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
    for (unsigned i = 0; i < 4000 || r.reads < 20;) {
        unsigned batch = 1 + i % 40;
        struct store_req *req = store_req_new(0, 1, NULL, NULL);
        store_step_init(req, 0, QUERY_TELEMETRY_APPEND, 2 * batch);
        for (unsigned set = 0; set < 2 * batch; set++) { /* of one device, and of another */
            store_set_text(req, 0, set, 0, span_str(set < batch ? DEVICE_ID : DEVICE_2));
            store_set_text(req, 0, set, 1, span_str(sensors[(i + set) % SENSORS]));
            store_set_real(req, 0, set, 2, i + set);
            store_set_text(req, 0, set, 3, SPAN("C"));
            store_set_int(req, 0, set, 5, i + set % batch);
            store_set_int(req, 0, set, 6, NOW);
        }
        run_expect(s, req, ERR_NONE);
        i += batch;
        r.acked = i;
        if (i % 1000 < batch) { /* what a round may have in memory goes */
            run_expect(s, req_make(QUERY_PRINCIPAL_DELETE, "t", DEVICE_2), ERR_NONE);
            fixture_device(s, DEVICE_2);
            assert_int_equal(count(s, DEVICE_2, ""), 0);
        }
    }
    r.stop = true;
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH_SETTLED_TOO(samples_are_read_by_sensor_and_time),
        ON_BOTH_SETTLED_TOO(pages_follow_each_other_without_a_hole),
        ON_BOTH_SETTLED_TOO(a_sample_with_an_id_is_stored_once),
        ON_BOTH_SETTLED_TOO(the_newest_of_each_sensor_is_known),
        ON_BOTH_SETTLED_TOO(buckets_of_rows_and_of_rollups_agree),
        ON_BOTH_SETTLED_TOO(telemetry_goes_with_its_device),
        ON_BOTH_SETTLED_TOO(each_unit_is_a_series_of_its_own),
        ON_BOTH_SETTLED_TOO(rollups_say_what_the_rows_say_in_any_order),
        ON_SETTLING(retention_takes_the_oldest_of_all_series),
        ON_SETTLING(a_device_is_purged_in_batches),
        ON_SETTLING(readers_see_each_sample_once_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
