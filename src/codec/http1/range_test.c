/* Range and Content-Range: what is understood, what is not, what is not there. */
#include "codec/http1/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_range_is_a_part_the_whole_or_nothing(void **state)
{
    static const struct {
        const char *value;
        enum http1_range kind;
        uint64_t from, len;
    } rows[] = {
        {"bytes=0-9", HTTP1_RANGE_PART, 0, 10},
        {"bytes=0-0", HTTP1_RANGE_PART, 0, 1},
        {"Bytes=90-", HTTP1_RANGE_PART, 90, 10},
        {"bytes=99-99", HTTP1_RANGE_PART, 99, 1},
        {"bytes=10-1000", HTTP1_RANGE_PART, 10, 90},
        {"bytes=-10", HTTP1_RANGE_PART, 90, 10},
        {"bytes=-1000", HTTP1_RANGE_PART, 0, 100},
        {"bytes=100-", HTTP1_RANGE_NONE, 0, 100},
        {"bytes=-0", HTTP1_RANGE_NONE, 100, 0},
        {"bytes=9-0", HTTP1_RANGE_WHOLE, 0, 100},
        {"bytes=0-1,5-6", HTTP1_RANGE_WHOLE, 0, 100},
        {"bytes=", HTTP1_RANGE_WHOLE, 0, 100},
        {"bytes=-", HTTP1_RANGE_WHOLE, 0, 100},
        {"bytes=x-1", HTTP1_RANGE_WHOLE, 0, 100},
        {"bytes=1-x", HTTP1_RANGE_WHOLE, 0, 100},
        {"bytes=5", HTTP1_RANGE_WHOLE, 0, 100},
        {"items=0-1", HTTP1_RANGE_WHOLE, 0, 100},
        {"bytes=99999999999999999999-", HTTP1_RANGE_WHOLE, 0, 100},
        {"", HTTP1_RANGE_WHOLE, 0, 100},
    };
    uint64_t from, len;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(http1_range_read(span_str(rows[i].value), 100, &from, &len),
                         rows[i].kind);
        assert_int_equal(from, rows[i].from);
        assert_int_equal(len, rows[i].len);
    }
    assert_int_equal(http1_range_read(SPAN_NONE, 7, &from, &len), HTTP1_RANGE_WHOLE);
    assert_int_equal(http1_range_read(SPAN("bytes=0-"), 0, &from, &len), HTTP1_RANGE_NONE);
    assert_int_equal(http1_range_read(SPAN("bytes=-1"), 0, &from, &len), HTTP1_RANGE_NONE);
}

static void a_content_range_is_read_to_the_letter(void **state)
{
    static const char *const bad[] = {
        "",           "bytes",         "bytes 0-9",      "bytes 9-0/10", "bytes 0-10/10",
        "bytes */10", "bytes 0-9/10x", "items 0-9/10",   "bytes -9/10",  "bytes 0-/10",
        "bytes=0-9/10", "bytes 0-9/",  "bytes 0-9/*, 1", "bytes 0 - 9/10",
    };
    struct http1_content_range r;
    (void)state;
    assert_true(http1_content_range_read(SPAN("bytes 0-9/10"), &r));
    assert_true(r.from == 0 && r.len == 10 && r.total == 10);
    assert_true(http1_content_range_read(SPAN("bytes 5-9/*"), &r));
    assert_true(r.from == 5 && r.len == 5 && r.total == -1);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(http1_content_range_read(span_str(bad[i]), &r));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_a_part_the_whole_or_nothing),
        cmocka_unit_test(a_content_range_is_read_to_the_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
