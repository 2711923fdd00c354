#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/home/broadcast.h"

static bool type_ok(const char *text) { return broadcast_type_ok(span_str(text)); }

static void types_are_small_words(void **state)
{
    char longest[BROADCAST_TYPE_MAX + 2] = {0};
    memset(longest, 'a', BROADCAST_TYPE_MAX);
    assert_true(type_ok("custom_notification"));
    assert_true(type_ok("a"));
    assert_true(type_ok("z9_"));
    assert_true(type_ok(longest));
    longest[BROADCAST_TYPE_MAX] = 'a';
    const char *const bad[] = {"",  "_a", "9a",  "Alarm",   "a-b", "a b",
                               "a\n", "a.b", "\xc3\xa4", longest, "home:broadcast"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(type_ok(bad[i]));
    }
}

/* Whatever the table says that this wire's peers say or hear. */
static void types_of_the_wires_own_are_taken(void **state)
{
    const char *const own[] = {"connection", "pong", "heartbeat", "room_updated",
                               "entity_state_changed", "system_status", "room_snapshot", "result",
                               "error", "gap", "auth_expiring", "ping"};
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        assert_false(type_ok(own[i]));
    }
    assert_true(type_ok("metrics")); /* of another wire */
}

static int64_t expires(const char *data)
{
    int64_t ms = -1;
    return broadcast_expires(span_str(data), &ms) ? ms : -1;
}

static void expires_at_is_a_time_or_nothing(void **state)
{
    assert_int_equal(expires("{\"expires_at\":\"2025-07-16T22:00:00Z\"}"), 1752703200000);
    assert_int_equal(expires("{\"expires_at\":\"2025-07-17T00:00:00.5+02:00\"}"), 1752703200500);
    assert_int_equal(expires("{\"expires_at\":1752703200000}"), 1752703200000);
    assert_int_equal(expires("{\"expires_at\":null}"), 0);
    assert_int_equal(expires("{}"), 0);
    assert_int_equal(expires("[1]"), 0);
    assert_int_equal(expires("\"expires_at\""), 0);
    assert_int_equal(expires("{\"expires_at\":\"soon\"}"), -1);
    assert_int_equal(expires("{\"expires_at\":0}"), -1);
    assert_int_equal(expires("{\"expires_at\":-5}"), -1);
    assert_int_equal(expires("{\"expires_at\":true}"), -1);
    assert_int_equal(expires("{\"expires_at\":{}}"), -1);
}

static void what_is_written_reads_the_same(void **state)
{
    uuid clients[2];
    assert_true(uuid_parse(SPAN("01900000-0000-7000-8000-000000000002"), &clients[0]));
    assert_true(uuid_parse(SPAN("01900000-0000-7000-8000-000000000001"), &clients[1]));
    broadcast_sort(clients, 2);
    const struct broadcast said = {.type = SPAN("door"),
                                   .data = SPAN("{\"open\":true}"),
                                   .room = 7,
                                   .clients = clients,
                                   .client_count = 2};
    struct broadcast read;
    struct arena arena = {0};
    buf text = {0};
    broadcast_write(&text, &said);
    assert_true(broadcast_read(buf_span(&text), &arena, &read));
    assert_true(span_eq(read.type, said.type) && span_eq(read.data, said.data));
    assert_int_equal(read.room, 7);
    assert_int_equal(read.client_count, 2);
    assert_memory_equal(read.clients, clients, sizeof clients);
    assert_int_equal(read.expires_ms, 0);
    arena_reset(&arena);
    buf_deinit(&text);
}

static void only_what_is_for_everybody_for_ever_is_not_asked_about(void **state)
{
    uuid client = {{1}};
    struct broadcast b = {.type = SPAN("a"), .data = SPAN("1")};
    assert_int_equal(broadcast_event(&b), EVENT_HOME_BROADCAST);
    b.room = 1;
    assert_int_equal(broadcast_event(&b), EVENT_HOME_BROADCAST_SOME);
    b = (struct broadcast){.clients = &client, .client_count = 1};
    assert_int_equal(broadcast_event(&b), EVENT_HOME_BROADCAST_SOME);
    b = (struct broadcast){.expires_ms = 1};
    assert_int_equal(broadcast_event(&b), EVENT_HOME_BROADCAST_SOME);
}

static void what_was_not_written_by_us_is_refused(void **state)
{
    const char *const bad[] = {"1", "{}", "{\"type\":\"a\"}", "{\"data\":1}",
                               "{\"type\":1,\"data\":1}",
                               "{\"type\":\"a\",\"data\":1,\"room_id\":0}",
                               "{\"type\":\"a\",\"data\":1,\"room_id\":\"1\"}",
                               "{\"type\":\"a\",\"data\":1,\"client_ids\":[1]}",
                               "{\"type\":\"a\",\"data\":1,\"client_ids\":{}}",
                               "{\"type\":\"a\",\"data\":{\"expires_at\":[]}}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct broadcast b;
        struct arena arena = {0};
        assert_false(broadcast_read(span_str(bad[i]), &arena, &b));
        arena_reset(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_small_words),
        cmocka_unit_test(types_of_the_wires_own_are_taken),
        cmocka_unit_test(expires_at_is_a_time_or_nothing),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(only_what_is_for_everybody_for_ever_is_not_asked_about),
        cmocka_unit_test(what_was_not_written_by_us_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
