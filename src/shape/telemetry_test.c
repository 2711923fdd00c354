#include "shape/telemetry.h"

#include "codec/json/read.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW INT64_C(1767355200000)
#define ONE "01900000-0000-7000-8000-000000000001"

static uuid one(void)
{
    uuid id;
    assert_true(uuid_parse(SPAN(ONE), &id));
    return id;
}

struct got {
    bool ok;
    const char *member;
    const char *why;
    struct telemetry_sample s;
};

/* As a message's element: by its schema, then as it is kept. */
static struct got take(struct arena *a, const char *json)
{
    struct got g = {0};
    struct shape_ctx ctx = {.arena = a, .now_ms = NOW};
    struct shape_telemetry_sample in;
    assert_true(shape_json(span_str(json), &ctx));
    if (!shape_decode(SCHEMA_telemetry_sample, span_str(json), &ctx, &in)) {
        g.member = (const char *)arena_dup(a, span_str(ctx.path)).ptr;
        g.why = ctx.why;
        return g;
    }
    g.ok = telemetry_sample_of(&in, one(), &g.s, &g.member, &g.why);
    return g;
}

static struct got with(struct arena *a, const char *member, const char *value)
{
    static const char *const members[][2] = {{"timestamp", "1767355200000"},
                                             {"sensorType", "\"temperature\""},
                                             {"value", "21.5"},
                                             {"unit", "\"C\""}};
    buf json = {0};
    buf_printf(&json, "{\"%s\":%s", member, value);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (strcmp(members[i][0], member) != 0) {
            buf_printf(&json, ",\"%s\":%s", members[i][0], members[i][1]);
        }
    }
    buf_append_str(&json, "}");
    buf_append_byte(&json, 0);
    span kept = arena_dup(a, buf_span(&json));
    buf_deinit(&json);
    return take(a, (const char *)kept.ptr);
}

static void values_are_rounded_half_even_to_six_decimals(void **state)
{
    /* Ties of the decimals as they were sent; most of these doubles lie beside the tie. */
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"0.0000005", "0"},
        {"0.0000015", "0.000002"},
        {"0.0000025", "0.000002"},
        {"0.0000035", "0.000004"},
        {"0.0000045", "0.000004"},
        {"-0.0000005", "0"},
        {"-0.0000015", "-0.000002"},
        {"-0.0000025", "-0.000002"},
        {"1.0000005", "1"},
        {"1.0000015", "1.000002"},
        {"1.0000025", "1.000002"},
        {"0.0078125", "0.007812"}, /* 2^-7: an exact tie */
        {"0.0234375", "0.023438"},
        {"123456.7890125", "123456.789012"},
        {"123456.7890135", "123456.789014"},
        {"999999999.9999985", "999999999.999998"},
        {"999999998.5", "999999998.5"},
        {"0.00000050000001", "0.000001"},
        {"0.00000049999999", "0"},
        {"0.0000015000000001", "0.000002"},
        {"0.0000024999999999", "0.000002"},
        {"0.0000025000000001", "0.000003"},
        {"1e-300", "0"},
        {"-1e-300", "0"},
        {"-0", "0"},
        {"2.5e-6", "0.000002"},
        {"0.1", "0.1"},
        {"0.30000000000000004", "0.3"},
        {"21.5", "21.5"},
        {"-40", "-40"},
        {"1e3", "1000"},
        {"100000.000001", "100000.000001"},
        {"0.000001", "0.000001"},
        {"-999999999.999999", "-999999999.999999"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a = {0};
        struct got g = with(&a, "value", rows[i].in);
        buf json = {0};
        span value;
        assert_true(g.ok);
        telemetry_put_json(&json, one(), &g.s, false);
        assert_true(json_get(buf_span(&json), "value", &value));
        if (!span_eq(value, span_str(rows[i].out))) {
            fail_msg("%s became %.*s, not %s", rows[i].in, SPAN_FMT(value), rows[i].out);
        }
        double read;
        assert_true(json_number(value, &read) && read == g.s.value);
        assert_false(read == 0 && signbit(g.s.value));
        buf_deinit(&json);
        arena_reset(&a);
    }
}

static void what_is_out_of_range_is_named(void **state)
{
    static const struct {
        const char *member;
        const char *value;
        const char *why;
    } rows[] = {
        {"value", "1000000000", "is out of range"},
        {"value", "-1000000000", "is out of range"},
        {"value", "999999999.9999999", "is out of range"}, /* it would be 1e9 */
        {"value", "1e9999", "must be a finite number"},
        {"value", "1000000001", "is out of range"},
        {"value", "\"21\"", "must be a finite number"},
        {"value", "null", "is missing"},
        {"deviceId", "\"01900000-0000-7000-8000-000000000002\"", "is another device's"},
        {"deviceId", "\"me\"", "must be a UUID"},
        {"timestamp", "1767355500001", "is more than 5 minutes ahead"},
        {"timestamp", "\"yesterday\"", "must be a time of RFC 3339 or epoch milliseconds"},
        {"sensorType", "\"\"", "must not be empty"},
        {"sensorType", "\"a\\nb\"", "must be one line"},
        {"unit", "\"123456789012345678901\"", "is too long"},
        {"metadata", "[]", "must be an object"},
        {"metadata", "{\"a\":\"\\u0000\"}", "holds control characters"},
        {"sampleId", "\"\"", "must not be empty"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a = {0};
        struct got g = with(&a, rows[i].member, rows[i].value);
        assert_false(g.ok);
        assert_string_equal(g.member, rows[i].member);
        assert_string_equal(g.why, rows[i].why);
        arena_reset(&a);
    }
}

static void five_minutes_ahead_is_allowed(void **state)
{
    struct arena a = {0};
    struct got g = with(&a, "timestamp", "1767355500000");
    assert_true(g.ok);
    assert_int_equal(g.s.at_ms, NOW + 300000);
    arena_reset(&a);
}

static void a_sample_is_written_as_telemetry_data(void **state)
{
    struct arena a = {0};
    buf json = {0};
    struct got g = with(&a, "deviceId", "\"" ONE "\"");
    assert_true(g.ok);
    telemetry_put_json(&json, one(), &g.s, false);
    span bare = SPAN("{\"deviceId\":\"" ONE "\",\"timestamp\":\"2026-01-02T12:00:00.000Z\","
                     "\"sensorType\":\"temperature\",\"value\":21.5,\"unit\":\"C\"}");
    assert_int_equal(json.len, bare.len);
    assert_memory_equal(json.ptr, bare.ptr, bare.len);
    buf_clear(&json);
    g.s.metadata = SPAN("{\"room\":7}");
    g.s.sample_id = SPAN("a\"b");
    telemetry_put_json(&json, one(), &g.s, true);
    span all = SPAN("\"unit\":\"C\",\"metadata\":{\"room\":7},\"sampleId\":\"a\\\"b\","
                    "\"initial\":true}");
    assert_true(json.len > all.len);
    assert_memory_equal(json.ptr + json.len - all.len, all.ptr, all.len);
    buf_deinit(&json);
    arena_reset(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_rounded_half_even_to_six_decimals),
        cmocka_unit_test(what_is_out_of_range_is_named),
        cmocka_unit_test(five_minutes_ahead_is_allowed),
        cmocka_unit_test(a_sample_is_written_as_telemetry_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
