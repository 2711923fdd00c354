#include "tables/closes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

/* RFC 6455 7.4: codes that may stand in a close frame; 1004-1006 and 1015 never do. */
static bool may_be_sent(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static void codes_may_stand_in_a_close_frame(void **state)
{
    for (int r = 0; r < CLOSE_COUNT; r++) {
        int code = close_code((close_reason)r);
        if (code != 0 && !may_be_sent(code)) {
            fail_msg("%s: code %d", close_label((close_reason)r), code);
        }
    }
}

static void texts_fit_a_close_frame(void **state)
{
    for (int r = 0; r < CLOSE_COUNT; r++) {
        /* RFC 6455 5.5: a control frame carries 125 bytes, 2 of them the code. */
        const char *text = close_text((close_reason)r);
        assert_in_range(strlen(text), 1, 123);
        assert_int_not_equal(text[strlen(text) - 1], '.');
    }
}

static void labels_are_unique_metric_labels(void **state)
{
    for (int a = 0; a < CLOSE_COUNT; a++) {
        const char *label = close_label((close_reason)a);
        assert_true(label[0] != '\0');
        assert_int_equal(strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(label));
        for (int b = a + 1; b < CLOSE_COUNT; b++) {
            if (strcmp(label, close_label((close_reason)b)) == 0) {
                fail_msg("two rows have the label %s", label);
            }
        }
    }
}

static void reconnect_rules_are_known(void **state)
{
    for (int r = 0; r < CLOSE_COUNT; r++) {
        assert_in_range(close_reconnect_rule((close_reason)r), RECONNECT_FREE, RECONNECT_NOW);
    }
    assert_int_equal(close_reconnect_rule(CLOSE_REVOKED), RECONNECT_NEVER);
    assert_int_equal(close_reconnect_rule(CLOSE_MOVED), RECONNECT_NOW);
}

static void documented_codes_are_kept(void **state)
{
    assert_int_equal(close_code(CLOSE_DRAIN), 1001);
    assert_int_equal(close_code(CLOSE_SLOW), 1013);
    assert_int_equal(close_code(CLOSE_REPLACED), 4001);
    assert_int_equal(close_code(CLOSE_PEER_GONE), 0);
    assert_string_equal(close_text(CLOSE_DRAIN), "server shutting down");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_may_stand_in_a_close_frame),
        cmocka_unit_test(texts_fit_a_close_frame),
        cmocka_unit_test(labels_are_unique_metric_labels),
        cmocka_unit_test(reconnect_rules_are_known),
        cmocka_unit_test(documented_codes_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
