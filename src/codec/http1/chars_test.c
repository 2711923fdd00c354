/* Derives every class from the grammar's own lists and compares it with the table. */
#include "codec/http1/chars.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static bool alnum(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool among(int c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static void classes_are_those_of_the_grammar(void **state)
{
    for (int c = 0; c < 256; c++) {
        bool unreserved = alnum(c) || among(c, "-._~");
        bool host = unreserved || among(c, "!$&'()*+,;=");
        bool path = host || among(c, ":@/%[]|");
        bool hex = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
        uint8_t b = (uint8_t)c;
        assert_int_equal(http1_is(b, HTTP1_C_TOKEN), alnum(c) || among(c, "!#$%&'*+-.^_`|~"));
        assert_int_equal(http1_is(b, HTTP1_C_VALUE), c == 9 || (c >= 32 && c != 127));
        assert_int_equal(http1_is(b, HTTP1_C_UNRESERVED), unreserved);
        assert_int_equal(http1_is(b, HTTP1_C_HOST), host);
        assert_int_equal(http1_is(b, HTTP1_C_PATH), path);
        assert_int_equal(http1_is(b, HTTP1_C_QUERY), path || among(c, "?{}^`\\"));
        assert_int_equal(http1_is(b, HTTP1_C_HEX), hex);
        assert_int_equal(http1_is(b, HTTP1_C_CONTROL), c < 32 || c == 127);
        assert_int_equal(http1_hex_value(b) >= 0, hex);
    }
    assert_int_equal(http1_hex_value('9'), 9);
    assert_int_equal(http1_hex_value('a'), 10);
    assert_int_equal(http1_hex_value('F'), 15);
}

static void percent_signs_need_two_digits(void **state)
{
    assert_true(http1_percent_valid(SPAN("")));
    assert_true(http1_percent_valid(SPAN("a%41%fF")));
    assert_false(http1_percent_valid(SPAN("%")));
    assert_false(http1_percent_valid(SPAN("%4")));
    assert_false(http1_percent_valid(SPAN("%4g")));
    assert_false(http1_percent_valid(SPAN("%g4")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_those_of_the_grammar),
        cmocka_unit_test(percent_signs_need_two_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
