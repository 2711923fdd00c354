#include "codec/http1/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_normal(const char *path, const char *expected)
{
    buf b = {0};
    buf_append_str(&b, "kept");
    bool ok = http1_path_normalize(span_str(path), &b);
    span result = span_slice(buf_span(&b), 4, b.len);
    if (expected == NULL) {
        if (ok || result.len > 0) {
            fail_msg("%s: accepted as %.*s", path, SPAN_FMT(result));
        }
    } else if (!ok || !span_eq(result, span_str(expected))) {
        fail_msg("%s: %s %.*s, expected %s", path, ok ? "read as" : "refused", SPAN_FMT(result),
                 expected);
    }
    assert_true(span_starts(buf_span(&b), SPAN("kept")));
    buf_deinit(&b);
}

static void paths_are_decoded_and_dot_segments_resolved(void **state)
{
    static const char *const rows[][2] = {
        {"/", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a/b/c", "/a/b/c"},
        {"/%61%2Db", "/a-b"},
        {"/a%20b", "/a b"},
        {"/a+b", "/a+b"},
        {"/caf%C3%A9", "/caf\xc3\xa9"},
        {"/.", "/"},
        {"/./", "/"},
        {"/a/.", "/a/"},
        {"/a/./b", "/a/b"},
        {"/a/..", "/"},
        {"/a/../", "/"},
        {"/a/b/../c", "/a/c"},
        {"/a/b/../../c", "/c"},
        {"/a/%2e%2E/c", "/c"},
        {"/a/.%2e/c", "/c"},
        {"/%2e/c", "/c"},
        {"/...", "/..."},
        {"/.hidden", "/.hidden"},
        {"/a..b/..c", "/a..b/..c"},
        {"//b", "//b"},
        {"/a//b", "/a//b"},
        {"/a//..", "/a/"},
        {"/%252e%252e/x", "/%2e%2e/x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_normal(rows[i][0], rows[i][1]);
    }
}

static void ambiguous_or_escaping_paths_are_refused(void **state)
{
    static const char *const rows[] = {
        "",           "*",          "a",           "http://b/",  "/..",          "/../",
        "/../etc",    "/a/../..",   "/a/../../b",  "/%2e%2e",    "/%2e%2e/etc",  "/./..",
        "/a%2Fb",     "/a%2fb",     "/..%2f..",    "/a%5Cb",     "/a%5cb",       "/a\\b",
        "/..%5c..",   "/a%00",      "/a%00.html",  "/a%0d%0aX",  "/a%1f",        "/a%7F",
        "/%",         "/%4",        "/%zz",        "/%c3%28",    "/%ff",         "/%c0%af",
        "/%ed%a0%80", "/%e2%82",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_normal(rows[i], NULL);
    }
}

static void assert_segments(const char *path, const char *joined)
{
    span rest = span_str(path);
    span segment;
    buf b = {0};
    while (http1_path_next(&rest, &segment)) {
        buf_append_byte(&b, '<');
        buf_append_span(&b, segment);
        buf_append_byte(&b, '>');
    }
    assert_true(span_eq(buf_span(&b), span_str(joined)));
    buf_deinit(&b);
}

static void segments_are_walked(void **state)
{
    assert_segments("/a/b", "<a><b>");
    assert_segments("/a/b/", "<a><b><>");
    assert_segments("/", "<>");
    assert_segments("//a", "<><a>");
    assert_segments("", "");
    assert_segments("a/b", "");
}

static void assert_query(const char *query, const char *key, const char *expected)
{
    buf b = {0};
    bool found = http1_query_get(span_str(query), span_str(key), &b);
    if (found != (expected != NULL) ||
        !span_eq(buf_span(&b), span_str(expected == NULL ? "" : expected))) {
        fail_msg("%s in %s: %s \"%.*s\"", key, query, found ? "found" : "absent",
                 SPAN_FMT(buf_span(&b)));
    }
    buf_deinit(&b);
}

static void query_values_are_found_and_decoded(void **state)
{
    assert_query("a=1&b=2", "a", "1");
    assert_query("a=1&b=2", "b", "2");
    assert_query("a=1&b=2", "c", NULL);
    assert_query("a=1&a=2", "a", "1");
    assert_query("a=x+y%20z%2B", "a", "x y z+");
    assert_query("%61b=1", "ab", "1");
    assert_query("a+b=1", "a b", "1");
    assert_query("a", "a", "");
    assert_query("a=", "a", "");
    assert_query("a=b=c", "a", "b=c");
    assert_query("&&a=1&", "a", "1");
    assert_query("=1", "", "1");
    assert_query("", "a", NULL);
    assert_query("", "", NULL);
    assert_query("ab=1", "a", NULL);
    assert_query("a=1", "ab", NULL);
    assert_query("A=1", "a", NULL);
    assert_query("a=1;b=2", "b", NULL);
    assert_query("a=%zz", "a", NULL);
    assert_query("a=%4", "a", NULL);
    assert_query("%zz=1&a=2", "a", "2");
    assert_query("%6=1", "a", NULL);
}

static void query_keys_are_counted(void **state)
{
    assert_int_equal(http1_query_count(SPAN("a=1&b&%61=2&a"), SPAN("a")), 3);
    assert_int_equal(http1_query_count(SPAN("a=1"), SPAN("b")), 0);
    assert_int_equal(http1_query_count(SPAN_NONE, SPAN("b")), 0);
}

static void pairs_without_an_equals_sign_have_no_value(void **state)
{
    span rest = SPAN("a&b=");
    span key;
    span value;
    assert_true(http1_query_next(&rest, &key, &value) && value.ptr == NULL);
    assert_true(http1_query_next(&rest, &key, &value) && value.ptr != NULL && value.len == 0);
    assert_false(http1_query_next(&rest, &key, &value));
}

static void every_byte_survives_encoding_and_decoding(void **state)
{
    uint8_t all[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (uint8_t)i;
    }
    buf encoded = {0};
    buf decoded = {0};
    http1_percent_encode(span_of(all, sizeof all), &encoded);
    assert_int_equal(encoded.len, 66 + 3 * (256 - 66));
    assert_true(http1_percent_decode(buf_span(&encoded), true, &decoded));
    assert_true(span_eq(buf_span(&decoded), span_of(all, sizeof all)));
    assert_false(http1_percent_decode(SPAN("ab%"), false, &decoded));
    assert_int_equal(decoded.len, sizeof all);
    buf_deinit(&encoded);
    buf_deinit(&decoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_decoded_and_dot_segments_resolved),
        cmocka_unit_test(ambiguous_or_escaping_paths_are_refused),
        cmocka_unit_test(segments_are_walked),
        cmocka_unit_test(query_values_are_found_and_decoded),
        cmocka_unit_test(query_keys_are_counted),
        cmocka_unit_test(pairs_without_an_equals_sign_have_no_value),
        cmocka_unit_test(every_byte_survives_encoding_and_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
