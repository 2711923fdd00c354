#include "shape/device_states.h"

#include "shape/merge.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool reads(const char *json, struct shape_ctx *ctx, struct house_say **says,
                  unsigned *count)
{
    assert_true(shape_json(span_str(json), ctx));
    return device_states_read(span_str(json), ctx, says, count);
}

static void assert_text(span got, const char *want)
{
    assert_true(span_eq(got, span_str(want)));
}

static void texts_numbers_booleans_and_objects_are_states(void **unused)
{
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    struct house_say *says;
    unsigned count;
    (void)unused;
    assert_true(reads("{\"power\":\"o\\u006e\",\"level\":12.50,\"armed\":true,"
                      "\"light\":{\"state\":\"on\",\"attributes\":{\"b\":1}},"
                      "\"bare\":{\"state\":7,\"attributes\":null}}",
                      &ctx, &says, &count));
    assert_int_equal(count, 5);
    assert_text(says[0].capability, "power");
    assert_text(says[0].state, "on");
    assert_int_equal(says[0].attributes.len, 0);
    assert_text(says[1].state, "12.50");
    assert_text(says[2].state, "true");
    assert_text(says[3].state, "on");
    assert_text(says[3].attributes, "{\"b\":1}");
    assert_text(says[4].state, "7");
    assert_int_equal(says[4].attributes.len, 0);
    assert_true(reads("{}", &ctx, &says, &count));
    assert_int_equal(count, 0);
    arena_reset(&arena);
}

static void what_is_no_state_is_named(void **unused)
{
    static const struct {
        const char *json, *path;
    } bad[] = {
        {"{\"a\":null}", "states.a"},
        {"{\"a\":\"on\",\"b\":[]}", "states.b"},
        {"{\"a\":{}}", "states.a"},
        {"{\"a\":{\"state\":{}}}", "states.a"},
        {"{\"a\":\"\\u0007\"}", "states.a"},
        {"{\"a\":{\"state\":\"on\",\"attributes\":[]}}", "states.a"},
        {"{\"\":\"on\"}", "states"},
        {"[]", "states"},
    };
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    struct house_say *says;
    unsigned count;
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(reads(bad[i].json, &ctx, &says, &count));
        assert_string_equal(ctx.path, bad[i].path);
        assert_non_null(ctx.why);
    }
    arena_reset(&arena);
}

static void bounds_are_characters_and_members(void **unused)
{
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    struct house_say *says;
    unsigned count;
    buf json = {0};
    (void)unused;
    for (unsigned more = 0; more < 2; more++) {
        buf_clear(&json);
        buf_append_str(&json, "{\"a\":\"");
        for (unsigned i = 0; i < HOUSE_STATE_MAX + more; i++) {
            buf_append_str(&json, "\xc3\xa4");
        }
        buf_append_str(&json, "\"}");
        assert_true(shape_json(buf_span(&json), &ctx));
        assert_int_equal(device_states_read(buf_span(&json), &ctx, &says, &count), more == 0);
        buf_clear(&json);
        for (unsigned i = 0; i < HOUSE_SAYS_MAX + more; i++) {
            buf_printf(&json, "%s\"c%u\":1", i == 0 ? "{" : ",", i);
        }
        buf_append_byte(&json, '}');
        assert_true(shape_json(buf_span(&json), &ctx));
        assert_int_equal(device_states_read(buf_span(&json), &ctx, &says, &count), more == 0);
    }
    buf_deinit(&json);
    arena_reset(&arena);
}

static void an_answer_names_its_capability(void **unused)
{
    struct arena arena = {0};
    struct house_say say;
    (void)unused;
    span about = SPAN("{\"capability\":\"lamp\",\"x\":1}");
    assert_true(device_result_read(about, SPAN("{\"state\":\"on\"}"), &arena, &say));
    assert_text(say.capability, "lamp");
    assert_text(say.state, "on");
    assert_false(device_result_read(about, SPAN("{\"done\":true}"), &arena, &say));
    assert_false(device_result_read(about, SPAN("7"), &arena, &say));
    assert_false(device_result_read(about, SPAN_NONE, &arena, &say));
    assert_false(device_result_read(SPAN("{}"), SPAN("{\"state\":\"on\"}"), &arena, &say));
    assert_false(device_result_read(SPAN_NONE, SPAN("{\"state\":\"on\"}"), &arena, &say));
    assert_false(device_result_read(about, SPAN("{\"state\":null}"), &arena, &say));
    arena_reset(&arena);
}

static void a_sample_is_its_decimal_text_and_its_unit(void **unused)
{
    static const struct {
        double value;
        const char *unit, *attributes, *state, *merged;
    } rows[] = {
        {21.5, "C", "", "21.5", "{\"unit\":\"C\"}"},
        {-0.000001, "m\"", "{}", "-0.000001", "{\"unit\":\"m\\\"\"}"},
        {999999999, "C", "{\"unit\":\"C\"}", "999999999", "{\"unit\":\"C\"}"},
        {0, "F", "{\"unit\":\"C\",\"min\":1}", "0", "{\"unit\":\"F\",\"min\":1}"},
    };
    struct arena arena = {0};
    span state, attributes;
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        device_sample_state(rows[i].value, span_str(rows[i].unit), span_str(rows[i].attributes),
                            &arena, &state, &attributes);
        assert_text(state, rows[i].state);
        assert_true(merge_same(attributes, span_str(rows[i].merged)));
    }
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_numbers_booleans_and_objects_are_states),
        cmocka_unit_test(what_is_no_state_is_named),
        cmocka_unit_test(bounds_are_characters_and_members),
        cmocka_unit_test(an_answer_names_its_capability),
        cmocka_unit_test(a_sample_is_its_decimal_text_and_its_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
