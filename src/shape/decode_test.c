#include "shape/decode.h"

#include "codec/json/read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW INT64_C(1767355200000)

static struct arena arena;

static int teardown(void **state)
{
    (void)state;
    arena_reset(&arena);
    return 0;
}

static bool reads(enum schema schema, const char *text, void *out)
{
    struct shape_ctx ctx = {.arena = &arena, .now_ms = NOW};
    assert_true(shape_json(span_str(text), &ctx));
    return shape_decode(schema, json_root(span_str(text)), &ctx, out);
}

static void refuses(enum schema schema, const char *text, const char *path, const char *why)
{
    static union {
        struct shape_state state;
        struct shape_device_create create;
    } out;
    struct shape_ctx ctx = {.arena = &arena, .now_ms = NOW};
    assert_true(shape_json(span_str(text), &ctx));
    if (shape_decode(schema, json_root(span_str(text)), &ctx, &out)) {
        fail_msg("accepted %s", text);
    }
    assert_string_equal(ctx.path, path);
    assert_string_equal(ctx.why, why);
}

static void members_are_read_and_unknown_ones_ignored(void **state)
{
    (void)state;
    struct shape_device_create d;
    assert_true(reads(SCHEMA_device_create,
                      "{\"name\":\" a\\u0062 \",\"status\":\"maintenance\",\"tags\":[\"x\",\"y\"],"
                      "\"metadata\":{\"k\":1},\"colour\":\"red\",\"type\":null}", &d));
    assert_true(span_eq(d.name, SPAN("ab")));
    assert_int_equal(d.status, 2);
    assert_true(span_eq(d.tags, SPAN("[\"x\",\"y\"]")));
    assert_true(span_eq(d.metadata, SPAN("{\"k\":1}")));
    assert_false(d.has_type);
    assert_false(d.has_capabilities);
}

static void the_last_of_equal_names_wins(void **state)
{
    (void)state;
    struct shape_process p;
    assert_true(reads(SCHEMA_process, "{\"pid\":1,\"pid\":2,\"name\":\"n\"}", &p));
    assert_int_equal(p.pid, 2);
}

static void the_bad_member_is_named(void **state)
{
    (void)state;
    refuses(SCHEMA_device_create, "{}", "name", "is missing");
    refuses(SCHEMA_device_create, "{\"name\":null}", "name", "is missing");
    refuses(SCHEMA_device_create, "{\"name\":\"  \"}", "name", "must not be empty");
    refuses(SCHEMA_device_create, "{\"name\":7}", "name", "must be a string");
    refuses(SCHEMA_device_create, "{\"name\":\"a\\nb\"}", "name", "must be one line");
    refuses(SCHEMA_device_create, "{\"name\":\"a\\u0000b\"}", "name", "holds control characters");
    refuses(SCHEMA_device_create, "{\"name\":\"a\",\"status\":\"odd\"}", "status",
            "is none of the choices");
    refuses(SCHEMA_device_create, "{\"name\":\"a\",\"status\":1}", "status",
            "is none of the choices");
    refuses(SCHEMA_device_create, "{\"name\":\"a\",\"tags\":\"x\"}", "tags", "must be an array");
    refuses(SCHEMA_device_create, "{\"name\":\"a\",\"tags\":[\"x\",\"\"]}", "tags[1]",
            "must not be empty");
    refuses(SCHEMA_device_create, "{\"name\":\"a\",\"metadata\":[]}", "metadata",
            "must be an object");
    refuses(SCHEMA_device_create, "{\"name\":\"a\",\"metadata\":{\"k\":[\"\\u0007\"]}}",
            "metadata", "holds control characters");
    refuses(SCHEMA_device_create, "[]", "", "must be an object");
    refuses(SCHEMA_metrics, "{\"cpu\":101}", "cpu", "is out of range");
    refuses(SCHEMA_metrics, "{\"cpu\":\"1\"}", "cpu", "must be a finite number");
    refuses(SCHEMA_metrics, "{\"cpu\":1e999}", "cpu", "must be a finite number");
    refuses(SCHEMA_metrics, "{\"memory\":{\"used\":-1}}", "memory.used", "is out of range");
    refuses(SCHEMA_metrics, "{\"memory\":5}", "memory", "must be an object");
    refuses(SCHEMA_metrics, "{\"row\":1}", "row", "must be true or false");
    refuses(SCHEMA_metrics, "{\"top_processes\":[{\"pid\":1,\"name\":\"a\"},{\"pid\":1.5}]}",
            "top_processes[1].pid", "must be a whole number");
    refuses(SCHEMA_state, "{\"cpuCores\":-1}", "cpuCores", "is out of range");
    refuses(SCHEMA_state, "{\"metrics\":{\"network\":{\"upload\":true}}}",
            "metrics.network.upload", "must be a finite number");
    refuses(SCHEMA_register, "{\"deviceId\":\"x\"}", "deviceId", "must be a UUID");
}

