#include "codec/json/scan.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int check(span text, size_t *at)
{
    return json_check(text, JSON_DEPTH_MAX, 0, at);
}

static void accepted(void **state)
{
    static const char *const texts[] = {
        "null", "true", "false", "0", "-0", "1", "-1", "10", "123456789", "0.0", "-0.0", "0.5",
        "1.25", "1e0", "1E0", "1e+0", "1e-0", "0e0", "0e+1", "0E-1", "1.5e10", "-1.5E-10", "20e1",
        "1e400", "-1e-400", "100000000000000000000000000000000000000000000", "0.00000000000001",
        "\"\"", "\"a\"", "\" \"", "\"abcdefg\"", "\"abcdefgh\"", "\"abcdefghi\"",
        "\"sixteen letters!\"", "\"\\\"\"", "\"\\\\\"", "\"\\/\"", "\"\\b\\f\\n\\r\\t\"",
        "\"1234567\\n\"", "\"12345678\\n\"", "\"\\u0000\"", "\"\\u0041\"", "\"\\uaBcD\"",
        "\"\\ud800\\udc00\"", "\"\\uDBFF\\uDFFF\"", "\"\\ud83d\\ude00 and more\"", "\"\\ue000\"",
        "\"\\uffff\"", "\"\x7f\"", "\"\xc2\x80\"", "\"\xdf\xbf\"", "\"\xe0\xa0\x80\"",
        "\"\xed\x9f\xbf\"", "\"\xee\x80\x80\"", "\"\xef\xbf\xbf\"", "\"\xf0\x90\x80\x80\"",
        "\"\xf4\x8f\xbf\xbf\"", "\"\xe2\x80\xa8\"", "\"1234567\xe2\x82\xac\"", "\"<script>\"",
        "[]", "{}", "[ ]", "{ }", "[\n]", "[1]", "[1,2]", "[ 1 , 2 ]", "[[]]", "[[],[]]", "[{}]",
        "[null,true,false,0,\"\",[],{}]", "{\"a\":1}", "{ \"a\" : 1 , \"b\" : 2 }", "{\"\":0}",
        "{\"a\":{\"b\":{\"c\":[]}}}", "{\"a\":1,\"a\":2}", "{\"\\u0061\":1}", "{\"a\":[]}",
        " 1", "1 ", "\t\n\r 1 \t\n\r", " [ ] ", "\n\"x\"\n", "[\"]\"]", "{\"}\":\"{\"}",
        "[\"\\\\\",\"\\\"\"]", "[-1,-0.5e3]", "[1e1,1E1]", "{\"__proto__\":1}", "[0,0]",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t at = 99;
        int error = check(span_str(texts[i]), &at);
        if (error != 0) {
            fail_msg("%s: %s at %zu", texts[i], json_error_name(error), at);
        }
        assert_int_equal(at, 99);
    }
}

