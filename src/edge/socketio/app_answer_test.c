#include "edge/socketio/app_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_list_is_the_arguments_and_a_value_the_only_one(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "[]"},
        {" \r\n", "[]"},
        {"[]", "[]"},
        {" [1, \"a\"] ", "[1, \"a\"]"},
        {"7", "[7]"},
        {"{\"a\":[]}", "[{\"a\":[]}]"},
        {"null", "[null]"},
        {"\"x\"", "[\"x\"]"},
        {"[[1]]", "[[1]]"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf out = {0};
        assert_true(app_answer_args(span_str(rows[i][0]), &out));
        assert_true(span_eq(buf_span(&out), span_str(rows[i][1])));
        buf_deinit(&out);
    }
}

static void what_is_no_json_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"<html>", "{", "[1,]", "1 2", "ok", "{\"__proto__\":1}",
                                      "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "\xff"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        buf out = {0};
        assert_false(app_answer_args(span_str(bad[i]), &out));
        assert_int_equal(out.len, 0);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_the_arguments_and_a_value_the_only_one),
        cmocka_unit_test(what_is_no_json_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
