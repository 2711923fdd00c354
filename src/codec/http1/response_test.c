/* What we send is exact, and what we send our own decoders read back. */
#include "codec/http1/response.h"

#include "codec/http1/body.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void assert_text(buf *b, const char *expected)
{
    if (!span_eq(buf_span(b), span_str(expected))) {
        fail_msg("got \"%.*s\"", SPAN_FMT(buf_span(b)));
    }
    buf_deinit(b);
}

static void response_with_a_length_is_exact(void **state)
{
    buf b = {0};
    http1_response_begin(&b, 200, 784111777000);
    http1_put_str(&b, "Content-Type", "application/json");
    http1_put_u64(&b, "X-Count", UINT64_MAX);
    http1_put(&b, SPAN("X-Empty"), SPAN(""));
    http1_head_end(&b, HTTP1_LENGTH, 0);
    assert_text(&b, "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                    "Content-Type: application/json\r\nX-Count: 18446744073709551615\r\n"
                    "X-Empty: \r\nContent-Length: 0\r\n\r\n");
}

static void response_without_a_date_or_body_is_exact(void **state)
{
    buf b = {0};
    http1_response_begin(&b, 204, -1);
    http1_head_end(&b, HTTP1_NO_BODY, 0);
    assert_text(&b, "HTTP/1.1 204 No Content\r\n\r\n");
}

static void unknown_status_has_an_empty_reason_and_its_space(void **state)
{
    buf b = {0};
    http1_response_begin(&b, 299, -1);
    http1_head_end(&b, HTTP1_LENGTH, 12);
    assert_text(&b, "HTTP/1.1 299 \r\nContent-Length: 12\r\n\r\n");
}

static void chunks_are_exact(void **state)
{
    buf b = {0};
    http1_response_begin(&b, 200, -1);
    http1_head_end(&b, HTTP1_CHUNKED, 0);
    http1_chunk(&b, SPAN("0123456789abcdefg"));
    http1_chunk(&b, SPAN(""));
    http1_chunk(&b, SPAN("x"));
    http1_chunk_last(&b);
    assert_text(&b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "11\r\n0123456789abcdefg\r\n1\r\nx\r\n0\r\n\r\n");
}

static void request_is_exact_and_reads_back(void **state)
{
    buf b = {0};
    http1_request_begin(&b, HTTP1_GET, SPAN("/ws?since=1"), SPAN("127.0.0.1:3001"));
    http1_put_str(&b, "Connection", "Upgrade");
    http1_put_str(&b, "Upgrade", "websocket");
    http1_head_end(&b, HTTP1_NO_BODY, 0);
    static struct http1_request req;
    const struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    struct http1_scan scan = {0};
    assert_int_equal(http1_request_parse(buf_span(&b), &lim, &scan, &req), b.len);
    assert_true(req.upgrade_websocket && span_eq(req.query, SPAN("since=1")));
    assert_text(&b, "GET /ws?since=1 HTTP/1.1\r\nHost: 127.0.0.1:3001\r\nConnection: Upgrade\r\n"
                    "Upgrade: websocket\r\n\r\n");
}

static void every_status_we_send_reads_back(void **state)
{
    static struct http1_response res;
    const struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    for (unsigned status = 100; status <= 599; status++) {
        buf b = {0};
        struct http1_scan scan = {0};
        http1_response_begin(&b, status, 0);
        http1_head_end(&b, HTTP1_LENGTH, 7);
        assert_int_equal(http1_response_parse(buf_span(&b), &lim, &scan, HTTP1_GET, &res), b.len);
        assert_int_equal(res.status, status);
        assert_true(span_eq(res.reason, span_str(http1_reason(status))));
        buf_deinit(&b);
    }
}

static void every_error_status_has_a_reason(void **state)
{
    for (int row = 1; row < HTTP1_ROW_COUNT; row++) {
        assert_true(strlen(http1_reason((unsigned)http1_error_status(-row))) > 0);
    }
}

static void values_with_line_ends_may_not_be_sent(void **state)
{
    assert_true(http1_value_ok(SPAN("a\tb \xc3\xa9")));
    assert_true(http1_value_ok(SPAN("")));
    assert_false(http1_value_ok(SPAN("a\r\nSet-Cookie: x=y")));
    assert_false(http1_value_ok(SPAN("a\n")));
    assert_false(http1_value_ok(SPAN("a\r")));
    assert_false(http1_value_ok(SPAN("a\0")));
    assert_false(http1_value_ok(SPAN("\x7f")));
}

/* Runs one call in a child and tells whether it ended by abort. */
static bool aborts(void (*call)(buf *b))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL); /* cmocka's own handler would go on with the tests */
        buf b = {0};
        call(&b);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void put_crlf_value(buf *b) { http1_put_str(b, "X", "a\r\nY: b"); }
static void put_bad_name(buf *b) { http1_put_str(b, "X Y", "a"); }
static void put_empty_name(buf *b) { http1_put_str(b, "", "a"); }
static void put_length(buf *b) { http1_put_str(b, "content-length", "5"); }
static void put_coding(buf *b) { http1_put_str(b, "Transfer-Encoding", "chunked"); }
static void begin_bad_status(buf *b) { http1_response_begin(b, 600, -1); }
static void begin_bad_target(buf *b)
{
    http1_request_begin(b, HTTP1_GET, SPAN("/ HTTP/1.1\r\nX: y"), SPAN("a"));
}
static void begin_bad_host(buf *b) { http1_request_begin(b, HTTP1_GET, SPAN("/"), SPAN("a b")); }

static void sending_what_splits_a_head_aborts(void **state)
{
    assert_true(aborts(put_crlf_value));
    assert_true(aborts(put_bad_name));
    assert_true(aborts(put_empty_name));
    assert_true(aborts(put_length));
    assert_true(aborts(put_coding));
    assert_true(aborts(begin_bad_status));
    assert_true(aborts(begin_bad_target));
    assert_true(aborts(begin_bad_host));
}

static void fields_of_a_response_are_found(void **state)
{
    static struct http1_response res;
    const struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    struct http1_scan scan = {0};
    span in = SPAN("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"a\"\r\n\r\n");
    assert_int_equal(http1_response_parse(in, &lim, &scan, HTTP1_GET, &res), in.len);
    assert_true(span_eq(http1_response_field(&res, "etag"), SPAN("\"a\"")));
    assert_null(http1_response_field(&res, "Location").ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(response_with_a_length_is_exact),
        cmocka_unit_test(response_without_a_date_or_body_is_exact),
        cmocka_unit_test(unknown_status_has_an_empty_reason_and_its_space),
        cmocka_unit_test(chunks_are_exact),
        cmocka_unit_test(request_is_exact_and_reads_back),
        cmocka_unit_test(every_status_we_send_reads_back),
        cmocka_unit_test(fields_of_a_response_are_found),
        cmocka_unit_test(every_error_status_has_a_reason),
        cmocka_unit_test(values_with_line_ends_may_not_be_sent),
        cmocka_unit_test(sending_what_splits_a_head_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
