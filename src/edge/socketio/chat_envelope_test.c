#include "edge/socketio/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define NAME SPAN("chat:room:join")

static void check(const char *arg, const char *data, const char *id, const char *member)
{
    struct arena arena = {0};
    struct chat_envelope e = chat_envelope_read(span_str(arg), NAME, &arena);
    assert_true(span_eq(e.data, span_str(data)));
    assert_true(span_eq(e.request_id, span_str(id)));
    assert_true((e.bad == NULL) == (member == NULL));
    if (member != NULL) {
        assert_string_equal(e.member, member);
    }
    arena_reset(&arena);
}

static void test_envelopes(void **state)
{
    (void)state;
    check("{\"event\":\"chat:room:join\",\"data\":{\"a\":1},\"requestId\":\"r\\n1\","
          "\"version\":\"1.0\"}",
          "{\"a\":1}", "r\n1", NULL);
    check("{\"data\":{},\"version\":\"1\",\"requestId\":null}", "{}", "", NULL);
    check("{\"data\":{},\"version\":\"1.7\"}", "{}", "", NULL);
    check("{\"event\":\"chat:room:leave\",\"data\":{},\"requestId\":\"r\","
          "\"version\":\"1.0\"}",
          "{}", "r", "event");
    check("{\"data\":{},\"requestId\":\"r\",\"version\":\"2.0\"}", "{}", "r", "version");
    check("{\"data\":{},\"version\":\"10.0\"}", "{}", "", "version");
    check("{\"data\":{},\"version\":\"\"}", "{}", "", "version");
    check("{\"data\":{},\"version\":\"1.0\",\"requestId\":7}", "{}", "", "requestId");
    check("{\"data\":{},\"version\":\"1.0\",\"requestId\":\"\"}", "{}", "", "requestId");
}

static void test_bare_data(void **state)
{
    (void)state;
    check("{\"roomId\":\"x\"}", "{\"roomId\":\"x\"}", "", NULL);
    check("{\"version\":1,\"data\":{}}", "{\"version\":1,\"data\":{}}", "", NULL);
    check("{\"version\":\"1.0\",\"data\":7}", "{\"version\":\"1.0\",\"data\":7}", "", NULL);
    check("7", "7", "", NULL);
    check("", "", "", NULL);
}

static void test_request_ids_are_counted_in_characters(void **state)
{
    struct arena arena = {0};
    (void)state;
    for (unsigned n = 99; n <= 101; n++) {
        buf arg = {0};
        buf_append_str(&arg, "{\"data\":{},\"version\":\"1.0\",\"requestId\":\"");
        for (unsigned i = 0; i < n; i++) {
            buf_append_str(&arg, "\xf0\x9f\x98\x80");
        }
        buf_append_str(&arg, "\"}");
        struct chat_envelope e = chat_envelope_read(buf_span(&arg), NAME, &arena);
        assert_int_equal(e.bad == NULL, n <= CHAT_REQUEST_ID_MAX);
        assert_int_equal(e.request_id.len, n <= CHAT_REQUEST_ID_MAX ? n * 4 : 0);
        buf_deinit(&arg);
    }
    arena_reset(&arena);
}

static void test_putting(void **state)
{
    buf out = {0};
    (void)state;
    chat_envelope_put(&out, SPAN("chat:error"), SPAN("{\"a\":1}"), SPAN("\"pos\":\"x\""),
                      SPAN("r\"1"));
    assert_true(span_eq(buf_span(&out),
                        SPAN("{\"event\":\"chat:error\",\"data\":{\"a\":1,\"pos\":\"x\"},"
                             "\"requestId\":\"r\\\"1\",\"version\":\"1.0\"}")));
    buf_clear(&out);
    chat_envelope_put(&out, SPAN("chat:error"), SPAN("{}"), SPAN("\"pos\":\"x\""), SPAN_NONE);
    assert_true(span_eq(buf_span(&out), SPAN("{\"event\":\"chat:error\",\"data\":{\"pos\":\"x\"},"
                                             "\"version\":\"1.0\"}")));
    buf_deinit(&out);
}

static void test_what_is_stored(void **state)
{
    struct arena arena = {0};
    (void)state;
    struct chat_stored s = chat_stored_of(SPAN("[{\"a\":[1,\"x\"]}]"), &arena);
    assert_true(span_eq(s.payload, SPAN("{\"a\":[1,\"x\"]}")));
    assert_int_equal(s.sid.len, 0);
    s = chat_stored_of(SPAN("[{\"a\":1},\"sid\",\"r\\\"1\"]"), &arena);
    assert_true(span_eq(s.payload, SPAN("{\"a\":1}")));
    assert_true(span_eq(s.sid, SPAN("sid")) && span_eq(s.request_id, SPAN("r\"1")));
    assert_true(span_eq(chat_stored_payload(SPAN("[{\"a\":1},\"sid\",\"r\"]")), SPAN("{\"a\":1}")));
    assert_true(span_eq(chat_stored_payload(SPAN("{\"a\":1}")), SPAN("{\"a\":1}")));
    assert_int_equal(chat_stored_payload(SPAN_NONE).len, 0);
    arena_reset(&arena);
}

static void test_error_codes(void **state)
{
    (void)state;
    assert_string_equal(chat_error_code(ERR_AUTHENTICATION_FAILED), "AUTH_FAILED");
    assert_string_equal(chat_error_code(ERR_RATE_LIMIT_EXCEEDED), "RATE_LIMITED");
    assert_string_equal(chat_error_code(ERR_INVALID_MESSAGE_FORMAT), "CLIENT_ERROR");
    assert_string_equal(chat_error_code(ERR_CONFLICT), "CLIENT_ERROR");
    assert_string_equal(chat_error_code(ERR_STORE_FULL), "SERVER_ERROR");
    assert_string_equal(chat_error_code(ERR_ROOM_ACCESS_DENIED), "ROOM_ACCESS_DENIED");
    for (unsigned e = 0; e < ERR_COUNT; e++) {
        const char *code = chat_error_code((err)e);
        bool again = span_eq(span_str(code), SPAN("RATE_LIMITED")) ||
                     span_eq(span_str(code), SPAN("CONNECTION_LOST")) ||
                     span_eq(span_str(code), SPAN("SERVER_ERROR"));
        assert_int_equal(chat_error_recoverable((err)e), again);
    }
}

static void test_a_room_that_is_not_theirs_says_nothing(void **state)
{
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    (void)state;
    chat_error_members(&w, &(struct event_refusal){.error = ERR_ROOM_ACCESS_DENIED,
                                                   .member = "roomId",
                                                   .why = "it is somebody else's"},
                       false);
    assert_true(span_eq(buf_span(&out),
                        SPAN("\"code\":\"ROOM_ACCESS_DENIED\",\"message\":\"there is no such room, "
                             "or it is not yours\",\"details\":{},\"recoverable\":false")));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_bare_data),
        cmocka_unit_test(test_request_ids_are_counted_in_characters),
        cmocka_unit_test(test_putting),
        cmocka_unit_test(test_what_is_stored),
        cmocka_unit_test(test_error_codes),
        cmocka_unit_test(test_a_room_that_is_not_theirs_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
