#include "edge/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void times_fall_into_the_first_bucket_that_holds_them(void **state)
{
    (void)state;
    static struct stats_times t;
    stats_time(&t, 0);
    stats_time(&t, stats_bucket_us(0));
    stats_time(&t, stats_bucket_us(0) + 1);
    stats_time(&t, UINT64_MAX / 2);
    assert_int_equal(t.buckets[0], 2);
    assert_int_equal(t.buckets[1], 1);
    assert_int_equal(t.buckets[STATS_BUCKETS - 1], 1);
    assert_int_equal(t.count, 4);
    for (unsigned i = 1; i < STATS_BUCKETS; i++) {
        assert_true(stats_bucket_us(i) > stats_bucket_us(i - 1));
    }
}

static void one_message_of_some_is_timed(void **state)
{
    (void)state;
    static struct edge_stats s;
    unsigned timed = 0;
    for (unsigned i = 0; i < 10 * STATS_TIMED_ONE_OF; i++) {
        timed += stats_timed(&s);
    }
    assert_int_equal(timed, 10);
    for (unsigned f = 0; f < FRAME_NAME_COUNT; f++) {
        assert_true(frame_name((enum frame)f)[0] != '\0');
    }
}

static void names_are_counted_and_the_last_row_takes_the_rest(void **state)
{
    (void)state;
    static struct stats_names s;
    static char many[STATS_NAMES_MAX + 10][16];
    stats_name(&s, "a");
    stats_name(&s, "b");
    stats_name(&s, "a");
    assert_string_equal(s.rows[0].name, "a");
    assert_int_equal(s.rows[0].count, 2);
    assert_int_equal(s.rows[1].count, 1);
    for (unsigned i = 0; i < STATS_NAMES_MAX + 10; i++) {
        snprintf(many[i], sizeof many[i], "n%u", i);
        stats_name(&s, many[i]);
    }
    assert_string_equal(s.rows[STATS_NAMES_MAX - 1].name, "other");
    assert_int_equal(s.rows[STATS_NAMES_MAX - 1].count, 13);
}

static void open_and_close_leave_nothing(void **state)
{
    (void)state;
    static struct edge_stats s;
    stats_open(&s, STATS_MONITOR, STATS_DEVICE);
    stats_open(&s, STATS_MONITOR, STATS_DEVICE);
    stats_close(&s, STATS_MONITOR, STATS_DEVICE, 5);
    assert_int_equal(s.open[STATS_MONITOR][STATS_DEVICE], 1);
    stats_close(&s, STATS_MONITOR, STATS_DEVICE, 5);
    assert_int_equal(s.open[STATS_MONITOR][STATS_DEVICE], 0);
    assert_int_equal(s.connection_times.count, 2);
    stats_open(&s, STATS_CONFORMANCE, STATS_CLIENT);
    stats_close_untimed(&s, STATS_CONFORMANCE, STATS_CLIENT);
    assert_int_equal(s.open[STATS_CONFORMANCE][STATS_CLIENT], 0);
    assert_int_equal(s.connection_times.count, 2);
    assert_string_equal(stats_wire_name(STATS_CONFORMANCE), "conformance");
    assert_string_equal(stats_wire_name(STATS_HTTP), "http");
    assert_string_equal(stats_wire_name(STATS_MONITOR), "monitor");
    assert_string_equal(stats_client_name(STATS_DEVICE), "device");
    assert_string_equal(stats_client_name(STATS_CLIENT), "client");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_fall_into_the_first_bucket_that_holds_them),
        cmocka_unit_test(one_message_of_some_is_timed),
        cmocka_unit_test(names_are_counted_and_the_last_row_takes_the_rest),
        cmocka_unit_test(open_and_close_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
