/* What the tables of tests/wire cannot say: limits of other sizes, reuse, field look-up. */
#include "codec/http1/request.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct http1_request req;

static int parse_text(const char *text, const struct http1_limits *lim)
{
    struct http1_scan scan = {0};
    return http1_request_parse(span_str(text), lim, &scan, &req);
}

static void limits_hold_exactly(void **state)
{
    const char *text = "GET /1 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    lim.request_line_bytes_max = 15;
    lim.head_bytes_max = strlen(text);
    lim.fields_max = 2;
    assert_int_equal(parse_text(text, &lim), strlen(text));
    lim.fields_max = 1;
    assert_int_equal(parse_text(text, &lim), HTTP1_ERR_TOO_MANY_FIELDS);
    lim.fields_max = 2;
    lim.head_bytes_max--;
    assert_int_equal(parse_text(text, &lim), HTTP1_ERR_HEAD_TOO_LARGE);
    lim.head_bytes_max++;
    lim.request_line_bytes_max--;
    assert_int_equal(parse_text(text, &lim), HTTP1_ERR_REQUEST_LINE_TOO_LONG);
}

static void field_limit_above_the_array_is_clamped_to_it(void **state)
{
    struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    lim.fields_max = 1000;
    buf text = {0};
    buf_append_str(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < HTTP1_FIELDS_CAP; i++) {
        buf_append_str(&text, "X: y\r\n");
    }
    buf_append_str(&text, "\r\n");
    struct http1_scan scan = {0};
    assert_int_equal(http1_request_parse(buf_span(&text), &lim, &scan, &req),
                     HTTP1_ERR_TOO_MANY_FIELDS);
    buf_deinit(&text);
}

static void pipelined_requests_follow_each_other(void **state)
{
    const struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    struct http1_scan scan = {0};
    span in = SPAN("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET");
    int first = http1_request_parse(in, &lim, &scan, &req);
    assert_true(first > 0 && span_eq(req.path, SPAN("/1")));
    in = span_slice(in, (size_t)first, in.len);
    int second = http1_request_parse(in, &lim, &scan, &req);
    assert_true(second > 0 && span_eq(req.path, SPAN("/2")));
    in = span_slice(in, (size_t)second, in.len);
    assert_int_equal(http1_request_parse(in, &lim, &scan, &req), 0);
}

static void fields_are_found_without_case_and_counted(void **state)
{
    const struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    const char *text = "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: one\r\nX-Empty:\r\n"
                       "AUTHORIZATION: two\r\nCookie: a=1\r\n\r\n";
    assert_true(parse_text(text, &lim) > 0);
    assert_true(span_eq(http1_field(&req, "authorization"), SPAN("one")));
    assert_int_equal(http1_field_count(&req, "Authorization"), 2);
    assert_true(http1_field(&req, "x-empty").ptr != NULL);
    assert_int_equal(http1_field(&req, "x-empty").len, 0);
    assert_null(http1_field(&req, "Authorizatio").ptr);
    assert_int_equal(http1_field_count(&req, "Origin"), 0);
    assert_true(http1_fields_list_has(&req.fields, SPAN("authorization"), SPAN("TWO")));
    assert_false(http1_fields_list_has(&req.fields, SPAN("authorization"), SPAN("three")));
}

static void every_error_has_a_status_a_name_and_a_sentence(void **state)
{
    for (int row = 1; row < HTTP1_ROW_COUNT; row++) {
        int status = http1_error_status(-row);
        assert_true(status >= 400 && status <= 599);
        assert_true(strlen(http1_error_name(-row)) > 0 && strlen(http1_error_text(-row)) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_hold_exactly),
        cmocka_unit_test(field_limit_above_the_array_is_clamped_to_it),
        cmocka_unit_test(pipelined_requests_follow_each_other),
        cmocka_unit_test(fields_are_found_without_case_and_counted),
        cmocka_unit_test(every_error_has_a_status_a_name_and_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
