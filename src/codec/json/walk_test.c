#include "codec/json/walk.h"

#include "base/buf.h"
#include "codec/json/scan.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The tokens of a document: o, c, k or s and the text, with spaces between. */
static const char *tokens(const char *json)
{
    static buf out;
    struct json_walk w;
    span text;
    enum json_token t;
    buf_clear(&out);
    json_walk_begin(&w, span_str(json));
    while ((t = json_walk_next(&w, &text)) != JSON_T_END) {
        buf_append_byte(&out, (uint8_t)"?ocks"[t]);
        buf_append_span(&out, text);
        buf_append_byte(&out, ' ');
    }
    assert_int_equal(json_walk_next(&w, &text), JSON_T_END);
    buf_append_byte(&out, 0);
    return (const char *)out.ptr;
}

static void every_token_comes_once_in_order(void **state)
{
    static const struct {
        const char *json;
        const char *tokens;
    } rows[] = {
        {"1", "s1 "},
        {" null ", "snull "},
        {"\"a\"", "s\"a\" "},
        {"[]", "o[ c] "},
        {"{}", "o{ c} "},
        {"[1,\"a\",true]", "o[ s1 s\"a\" strue c] "},
        {"{\"a\":\"b\"}", "o{ k\"a\" s\"b\" c} "},
        {" { \"a\" : [ \"b\" , { \"c\" : -1e3 } ] , \"d\" : { } , \"e\" : null } ",
         "o{ k\"a\" o[ s\"b\" o{ k\"c\" s-1e3 c} c] k\"d\" o{ c} k\"e\" snull c} "},
        {"[{\"a\":[]},\"b\",{\"c\":\"d\"}]",
         "o[ o{ k\"a\" o[ c] c} s\"b\" o{ k\"c\" s\"d\" c} c] "},
        {"{\"a,\\\"}\":\"]:{\\\\\"}", "o{ k\"a,\\\"}\" s\"]:{\\\\\" c} "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(json_check(span_str(rows[i].json), JSON_DEPTH_MAX, 0, NULL), 0);
        assert_string_equal(tokens(rows[i].json), rows[i].tokens);
    }
}

static void the_deepest_document_is_walked(void **state)
{
    buf json = {0};
    for (int i = 0; i < JSON_WALK_DEPTH_MAX / 2; i++) {
        buf_append_str(&json, "[{\"k\":");
    }
    buf_append_str(&json, "\"v\"");
    for (int i = 0; i < JSON_WALK_DEPTH_MAX / 2; i++) {
        buf_append_str(&json, ",\"l\":\"m\"},\"n\"]");
    }
    struct json_walk w;
    span text;
    enum json_token t;
    unsigned counts[5] = {0};
    json_walk_begin(&w, buf_span(&json));
    while ((t = json_walk_next(&w, &text)) != JSON_T_END) {
        assert_true(t != JSON_T_KEY || text.ptr[1] == 'k' || text.ptr[1] == 'l');
        counts[t]++;
    }
    assert_int_equal(counts[JSON_T_OPEN], JSON_WALK_DEPTH_MAX);
    assert_int_equal(counts[JSON_T_CLOSE], JSON_WALK_DEPTH_MAX);
    assert_int_equal(counts[JSON_T_KEY], JSON_WALK_DEPTH_MAX);
    assert_int_equal(counts[JSON_T_SCALAR], JSON_WALK_DEPTH_MAX + 1);
    buf_deinit(&json);
}

static void text_that_was_not_checked_ends(void **state)
{
    static const char *const bad[] = {"", "[", "{\"a", "]]]]]", "\"\\", "{\"a\":}", ",,::", "[}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_non_null(tokens(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_comes_once_in_order),
        cmocka_unit_test(the_deepest_document_is_walked),
        cmocka_unit_test(text_that_was_not_checked_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
