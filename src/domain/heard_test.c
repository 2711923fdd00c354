#include "domain/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct heard_ages ages(const struct heard *h, int64_t now_ms)
{
    struct heard_ages sum = {0};
    heard_sum(h, now_ms, &sum);
    return sum;
}

static void an_age_falls_into_the_first_bucket_that_holds_it(void **state)
{
    (void)state;
    static struct heard h;
    heard_add(&h, 1000000);
    assert_int_equal(ages(&h, 1000000).buckets[0], 1);
    assert_int_equal(ages(&h, 1005999).buckets[0], 1);
    assert_int_equal(ages(&h, 1006000).buckets[1], 1);
    assert_int_equal(ages(&h, 1300000).buckets[7], 1);
    assert_int_equal(ages(&h, 1301000).buckets[8], 1);
    struct heard_ages a = ages(&h, 1007500);
    assert_int_equal(a.count, 1);
    assert_true(a.sum_s > 7.49 && a.sum_s < 7.51);
    heard_again(&h, 1000000, 1007500);
    assert_int_equal(ages(&h, 1007500).buckets[0], 1);
    heard_remove(&h, 1007500);
    a = ages(&h, 1007500);
    assert_true(a.count == 0 && a.sum_s == 0);
}

static void who_is_silent_for_long_is_counted_and_comes_back(void **state)
{
    (void)state;
    static struct heard h;
    heard_add(&h, 5000);
    heard_add(&h, 6000);
    int64_t now = 6000 + 10LL * HEARD_SECONDS * 1000; /* a gap of many rounds */
    heard_add(&h, now);
    struct heard_ages a = ages(&h, now);
    assert_int_equal(a.buckets[HEARD_BUCKETS - 1], 2);
    assert_int_equal(a.buckets[0], 1);
    heard_again(&h, 5000, now);
    heard_remove(&h, 6000);
    a = ages(&h, now);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.buckets[0], 2);
}

#define DEVICES 50

/* Against a model that knows the time of each. */
static void counts_agree_with_a_walk_over_all(void **state)
{
    (void)state;
    static struct heard h;
    int64_t at[DEVICES] = {0}, now = 77000;
    uint32_t seed = 1;
    for (unsigned step = 0; step < 20000; step++) {
        seed = seed * 1664525 + 1013904223;
        int64_t *d = &at[(seed >> 8) % DEVICES];
        now += (seed >> 20) % (step % 1000 == 0 ? 700000 : 3000);
        if (*d == 0) {
            heard_add(&h, now);
            *d = now;
        } else if ((seed >> 16) % 4 == 0) {
            heard_remove(&h, *d);
            *d = 0;
        } else {
            heard_again(&h, *d, now);
            *d = now;
        }
        struct heard_ages a = ages(&h, now), model = {0};
        for (unsigned i = 0; i < DEVICES; i++) {
            unsigned b = 0;
            while (now / 1000 - at[i] / 1000 > (int64_t)heard_bound_s(b)) {
                b++;
            }
            model.buckets[b] += at[i] != 0;
            model.count += at[i] != 0;
            model.sum_s += at[i] != 0 ? (double)(now - at[i]) / 1e3 : 0;
        }
        assert_memory_equal(a.buckets, model.buckets, sizeof a.buckets);
        assert_int_equal(a.count, model.count);
        assert_true(a.sum_s - model.sum_s < 0.01 && model.sum_s - a.sum_s < 0.01);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_age_falls_into_the_first_bucket_that_holds_it),
        cmocka_unit_test(who_is_silent_for_long_is_counted_and_comes_back),
        cmocka_unit_test(counts_agree_with_a_walk_over_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
