/* The pure parts of the uplink: addresses of servers, waits, frames of the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "agent/backoff.h"
#include "agent/incoming.h"
#include "agent/server_url.h"

static void server_addresses_are_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        unsigned port;
        const char *authority;
        bool secure, literal;
    } rows[] = {
        {"http://127.0.0.1:3001", "127.0.0.1", 3001, "127.0.0.1:3001", false, true},
        {"HTTP://example.org/", "example.org", 80, "example.org", false, false},
        {"ws://localhost:1", "localhost", 1, "localhost:1", false, false},
        {"https://my-host_1.lan", "my-host_1.lan", 443, "my-host_1.lan", true, false},
        {"wss://h:65535", "h", 65535, "h:65535", true, false},
        {"http://[::1]:3001", "::1", 3001, "[::1]:3001", false, true},
        {"http://[::ffff:127.0.0.1]", "::ffff:127.0.0.1", 80, "[::ffff:127.0.0.1]", false, true},
        {"127.0.0.1:3001", NULL},
        {"ftp://h", NULL},
        {"http://", NULL},
        {"http://:80", NULL},
        {"http://h:0", NULL},
        {"http://h:65536", NULL},
        {"http://h:", NULL},
        {"http://h:80x", NULL},
        {"http://h:0000000080", NULL},
        {"http://h/path", NULL},
        {"http://u:p@h", NULL},
        {"http://h\r\nX: y", NULL},
        {"http://[::1", NULL},
        {"http://[::1]x", NULL},
        {"http://[gg::1]", NULL},
        {"http://h?q", NULL},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct server_url url;
        const char *wrong = server_url_parse(span_str(rows[i].text), &url);
        assert_int_equal(wrong == NULL, rows[i].host != NULL);
        if (wrong == NULL) {
            assert_string_equal(url.host, rows[i].host);
            assert_string_equal(url.authority, rows[i].authority);
            assert_int_equal(url.port, rows[i].port);
            assert_int_equal(url.secure, rows[i].secure);
            assert_int_equal(url.literal, rows[i].literal);
        }
    }
    char text[400];
    memset(text, 'h', sizeof text);
    memcpy(text, "http://", 7);
    struct server_url url;
    assert_non_null(server_url_parse(span_of(text, sizeof text), &url));
}

static void waits_double_up_to_a_minute_with_full_jitter(void **state)
{
    static const int64_t ceilings[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct backoff b = {0};
    for (unsigned i = 0; i < ARRAY_LEN(ceilings); i++) {
        struct backoff low = b, high = b;
        assert_int_equal(backoff_next_ms(&low, RECONNECT_FREE, 0), BACKOFF_FLOOR_MS);
        assert_int_equal(backoff_next_ms(&high, RECONNECT_FREE, (uint64_t)ceilings[i] - 1),
                         BACKOFF_FLOOR_MS + ceilings[i] - 1);
        assert_int_equal(backoff_next_ms(&b, RECONNECT_FREE, (uint64_t)ceilings[i]),
                         BACKOFF_FLOOR_MS);
    }
}

static void the_server_may_ask_for_patience_or_haste(void **state)
{
    struct backoff b = {0};
    assert_int_equal(backoff_next_ms(&b, RECONNECT_BACKOFF, 15999), BACKOFF_FLOOR_MS + 15999);
    assert_int_equal(backoff_next_ms(&b, RECONNECT_BACKOFF, 31999), BACKOFF_FLOOR_MS + 31999);
    assert_int_equal(backoff_next_ms(&b, RECONNECT_NOW, 999), BACKOFF_FLOOR_MS + 999);
    assert_int_equal(backoff_next_ms(&b, RECONNECT_FREE, 1999), BACKOFF_FLOOR_MS + 1999);
}

static void close_codes_have_rules(void **state)
{
    static const struct {
        int code;
        enum close_reconnect rule;
    } rows[] = {
        {0, RECONNECT_FREE},       {1000, RECONNECT_FREE},    {1001, RECONNECT_BACKOFF},
        {1005, RECONNECT_FREE},    {1013, RECONNECT_BACKOFF}, {3000, RECONNECT_FREE},
        {4000, RECONNECT_NEVER},   {4001, RECONNECT_NEVER},   {4002, RECONNECT_NEVER},
        {4003, RECONNECT_NEVER},   {4004, RECONNECT_NEVER},   {4099, RECONNECT_NEVER},
        {4100, RECONNECT_BACKOFF}, {4101, RECONNECT_BACKOFF}, {4199, RECONNECT_BACKOFF},
        {4200, RECONNECT_NOW},     {4201, RECONNECT_NOW},     {4299, RECONNECT_NOW},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(backoff_rule(rows[i].code), rows[i].rule);
    }
}

static void server_frames_are_understood(void **state)
{
    struct incoming in;
    assert_true(incoming_parse(SPAN("{\"type\":\"ack\",\"data\":{\"id\":7,\"ok\":true}}"), &in));
    assert_int_equal(in.type, INCOMING_ACK);
    assert_int_equal(in.id, 7);
    assert_true(in.ok);
    assert_true(incoming_parse(
        SPAN("{\"data\":{\"error\":{\"type\":\"RATE_LIMIT_EXCEEDED\",\"code\":\"other\","
             "\"details\":{\"retryAfterMs\":99999999}},\"ok\":false,\"id\":8},\"type\":\"ack\"}"),
        &in));
    assert_false(in.ok);
    assert_string_equal(in.code, "RATE_LIMIT_EXCEEDED");
    assert_int_equal(in.retry_after_ms, 3600000);
    assert_true(incoming_parse(
        SPAN("{\"type\":\"error\",\"data\":{\"code\":\"SERVER_ERROR\",\"message\":\"m\"}}"), &in));
    assert_int_equal(in.type, INCOMING_ERROR);
    assert_string_equal(in.code, "SERVER_ERROR");
    assert_true(incoming_parse(
        SPAN("{\"type\":\"device:command\",\"data\":{\"requestId\":\"r\"}}"), &in));
    assert_int_equal(in.type, INCOMING_COMMAND);
    assert_true(span_eq(in.request_id, SPAN("\"r\"")));
    assert_true(incoming_parse(SPAN("{\"type\":\"connected\"}"), &in));
    assert_int_equal(in.type, INCOMING_OTHER);
    assert_true(incoming_code_is_final("INVALID_MESSAGE_FORMAT"));
    assert_false(incoming_code_is_final("SERVER_ERROR"));
    assert_false(incoming_code_is_final(""));
}

static void server_frames_without_what_they_need_are_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "[]",
        "7",
        "{\"type\":7}",
        "{\"data\":{}}",
        "{\"type\":\"ack\"}",
        "{\"type\":\"ack\",\"data\":{\"ok\":true}}",
        "{\"type\":\"ack\",\"data\":{\"id\":1}}",
        "{\"type\":\"ack\",\"data\":{\"id\":0,\"ok\":true}}",
        "{\"type\":\"ack\",\"data\":{\"id\":-1,\"ok\":true}}",
        "{\"type\":\"ack\",\"data\":{\"id\":1.5,\"ok\":true}}",
        "{\"type\":\"ack\",\"data\":{\"id\":\"1\",\"ok\":true}}",
        "{\"type\":\"device:command\",\"data\":{\"requestId\":7}}",
        "{\"type\":\"device:command\",\"data\":{}}",
        "{\"type\":\"ack\",\"data\":{\"id\":1,\"ok\":true}} x",
    };
    struct incoming in;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        assert_false(incoming_parse(span_str(rows[i]), &in));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_addresses_are_read_or_refused),
        cmocka_unit_test(waits_double_up_to_a_minute_with_full_jitter),
        cmocka_unit_test(the_server_may_ask_for_patience_or_haste),
        cmocka_unit_test(close_codes_have_rules),
        cmocka_unit_test(server_frames_are_understood),
        cmocka_unit_test(server_frames_without_what_they_need_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
