#include "domain/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct breaker_conf conf = {BREAKER_FAILURES, BREAKER_WINDOW_MS, BREAKER_OPEN_MS};

static bool asks(struct breaker *b, int64_t now_ms, struct breaker_pass *pass)
{
    int64_t retry_ms = 0;
    bool may = breaker_ask(b, &conf, now_ms, pass, &retry_ms);
    assert_true(may || retry_ms > 0);
    return may;
}

/* A call that begins and ends now; whether it was let through. */
static bool calls(struct breaker *b, int64_t now_ms, bool ok)
{
    struct breaker_pass pass;
    if (!asks(b, now_ms, &pass)) {
        return false;
    }
    (void)breaker_report(b, &conf, pass, ok, now_ms);
    return true;
}

static void opened_at(struct breaker *b, int64_t now_ms)
{
    memset(b, 0, sizeof *b);
    for (unsigned i = 0; i < BREAKER_FAILURES; i++) {
        assert_int_equal(b->state, BREAKER_CLOSED);
        assert_true(calls(b, now_ms, false));
    }
    assert_int_equal(b->state, BREAKER_OPEN);
}

static void five_failures_within_a_minute_open_it_for_a_minute(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(calls(&b, 1000 + 15000 * i, false));
    }
    assert_true(calls(&b, 50000, true)); /* a success undoes nothing */
    assert_true(calls(&b, 61000, false));
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(calls(&b, 61000, true));
    int64_t retry_ms = 0;
    struct breaker_pass pass;
    assert_false(breaker_ask(&b, &conf, 90000, &pass, &retry_ms));
    assert_int_equal(retry_ms, 31000);
    assert_false(calls(&b, 120999, true));
    assert_true(calls(&b, 121000, true));
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void failures_that_are_further_apart_do_not(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (unsigned i = 0; i < 500; i++) { /* the ring goes round */
        assert_true(calls(&b, 15001 * i, false));
    }
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_true(calls(&b, 15001 * 499 + 1, false));
    assert_int_equal(b.state, BREAKER_OPEN);
}

static void one_probe_at_a_time_decides(void **state)
{
    (void)state;
    struct breaker b;
    struct breaker_pass probe, other;
    opened_at(&b, 0);
    assert_true(asks(&b, BREAKER_OPEN_MS, &probe));
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    for (unsigned i = 0; i < 10; i++) {
        assert_false(asks(&b, BREAKER_OPEN_MS + i, &other));
    }
    assert_true(breaker_report(&b, &conf, probe, false, 70000));
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(asks(&b, 70000 + BREAKER_OPEN_MS - 1, &other)); /* anew from the probe's end */
    assert_true(asks(&b, 70000 + BREAKER_OPEN_MS, &probe));
    assert_true(breaker_report(&b, &conf, probe, true, 140000));
    assert_int_equal(b.state, BREAKER_CLOSED);
    for (unsigned i = 0; i < 4; i++) { /* what was before is forgotten */
        assert_true(calls(&b, 140000, false));
    }
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void a_probe_that_is_given_up_leaves_its_place(void **state)
{
    (void)state;
    struct breaker b;
    struct breaker_pass probe, other;
    opened_at(&b, 0);
    assert_true(asks(&b, 60000, &probe));
    assert_false(asks(&b, 60000, &other));
    breaker_return(&b, probe);
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    assert_true(asks(&b, 60000, &other));
}

static void what_ends_late_says_nothing(void **state)
{
    (void)state;
    struct breaker b = {0};
    struct breaker_pass early[10], probe;
    for (unsigned i = 0; i < 10; i++) {
        assert_true(asks(&b, 0, &early[i]));
    }
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(breaker_report(&b, &conf, early[i], false, 100), i == 4);
    }
    assert_false(breaker_report(&b, &conf, early[5], false, 5000)); /* does not prolong */
    assert_false(breaker_report(&b, &conf, early[6], true, 5000));  /* does not close */
    assert_true(asks(&b, 60100, &probe));
    assert_false(breaker_report(&b, &conf, early[7], true, 60100)); /* is not the probe */
    breaker_return(&b, early[8]);
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    assert_false(asks(&b, 60100, &early[9]));
    assert_true(breaker_report(&b, &conf, probe, true, 60200));
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void without_a_number_it_never_opens(void **state)
{
    (void)state;
    static const struct breaker_conf never = {0, BREAKER_WINDOW_MS, BREAKER_OPEN_MS};
    struct breaker b = {0};
    struct breaker_pass pass;
    int64_t retry_ms;
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(breaker_ask(&b, &never, 0, &pass, &retry_ms));
        assert_false(breaker_report(&b, &never, pass, false, 0));
    }
}

static void one_failure_may_be_enough(void **state)
{
    (void)state;
    static const struct breaker_conf one = {1, 1, 10}, all = {BREAKER_FAILURES_MAX, 100, 10};
    struct breaker b = {0};
    struct breaker_pass pass;
    int64_t retry_ms;
    assert_true(breaker_ask(&b, &one, 5, &pass, &retry_ms));
    assert_true(breaker_report(&b, &one, pass, false, 5));
    assert_string_equal(breaker_state_name(b.state), "open");
    memset(&b, 0, sizeof b);
    for (unsigned i = 0; i < BREAKER_FAILURES_MAX; i++) { /* the whole ring */
        assert_true(breaker_ask(&b, &all, i, &pass, &retry_ms));
        assert_int_equal(breaker_report(&b, &all, pass, false, i), i == BREAKER_FAILURES_MAX - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_within_a_minute_open_it_for_a_minute),
        cmocka_unit_test(failures_that_are_further_apart_do_not),
        cmocka_unit_test(one_probe_at_a_time_decides),
        cmocka_unit_test(a_probe_that_is_given_up_leaves_its_place),
        cmocka_unit_test(what_ends_late_says_nothing),
        cmocka_unit_test(without_a_number_it_never_opens),
        cmocka_unit_test(one_failure_may_be_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
