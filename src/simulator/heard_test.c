/* What the server says on either wire, and what nobody says. */
#include "simulator/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"

static struct heard h;

static enum heard_kind socketio(const char *text)
{
    heard_read(SIM_SOCKETIO, span_str(text), &h);
    return h.kind;
}

static enum heard_kind raw(const char *text)
{
    heard_read(SIM_RAW, span_str(text), &h);
    return h.kind;
}

static void packets_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        enum heard_kind kind;
    } rows[] = {
        {"0{\"sid\":\"x\"}", HEARD_OPEN},
        {"2", HEARD_PING},
        {"6", HEARD_OTHER},
        {"1", HEARD_LEFT},
        {"41", HEARD_LEFT},
        {"40{\"sid\":\"x\"}", HEARD_JOINED},
        {"42[\"recovery:ready\",{},\"a-1\"]", HEARD_OTHER},
        {"42[\"error\",{\"type\":\"SERVER_ERROR\"}]", HEARD_ERROR},
        {"", HEARD_BAD},
        {"42[", HEARD_BAD},
        {"42[\"device:command\",{\"requestId\":7}]", HEARD_BAD},
        {"42[\"device:command\"]", HEARD_BAD},
        {"42[\"device:config-update\",{\"version\":-1,\"desired\":{}}]", HEARD_BAD},
        {"43[{\"ok\":true}]", HEARD_BAD}, /* an ack of nothing */
        {"437[]", HEARD_BAD},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (socketio(rows[i].text) != rows[i].kind) {
            fail_msg("%s is %d", rows[i].text, (int)h.kind);
        }
    }
}

static void the_usual_ack_and_any_other_read_the_same(void **state)
{
    (void)state;
    assert_int_equal(socketio("4312[{\"ok\":true,\"accepted\":10,\"duplicates\":2}]"), HEARD_ACK);
    assert_int_equal(h.id, 12);
    assert_true(h.ok);
    assert_int_equal(h.accepted, 10);
    assert_int_equal(socketio("4312[{\"duplicates\":2,\"accepted\":10,\"ok\":true}]"), HEARD_ACK);
    assert_int_equal(h.id, 12);
    assert_true(h.ok);
    assert_int_equal(h.accepted, 10);
    assert_int_equal(raw("{\"type\":\"ack\",\"data\":{\"id\":12,\"ok\":true,\"accepted\":10}}"),
                     HEARD_ACK);
    assert_int_equal(h.id, 12);
    assert_int_equal(h.accepted, 10);
    assert_int_equal(raw("{\"type\":\"ack\",\"data\":{\"ok\":true}}"), HEARD_BAD);
}

static void refusals_say_what_and_when_to_retry(void **state)
{
    (void)state;
    assert_int_equal(socketio("433[{\"ok\":false,\"error\":{\"type\":\"RATE_LIMIT_EXCEEDED\","
                              "\"details\":{\"retryAfterMs\":120}}}]"),
                     HEARD_ACK);
    assert_false(h.ok);
    assert_string_equal(h.code, "RATE_LIMIT_EXCEEDED");
    assert_int_equal(h.retry_after_ms, 120);
    assert_int_equal(socketio("44{\"message\":\"no\","
                              "\"data\":{\"type\":\"AUTHENTICATION_FAILED\"}}"),
                     HEARD_REFUSED);
    assert_string_equal(h.code, "AUTHENTICATION_FAILED");
    assert_int_equal(socketio("44{"), HEARD_REFUSED);
    assert_string_equal(h.code, "");
}

static void commands_are_read_from_both_wires(void **state)
{
    (void)state;
    assert_int_equal(socketio("4219[\"device:command\",{\"requestId\":\"r\\u0031\"}]"),
                     HEARD_COMMAND);
    assert_true(h.wants_ack);
    assert_int_equal(h.id, 19);
    assert_true(span_eq(h.request_id, SPAN("\"r\\u0031\"")));
    assert_int_equal(socketio("42[\"device:command\",{\"requestId\":\"r\"}]"), HEARD_COMMAND);
    assert_false(h.wants_ack);
    assert_int_equal(raw("{\"type\":\"device:command\",\"data\":{\"requestId\":\"r\"}}"),
                     HEARD_COMMAND);
    assert_true(span_eq(h.request_id, SPAN("\"r\"")));
    assert_int_equal(raw("{\"type\":\"connected\",\"data\":{}}"), HEARD_JOINED);
    assert_int_equal(raw("[]"), HEARD_BAD);
}

static void configurations_and_closings_are_read(void **state)
{
    (void)state;
    assert_int_equal(socketio("42[\"device:config-update\",{\"version\":3,\"desired\":{\"a\":1}}]"),
                     HEARD_CONFIG);
    assert_int_equal(h.version, 3);
    assert_true(span_eq(h.desired, SPAN("{\"a\":1}")));
    assert_int_equal(socketio("431[{\"ok\":true,\"device\":{},\"config\":{\"version\":7,"
                              "\"desired\":{}}}]"),
                     HEARD_ACK);
    assert_int_equal(h.version, 7);
    assert_true(span_eq(h.desired, SPAN("{}")));
    assert_int_equal(socketio("431[{\"ok\":true,\"config\":{\"version\":7}}]"), HEARD_BAD);
    assert_int_equal(socketio("42[\"closing\",{\"code\":4001}]"), HEARD_CLOSING);
    assert_int_equal(h.close_code, 4001);
    assert_int_equal(socketio("42[\"closing\",{\"code\":1}]"), HEARD_CLOSING);
    assert_int_equal(h.close_code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_told_apart),
        cmocka_unit_test(the_usual_ack_and_any_other_read_the_same),
        cmocka_unit_test(refusals_say_what_and_when_to_retry),
        cmocka_unit_test(commands_are_read_from_both_wires),
        cmocka_unit_test(configurations_and_closings_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
