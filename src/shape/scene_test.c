#include "shape/scene.h"

#include "shape/merge.h"
#include "tables/errors.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool reads(const char *json, struct shape_ctx *ctx, struct house_scene_item **items,
                  unsigned *count)
{
    assert_true(shape_json(span_str(json), ctx));
    return scene_items_read(span_str(json), ctx, items, count);
}

static void assert_text(span got, const char *want)
{
    assert_true(span_eq(got, span_str(want)));
}

static void actions_have_names(void **unused)
{
    (void)unused;
    assert_true(house_action_ok(SPAN("turn_on")));
    assert_true(house_action_ok(SPAN("a1")));
    assert_false(house_action_ok(SPAN("")));
    assert_false(house_action_ok(SPAN("1a")));
    assert_false(house_action_ok(SPAN("_a")));
    assert_false(house_action_ok(SPAN("Turn")));
    assert_false(house_action_ok(SPAN("a-b")));
    assert_true(house_action_ok(SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
    assert_false(house_action_ok(SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
}

static void an_item_is_an_action_or_a_state(void **unused)
{
    static const char *const bad[] = {
        "[{\"entity_id\":\"light.a\"}]",
        "[{\"entity_id\":\"light.a\",\"action\":\"turn_on\",\"state\":\"on\"}]",
        "[{\"entity_id\":\"light.a\",\"action\":\"turn_on\",\"attributes\":{}}]",
        "[{\"entity_id\":\"light.a\",\"attributes\":{}}]",
        "[{\"entity_id\":\"light.a\",\"action\":\"Turn\"}]",
        "[{\"entity_id\":\"light.a\",\"state\":\"on\",\"parameters\":{}}]",
        "[{\"action\":\"turn_on\"}]",
        "[7]",
        "{}",
    };
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    struct house_scene_item *items;
    unsigned count;
    (void)unused;
    assert_true(reads("[{\"entity_id\":\"light.a\",\"action\":\"dim\",\"parameters\":{\"to\":3}},"
                      "{\"entity_id\":\"fan.b\",\"state\":\"\",\"attributes\":{\"x\":1}}]",
                      &ctx, &items, &count));
    assert_int_equal(count, 2);
    assert_text(items[0].entity_id, "light.a");
    assert_text(items[0].action, "dim");
    assert_text(items[0].parameters, "{\"to\":3}");
    assert_null(items[0].state.ptr);
    assert_int_equal(items[1].action.len, 0);
    assert_non_null(items[1].state.ptr);
    assert_text(items[1].attributes, "{\"x\":1}");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ctx.why = NULL;
        assert_false(reads(bad[i], &ctx, &items, &count));
        assert_non_null(ctx.why);
    }
    arena_reset(&arena);
}

static void a_scene_is_shown_with_its_items(void **unused)
{
    const struct house_scene_item items[] = {
        {.entity_id = SPAN("light.a"), .action = SPAN("turn_on")},
        {.entity_id = SPAN("fan.b"), .state = SPAN("low"), .attributes = SPAN("{\"x\":1}")},
        {.entity_id = SPAN("fan.c"), .state = SPAN("off")},
    };
    const struct house_scene_row row = {.name = SPAN("Evening"),
                                        .description = SPAN("after \"six\""),
                                        .icon = SPAN(""),
                                        .version = 3,
                                        .created_ms = 1752701400123,
                                        .updated_ms = 1752701401999};
    buf json = {0};
    (void)unused;
    scene_put(&json, &row, items, ARRAY_LEN(items));
    assert_text(buf_span(&json),
                "{\"id\":\"00000000-0000-0000-0000-000000000000\",\"name\":\"Evening\","
                "\"description\":\"after \\\"six\\\"\",\"icon\":\"\",\"items\":["
                "{\"entity_id\":\"light.a\",\"action\":\"turn_on\",\"parameters\":{}},"
                "{\"entity_id\":\"fan.b\",\"state\":\"low\",\"attributes\":{\"x\":1}},"
                "{\"entity_id\":\"fan.c\",\"state\":\"off\"}],"
                "\"created_at\":\"2025-07-16T21:30:00Z\",\"updated_at\":\"2025-07-16T21:30:01Z\","
                "\"version\":3}");
    buf_deinit(&json);
}

static void results_say_what_became_of_each(void **unused)
{
    const struct house_scene_outcome of[] = {
        {.entity_id = SPAN("light.a"), .ok = true, .command = SPAN("{\"c\":1}")},
        {.entity_id = SPAN("fan.b"), .code = err_code(ERR_PERMISSION_DENIED), .why = "no"},
        {.entity_id = SPAN("fan.c"), .code = err_code(ERR_COMMAND_EXECUTION_FAILED), .why = "no",
         .reason = "TIMEOUT"},
    };
    buf json = {0};
    (void)unused;
    scene_put_outcomes(&json, (uuid){{0}}, of, ARRAY_LEN(of));
    assert_text(buf_span(&json),
                "{\"scene_id\":\"00000000-0000-0000-0000-000000000000\",\"results\":["
                "{\"entity_id\":\"light.a\",\"ok\":true,\"command\":{\"c\":1}},"
                "{\"entity_id\":\"fan.b\",\"ok\":false,\"error\":{\"code\":\"PERMISSION_DENIED\","
                "\"message\":\"no\"}},"
                "{\"entity_id\":\"fan.c\",\"ok\":false,\"error\":{\"code\":"
                "\"COMMAND_EXECUTION_FAILED\",\"message\":\"no\",\"reason\":\"TIMEOUT\"}}]}");
    buf_clear(&json);
    action_put_result(&json, SPAN("light.a"), SPAN("dim"), NULL, SPAN_NONE);
    assert_text(buf_span(&json), "{\"entity_id\":\"light.a\",\"action\":\"dim\"}");
    buf_clear(&json);
    action_put_result(&json, SPAN("light.a"), SPAN("dim"), "TIMEOUT", SPAN("{}"));
    assert_text(buf_span(&json), "{\"entity_id\":\"light.a\",\"action\":\"dim\","
                                 "\"reason\":\"TIMEOUT\",\"command\":{}}");
    buf_deinit(&json);
}

static void ours_among_the_parameters_cannot_be_overridden(void **unused)
{
    struct arena arena = {0};
    (void)unused;
    span got = action_parameters(SPAN("{\"to\":3,\"entity_id\":\"x\",\"capability\":null,"
                                      "\"keep\":null}"),
                                 SPAN("light.a"), SPAN("lamp"), &arena);
    assert_true(merge_same(got, SPAN("{\"to\":3,\"keep\":null,\"entity_id\":\"light.a\","
                                     "\"capability\":\"lamp\"}")));
    got = action_parameters(SPAN_NONE, SPAN("light.a"), SPAN("lamp"), &arena);
    assert_text(got, "{\"entity_id\":\"light.a\",\"capability\":\"lamp\"}");
    arena_reset(&arena);
}

static void a_state_goes_into_parameters_and_back(void **unused)
{
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    span state, attributes;
    (void)unused;
    span p = action_state_parameters(SPAN("on"), SPAN("{\"b\":1}"), &arena);
    assert_text(p, "{\"state\":\"on\",\"attributes\":{\"b\":1}}");
    assert_true(action_state_read(p, &ctx, &state, &attributes));
    assert_text(state, "on");
    assert_text(attributes, "{\"b\":1}");
    p = action_state_parameters(SPAN("7"), SPAN_NONE, &arena);
    assert_true(action_state_read(p, &ctx, &state, &attributes));
    assert_int_equal(attributes.len, 0);
    assert_false(action_state_read(SPAN("{}"), &ctx, &state, &attributes));
    assert_false(action_state_read(SPAN_NONE, &ctx, &state, &attributes));
    assert_false(action_state_read(SPAN("{\"state\":[]}"), &ctx, &state, &attributes));
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_have_names),
        cmocka_unit_test(an_item_is_an_action_or_a_state),
        cmocka_unit_test(a_scene_is_shown_with_its_items),
        cmocka_unit_test(results_say_what_became_of_each),
        cmocka_unit_test(ours_among_the_parameters_cannot_be_overridden),
        cmocka_unit_test(a_state_goes_into_parameters_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
