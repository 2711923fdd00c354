/* Recording and the gate: one order whatever the order of arrival, holes, doubles. */
#include "hub/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "hub/journal_twin.h"

#define HOLE_MS 200

static struct journal_stats journal_counts(unsigned hub)
{
    struct journal_stats s;
    journal_stats(journals[hub], &s);
    return s;
}

static void pass_ms(uint64_t ms) { twin_now_ns += ms * 1000000; }

static void events_go_out_in_commit_order_over_all_topics(void **state)
{
    journals_open(3, 10);
    for (unsigned i = 0; i < 3; i++) {
        join(i, 0, 0);
        subscribe(i, 0, JOURNAL_HOME, "a");
        subscribe(i, 0, JOURNAL_HOME, "b");
    }
    journals_settle(1);
    struct store_req *one = commit(1, "a", "1");
    struct store_req *two = commit(2, "b", "2");
    struct store_req *three = commit(0, "a", "3");
    hand_over(0, three);
    hand_over(2, two);
    journals_settle(2);
    expect(1, 0, "");
    assert_int_equal(journal_counts(0).parked, 2);
    hand_over(1, one);
    journals_settle(3);
    for (unsigned i = 0; i < 3; i++) {
        expect(i, 0, "<1><2><3>");
    }
    assert_int_equal(journal_counts(0).parked, 0);
    assert_int_equal(journal_counts(0).published, 3);
    assert_int_equal(twin.reads, 0);
    journals_close();
}

static void events_of_one_step_follow_each_other(void **state)
{
    static const char *const data[] = {"1", "2", "3"};
    journals_open(2, 10);
    join(0, 0, 0);
    subscribe(0, 0, JOURNAL_HOME, "a");
    journals_settle(1);
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    journal_steps(req, 0, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct journal_event e = {.event = EVENT_APP_EMIT, .topic = SPAN("a"),
                                  .data = span_str(data[i])};
        journal_set(req, 0, i, &e);
    }
    twin_run(req);
    (void)hub_of(1);
    assert_int_equal(journal_publish(journals[1], req, 0).n, 3);
    store_req_free(req);
    journals_settle(2);
    expect(0, 0, "<1><2><3>");
    journals_close();
}

static void a_hole_that_stays_is_read_from_the_log(void **state)
{
    journals_open(2, 10);
    join(1, 0, 0);
    subscribe(1, 0, JOURNAL_HOME, "a");
    journals_settle(1);
    struct store_req *lost = commit(1, "a", "1");
    struct store_req *late = commit(1, "a", "2");
    record(1, "a", "3");
    journals_settle(2);
    pass_ms(HOLE_MS - 1);
    journals_settle(3);
    expect(1, 0, "");
    pass_ms(1);
    journals_settle(4);
    expect(1, 0, "<1><2><3>");
    assert_int_equal(journal_counts(0).holes, 2);
    hand_over(1, late); /* a double by now */
    journals_settle(5);
    expect(1, 0, "");
    store_req_free(lost);
    journals_close();
}

static void numbers_that_were_never_used_are_skipped(void **state)
{
    journals_open(1, 10);
    join(0, 0, 0);
    subscribe(0, 0, JOURNAL_HOME, "a");
    twin.last = 7;
    record(0, "a", "8");
    journals_settle(1);
    expect(0, 0, "");
    twin.failure = ERR_STORE_BUSY; /* the first try fails */
    pass_ms(HOLE_MS);
    journals_settle(2);
    expect(0, 0, "");
    twin.failure = ERR_NONE;
    journals_settle(3);
    expect(0, 0, "");
    pass_ms(HOLE_MS);
    journals_settle(4);
    expect(0, 0, "<8>");
    assert_int_equal(journal_counts(0).holes, 0);
    assert_int_equal(journal_now(journals[0]).n, 8);
    journals_close();
}

static void the_epoch_stays_and_numbers_go_on_after_a_restart(void **state)
{
    journals_open(2, 10);
    record(0, "a", "1");
    record(0, "a", "2");
    journals_settle(1);
    assert_true(journal_now(journals[0]).epoch == 0xabc);
    for (unsigned i = 0; i < 2; i++) {
        journal_free(journals[i]);
    }
    journals_start(2, 10); /* offers the same epoch; another one would not be taken */
    struct pos start;
    assert_int_equal(journal_start(&twin.port, 0xdef, &start), ERR_NONE);
    assert_true(start.epoch == 0xabc && start.n == 2);
    join(1, 0, 0);
    subscribe(1, 0, JOURNAL_HOME, "a");
    journals_settle(2);
    record(1, "a", "3");
    journals_settle(3);
    expect(1, 0, "<3>");
    snprintf(twin.epoch, sizeof twin.epoch, "no epoch");
    assert_int_equal(journal_start(&twin.port, 0xdef, &start), ERR_STORE_CORRUPT);
    twin.failure = ERR_STORE_FAILED;
    assert_int_equal(journal_start(&twin.port, 0xdef, &start), ERR_STORE_FAILED);
    twin.failure = ERR_NONE;
    journals_close();
}

static void nothing_is_read_once_it_is_stopped(void **state)
{
    journals_open(1, 10);
    twin.last = 1;
    record(0, "a", "2");
    journal_stop(journals[0]);
    pass_ms(HOLE_MS);
    journals_settle(1);
    assert_int_equal(twin.reads, 0);
    journals_close();
}

static void every_loop_learns_how_far_the_gate_is(void **state)
{
    journals_open(3, 10);
    record(2, "a", "1");
    pass_ms(1000);
    journals_settle(1);
    journals_settle(1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(journal_now(journals[i]).n, 1);
    }
    record(2, "a", "2");
    record(2, "a", "3");
    journals_settle(2);
    assert_int_equal(journal_now(journals[0]).n, 3);
    assert_int_equal(journal_now(journals[1]).n, 1); /* not at once: it costs a mail a loop */
    pass_ms(100);
    journals_settle(3);
    assert_int_equal(journal_now(journals[1]).n, 3);
    journals_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_go_out_in_commit_order_over_all_topics),
        cmocka_unit_test(events_of_one_step_follow_each_other),
        cmocka_unit_test(a_hole_that_stays_is_read_from_the_log),
        cmocka_unit_test(numbers_that_were_never_used_are_skipped),
        cmocka_unit_test(the_epoch_stays_and_numbers_go_on_after_a_restart),
        cmocka_unit_test(nothing_is_read_once_it_is_stopped),
        cmocka_unit_test(every_loop_learns_how_far_the_gate_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
