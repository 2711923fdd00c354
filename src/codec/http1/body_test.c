/* What the table in tests/wire cannot say of bodies. */
#include "codec/http1/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void body_without_a_length_is_done_at_once(void **state)
{
    struct http1_body b;
    assert_int_equal(http1_body_init(&b, -1, false, 0), 0);
    assert_true(http1_body_done(&b));
    span out;
    size_t consumed;
    assert_int_equal(http1_body_feed(&b, SPAN("GET"), &out, &consumed), HTTP1_BODY_DONE);
    assert_int_equal(consumed, 0);
    assert_int_equal(http1_body_eof(&b), HTTP1_BODY_DONE);
}

static void announced_length_over_the_limit_fails_before_any_byte(void **state)
{
    struct http1_body b;
    assert_int_equal(http1_body_init(&b, 6, false, 5), HTTP1_ERR_BODY_TOO_LARGE);
    assert_false(http1_body_done(&b));
}

static void slices_point_into_the_input(void **state)
{
    struct http1_body b;
    assert_int_equal(http1_body_init(&b, -1, true, 100), 0);
    span in = SPAN("5\r\nhello\r\n0\r\n\r\n");
    span out;
    size_t consumed;
    assert_int_equal(http1_body_feed(&b, in, &out, &consumed), 0);
    assert_ptr_equal(out.ptr, in.ptr + 3);
    assert_int_equal(out.len, 5);
    assert_int_equal(consumed, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_without_a_length_is_done_at_once),
        cmocka_unit_test(announced_length_over_the_limit_fails_before_any_byte),
        cmocka_unit_test(slices_point_into_the_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
