/* CommandResult and DeviceCommand as they leave, and when two JSON texts are the same. */
#include "shape/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct command_row sample(void)
{
    struct command_row row = {.command = SPAN("reboot"),
                              .parameters = SPAN("{\"delay\": 5}"),
                              .request_id = SPAN("r-\"1\""),
                              .timeout_ms = 30000,
                              .created_ms = 1767355200000,
                              .requested_ms = 1767355199000};
    bool ok = uuid_parse(SPAN("019b8000-0000-7000-8000-000000000001"), &row.id) &&
              uuid_parse(SPAN("019b8000-0000-7000-8000-000000000002"), &row.device);
    assert_true(ok);
    return row;
}

#define HEAD \
    "{\"commandId\":\"019b8000-0000-7000-8000-000000000001\"," \
    "\"requestId\":\"r-\\\"1\\\"\"," \
    "\"deviceId\":\"019b8000-0000-7000-8000-000000000002\",\"command\":\"reboot\","

static void expect(buf *out, const char *want)
{
    if (!span_eq(buf_span(out), span_str(want))) {
        fail_msg("%.*s, expected %s", SPAN_FMT(buf_span(out)), want);
    }
    buf_deinit(out);
}

static void results_hold_what_is_known(void **state)
{
    buf out = {0};
    struct command_row row = sample();
    command_put_result(&out, &row, false);
    expect(&out, HEAD "\"status\":\"pending\",\"phase\":\"recorded\","
                      "\"createdAt\":\"2026-01-02T12:00:00.000Z\"}");
    row.phase = PHASE_TIMED_OUT;
    row.sent_ms = row.created_ms + 1;
    row.executed_ms = row.created_ms + 2;
    row.response = SPAN("[1]");
    row.error_code = SPAN("TIMEOUT");
    row.error_message = SPAN("m");
    row.late = true;
    command_put_result(&out, &row, true);
    expect(&out, HEAD "\"parameters\":{\"delay\": 5},\"status\":\"failed\",\"phase\":\"timed_out\","
                      "\"response\":[1],\"error\":{\"code\":\"TIMEOUT\",\"message\":\"m\"},"
                      "\"late\":true,\"createdAt\":\"2026-01-02T12:00:00.000Z\","
                      "\"sentAt\":\"2026-01-02T12:00:00.001Z\","
                      "\"executedAt\":\"2026-01-02T12:00:00.002Z\"}");
}

static void devices_get_the_command_as_it_was_asked_for(void **state)
{
    buf out = {0};
    struct command_row row = sample();
    command_put_device(&out, &row);
    expect(&out, "{\"deviceId\":\"019b8000-0000-7000-8000-000000000002\",\"command\":\"reboot\","
                 "\"parameters\":{\"delay\": 5},\"requestId\":\"r-\\\"1\\\"\","
                 "\"timestamp\":\"2026-01-02T11:59:59.000Z\",\"timeoutMs\":30000}");
    row.parameters = SPAN_NONE;
    row.expires_ms = row.created_ms;
    row.no_response = true;
    command_put_device(&out, &row);
    expect(&out, "{\"deviceId\":\"019b8000-0000-7000-8000-000000000002\",\"command\":\"reboot\","
                 "\"requestId\":\"r-\\\"1\\\"\",\"timestamp\":\"2026-01-02T11:59:59.000Z\","
                 "\"timeoutMs\":30000,\"expiresAt\":\"2026-01-02T12:00:00.000Z\","
                 "\"expectResponse\":false}");
}

static void the_issuer_is_named_beside_the_result(void **state)
{
    buf out = {0};
    command_put_issuer(&out, sample().id, SPAN("{}"));
    expect(&out, "{\"issuer\":\"019b8000-0000-7000-8000-000000000001\",\"result\":{}}");
}

static void white_space_between_tokens_makes_no_difference(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"", "", true},
        {"", "{}", false},
        {"{}", "", false},
        {"{\"a\":1}", " { \"a\" :\t1\r\n} ", true},
        {"{\"a\":1}", "{\"a\":2}", false},
        {"{\"a\":1}", "{\"a\":1", false},
        {"\"a b\"", "\"ab\"", false},
        {"\"a\\\" b\"", "\"a\\\" b\"", true},
        {"\"a\\\" b\"", "\"a\\\"b\"", false},
        {"[\"a\\\\\" , 1]", "[\"a\\\\\",1]", true},
        {"[\"\\\\\\\" \"]", "[\"\\\\\\\"\"]", false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool same = command_same_json(span_str(cases[i].a), span_str(cases[i].b));
        if (same != cases[i].same) {
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_hold_what_is_known),
        cmocka_unit_test(devices_get_the_command_as_it_was_asked_for),
        cmocka_unit_test(the_issuer_is_named_beside_the_result),
        cmocka_unit_test(white_space_between_tokens_makes_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
