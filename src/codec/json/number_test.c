#include "base/assert.h"
#include "codec/json/read.h"
#include "codec/json/write.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void integers_are_exact(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {
        {"0", 0},
        {"-0", 0},
        {"0.000", 0},
        {"0e99999999999999999999", 0},
        {"7", 7},
        {"-7", -7},
        {"7.0", 7},
        {"1e3", 1000},
        {"1.5e1", 15},
        {"70e-1", 7},
        {"12.50e2", 1250},
        {"0.001e3", 1},
        {"100", 100},
        {"1000000000000000000", 1000000000000000000},
        {"1e18", 1000000000000000000},
        {"9007199254740993", 9007199254740993},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"9223372036854775807.000", INT64_MAX},
        {"922337203685477580700e-2", INT64_MAX},
        {"1234567890123456789", 1234567890123456789},
        {"1000000000000000000000000000000e-29", 10},
        {"0.0000000000000000000000000000005e31", 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t v = 1;
        if (!json_i64(span_str(rows[i].text), &v) || v != rows[i].value) {
            fail_msg("%s gave %lld", rows[i].text, (long long)v);
        }
    }
    static const char *const bad[] = {
        "0.5", "1e-1", "1.5", "7.0000000000000000001", "9223372036854775808",
        "-9223372036854775809",
        "1e19", "5e19", "1e99999999999999999999", "1e-99999999999999999999", "18446744073709551616",
        "12345678901234567890123", "10000000000000000000000000000001e-30", "true", "\"1\"", "null",
        "[]", "", "-"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t v;
        if (json_i64(span_str(bad[i]), &v)) {
            fail_msg("%s gave %lld", bad[i], (long long)v);
        }
    }
}

static void zeros_and_exponents_cancel_at_any_length(void **state)
{
    buf text = {0};
    int64_t v;
    double d;
    buf_append_str(&text, "7");
    for (int i = 0; i < 200000; i++) {
        buf_append_byte(&text, '0');
    }
    buf_append_str(&text, "e-199999");
    assert_true(json_i64(buf_span(&text), &v));
    assert_int_equal(v, 70);
    assert_true(json_number(buf_span(&text), &d));
    assert_true(d == 70);
    buf_deinit(&text);
}

static void doubles_are_the_nearest(void **state)
{
    static const char *const texts[] = {
        "0", "-0", "1", "0.1", "-0.1", "0.3", "12.5", "3.141592653589793",
        "2.718281828459045235360",
        "1e22", "1e23", "1e-22", "1e-23", "123456789012345678", "9007199254740993", "5e-324",
        "2.2250738585072014e-308", "1.7976931348623157e308", "1e-400", "4.35", "0.000001",
        "8.5070591730234616e37", "179769313486231570000000000000000000000", "1.0e0", "1E+2",
        "2.2250738585072011e-308", "6.02214076e23", "100.00", "33.333333333333336", "1e308",
        "0.1000000000000000055511151231257827021181583404541015625"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        double d, wanted = strtod(texts[i], NULL);
        assert_true(json_number(span_str(texts[i]), &d));
        if (memcmp(&d, &wanted, sizeof d) != 0) {
            fail_msg("%s gave %.17g", texts[i], d);
        }
    }
    static const char *const bad[] = {"1e309", "-1e400", "true", "\"1\"", "[1]", "", "-"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        double d;
        assert_false(json_number(span_str(bad[i]), &d));
    }
    char text[JSON_NUMBER_BYTES_MAX + 2] = "0.";
    memset(text + 2, '3', JSON_NUMBER_BYTES_MAX - 2);
    double d;
    assert_true(json_number(span_of(text, JSON_NUMBER_BYTES_MAX), &d));
    text[JSON_NUMBER_BYTES_MAX] = '3';
    assert_false(json_number(span_of(text, JSON_NUMBER_BYTES_MAX + 1), &d));
}

static void doubles_print_short(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0.0, "0"},
        {-0.0, "0"},
        {1, "1"},
        {-1, "-1"},
        {100, "100"},
        {0.1, "0.1"},
        {-0.5, "-0.5"},
        {0.05, "0.05"},
        {0.001, "0.001"},
        {-12.34, "-12.34"},
        {99.999, "99.999"},
        {0.0001, "0.0001"},
        {0.3, "0.3"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {3.141592653589793, "3.141592653589793"},
        {123456789012.125, "123456789012.125"},
        {9007199254740991.0, "9007199254740991"},
        {9007199254740992.0, "9007199254740992"},
        {1e21, "1e+21"},
        {1e-7, "1e-07"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {5e-324, "4.94065645841247e-324"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf out = {0};
        json_put_double(&out, rows[i].value);
        if (!span_eq(buf_span(&out), span_str(rows[i].text))) {
            fail_msg("%s printed as %.*s", rows[i].text, SPAN_FMT(buf_span(&out)));
        }
        buf_deinit(&out);
    }
}

static void doubles_round_trip(void **state)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        double value, back;
        memcpy(&value, &seed, sizeof value);
        if (i % 2 == 0) { /* as sensors have them */
            value = (double)(int64_t)(seed >> 24) / (i % 4 == 0 ? 1000 : 10000000);
        }
        if (!isfinite(value)) {
            continue;
        }
        buf out = {0};
        json_put_double(&out, value);
        assert_true(json_number(buf_span(&out), &back));
        assert_true(back == value);
        assert_true(out.len <= 24);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(zeros_and_exponents_cancel_at_any_length),
        cmocka_unit_test(doubles_are_the_nearest),
        cmocka_unit_test(doubles_print_short),
        cmocka_unit_test(doubles_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
