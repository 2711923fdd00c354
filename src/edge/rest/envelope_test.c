#include "edge/rest/internal.h"

#include "codec/json/scan.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW_MS 1752701400123 /* 2025-07-16T21:30:00.123Z */
#define ELSEWHERE SPAN("/api/v1/devices")

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

/* The document's example of Home, to the last byte. */
static void success_is_as_documented(void **state)
{
    (void)state;
    span want = golden("tests/golden/rest_success.json");
    span data = member(want, "data");
    buf out = {0};
    envelope_write(&out, SPAN("/api/v1/websocket/stats"), data, SPAN_NONE, NOW_MS);
    assert_int_equal(json_check(buf_span(&out), 16, 0, NULL), 0);
    span got = buf_span(&out);
    assert_int_equal(json_count(got), json_count(want));
    assert_true(span_eq(member(got, "success"), member(want, "success")));
    assert_true(span_eq(member(got, "data"), data));
    assert_true(span_eq(member(got, "timestamp"), member(want, "timestamp")));
    buf_deinit(&out);
}

static void a_list_carries_its_cursor_and_nothing_is_null(void **state)
{
    (void)state;
    buf out = {0};
    envelope_write(&out, ELSEWHERE, SPAN("[1]"), SPAN("a\"b"), NOW_MS);
    assert_true(span_eq(buf_span(&out),
                        SPAN("{\"success\":true,\"data\":[1],\"next_cursor\":\"a\\\"b\","
                             "\"timestamp\":\"2025-07-16T21:30:00.123Z\"}")));
    buf_clear(&out);
    envelope_write(&out, ELSEWHERE, SPAN_NONE, SPAN_NONE, NOW_MS);
    assert_true(span_eq(buf_span(&out), SPAN("{\"success\":true,\"data\":null,"
                                             "\"timestamp\":\"2025-07-16T21:30:00.123Z\"}")));
    buf_deinit(&out);
}

static void failure_has_the_documented_members(void **state)
{
    (void)state;
    span want = golden("tests/golden/rest_error.json");
    const struct problem p = {.error = ERR_INVALID_REQUEST, .status = 400, .detail = "not so",
                              .said = HOME_BAD_BODY, .path = SPAN("/api/v1/websocket/broadcast")};
    static const char *const names[] = {"success", "error", "timestamp"};
    buf out = {0};
    problem_write(&out, &p, NOW_MS);
    span got = buf_span(&out);
    assert_int_equal(json_check(got, 16, 0, NULL), 0);
    assert_int_equal(json_count(want), ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_true(span_eq(member(got, names[i]), member(want, names[i])));
    }
    assert_true(span_eq(member(got, "detail"), SPAN("\"not so\"")));
    buf_deinit(&out);
}

static void seconds_are_whole_below_the_paths_of_home(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool home;
    } rows[] = {
        {"/api/v1/rooms", true},       {"/api/v1/rooms/", true},
        {"/api/v1/rooms/7/x", true},   {"/api/v1/entities/light.a/history", true},
        {"/api/v1/scenes", true},      {"/api/v1/websocket/stats", true},
        {"/api/v1/roomsx", false},     {"/api/v1/room", false},
        {"/api/v1/chat/rooms", false}, {"/api/v1/sockets/rooms", false},
        {"/rooms", false},             {"/", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        span path = span_str(rows[i].path);
        buf out = {0};
        assert_int_equal(home_path(path), rows[i].home);
        problem_write(&out, &(struct problem){.error = ERR_NOT_FOUND, .status = 404, .path = path},
                      NOW_MS);
        envelope_write(&out, path, SPAN("1"), SPAN_NONE, NOW_MS);
        buf_append_byte(&out, '\0');
        bool whole = strstr((char *)out.ptr, "\"timestamp\":\"2025-07-16T21:30:00Z\"") != NULL;
        bool parts = strstr((char *)out.ptr, "2025-07-16T21:30:00.123Z") != NULL;
        assert_int_equal(whole, rows[i].home);
        assert_int_equal(parts, !rows[i].home);
        buf_deinit(&out);
    }
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
    const struct problem p = {.error = ERR_INVALID_REQUEST, .status = 400,
                              .detail = "say \"please\"", .path = SPAN("/api/v1/auth/login"),
                              .faults = faults, .fault_count = 2};
    problem_write(&out, &p, NOW_MS);
    assert_int_equal(out.len, want.len);
    assert_memory_equal(out.ptr, want.ptr, want.len);
    buf_deinit(&out);
}

static void every_error_row_makes_valid_json(void **state)
{
    (void)state;
    for (unsigned e = 0; e < ERR_COUNT; e++) {
        buf out = {0};
        const struct problem p = {.error = (err)e, .status = (unsigned)err_status((err)e),
                                  .path = SPAN("/p\"\\"), .details = SPAN("{\"a\":1}")};
        problem_write(&out, &p, NOW_MS);
        assert_int_equal(json_check(buf_span(&out), 16, 0, NULL), 0);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_as_documented),
        cmocka_unit_test(a_list_carries_its_cursor_and_nothing_is_null),
        cmocka_unit_test(failure_has_the_documented_members),
        cmocka_unit_test(seconds_are_whole_below_the_paths_of_home),
        cmocka_unit_test(a_problem_reads_exactly_so),
        cmocka_unit_test(every_error_row_makes_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