static const struct {
    const char *text;
    int error;
    size_t at;
} refused[] = {
    {"", JSON_E_END, 0},
    {" ", JSON_E_END, 1},
    {"\n\t ", JSON_E_END, 3},
    {"n", JSON_E_END, 1},
    {"nul", JSON_E_END, 3},
    {"nulL", JSON_E_TOKEN, 3},
    {"True", JSON_E_TOKEN, 0},
    {"tru e", JSON_E_TOKEN, 3},
    {"fals", JSON_E_END, 4},
    {"nullx", JSON_E_TRAILING, 4},
    {"NaN", JSON_E_TOKEN, 0},
    {"Infinity", JSON_E_TOKEN, 0},
    {"-Infinity", JSON_E_NUMBER, 1},
    {"undefined", JSON_E_TOKEN, 0},
    {"'a'", JSON_E_TOKEN, 0},
    {"a", JSON_E_TOKEN, 0},
    {"\xef\xbb\xbf{}", JSON_E_TOKEN, 0}, /* byte order mark */
    {"\xff", JSON_E_TOKEN, 0},
    {"\f1", JSON_E_TOKEN, 0},
    {"\v1", JSON_E_TOKEN, 0},
    {"\xc2\xa0" "1", JSON_E_TOKEN, 0}, /* no-break space */
    {"/* c */ 1", JSON_E_TOKEN, 0},
    {"1 // c", JSON_E_TRAILING, 2},
    {"1 2", JSON_E_TRAILING, 2},
    {"1,", JSON_E_TRAILING, 1},
    {"[]]", JSON_E_TRAILING, 2},
    {"{}}", JSON_E_TRAILING, 2},
    {"{}{}", JSON_E_TRAILING, 2},
    {"\"a\"b", JSON_E_TRAILING, 3},
    {"-", JSON_E_NUMBER, 1},
    {"+1", JSON_E_TOKEN, 0},
    {"--1", JSON_E_NUMBER, 1},
    {"-a", JSON_E_NUMBER, 1},
    {"01", JSON_E_NUMBER, 1},
    {"00", JSON_E_NUMBER, 1},
    {"-01", JSON_E_NUMBER, 2},
    {"[012]", JSON_E_NUMBER, 2},
    {".5", JSON_E_TOKEN, 0},
    {"-.5", JSON_E_NUMBER, 1},
    {"1.", JSON_E_NUMBER, 2},
    {"1.e1", JSON_E_NUMBER, 2},
    {"1..2", JSON_E_NUMBER, 2},
    {"1.2.3", JSON_E_TRAILING, 3},
    {"1e", JSON_E_NUMBER, 2},
    {"1e+", JSON_E_NUMBER, 3},
    {"1e-", JSON_E_NUMBER, 3},
    {"1e1.5", JSON_E_TRAILING, 3},
    {"1e1e1", JSON_E_TRAILING, 3},
    {"0x10", JSON_E_TRAILING, 1},
    {"1_000", JSON_E_TRAILING, 1},
    {"1a", JSON_E_TRAILING, 1},
    {"\xef\xbc\x91", JSON_E_TOKEN, 0}, /* a full-width digit */
    {"\"", JSON_E_END, 1},
    {"\"abc", JSON_E_END, 4},
    {"\"abcdefgh", JSON_E_END, 9},
    {"\"a\\", JSON_E_END, 3},
    {"\"\\\"", JSON_E_END, 3},
    {"\"\n\"", JSON_E_CONTROL, 1},
    {"\"\t\"", JSON_E_CONTROL, 1},
    {"\"\x1f\"", JSON_E_CONTROL, 1},
    {"\"1234567\x01 and more\"", JSON_E_CONTROL, 8},
    {"\"12345678\x01 and more\"", JSON_E_CONTROL, 9},
    {"\"\\x41\"", JSON_E_ESCAPE, 1},
    {"\"\\a\"", JSON_E_ESCAPE, 1},
    {"\"\\'\"", JSON_E_ESCAPE, 1},
    {"\"\\0\"", JSON_E_ESCAPE, 1},
    {"\"\\U0041\"", JSON_E_ESCAPE, 1},
    {"\"\\\n\"", JSON_E_ESCAPE, 1},
    {"\"\\\xe2\x82\xac\"", JSON_E_ESCAPE, 1},
    {"\"\\u\"", JSON_E_ESCAPE, 1},
    {"\"\\u12\"", JSON_E_ESCAPE, 1},
    {"\"\\u123\"", JSON_E_ESCAPE, 1},
    {"\"\\u123g\"", JSON_E_ESCAPE, 1},
    {"\"\\u-123\"", JSON_E_ESCAPE, 1},
    {"\"\\u 123\"", JSON_E_ESCAPE, 1},
    {"\"ab\\ud800\"", JSON_E_SURROGATE, 3},
    {"\"\\ud800x\"", JSON_E_SURROGATE, 1},
    {"\"\\ud800\\n\"", JSON_E_SURROGATE, 1},
    {"\"\\ud800\\u0041\"", JSON_E_SURROGATE, 1},
    {"\"\\ud800\\ud800\"", JSON_E_SURROGATE, 1},
    {"\"\\ud800\\udc0\"", JSON_E_SURROGATE, 1},
    {"\"\\udc00\"", JSON_E_SURROGATE, 1},
    {"\"\\udc00\\ud800\"", JSON_E_SURROGATE, 1},
    {"\"\\uDFFF\"", JSON_E_SURROGATE, 1},
    {"\"\x80\"", JSON_E_UTF8, 1},
    {"\"\xbf\"", JSON_E_UTF8, 1},
    {"\"\xc0\x80\"", JSON_E_UTF8, 1},
    {"\"\xc1\xbf\"", JSON_E_UTF8, 1},
    {"\"\xc2\"", JSON_E_UTF8, 1},
    {"\"\xc2", JSON_E_UTF8, 1},
    {"\"\xe0\x9f\xbf\"", JSON_E_UTF8, 1},
    {"\"\xe2\x82\"", JSON_E_UTF8, 1},
    {"\"\xe2\x28\xac\"", JSON_E_UTF8, 1},
    {"\"\xed\xa0\x80\"", JSON_E_UTF8, 1},
    {"\"\xed\xbf\xbf\"", JSON_E_UTF8, 1},
    {"\"\xf0\x8f\xbf\xbf\"", JSON_E_UTF8, 1},
    {"\"\xf0\x90\x80\"", JSON_E_UTF8, 1},
    {"\"\xf4\x90\x80\x80\"", JSON_E_UTF8, 1},
    {"\"\xf5\x80\x80\x80\"", JSON_E_UTF8, 1},
    {"\"\xfe\"", JSON_E_UTF8, 1},
    {"\"1234567\xff\"", JSON_E_UTF8, 8},
    {"[", JSON_E_END, 1},
    {"[1", JSON_E_END, 2},
    {"[1,", JSON_E_END, 3},
    {"[1 ", JSON_E_END, 3},
    {"[,1]", JSON_E_TOKEN, 1},
    {"[1,]", JSON_E_TOKEN, 3},
    {"[1,,2]", JSON_E_TOKEN, 3},
    {"[1 2]", JSON_E_TOKEN, 3},
    {"[1:2]", JSON_E_TOKEN, 2},
    {"[1}", JSON_E_TOKEN, 2},
    {"]", JSON_E_TOKEN, 0},
    {"}", JSON_E_TOKEN, 0},
    {"[\"a\"b]", JSON_E_TOKEN, 4},
    {"[x]", JSON_E_TOKEN, 1},
    {"[nul]", JSON_E_TOKEN, 4},
    {"[-]", JSON_E_NUMBER, 2},
    {"{", JSON_E_END, 1},
    {"{ ", JSON_E_END, 2},
    {"{\"a\"", JSON_E_END, 4},
    {"{\"a\":", JSON_E_END, 5},
    {"{\"a\":1", JSON_E_END, 6},
    {"{\"a\":1,", JSON_E_END, 7},
    {"{,}", JSON_E_TOKEN, 1},
    {"{\"a\":1,}", JSON_E_TOKEN, 7},
    {"{\"a\" 1}", JSON_E_TOKEN, 5},
    {"{\"a\"}", JSON_E_TOKEN, 4},
    {"{\"a\":}", JSON_E_TOKEN, 5},
    {"{\"a\"::1}", JSON_E_TOKEN, 5},
    {"{\"a\",1}", JSON_E_TOKEN, 4},
    {"{\"a\":1 \"b\":2}", JSON_E_TOKEN, 7},
    {"{a:1}", JSON_E_TOKEN, 1},
    {"{'a':1}", JSON_E_TOKEN, 1},
    {"{1:1}", JSON_E_TOKEN, 1},
    {"{null:1}", JSON_E_TOKEN, 1},
    {"{[]:1}", JSON_E_TOKEN, 1},
    {"{\"a\":1]", JSON_E_TOKEN, 6},
    {"{\"a\x01\":1}", JSON_E_CONTROL, 3},
    {"{\"\xff\":1}", JSON_E_UTF8, 2},
};

