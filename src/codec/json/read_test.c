#include "codec/json/read.h"

#include "codec/json/scan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static span valid(const char *text)
{
    assert_int_equal(json_check(span_str(text), JSON_DEPTH_MAX, 0, NULL), 0);
    return json_root(span_str(text));
}

static void assert_span(span got, const char *wanted)
{
    if (!span_eq(got, span_str(wanted))) {
        fail_msg("got %.*s, wanted %s", SPAN_FMT(got), wanted);
    }
}

static void types_by_the_first_byte(void **state)
{
    assert_int_equal(json_type(valid(" null ")), JSON_NULL);
    assert_int_equal(json_type(valid("true")), JSON_BOOL);
    assert_int_equal(json_type(valid("false")), JSON_BOOL);
    assert_int_equal(json_type(valid("-1")), JSON_NUMBER);
    assert_int_equal(json_type(valid("0")), JSON_NUMBER);
    assert_int_equal(json_type(valid("\"\"")), JSON_STRING);
    assert_int_equal(json_type(valid("\n[]")), JSON_ARRAY);
    assert_int_equal(json_type(valid("{}")), JSON_OBJECT);
    assert_int_equal(json_type(SPAN_NONE), JSON_NONE);
    assert_span(valid(" \t[1]\r\n"), "[1]");
    assert_int_equal(json_root(SPAN("  ")).len, 0);
    assert_int_equal(json_root(SPAN_NONE).len, 0);
}

static void members_come_in_order_as_slices(void **state)
{
    static const char *const wanted[][2] = {
        {"\"a\"", "1"},
        {"\"b c\"", "\"x,}\\\"]\""},
        {"\"\"", "{\"a\":[{}]}"},
        {"\"d\"", "[ 1 , [ ] ]"},
        {"\"\\\\\"", "null"},
        {"\"a\"", "-2.5e3"},
    };
    span object = valid(" { \"a\":1, \"b c\" : \"x,}\\\"]\",\"\":{\"a\":[{}]} ,\"d\":[ 1 , [ ] ]\n,"
                        "\"\\\\\":null,\"a\":-2.5e3 } ");
    struct json_iter it;
    span key, value;
    size_t n = 0;
    assert_true(json_object_begin(&it, object));
    while (json_object_next(&it, &key, &value)) {
        assert_true(n < ARRAY_LEN(wanted));
        assert_span(key, wanted[n][0]);
        assert_span(value, wanted[n][1]);
        n++;
    }
    assert_int_equal(n, ARRAY_LEN(wanted));
    assert_false(json_object_next(&it, &key, &value));
    assert_int_equal(json_count(object), ARRAY_LEN(wanted));
}

static void elements_come_in_order(void **state)
{
    static const char *const wanted[] = {"1", "\"]\"", "\"a long plain string ]\"", "[2,3]",
                                        "{\"a\":\"[\"}", "true", "\"\""};
    span array = valid("[1 ,\"]\",\"a long plain string ]\", [2,3],{\"a\":\"[\"} ,true,\"\" ]");
    struct json_iter it;
    span value;
    size_t n = 0;
    assert_true(json_array_begin(&it, array));
    while (json_array_next(&it, &value)) {
        assert_span(value, wanted[n++]);
    }
    assert_int_equal(n, ARRAY_LEN(wanted));
    assert_int_equal(json_count(array), n);
    assert_int_equal(json_count(valid("[ ]")), 0);
    assert_int_equal(json_count(valid("{ }")), 0);
    assert_int_equal(json_count(valid("7")), 0);
}

static void walking_the_wrong_type_finds_nothing(void **state)
{
    static const char *const others[] = {"null", "1", "\"{}\"", "true"};
    struct json_iter it;
    span key, value;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(json_object_begin(&it, valid(others[i])));
        assert_false(json_object_next(&it, &key, &value));
        assert_false(json_array_begin(&it, valid(others[i])));
        assert_false(json_array_next(&it, &value));
        assert_false(json_get(valid(others[i]), "a", &value));
        assert_int_equal(value.len, 0);
    }
    assert_false(json_object_begin(&it, valid("[]")));
    assert_false(json_array_begin(&it, valid("{}")));
    assert_false(json_array_begin(&it, SPAN_NONE));
}

static void get_finds_the_last_of_a_name(void **state)
{
    span value;
    span object = valid("{\"a\":1,\"b\":{\"c\":2},\"a\":3,\"\\u00e9\":4,\"x\":null}");
    assert_true(json_get(object, "a", &value));
    assert_span(value, "3");
    assert_true(json_get(object, "b", &value));
    assert_span(value, "{\"c\":2}");
    assert_true(json_get(object, "\xc3\xa9", &value));
    assert_span(value, "4");
    assert_true(json_get(object, "x", &value));
    assert_span(value, "null");
    assert_false(json_get(object, "c", &value));
    assert_int_equal(value.len, 0);
    assert_false(json_get(object, "", &value));
}

