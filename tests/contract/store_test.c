/*
 * The contract of ports/store.h, run on every adapter: a SQLite file and SQLite in memory. What
 * the queries mean is in store_rows_test.c; what only a file has (damage, full disks, crashes)
 * in store_open_test.c, store_fault_test.c and store_crash_test.c.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICE_2 "01900000-0000-7000-8000-000000000002"
#define HOUR_MS 3600000
#define MINUTE_MS 60000

static struct store *store_in(void **state) { return ((struct store_fixture *)*state)->store; }

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
               req_make(QUERY_CREDENTIAL_INSERT, "tttbttnni", DEVICE_2, DEVICE_ID, "device_key",
                        hash, "", NULL, (int64_t)1234567890123),
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
    struct store_req *req =
        req_make(QUERY_EVENT_INSERT, "tittt", DEVICE_2, (int64_t)1, "t", "x", "{}");
    assert_int_equal(run_int(s, req), 4);
}

static int64_t oldest_event(struct store *s)
{
    return run_int(s, req_make(QUERY_EVENT_BOUNDS, ""));
}

static void the_event_log_expires_from_its_old_end_and_keeps_its_newest(void **state)
{
    struct store *s = store_in(state);
    static const int64_t times[] = {1, 2, 30, 3, 4};
    for (unsigned i = 0; i < ARRAY_LEN(times); i++) {
        struct store_req *req =
            req_make(QUERY_EVENT_INSERT, "tittt", DEVICE_2, times[i], "t", "x", "{}");
        assert_int_equal(run_int(s, req), i + 1);
    }
    run_expect(s, req_make(QUERY_EVENT_EXPIRE, "ii", (int64_t)10, (int64_t)1), ERR_NONE);
    assert_int_equal(oldest_event(s), 2); /* one at a time */
    run_expect(s, req_make(QUERY_EVENT_EXPIRE, "ii", (int64_t)10, (int64_t)10), ERR_NONE);
    run_expect(s, req_make(QUERY_EVENT_EXPIRE, "ii", (int64_t)10, (int64_t)10), ERR_NONE);
    assert_int_equal(oldest_event(s), 3); /* the clock went back after it: no hole behind it */
    run_expect(s, req_make(QUERY_EVENT_EXPIRE, "ii", (int64_t)100, (int64_t)10), ERR_NONE);
    assert_int_equal(oldest_event(s), 5);
    struct store_req *req =
        req_make(QUERY_EVENT_INSERT, "tittt", DEVICE_2, (int64_t)1, "t", "x", "{}");
    assert_int_equal(run_int(s, req), 6);
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
    struct store_fixture *f = *state;
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
    uint64_t timed = 0;
    for (unsigned i = 0; i < STORE_COMMIT_BUCKETS; i++) {
        timed += stats.commit_buckets[i];
    }
    assert_int_equal(timed, stats.commits);
    assert_true(stats.commit_ns_sum >= stats.commit_ns_last);
    assert_true(stats.rows_written >= 2000);
    assert_int_equal(stats.write_waiting, 0);
    assert_int_equal(stats.health, ERR_NONE);
    assert_int_equal(metrics_count(f->store, DEVICE_ID), 2000);
}

