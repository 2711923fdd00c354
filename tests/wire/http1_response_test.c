/* The table of response heads, whole and at every split. */
#include "codec/http1/response.h"
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct http1_response res;

static void render(int result, buf *out)
{
    if (result < 0) {
        buf_append_str(out, http1_error_name(result));
        return;
    }
    buf_printf(out, "%d 1.%d \"%.*s\" ", res.status, res.minor, SPAN_FMT(res.reason));
    if (res.chunked) {
        buf_append_str(out, "chunked");
    } else if (res.until_close) {
        buf_append_str(out, "close");
    } else if (res.content_length >= 0) {
        buf_printf(out, "length=%lld", (long long)res.content_length);
    } else {
        buf_append_str(out, "none");
    }
    buf_printf(out, " fields=%zu%s%s", res.fields.count, res.keep_alive ? " keep" : "",
               res.upgrade_websocket ? " upgrade" : "");
}

static int parse_copy(span in, size_t len, struct http1_scan *scan, enum http1_method method,
                      buf *text)
{
    const struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    memcpy(copy, in.ptr, len);
    int result = http1_response_parse(span_of(copy, len), &lim, scan, method, &res);
    buf_clear(text);
    if (result != 0) {
        buf_printf(text, "%s: ", http1_method_name(method));
        render(result, text);
    }
    free(copy);
    return result;
}

static void response_row(const struct wire_row *row)
{
    span in = buf_span(&row->bytes);
    span expected = buf_span(&row->expected);
    enum http1_method method = span_starts(expected, SPAN("HEAD")) ? HTTP1_HEAD
                               : span_starts(expected, SPAN("PUT")) ? HTTP1_PUT
                                                                    : HTTP1_GET;
    buf text = {0};
    struct http1_scan scan = {0};
    int whole = parse_copy(in, in.len, &scan, method, &text);
    if (!span_eq(buf_span(&text), expected)) {
        fail_msg("%s: %.*s, expected %s", row->why, SPAN_FMT(buf_span(&text)),
                 (const char *)row->expected.ptr);
    }
    int result = 0;
    for (size_t len = 0; len <= in.len && result == 0; len++) {
        result = parse_copy(in, len, &scan, method, &text);
    }
    assert_int_equal(result, whole);
    assert_true(span_eq(buf_span(&text), expected));
    buf_deinit(&text);
}

static void responses_are_read_the_same_at_every_split(void **state)
{
    assert_true(wire_rows("tests/wire/http1_responses.txt", response_row) >= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_are_read_the_same_at_every_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
