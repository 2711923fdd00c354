/* Quantiles of known values, and values at the ends of what is counted. */
#include "simulator/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct histogram h;

static int setup(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    return 0;
}

static void an_empty_one_says_zero(void **state)
{
    (void)state;
    assert_int_equal(histogram_at(&h, 0.5), 0);
    assert_int_equal(histogram_at(&h, 1), 0);
}

static void quantiles_are_right_within_a_bucket(void **state)
{
    (void)state;
    for (uint64_t us = 1; us <= 1000; us++) {
        histogram_add(&h, us * 1000);
    }
    for (unsigned percent = 1; percent <= 99; percent++) {
        uint64_t exact = (uint64_t)percent * 10000;
        uint64_t got = histogram_at(&h, percent / 100.0);
        assert_in_range(got, exact, exact + exact / 25 + 1000);
    }
    assert_int_equal(histogram_at(&h, 1), 1000000);
}

static void nothing_is_longer_than_the_longest_seen(void **state)
{
    (void)state;
    histogram_add(&h, 1000001);
    assert_int_equal(histogram_at(&h, 0.5), 1000001);
    assert_int_equal(histogram_at(&h, 0.99), 1000001);
}

static void the_ends_are_counted(void **state)
{
    (void)state;
    histogram_add(&h, 0);
    histogram_add(&h, 31);
    histogram_add(&h, 32);
    histogram_add(&h, UINT64_MAX);
    assert_int_equal(h.total, 4);
    assert_int_equal(histogram_at(&h, 0), 0);
    assert_int_equal(histogram_at(&h, 0.25), 31);
    assert_int_equal(histogram_at(&h, 0.5), 32);
    assert_true(histogram_at(&h, 1) == UINT64_MAX);
}

static void merged_ones_are_one(void **state)
{
    static struct histogram other;
    (void)state;
    memset(&other, 0, sizeof other);
    histogram_add(&h, 100);
    histogram_add(&other, 5000);
    histogram_merge(&h, &other);
    assert_int_equal(h.total, 2);
    assert_int_equal(h.max_ns, 5000);
    assert_int_equal(histogram_at(&h, 0.99), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_one_says_zero, setup),
        cmocka_unit_test_setup(quantiles_are_right_within_a_bucket, setup),
        cmocka_unit_test_setup(nothing_is_longer_than_the_longest_seen, setup),
        cmocka_unit_test_setup(the_ends_are_counted, setup),
        cmocka_unit_test_setup(merged_ones_are_one, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