static void a_failing_request_does_not_touch_its_neighbours(void **state)
{
    struct store_fixture *f = *state;
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

struct numbered {
    unsigned done;
    unsigned conflicts;
    int64_t last; /* number of the newest event that was answered */
};

static void on_numbered(struct store_req *req)
{
    struct numbered *n = req->owner;
    n->done++;
    if (req->error == ERR_NONE) {
        assert_int_equal(req->steps[0].row_count, 1); /* also when it was run twice */
        assert_int_equal(store_int(store_cell(req, 0, 0, 0)), n->last + 1);
        n->last++;
    } else {
        assert_int_equal(req->error, ERR_CONFLICT);
        assert_int_equal(req->steps[0].row_count, 0);
        n->conflicts++;
    }
    store_req_free(req);
}

/* Requests of several steps of which some fail behind their first: what they had done is undone,
 * and what shared their commit is done once. */
static void what_fails_among_others_leaves_nothing_and_repeats_nothing(void **state)
{
    struct store_fixture *f = *state;
    struct numbered n = {0};
    for (unsigned i = 0; i < 1200; i++) {
        char name[20];
        snprintf(name, sizeof name, "once-%u", i % 97 == 50 ? 0 : i);
        struct store_req *req = store_req_new(0, 3, on_numbered, &n);
        req_add(req, 0, QUERY_EVENT_INSERT, "tittt", DEVICE_ID, (int64_t)i, "device:updated",
                "device/1", "{}");
        req_add(req, 1, QUERY_META_INSERT, "tt", name, "1");
        req->steps[1].expect = STORE_SOME; /* unless it is there already */
        req_add(req, 2, QUERY_META_PUT, "tt", "newest", name);
        f->store->submit(f->store, req);
    }
    inbox_run_until(&f->in, &n.done, 1200);
    assert_int_equal(n.conflicts, 12);
    struct store_req *req = req_make(QUERY_EVENT_BOUNDS, "");
    assert_int_equal(store_run(f->store, req), ERR_NONE);
    assert_int_equal(store_int(store_cell(req, 0, 0, 1)), 1200 - 12);
    store_req_free(req);
    req = req_make(QUERY_META_GET, "t", "newest");
    assert_int_equal(store_run(f->store, req), ERR_NONE);
    assert_true(span_eq(store_text(store_cell(req, 0, 0, 0)), SPAN("once-1199")));
    store_req_free(req);
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
    struct store_fixture *f = *state;
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
    struct store_fixture *f = *state;
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
    struct store_fixture *f = *state;
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
    struct store_fixture *f = *state;
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

static unsigned row_count(struct store *s, struct store_req *req)
{
    assert_int_equal(store_run(s, req), ERR_NONE);
    unsigned n = req->steps[0].row_count;
    store_req_free(req);
    return n;
}

static void a_backup_is_a_store_of_its_own(void **state)
{
    struct store_fixture *f = *state;
    char pid[44] = "0123456789abcdefghijABCDEFGHIJ0123456789abc";
    run_expect(f->store, req_make(QUERY_META_PUT, "tt", STORE_META_EPOCH, "1"), ERR_NONE);
    run_expect(f->store, req_make(QUERY_META_PUT, "tt", "other", "2"), ERR_NONE);
    run_expect(f->store,
               req_make(QUERY_RECOVERY_PUT, "ttttiiii", pid, DEVICE_ID, "w", "{}", INT64_C(1),
                        INT64_C(2), INT64_C(1), INT64_MAX),
               ERR_NONE);
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
    /* The copy's events will have other numbers than ours, and nobody was cut off from it. */
    struct store *stores[] = {f->store, copy};
    for (unsigned i = 0; i < 2; i++) {
        unsigned own = i == 0;
        assert_int_equal(row_count(stores[i], req_make(QUERY_META_GET, "t", STORE_META_EPOCH)),
                         own);
        assert_int_equal(row_count(stores[i], req_make(QUERY_META_GET, "t", "other")), 1);
        assert_int_equal(row_count(stores[i], req_make(QUERY_RECOVERY_GET, "tti", pid, DEVICE_ID,
                                                       INT64_C(0))),
                         own);
    }
    copy->close(copy);
    free(path);
}

static void the_oldest_events_go_first(void **state)
{
    struct store_fixture *f = *state;
    for (int64_t i = 1; i <= 20; i++) {
        struct store_req *req = req_make(QUERY_EVENT_INSERT, "tittt", DEVICE_ID, i,
                                         "device:updated", "device/x/events", "{}");
        run_expect(f->store, req, ERR_NONE);
    }
    for (unsigned i = 0; i < 2; i++) { /* in batches of 8, until 5 stay */
        run_expect(f->store, req_make(QUERY_EVENT_TRIM, "ii", INT64_C(5), INT64_C(8)), ERR_NONE);
    }
    struct store_req *req = req_make(QUERY_EVENT_BOUNDS, "");
    assert_int_equal(store_run(f->store, req), ERR_NONE);
    assert_int_equal(store_int(store_cell(req, 0, 0, 1)) - store_int(store_cell(req, 0, 0, 0)), 4);
    store_req_free(req);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_failed_step_undoes_the_steps_before_it),
        ON_BOTH(an_unmet_expectation_is_a_conflict_and_undoes_all),
        ON_BOTH(a_read_step_inside_a_write_sees_the_steps_before_it),
        ON_BOTH(an_update_of_another_version_conflicts),
        ON_BOTH(values_come_back_as_they_went_in),
        ON_BOTH(changed_tells_new_rows_from_duplicates),
        ON_BOTH(rows_over_the_bound_are_cut_and_more_is_set),
        ON_BOTH(returning_gives_numbers_in_commit_order),
        ON_BOTH(the_event_log_expires_from_its_old_end_and_keeps_its_newest),
        ON_BOTH(lengths_are_held_by_constraints),
        ON_BOTH(writes_are_answered_in_the_order_submitted),
        ON_BOTH(a_failing_request_does_not_touch_its_neighbours),
        ON_BOTH(what_fails_among_others_leaves_nothing_and_repeats_nothing),
        ON_BOTH(threads_share_commits_and_see_what_was_acknowledged),
        ON_BOTH(close_finishes_what_is_queued),
        ON_BOTH(a_cancelled_read_is_answered_and_a_cancelled_write_happens),
        ON_BOTH(a_backup_is_a_store_of_its_own),
        ON_BOTH(the_oldest_events_go_first),
        {"file: a_full_queue_answers_busy", a_full_queue_answers_busy, fixture_small_file,
         fixture_close, NULL},
        {"memory: a_full_queue_answers_busy", a_full_queue_answers_busy, fixture_small_memory,
         fixture_close, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
