/* The tables of accepted and refused requests: each message whole and at every split. */
#include "codec/http1/request.h"
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct http1_request req;

/* A copy on the heap of exactly these bytes, so that a sanitizer sees any read past them. */
static int parse_copy(span in, size_t len, const struct http1_limits *lim,
                      struct http1_scan *scan, uint8_t **copy)
{
    *copy = malloc(len == 0 ? 1 : len);
    memcpy(*copy, in.ptr, len);
    return http1_request_parse(span_of(*copy, len), lim, scan, &req);
}

static void render(buf *out)
{
    buf_printf(out, "%s %.*s ", http1_method_name(req.method), SPAN_FMT(req.path));
    buf_append_span(out, req.query.ptr == NULL ? SPAN("-") : req.query);
    buf_append_byte(out, ' ');
    buf_append_span(out, req.host.ptr == NULL ? SPAN("-") : req.host);
    buf_printf(out, " 1.%d ", req.minor);
    if (req.chunked) {
        buf_append_str(out, "chunked");
    } else if (req.content_length >= 0) {
        buf_printf(out, "length=%lld", (long long)req.content_length);
    } else {
        buf_append_str(out, "none");
    }
    buf_printf(out, " fields=%zu%s%s%s%s", req.fields.count, req.keep_alive ? " keep" : "",
               req.upgrade_websocket ? " upgrade" : "", req.expect_continue ? " expect" : "",
               req.accept_gzip ? " gzip" : "");
}

static void assert_rendered(const struct wire_row *row)
{
    buf text = {0};
    render(&text);
    if (!span_eq(buf_span(&text), buf_span(&row->expected))) {
        fail_msg("%s: read \"%.*s\", expected \"%s\"", row->why, SPAN_FMT(buf_span(&text)),
                 (const char *)row->expected.ptr);
    }
    buf_deinit(&text);
}

static void accepted_row(const struct wire_row *row)
{
    const struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    struct http1_scan scan = {0};
    span in = buf_span(&row->bytes);
    uint8_t *copy;
    int head = parse_copy(in, in.len, &lim, &scan, &copy);
    if (head <= 0) {
        fail_msg("%s: %s", row->why, head < 0 ? http1_error_name(head) : "more");
    }
    assert_true((size_t)head <= in.len && scan.pos == 0 && scan.line_bytes == 0);
    assert_rendered(row);
    free(copy);
    for (size_t len = 0; len <= (size_t)head; len++) {
        int result = parse_copy(in, len, &lim, &scan, &copy);
        if (result != (len == (size_t)head ? head : 0)) {
            fail_msg("%s: %d at byte %zu of %d", row->why, result, len, head);
        }
        if (result > 0) {
            assert_rendered(row);
        }
        free(copy);
    }
    /* One cut anywhere: the first part, then everything. */
    for (size_t len = 0; len < (size_t)head; len++) {
        assert_int_equal(parse_copy(in, len, &lim, &scan, &copy), 0);
        free(copy);
        assert_int_equal(parse_copy(in, in.len, &lim, &scan, &copy), head);
        free(copy);
    }
}

static void refused_row(const struct wire_row *row)
{
    const struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    struct http1_scan scan = {0};
    span in = buf_span(&row->bytes);
    const char *expected = (const char *)row->expected.ptr;
    uint8_t *copy;
    int result = parse_copy(in, in.len, &lim, &scan, &copy);
    if (result >= 0 || strcmp(http1_error_name(result), expected) != 0) {
        fail_msg("%s: %s, expected %s", row->why,
                 result < 0 ? http1_error_name(result) : "no error", expected);
    }
    assert_true(http1_error_status(result) >= 400);
    free(copy);
    int later = 0;
    for (size_t len = 0; len <= in.len && later == 0; len++) {
        later = parse_copy(in, len, &lim, &scan, &copy);
        free(copy);
    }
    if (later != result) {
        fail_msg("%s: %s when it arrives byte by byte, expected %s", row->why,
                 later < 0 ? http1_error_name(later) : "no error", expected);
    }
}

static void accepted_requests_are_read_the_same_at_every_split(void **state)
{
    assert_true(wire_rows("tests/wire/http1_requests_accepted.txt", accepted_row) >= 60);
}

static void refused_requests_are_refused_the_same_at_every_split(void **state)
{
    assert_true(wire_rows("tests/wire/http1_requests_refused.txt", refused_row) >= 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_requests_are_read_the_same_at_every_split),
        cmocka_unit_test(refused_requests_are_refused_the_same_at_every_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