static void lengths_count_characters(void **state)
{
    (void)state;
    struct shape_device_create d;
    buf text = {0};
    buf_append_str(&text, "{\"name\":\"");
    for (int i = 0; i < 100; i++) {
        buf_append_str(&text, "\xc3\xa5");
    }
    buf_append_str(&text, "\"}");
    struct shape_ctx ctx = {.arena = &arena};
    assert_true(shape_json(buf_span(&text), &ctx));
    assert_true(shape_decode(SCHEMA_device_create, buf_span(&text), &ctx, &d));
    assert_int_equal(d.name.len, 200);
    text.len -= 2;
    buf_append_str(&text, "x\"}");
    assert_false(shape_decode(SCHEMA_device_create, buf_span(&text), &ctx, &d));
    assert_string_equal(ctx.why, "is too long");
    buf_deinit(&text);
}

static void lists_end_at_their_bound(void **state)
{
    (void)state;
    struct shape_metrics m;
    buf text = {0};
    buf_append_str(&text, "{\"top_processes\":[");
    for (int i = 0; i < 100; i++) {
        buf_printf(&text, "%s{\"pid\":%d,\"name\":\"p\"}", i > 0 ? "," : "", i);
    }
    size_t len = text.len;
    buf_append_str(&text, "]}");
    struct shape_ctx ctx = {.arena = &arena};
    assert_true(shape_decode(SCHEMA_metrics, buf_span(&text), &ctx, &m));
    text.len = len;
    buf_append_str(&text, ",{\"pid\":1,\"name\":\"p\"}]}");
    assert_false(shape_decode(SCHEMA_metrics, buf_span(&text), &ctx, &m));
    assert_string_equal(ctx.path, "top_processes");
    buf_deinit(&text);
}

static void bidirectional_overrides_leave_names(void **state)
{
    (void)state;
    struct shape_device_create d;
    assert_true(reads(SCHEMA_device_create, "{\"name\":\"a\\u202eb\\u2066c\\u2069\"}", &d));
    assert_true(span_eq(d.name, SPAN("abc")));
}

static void times_are_texts_or_milliseconds_and_not_far_ahead(void **state)
{
    (void)state;
    struct shape_heartbeat h;
    assert_true(reads(SCHEMA_heartbeat, "{\"timestamp\":\"2026-01-02T12:05:00Z\"}", &h));
    assert_int_equal(h.timestamp, NOW + 300000);
    assert_true(reads(SCHEMA_heartbeat, "{\"timestamp\":1767355200000}", &h));
    assert_int_equal(h.timestamp, NOW);
    assert_true(reads(SCHEMA_heartbeat, "{}", &h));
    assert_false(h.has_timestamp);
    refuses(SCHEMA_heartbeat, "{\"timestamp\":\"2026-01-02T12:05:00.001Z\"}", "timestamp",
            "is more than 5 minutes ahead");
    refuses(SCHEMA_heartbeat, "{\"timestamp\":-1}", "timestamp",
            "must be a time of RFC 3339 or epoch milliseconds");
    refuses(SCHEMA_heartbeat, "{\"timestamp\":\"1969-12-31T23:59:59Z\"}", "timestamp",
            "is before 1970");
    refuses(SCHEMA_heartbeat, "{\"timestamp\":\"noon\"}", "timestamp",
            "must be a time of RFC 3339 or epoch milliseconds");
    refuses(SCHEMA_heartbeat, "{\"timestamp\":1e300}", "timestamp",
            "must be a time of RFC 3339 or epoch milliseconds");
}

static void payloads_are_not_deep_and_poison_nobody(void **state)
{
    (void)state;
    struct shape_ctx ctx = {0};
    assert_false(shape_json(SPAN("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"), &ctx));
    assert_false(shape_json(SPAN("{\"__proto__\":1}"), &ctx));
    assert_false(shape_json(SPAN("{"), &ctx));
    assert_non_null(ctx.why);
}

static void choices_have_names(void **state)
{
    (void)state;
    assert_string_equal(shape_connection_status_name(1), "stale");
    assert_int_equal(shape_connection_status_of(SPAN("offline")), 2);
    assert_int_equal(shape_device_status_of(SPAN("Active")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_read_and_unknown_ones_ignored),
        cmocka_unit_test(the_last_of_equal_names_wins),
        cmocka_unit_test(the_bad_member_is_named),
        cmocka_unit_test(lengths_count_characters),
        cmocka_unit_test(lists_end_at_their_bound),
        cmocka_unit_test(bidirectional_overrides_leave_names),
        cmocka_unit_test(times_are_texts_or_milliseconds_and_not_far_ahead),
        cmocka_unit_test(payloads_are_not_deep_and_poison_nobody),
        cmocka_unit_test(choices_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
