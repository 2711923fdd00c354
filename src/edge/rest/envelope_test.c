#include "edge/rest/internal.h"

#include "base/timefmt.h"
#include "codec/json/scan.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW_MS 1752701400123 /* 2025-07-16T21:30:00.123Z */

static char file_bytes[8192];

static span golden(const char *path)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t len = read(fd, file_bytes, sizeof file_bytes);
    assert_true(len > 0);
    close(fd);
    return json_root(span_of(file_bytes, (size_t)len));
}

static span member(span object, const char *name)
{
    span value;
    if (!json_get(object, name, &value)) {
        fail_msg("no member %s", name);
    }
    return value;
}

static void assert_time(span value)
{
    buf text = {0};
    int64_t ms;
    assert_true(json_string(value, &text));
    assert_true(time_parse(buf_span(&text), &ms));
    buf_deinit(&text);
}

static void success_has_the_documented_members(void **state)
{
    (void)state;
    span want = golden("tests/golden/rest_success.json");
    span data = member(want, "data");
    buf out = {0};
    envelope_write(&out, data, SPAN_NONE, NOW_MS);
    assert_int_equal(json_check(buf_span(&out), 16, 0, NULL), 0);
    span got = buf_span(&out);
    assert_int_equal(json_count(got), json_count(want));
    assert_true(span_eq(member(got, "success"), member(want, "success")));
    assert_true(span_eq(member(got, "data"), data));
    assert_time(member(got, "timestamp"));
    buf_deinit(&out);
}

static void a_list_carries_its_cursor_and_nothing_is_null(void **state)
{
    (void)state;
    buf out = {0};
    envelope_write(&out, SPAN("[1]"), SPAN("a\"b"), NOW_MS);
    assert_true(span_eq(buf_span(&out),
                        SPAN("{\"success\":true,\"data\":[1],\"next_cursor\":\"a\\\"b\","
                             "\"timestamp\":\"2025-07-16T21:30:00.123Z\"}")));
    buf_clear(&out);
    envelope_write(&out, SPAN_NONE, SPAN_NONE, NOW_MS);
    assert_true(span_eq(buf_span(&out), SPAN("{\"success\":true,\"data\":null,"
                                             "\"timestamp\":\"2025-07-16T21:30:00.123Z\"}")));
    buf_deinit(&out);
}

static void failure_has_the_documented_members(void **state)
{
    (void)state;
    span want = golden("tests/golden/rest_error.json");
    buf said = {0};
    buf out = {0};
    assert_true(json_string(member(want, "error"), &said));
    buf_append_byte(&said, '\0');
    problem_write(&out, ERR_INVALID_REQUEST, 400, (const char *)said.ptr, SPAN("/x"), NULL, 0,
                  SPAN_NONE, NOW_MS);
    span got = buf_span(&out);
    assert_int_equal(json_check(got, 16, 0, NULL), 0);
    assert_true(span_eq(member(got, "success"), member(want, "success")));
    assert_true(span_eq(member(got, "error"), member(want, "error")));
    assert_time(member(got, "timestamp"));
    buf_deinit(&said);
    buf_deinit(&out);
}

static void a_problem_reads_exactly_so(void **state)
{
    (void)state;
    static const struct rest_fault faults[] = {
        {"username", "must be a string that is not empty"},
        {"password", "must be a string that is not empty"},
    };
    span want = golden("tests/golden/rest_problem.json");
    buf out = {0};
    problem_write(&out, ERR_INVALID_REQUEST, 400, "say \"please\"", SPAN("/api/v1/auth/login"),
                  faults, 2, SPAN_NONE, NOW_MS);
    assert_int_equal(out.len, want.len);
    assert_memory_equal(out.ptr, want.ptr, want.len);
    buf_deinit(&out);
}

static void every_error_row_makes_valid_json(void **state)
{
    (void)state;
    for (unsigned e = 0; e < ERR_COUNT; e++) {
        buf out = {0};
        problem_write(&out, (err)e, (unsigned)err_status((err)e), NULL, SPAN("/p\"\\"), NULL, 0,
                      SPAN("{\"a\":1}"), NOW_MS);
        assert_int_equal(json_check(buf_span(&out), 16, 0, NULL), 0);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_has_the_documented_members),
        cmocka_unit_test(a_list_carries_its_cursor_and_nothing_is_null),
        cmocka_unit_test(failure_has_the_documented_members),
        cmocka_unit_test(a_problem_reads_exactly_so),
        cmocka_unit_test(every_error_row_makes_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
