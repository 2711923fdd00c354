/* Lists, weights, entity tags and cookies. */
#include "codec/http1/list.h"

#include "base/assert.h"
#include "codec/http1/cookie.h"
#include "codec/http1/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void tokens_are_found_in_lists(void **state)
{
    static const struct {
        const char *value;
        const char *token;
        bool found;
    } rows[] = {
        {"upgrade", "Upgrade", true},
        {"keep-alive, Upgrade", "upgrade", true},
        {"keep-alive ,\tUpgrade\t", "upgrade", true},
        {",, upgrade,", "upgrade", true},
        {"upgraded", "upgrade", false},
        {"xupgrade", "upgrade", false},
        {"keep alive upgrade", "upgrade", false},
        {"", "upgrade", false},
        {" , ", "upgrade", false},
        {"\"a\", upgrade", "upgrade", true},
        {"\" foo , close", "close", true},
        {"\"upgrade\"", "upgrade", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (http1_list_has(span_str(rows[i].value), span_str(rows[i].token)) != rows[i].found) {
            fail_msg("%s in %s", rows[i].token, rows[i].value);
        }
    }
}

static void quoted_commas_do_not_separate_elements(void **state)
{
    span rest = SPAN(" , a;b=\"c, d\\\", e\" ,,f\t, \"open, g");
    span element;
    assert_true(http1_list_next(&rest, &element));
    assert_true(span_eq(element, SPAN("a;b=\"c, d\\\", e\"")));
    assert_true(http1_list_next(&rest, &element) && span_eq(element, SPAN("f")));
    assert_true(http1_list_next(&rest, &element) && span_eq(element, SPAN("\"open, g")));
    assert_false(http1_list_next(&rest, &element));
}

static void weights_are_read_in_thousandths(void **state)
{
    static const struct {
        const char *value;
        int weight;
    } rows[] = {
        {"gzip", 1000},          {"GZIP", 1000},           {"br, gzip", 1000},
        {"gzip;q=1", 1000},      {"gzip;q=1.000", 1000},   {"gzip;q=0", 0},
        {"gzip;q=0.0", 0},       {"gzip; Q=0.5", 500},     {"gzip ; q=0.123 , br", 123},
        {"gzip;q=0.", 0},        {"gzip;q=1.", 1000},      {"gzip;q=0.01", 10},
        {"gzip;q=1.001", 0},     {"gzip;q=2", 0},          {"gzip;q=", 0},
        {"gzip;q=.5", 0},        {"gzip;q=0.1234", 0},     {"gzip;q=-1", 0},
        {"gzip;q=0x1", 0},       {"gzip;level=9", 0},      {"gzip;", 1000},
        {"deflate", -1},         {"", -1},                 {"xgzip", -1},
        {"*", -1},               {"gzip;q=0, gzip", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int weight = http1_list_weight(span_str(rows[i].value), SPAN("gzip"));
        if (weight != rows[i].weight) {
            fail_msg("%s: %d, expected %d", rows[i].value, weight, rows[i].weight);
        }
    }
    assert_int_equal(http1_list_weight(SPAN("br, *;q=0.2"), SPAN("*")), 200);
}

static void entity_tags_compare_weakly(void **state)
{
    static const struct {
        const char *list;
        const char *etag;
        bool weak;
        bool strong;
    } rows[] = {
        {"\"a\"", "\"a\"", true, true},
        {"W/\"a\"", "\"a\"", true, false},
        {"\"a\"", "W/\"a\"", true, false},
        {"W/\"a\"", "W/\"a\"", true, false},
        {"\"b\", \"a\"", "\"a\"", true, true},
        {"W/\"b\" ,, W/\"a\"", "\"a\"", true, false},
        {"*", "\"a\"", true, true},
        {" * ", "\"a\"", true, true},
        {"\"b\"", "\"a\"", false, false},
        {"\"a\"", "\"ab\"", false, false},
        {"\"A\"", "\"a\"", false, false},
        {"\"x,\\\", \"a\"", "\"a\"", true, true},
        {"\"b, \"a\"", "\"a\"", false, false},
        {"a", "\"a\"", false, false},
        {"\"a", "\"a\"", false, false},
        {"w/\"a\"", "\"a\"", false, false},
        {"", "\"a\"", false, false},
        {"\"b\" junk, \"a\"", "\"a\"", false, false},
        {"\"b\", *", "\"a\"", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        span list = span_str(rows[i].list);
        span etag = span_str(rows[i].etag);
        if (http1_etag_matches(list, etag) != rows[i].weak ||
            http1_etag_matches_strong(list, etag) != rows[i].strong) {
            fail_msg("%s against %s", rows[i].etag, rows[i].list);
        }
    }
}

static void assert_cookie(const char *value, const char *name, const char *expected)
{
    span found = http1_cookie_find(span_str(value), span_str(name));
    if ((found.ptr == NULL) != (expected == NULL) || !span_eq(found, span_str(expected))) {
        fail_msg("%s in %s: \"%.*s\"", name, value, SPAN_FMT(found));
    }
}

static void cookies_are_found_by_their_exact_name(void **state)
{
    assert_cookie("sid=abc", "sid", "abc");
    assert_cookie("a=1; sid=abc; b=2", "sid", "abc");
    assert_cookie("a=1;sid=abc", "sid", "abc");
    assert_cookie("sid=", "sid", "");
    assert_cookie("sid=\"abc\"", "sid", "abc");
    assert_cookie("sid=\"", "sid", "\"");
    assert_cookie("sid=a=b==", "sid", "a=b==");
    assert_cookie("sid=first; sid=second", "sid", "first");
    assert_cookie("SID=abc", "sid", NULL);
    assert_cookie("xsid=abc", "sid", NULL);
    assert_cookie("sid2=abc", "sid", NULL);
    assert_cookie("sid", "sid", NULL);
    assert_cookie("a=\"; sid=abc\"", "sid", "abc\"");
    assert_cookie("", "sid", NULL);
    assert_cookie(";;; ;", "sid", NULL);
}

static void cookies_are_found_in_any_line(void **state)
{
    struct http1_fields f = {.count = 3,
                             .items = {{SPAN("Cookie"), SPAN("a=1")},
                                       {SPAN("X"), SPAN("sid=no")},
                                       {SPAN("cookie"), SPAN("sid=yes")}}};
    assert_true(span_eq(http1_cookie_get(&f, SPAN("sid")), SPAN("yes")));
    assert_null(http1_cookie_get(&f, SPAN("b")).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_found_in_lists),
        cmocka_unit_test(quoted_commas_do_not_separate_elements),
        cmocka_unit_test(weights_are_read_in_thousandths),
        cmocka_unit_test(entity_tags_compare_weakly),
        cmocka_unit_test(cookies_are_found_by_their_exact_name),
        cmocka_unit_test(cookies_are_found_in_any_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
