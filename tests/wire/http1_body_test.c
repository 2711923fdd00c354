/* The table of bodies: each whole, byte by byte, and cut in two at every place. */
#include "codec/http1/body.h"
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int init(struct http1_body *b, const char *expected)
{
    unsigned long long length;
    unsigned long long max;
    if (sscanf(expected, "length=%llu %llu:", &length, &max) == 2) {
        return http1_body_init(b, (int64_t)length, false, max);
    }
    if (sscanf(expected, "chunked %llu:", &max) == 1) {
        return http1_body_init(b, -1, true, max);
    }
    assert_int_equal(sscanf(expected, "close %llu:", &max), 1);
    http1_body_init_until_close(b, max);
    return 0;
}

/* Feeds one piece from an exact heap copy; appends the slices; returns the last result. */
static int feed(struct http1_body *b, span piece, buf *body, size_t *used)
{
    uint8_t *copy = malloc(piece.len == 0 ? 1 : piece.len);
    if (piece.len > 0) {
        memcpy(copy, piece.ptr, piece.len);
    }
    int result;
    *used = 0;
    do {
        span out;
        size_t consumed;
        result = http1_body_feed(b, span_of(copy + *used, piece.len - *used), &out, &consumed);
        assert_true(consumed <= piece.len - *used);
        assert_true(out.len <= consumed && out.ptr >= copy);
        assert_true(out.ptr + out.len <= copy + piece.len);
        if (result == 0 && *used < piece.len) {
            assert_true(consumed > 0);
        }
        buf_append_span(body, out);
        *used += consumed;
    } while (result == 0 && *used < piece.len);
    free(copy);
    return result;
}

/* The reading of a row's bytes cut first at `cut`, then every `step` bytes. */
static void read_body(const struct wire_row *row, size_t cut, size_t step, buf *text)
{
    struct http1_body b;
    const char *expected = (const char *)row->expected.ptr;
    span in = buf_span(&row->bytes);
    int result = init(&b, expected);
    buf body = {0};
    size_t pos = 0;
    size_t len = cut;
    while (result == 0 && !http1_body_done(&b)) {
        size_t used;
        span piece = span_slice(in, pos, len);
        result = feed(&b, piece, &body, &used);
        pos += used;
        if (pos == in.len && result == 0) {
            break;
        }
        len = step;
    }
    if (result == 0 && !http1_body_done(&b)) {
        result = http1_body_eof(&b);
    }
    buf_append(text, expected, strcspn(expected, ":"));
    if (result == HTTP1_ERR_BODY_TRUNCATED) {
        buf_append_str(text, ": more");
    } else if (result < 0) {
        buf_printf(text, ": %s", http1_error_name(result));
        span out;
        size_t consumed;
        assert_int_equal(http1_body_feed(&b, SPAN("x"), &out, &consumed), result);
        assert_int_equal(http1_body_eof(&b), result);
        assert_int_equal(consumed, 0);
    } else {
        buf_append_str(text, ": \"");
        buf_append_span(text, buf_span(&body));
        buf_printf(text, "\" left=%zu", in.len - pos);
    }
    buf_deinit(&body);
}

static void body_row(const struct wire_row *row)
{
    size_t len = row->bytes.len;
    for (size_t cut = 0; cut <= len + 1; cut++) {
        buf text = {0};
        if (cut == len + 1) {
            read_body(row, 1, 1, &text);
        } else {
            read_body(row, cut, len + 1, &text);
        }
        if (!span_eq(buf_span(&text), buf_span(&row->expected))) {
            fail_msg("%s, cut at %zu: %.*s, expected %s", row->why, cut,
                     SPAN_FMT(buf_span(&text)), (const char *)row->expected.ptr);
        }
        buf_deinit(&text);
    }
}

static void bodies_are_read_the_same_at_every_split(void **state)
{
    assert_true(wire_rows("tests/wire/http1_bodies.txt", body_row) >= 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_read_the_same_at_every_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
