#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_span(span s, const char *text)
{
    assert_true(span_eq(s, span_str(text)));
}

static void equality_compares_length_and_bytes(void **state)
{
    assert_true(span_eq(SPAN("abc"), SPAN("abc")));
    assert_false(span_eq(SPAN("abc"), SPAN("abd")));
    assert_false(span_eq(SPAN("abc"), SPAN("ab")));
    assert_true(span_eq(SPAN_NONE, SPAN("")));
    assert_true(span_eq(span_str(NULL), SPAN_NONE));
    assert_int_equal(SPAN("a\0b").len, 3);
}

static void case_is_ignored_for_ascii_letters_only(void **state)
{
    assert_true(span_ieq(SPAN("Content-TYPE"), SPAN("content-type")));
    assert_false(span_ieq(SPAN("abc"), SPAN("abcd")));
    assert_false(span_ieq(SPAN("abc"), SPAN("abx")));
    assert_false(span_ieq(SPAN("@"), SPAN("`")));
    assert_false(span_ieq(SPAN("["), SPAN("{")));
    assert_false(span_ieq(SPAN("\xc4"), SPAN("\xe4")));
    assert_true(span_ieq(SPAN_NONE, SPAN("")));
}

static void starts_needs_the_whole_prefix(void **state)
{
    assert_true(span_starts(SPAN("/api/v1"), SPAN("/api")));
    assert_true(span_starts(SPAN("x"), SPAN_NONE));
    assert_true(span_starts(SPAN_NONE, SPAN_NONE));
    assert_false(span_starts(SPAN("/ap"), SPAN("/api")));
    assert_false(span_starts(SPAN("/bpi"), SPAN("/api")));
}

static void find_gives_the_first_place_or_minus_one(void **state)
{
    assert_int_equal(span_find(SPAN("a:b:c"), ':'), 1);
    assert_int_equal(span_find(SPAN("abc"), ':'), -1);
    assert_int_equal(span_find(SPAN_NONE, ':'), -1);
}

static void slice_is_clamped_to_the_end(void **state)
{
    assert_span(span_slice(SPAN("abcdef"), 2, 3), "cde");
    assert_span(span_slice(SPAN("abcdef"), 2, SIZE_MAX), "cdef");
    assert_span(span_slice(SPAN("abcdef"), 6, 1), "");
    assert_span(span_slice(SPAN("abcdef"), SIZE_MAX, SIZE_MAX), "");
    assert_span(span_slice(SPAN_NONE, 1, 1), "");
}

static void trim_takes_spaces_and_tabs_only(void **state)
{
    assert_span(span_trim(SPAN(" \t a b\t ")), "a b");
    assert_span(span_trim(SPAN("\na\r")), "\na\r");
    assert_span(span_trim(SPAN(" \t ")), "");
    assert_span(span_trim(SPAN_NONE), "");
}

static void cut_walks_every_part(void **state)
{
    span rest = SPAN("a,,b,");
    assert_span(span_cut(&rest, ','), "a");
    assert_span(span_cut(&rest, ','), "");
    assert_span(span_cut(&rest, ','), "b");
    assert_non_null(rest.ptr);
    assert_span(span_cut(&rest, ','), "");
    assert_null(rest.ptr);
    assert_span(span_cut(&rest, ','), "");
}

static void u64_takes_digits_up_to_the_maximum(void **state)
{
    uint64_t value = 0;
    assert_true(span_u64(SPAN("0"), 0, &value));
    assert_int_equal(value, 0);
    assert_true(span_u64(SPAN("18446744073709551615"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_true(span_u64(SPAN("0042"), 42, &value));
    assert_int_equal(value, 42);
    assert_true(span_u64(SPAN("65535"), 65535, &value));
}

static void u64_refuses_everything_else(void **state)
{
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1a", "0x1", "1.0", "\xd9\xa1"};
    uint64_t value = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(span_u64(span_str(bad[i]), UINT64_MAX, &value));
    }
    assert_false(span_u64(SPAN("18446744073709551616"), UINT64_MAX, &value));
    assert_false(span_u64(SPAN("99999999999999999999"), UINT64_MAX, &value));
    assert_false(span_u64(SPAN("65536"), 65535, &value));
    assert_false(span_u64(SPAN("5"), 4, &value));
    assert_false(span_u64(SPAN("10"), 9, &value));
    assert_int_equal(value, 7);
}

static void secrets_compare_like_spans(void **state)
{
    assert_true(span_eq_secret(SPAN("secret"), SPAN("secret")));
    assert_false(span_eq_secret(SPAN("secret"), SPAN("Secret")));
    assert_false(span_eq_secret(SPAN("secret"), SPAN("secreT")));
    assert_false(span_eq_secret(SPAN("secret"), SPAN("secre")));
    assert_true(span_eq_secret(SPAN_NONE, SPAN("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_compares_length_and_bytes),
        cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
        cmocka_unit_test(starts_needs_the_whole_prefix),
        cmocka_unit_test(find_gives_the_first_place_or_minus_one),
        cmocka_unit_test(slice_is_clamped_to_the_end),
        cmocka_unit_test(trim_takes_spaces_and_tabs_only),
        cmocka_unit_test(cut_walks_every_part),
        cmocka_unit_test(u64_takes_digits_up_to_the_maximum),
        cmocka_unit_test(u64_refuses_everything_else),
        cmocka_unit_test(secrets_compare_like_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
