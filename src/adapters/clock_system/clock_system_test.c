#include "adapters/clock_system/clock_system.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void wall_time_is_epoch_milliseconds(void **state)
{
    int64_t before = (int64_t)time(NULL) * 1000;
    int64_t ms = clock_wall_ms(clock_system());
    int64_t after = ((int64_t)time(NULL) + 1) * 1000;
    /* time() may lag the clock by a tick, never by a second. */
    assert_true(ms >= before - 1000 && ms <= after + 1000);
}

static void monotonic_time_never_goes_back(void **state)
{
    uint64_t last = clock_mono_ns(clock_system());
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_mono_ns(clock_system());
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_mono_ms(clock_system()) >= (int64_t)(last / 1000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_time_is_epoch_milliseconds),
        cmocka_unit_test(monotonic_time_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
