#include "base/timefmt.h"

#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    int64_t epoch_ms;
    const char *text;
    const char *http;
} known[] = {
    {0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT"},
    {-1, "1969-12-31T23:59:59.999Z", "Wed, 31 Dec 1969 23:59:59 GMT"},
    {784111777000, "1994-11-06T08:49:37.000Z", "Sun, 06 Nov 1994 08:49:37 GMT"},
    {951782400123, "2000-02-29T00:00:00.123Z", "Tue, 29 Feb 2000 00:00:00 GMT"},
    {1752701400000, "2025-07-16T21:30:00.000Z", "Wed, 16 Jul 2025 21:30:00 GMT"},
    {4107542400000, "2100-03-01T00:00:00.000Z", "Mon, 01 Mar 2100 00:00:00 GMT"},
    {-62167219200000, "0000-01-01T00:00:00.000Z", "Sat, 01 Jan 0000 00:00:00 GMT"},
    {253402300799999, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 GMT"},
};

static void known_times_are_written(void **state)
{
    char text[TIME_MS_LEN + 1];
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        time_format_ms(known[i].epoch_ms, text);
        assert_string_equal(text, known[i].text);
        char http[30];
        time_format_http(known[i].epoch_ms, http);
        assert_string_equal(http, known[i].http);
    }
    char seconds[TIME_S_LEN + 1];
    time_format_s(951782400999, seconds);
    assert_string_equal(seconds, "2000-02-29T00:00:00Z");
}

static void written_times_read_back_the_same(void **state)
{
    char text[TIME_MS_LEN + 1];
    int64_t read;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        assert_true(time_parse(span_str(known[i].text), &read));
        assert_true(read == known[i].epoch_ms);
    }
    /* Steps of about 19 days through all years meet each month and leap rule. */
    for (int64_t ms = -62167219200000; ms <= 253402300799999; ms += 1641234567) {
        time_format_ms(ms, text);
        assert_true(time_parse(span_of(text, TIME_MS_LEN), &read));
        assert_true(read == ms);
    }
}

static void assert_reads(const char *text, int64_t expected_ms)
{
    int64_t read;
    assert_true(time_parse(span_str(text), &read));
    assert_true(read == expected_ms);
}

static void offsets_and_fractions_are_applied(void **state)
{
    assert_reads("1970-01-01T00:00:00Z", 0);
    assert_reads("1970-01-01t00:00:00z", 0);
    assert_reads("1970-01-01T01:30:00+01:30", 0);
    assert_reads("1969-12-31T20:00:00-04:00", 0);
    assert_reads("1970-01-01T00:00:00-00:00", 0);
    assert_reads("1970-01-01T23:59:00+23:59", 0);
    assert_reads("1970-01-01T00:00:00.1Z", 100);
    assert_reads("1970-01-01T00:00:00.12Z", 120);
    assert_reads("1970-01-01T00:00:00.1239999999999999999999999999Z", 123);
    assert_reads("1969-12-31T23:59:59.9999Z", -1);
    assert_reads("9999-12-31T23:59:59.999+00:00", 253402300799999);
    assert_reads("0000-01-01T01:00:00+01:00", -62167219200000);
}

static void leap_second_reads_as_the_last_millisecond(void **state)
{
    assert_reads("1990-12-31T23:59:60Z", 662687999999);
    assert_reads("1990-12-31T23:59:60.5Z", 662687999999);
    assert_reads("1990-12-31T15:59:60-08:00", 662687999999);
}

static void anything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "1970", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00Z",
        "1970-01-01 00:00:00Z", "1970-01-01T00:00:00ZZ", "1970-01-01T00:00:00Z ",
        " 1970-01-01T00:00:00Z", "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z",
        "1970-01-00T00:00:00Z", "1970-01-32T00:00:00Z", "1970-04-31T00:00:00Z",
        "1970-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z", "1970-01-01T00:00:61Z", "1970-01-01T00:00:60Z",
        "1970-01-01T23:59:60+01:00", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00,5Z",
        "1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+01:60", "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+01", "1970-01-01T00:00:00+1:00", "1970-01-01T00:00:00 +01:00",
        "197-01-01T00:00:00Z", "19700-01-01T00:00:00Z", "-970-01-01T00:00:00Z",
        "1970-1-01T00:00:00Z", "1970/01/01T00:00:00Z", "+970-01-01T00:00:00Z",
        "1970-01-01T00:00:0xZ", "1970-01-01T00-00-00Z", "0000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    };
    int64_t read = 7;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (time_parse(span_str(bad[i]), &read)) {
            fail_msg("read: %s", bad[i]);
        }
    }
    assert_true(read == 7);
}

static void every_shortened_text_is_refused(void **state)
{
    static const char text[] = "2025-07-16T21:30:00.000+00:00";
    int64_t read;
    assert_true(time_parse(span_str(text), &read));
    for (size_t len = 0; len < sizeof text - 1; len++) {
        assert_false(time_parse(span_of(text, len), &read));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times_are_written),
        cmocka_unit_test(written_times_read_back_the_same),
        cmocka_unit_test(offsets_and_fractions_are_applied),
        cmocka_unit_test(leap_second_reads_as_the_last_millisecond),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(every_shortened_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
