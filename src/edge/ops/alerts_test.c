#include "edge/ops/alerts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void errors_alert_above_five_percent_of_enough(void **state)
{
    (void)state;
    assert_false(alert_errors(0, 0));
    assert_false(alert_errors(10, 10)); /* too few to say anything */
    assert_false(alert_errors(5, 100));
    assert_true(alert_errors(6, 100));
    assert_false(alert_errors(500, 10000));
    assert_true(alert_errors(501, 10000));
}

static void failures_alert_above_twenty_and_ten_times_the_mean(void **state)
{
    (void)state;
    assert_false(alert_failures(20, 0));
    assert_true(alert_failures(21, 0));
    assert_true(alert_failures(21, 120));  /* 2 a minute before */
    assert_false(alert_failures(21, 180)); /* 3 a minute before */
    assert_true(alert_failures(31, 180));
}

static void deliveries_alert_when_the_p99_is_late(void **state)
{
    (void)state;
    assert_false(alert_delivery(0, 0));
    assert_false(alert_delivery(99, 99)); /* too few to have a p99 */
    assert_false(alert_delivery(1, 100));
    assert_true(alert_delivery(2, 100));
    assert_false(alert_delivery(1000, 100000));
    assert_true(alert_delivery(1001, 100000));
    unsigned at = 0;
    while (stats_bucket_us(at) < ALERT_DELIVERY_US) {
        at++;
    }
    assert_int_equal(stats_bucket_us(at), ALERT_DELIVERY_US); /* buckets can tell */
}

static void every_alert_has_a_name(void **state)
{
    (void)state;
    for (unsigned a = 0; a < ALERT_COUNT; a++) {
        assert_true(alert_name((enum alert)a)[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_alert_above_five_percent_of_enough),
        cmocka_unit_test(failures_alert_above_twenty_and_ten_times_the_mean),
        cmocka_unit_test(deliveries_alert_when_the_p99_is_late),
        cmocka_unit_test(every_alert_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
