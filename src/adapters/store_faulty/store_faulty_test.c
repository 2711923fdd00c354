#include "adapters/store_faulty/store_faulty.h"

#include "adapters/store_sqlite/store_sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    struct post post;
    struct store_faulty *faulty;
    struct store *store;
    unsigned done;
    err last;
};

/* Answers come on the store's thread; close() joins it, so the counters are read after that or
 * after store_run(). */
static void on_send(struct post *self, unsigned loop, struct mail *m) { m->run(m); }

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.post = {.send = on_send, .loop_count = 1}};
    struct store *inner;
    struct sqlite_store_conf conf = {.path = ":memory:"};
    assert_int_equal(sqlite_store_open(&conf, &f.post, NULL, &inner), ERR_NONE);
    f.faulty = store_faulty_new(inner, &f.post);
    f.store = store_faulty_port(f.faulty);
    *state = &f;
    return 0;
}

static void on_done(struct store_req *req)
{
    struct fixture *f = req->owner;
    f->done++;
    f->last = req->error;
    store_req_free(req);
}

static struct store_req *put(struct fixture *f, const char *value)
{
    struct store_req *req = store_req_new(0, 1, on_done, f);
    store_step_init(req, 0, QUERY_META_PUT, 1);
    store_set_text(req, 0, 0, 0, SPAN("k"));
    store_set_text(req, 0, 0, 1, span_str(value));
    return req;
}

static err put_now(struct fixture *f, const char *value)
{
    struct store_req *req = put(f, value);
    err e = store_run(f->store, req);
    store_req_free(req);
    return e;
}

static void planned_failures_come_in_their_place(void **state)
{
    struct fixture *f = *state;
    store_faulty_fail(f->faulty, 1, 2, ERR_STORE_FULL);
    assert_int_equal(put_now(f, "1"), ERR_NONE);
    assert_int_equal(put_now(f, "2"), ERR_STORE_FULL);
    assert_int_equal(put_now(f, "3"), ERR_STORE_FULL);
    assert_int_equal(put_now(f, "4"), ERR_NONE);
    f->store->close(f->store);
}

static void held_requests_go_on_in_order_when_released(void **state)
{
    struct fixture *f = *state;
    store_faulty_hold(f->faulty);
    struct store_req *first = put(f, "1");
    f->store->submit(f->store, first);
    f->store->submit(f->store, put(f, "2"));
    f->store->submit(f->store, put(f, "3"));
    f->store->cancel(f->store, first);
    assert_int_equal(store_faulty_held(f->faulty), 3);
    struct store_stats stats;
    f->store->stats(f->store, &stats);
    assert_true(stats.write_waiting >= 3);
    store_faulty_release(f->faulty, 1);
    assert_int_equal(store_faulty_held(f->faulty), 2);
    store_faulty_resume(f->faulty);
    struct store_req *get = store_req_new(0, 1, NULL, NULL);
    store_step_init(get, 0, QUERY_META_GET, 1);
    store_set_text(get, 0, 0, 0, SPAN("k"));
    assert_int_equal(store_run(f->store, get), ERR_NONE);
    assert_true(span_eq(store_text(store_cell(get, 0, 0, 0)), SPAN("3")));
    store_req_free(get);
    assert_int_equal(f->store->backup(f->store, "/nowhere/x.db"), ERR_STORE_READ_ONLY);
    f->store->close(f->store);
    assert_int_equal(f->done, 3);
    assert_int_equal(f->last, ERR_NONE);
}

static void closing_lets_held_requests_finish(void **state)
{
    struct fixture *f = *state;
    store_faulty_hold(f->faulty);
    f->store->submit(f->store, put(f, "1"));
    f->store->close(f->store);
    assert_int_equal(f->done, 1);
    assert_int_equal(f->last, ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(planned_failures_come_in_their_place, setup),
        cmocka_unit_test_setup(held_requests_go_on_in_order_when_released, setup),
        cmocka_unit_test_setup(closing_lets_held_requests_finish, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