static void refused_with_the_place(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        size_t at = 0;
        int error = check(span_str(refused[i].text), &at);
        if (error != refused[i].error || at != refused[i].at) {
            fail_msg("%s: got %s at %zu", refused[i].text, json_error_name(error), at);
        }
        assert_int_equal(check(span_str(refused[i].text), NULL), error);
    }
}

static void nul_bytes_end_nothing(void **state)
{
    size_t at;
    assert_int_equal(check(span_of("1\0", 2), &at), JSON_E_TRAILING);
    assert_int_equal(check(span_of("[1\0]", 4), &at), JSON_E_TOKEN);
    assert_int_equal(check(span_of("\"a\0b\"", 5), &at), JSON_E_CONTROL);
    assert_int_equal(at, 2);
    assert_int_equal(check(SPAN_NONE, &at), JSON_E_END);
}

static void nest(buf *out, const char *open, const char *close, unsigned depth)
{
    buf_clear(out);
    for (unsigned i = 0; i < depth; i++) {
        buf_append_str(out, open);
    }
    buf_append_str(out, "0");
    for (unsigned i = 0; i < depth; i++) {
        buf_append_str(out, close);
    }
}

static void depth_is_limited(void **state)
{
    buf text = {0};
    size_t at;
    for (unsigned max = 0; max <= JSON_DEPTH_MAX; max++) {
        nest(&text, "[", "]", max);
        assert_int_equal(json_check(buf_span(&text), max, 0, NULL), 0);
        nest(&text, "{\"a\":", "}", max);
        assert_int_equal(json_check(buf_span(&text), max, 0, NULL), 0);
        nest(&text, "[", "]", max + 1);
        assert_int_equal(json_check(buf_span(&text), max, 0, &at), JSON_E_DEPTH);
        assert_int_equal(at, max);
    }
    nest(&text, "[{\"a\":", "}]", 32); /* both kinds find their own ends at full depth */
    assert_int_equal(check(buf_span(&text), NULL), 0);
    nest(&text, "[{\"a\":", "]}", 32);
    assert_int_equal(check(buf_span(&text), NULL), JSON_E_TOKEN);
    nest(&text, "[", "]", 100000);
    assert_int_equal(check(buf_span(&text), NULL), JSON_E_DEPTH);
    assert_int_equal(check(SPAN("[[],[[]],[]]"), NULL), 0);
    assert_int_equal(json_check(SPAN("[[],[[]],[]]"), 2, 0, &at), JSON_E_DEPTH);
    assert_int_equal(at, 5);
    buf_deinit(&text);
}

