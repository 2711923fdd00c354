#include "hub/ratelimit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct bucket_rule ten = {.count = 10, .period_ms = 1000, .burst = 3};

static void burst_then_refused_then_refilled_at_the_rate(void **state)
{
    (void)state;
    struct bucket b = {0};
    uint32_t retry = 0;
    for (int i = 0; i < 3; i++) {
        assert_true(bucket_take(&b, &ten, 5000, &retry));
    }
    assert_false(bucket_take(&b, &ten, 5000, &retry));
    assert_int_equal(retry, 100);
    assert_false(bucket_take(&b, &ten, 5099, NULL));
    assert_true(bucket_take(&b, &ten, 5100, NULL));
    assert_false(bucket_take(&b, &ten, 5100, NULL));
    for (int i = 0; i < 3; i++) {
        assert_true(bucket_take(&b, &ten, 6000, NULL));
    }
    assert_false(bucket_take(&b, &ten, 6000, NULL));
}

static void waiting_as_told_succeeds(void **state)
{
    (void)state;
    struct bucket b = {0};
    int64_t now = 0;
    uint32_t retry = 0;
    for (int i = 0; i < 1000; i++) {
        if (!bucket_take(&b, &ten, now, &retry)) {
            assert_in_range(retry, 1, 100);
            now += retry;
            assert_true(bucket_take(&b, &ten, now, &retry));
        }
    }
    assert_in_range(now, 99000, 100000);
}

static void the_answer_doubles_to_a_minute_and_forgets_after_success(void **state)
{
    (void)state;
    struct bucket b = {0};
    uint32_t retry = 0;
    uint32_t last = 50;
    for (int i = 0; i < 3; i++) {
        assert_true(bucket_take(&b, &ten, 0, &retry));
    }
    for (int i = 0; i < 30; i++) {
        assert_false(bucket_take(&b, &ten, 0, &retry));
        assert_int_equal(retry, last * 2 > 60000 ? 60000 : last * 2);
        last = retry;
    }
    assert_int_equal(last, 60000);
    assert_true(bucket_take(&b, &ten, 100, &retry));
    assert_false(bucket_take(&b, &ten, 100, &retry));
    assert_int_equal(retry, 100);
}

static void refusals_are_counted_for_a_minute(void **state)
{
    (void)state;
    struct bucket b = {0};
    const struct bucket_rule one = {.count = 1, .period_ms = 3600000, .burst = 1};
    assert_true(bucket_take(&b, &one, 1000, NULL));
    assert_int_equal(bucket_refused(&b, 1000), 0);
    for (int i = 0; i < 100; i++) {
        assert_false(bucket_take(&b, &one, 1000 + i * 10, NULL));
    }
    assert_int_equal(bucket_refused(&b, 2000), 100);
    assert_int_equal(bucket_refused(&b, 61000), 0);
    assert_false(bucket_take(&b, &one, 61000, NULL));
    assert_int_equal(bucket_refused(&b, 61000), 1);
}

static void keys_have_buckets_of_their_own(void **state)
{
    (void)state;
    const struct bucket_rule one = {.count = 1, .period_ms = 60000, .burst = 1};
    struct limiter *l = limiter_new(&one, 100);
    uint32_t retry = 0;
    assert_true(limiter_take(l, SPAN("192.0.2.1"), 0, &retry));
    assert_false(limiter_take(l, SPAN("192.0.2.1"), 0, &retry));
    assert_int_equal(retry, 60000);
    assert_true(limiter_take(l, SPAN("192.0.2.2"), 0, &retry));
    assert_true(limiter_take(l, SPAN("192.0.2.1"), 60000, &retry));
    limiter_free(l);
    limiter_free(NULL);
}

static void the_longest_unused_key_gives_way(void **state)
{
    (void)state;
    const struct bucket_rule one = {.count = 1, .period_ms = 60000, .burst = 1};
    struct limiter *l = limiter_new(&one, 3);
    char key[16];
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_true(limiter_take(l, span_str(key), 0, NULL));
    }
    assert_false(limiter_take(l, SPAN("k0"), 0, NULL)); /* used again: k1 is the oldest now */
    assert_true(limiter_take(l, SPAN("new"), 0, NULL));
    assert_false(limiter_take(l, SPAN("k0"), 0, NULL));
    assert_false(limiter_take(l, SPAN("k2"), 0, NULL));
    assert_true(limiter_take(l, SPAN("k1"), 0, NULL));
    limiter_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_then_refused_then_refilled_at_the_rate),
        cmocka_unit_test(waiting_as_told_succeeds),
        cmocka_unit_test(the_answer_doubles_to_a_minute_and_forgets_after_success),
        cmocka_unit_test(refusals_are_counted_for_a_minute),
        cmocka_unit_test(keys_have_buckets_of_their_own),
        cmocka_unit_test(the_longest_unused_key_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