static void strings_unescape(void **state)
{
    static const char *const rows[][2] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"a\\nb\\nc\"", "a\nb\nc"},
        {"\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\"\\uFFFF\\uDBFF\\uDFFF\"", "\xef\xbf\xbf\xf4\x8f\xbf\xbf"},
        {"\"\xe2\x82\xac\\n\xe2\x82\xac\"", "\xe2\x82\xac\n\xe2\x82\xac"},
        {"\"\\\\n\"", "\\n"},
        {"\"\\\\\\\\\"", "\\\\"},
    };
    struct arena a = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf out = {0};
        span value = valid(rows[i][0]);
        buf_append_str(&out, ">");
        assert_true(json_string(value, &out));
        assert_int_equal(out.ptr[0], '>');
        assert_span(span_slice(buf_span(&out), 1, out.len), rows[i][1]);
        assert_span(json_string_in(value, &a), rows[i][1]);
        assert_true(json_string_eq(value, span_str(rows[i][1])));
        assert_false(json_string_eq(value, SPAN("other text that is long enough for all")));
        buf_deinit(&out);
    }
    arena_reset(&a);
}

static void strings_without_escapes_are_not_copied(void **state)
{
    struct arena a = {0};
    span value = valid("\"plain \xe2\x82\xac\"");
    assert_ptr_equal(json_string_in(value, &a).ptr, value.ptr + 1);
    assert_int_equal(a.total_bytes, 0);
}

static void a_nul_is_a_character(void **state)
{
    buf out = {0};
    span value = valid("\"a\\u0000b\"");
    assert_true(json_string(value, &out));
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.ptr, "a\0b", 3);
    assert_true(json_string_eq(value, span_of("a\0b", 3)));
    assert_false(json_string_eq(value, SPAN("a")));
    buf_deinit(&out);
}

static void other_types_are_no_strings(void **state)
{
    buf out = {0};
    struct arena a = {0};
    assert_false(json_string(valid("1"), &out));
    assert_false(json_string(SPAN_NONE, &out));
    assert_int_equal(out.len, 0);
    assert_null(json_string_in(valid("[]"), &a).ptr);
    assert_false(json_string_eq(valid("null"), SPAN("null")));
    assert_false(json_string_eq(valid("\"ab\""), SPAN("abc")));
    assert_false(json_string_eq(valid("\"abc\""), SPAN("ab")));
    assert_false(json_string_eq(valid("\"\\u0061bc\""), SPAN("ab")));
    assert_false(json_string_eq(valid("\"\\u0061b\""), SPAN("abc")));
    buf_deinit(&out);
}

static void bools(void **state)
{
    bool b;
    assert_true(json_bool(valid("true"), &b) && b);
    assert_true(json_bool(valid("false"), &b) && !b);
    assert_false(json_bool(valid("null"), &b));
    assert_false(json_bool(valid("1"), &b));
    assert_false(json_bool(SPAN_NONE, &b));
}

static void halves_of_surrogate_pairs_are_replaced(void **state)
{
    static const char *const rows[][2] = {
        {"\"\\ud83d\"", "\xef\xbf\xbd"},
        {"\"a\\ude00b\"", "a\xef\xbf\xbd" "b"},
        {"\"\\ud83d\\u0041 and more\"", "\xef\xbf\xbd" "A and more"},
        {"\"\\ud83d123456789\"", "\xef\xbf\xbd" "123456789"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf text = {0};
        span value = span_str(rows[i][0]);
        assert_int_equal(json_check(value, 0, JSON_LONE_SURROGATES, NULL), 0);
        assert_true(json_string(value, &text));
        assert_span(buf_span(&text), rows[i][1]);
        assert_true(json_string_eq(value, span_str(rows[i][1])));
        buf_deinit(&text);
    }
}

static void unvalidated_text_stays_inside_its_span(void **state)
{
    static const char *const rows[] = {
        "{", "[", "\"", "{\"", "{\"a\"}", "{\"a\":}", "{:}", "[,,]", "[[[]", "{\"a\":\"", "[}]",
        "{}}", "[]]", "{\"a\" 1}", "\"\\", "\"\\u12\"", "\"\\u\"", "\"\\ud800\"", "\"\\udc00\"",
        "\"\\ud800\\\"", "\"\\ud800\\u00\"", "\"\\q\"", "[\"\\]", "-", "-x", "x", "\xff", "1e",
        "\"abc\\\"", "[}", "{]", "\"\\ud800123456\""};
    struct arena a = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = strlen(rows[i]);
        uint8_t *copy = test_malloc(len); /* exact, so that a sanitizer sees any step outside */
        memcpy(copy, rows[i], len);
        span value = json_root(span_of(copy, len));
        span got;
        int64_t n;
        double d;
        (void)json_count(value);
        (void)json_get(value, "a", &got);
        (void)json_string_in(value, &a);
        (void)json_string_eq(value, SPAN("zz"));
        (void)json_i64(value, &n);
        (void)json_number(value, &d);
        test_free(copy);
    }
    arena_reset(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_by_the_first_byte),
        cmocka_unit_test(members_come_in_order_as_slices),
        cmocka_unit_test(elements_come_in_order),
        cmocka_unit_test(walking_the_wrong_type_finds_nothing),
        cmocka_unit_test(get_finds_the_last_of_a_name),
        cmocka_unit_test(strings_unescape),
        cmocka_unit_test(strings_without_escapes_are_not_copied),
        cmocka_unit_test(a_nul_is_a_character),
        cmocka_unit_test(other_types_are_no_strings),
        cmocka_unit_test(bools),
        cmocka_unit_test(halves_of_surrogate_pairs_are_replaced),
        cmocka_unit_test(unvalidated_text_stays_inside_its_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