static void names_that_poison_prototypes(void **state)
{
    static const char *const bad[] = {
        "{\"__proto__\":1}", "{\"constructor\":1}", "{\"prototype\":1}",
        "{\"a\":[{\"__proto__\":{}}]}", "{\"\\u005f_proto__\":1}", "{\"const\\u0072uctor\":1}",
        "{\"\\u0070\\u0072\\u006f\\u0074\\u006F\\u0074\\u0079\\u0070\\u0065\":1}",
        "{\"ok\":1, \"prototype\":1}"};
    static const char *const good[] = {
        "{\"proto\":1}", "{\"__proto\":1}", "{\"Prototype\":1}", "{\"prototypes\":1}",
        "{\"constructors\":1}", "{\"x\":\"__proto__\"}", "[\"constructor\",\"prototype\"]",
        "{\"a fairly long name\":1}", "{\"a\\u0020fairly\\n\":1}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        size_t at = 0;
        assert_int_equal(json_check(span_str(bad[i]), 16, JSON_REFUSE_PROTO, &at), JSON_E_PROTO);
        assert_int_equal(bad[i][at], '"');
        assert_int_equal(json_check(span_str(bad[i]), 16, 0, NULL), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(json_check(span_str(good[i]), 16, JSON_REFUSE_PROTO, NULL), 0);
    }
}

static void halves_of_surrogate_pairs_pass_where_they_may(void **state)
{
    static const char *const lone[] = {
        "\"\\ud800\"", "\"\\udc00\"", "\"ab\\uDBFFcd\"", "\"\\ud800\\n\"", "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"", "\"\\ud800\\ud83d\\ude00\"", "\"\\udc00\\ud800\"", "{\"\\udfff\":1}"};
    static const char *const bad[] = {"\"\\ud8\"", "\"\\ud800\\u12\"", "\"\\ud800",
                                      "\"\\ud800\\x\"", "\"\xed\xa0\x80\""};
    for (size_t i = 0; i < ARRAY_LEN(lone); i++) {
        assert_int_equal(check(span_str(lone[i]), NULL), JSON_E_SURROGATE);
        assert_int_equal(json_check(span_str(lone[i]), 1, JSON_LONE_SURROGATES, NULL), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_true(json_check(span_str(bad[i]), 1, JSON_LONE_SURROGATES, NULL) < 0);
    }
}

static void every_prefix_of_a_document_is_refused(void **state)
{
    static const char text[] =
        "{\"type\":\"metrics\",\"data\":{\"cpu\":12.5,\"on\":[true,null,-0.5e-3],\"s\":\""
        "\\u00e9\\ud83d\\ude00\xc3\xa9 \xe2\x82\xac\"}}";
    size_t len = sizeof text - 1;
    assert_int_equal(check(span_of(text, len), NULL), 0);
    for (size_t n = 0; n < len; n++) {
        size_t at = 0;
        assert_true(check(span_of(text, n), &at) < 0);
        assert_true(at <= n);
    }
}

static void errors_have_names(void **state)
{
    for (int error = 0; error >= JSON_E_PROTO; error--) {
        assert_true(strcmp(json_error_name(error), "unknown error") != 0);
    }
    assert_string_equal(json_error_name(1), "unknown error");
    assert_string_equal(json_error_name(JSON_E_PROTO - 1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(refused_with_the_place),
        cmocka_unit_test(nul_bytes_end_nothing),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(names_that_poison_prototypes),
        cmocka_unit_test(halves_of_surrogate_pairs_pass_where_they_may),
        cmocka_unit_test(every_prefix_of_a_document_is_refused),
        cmocka_unit_test(errors_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
