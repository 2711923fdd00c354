#include "adapters/entropy_system/entropy_system.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fills_exactly_what_was_asked(void **state)
{
    uint8_t a[66], b[66];
    memset(a, 0x55, sizeof a);
    memset(b, 0x55, sizeof b);
    entropy_fill(entropy_system(), a + 1, 64);
    entropy_fill(entropy_system(), b + 1, 64);
    assert_int_equal(a[0], 0x55);
    assert_int_equal(a[65], 0x55);
    assert_memory_not_equal(a, b, sizeof a);
    entropy_fill(entropy_system(), a, 0);
    assert_int_equal(a[0], 0x55);
}

static void large_requests_are_filled_to_the_end(void **state)
{
    static uint8_t big[1 << 20];
    entropy_fill(entropy_system(), big, sizeof big);
    unsigned zero = 0;
    for (size_t i = sizeof big - 4096; i < sizeof big; i++) {
        zero += big[i] == 0;
    }
    assert_true(zero < 200); /* 16 expected */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_exactly_what_was_asked),
        cmocka_unit_test(large_requests_are_filled_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
