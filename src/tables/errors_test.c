#include "tables/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void names_are_unique(void **state)
{
    for (int a = 0; a < ERR_COUNT; a++) {
        for (int b = a + 1; b < ERR_COUNT; b++) {
            if (strcmp(err_name((err)a), err_name((err)b)) == 0) {
                fail_msg("two rows are named %s", err_name((err)a));
            }
        }
    }
}

static void statuses_are_final_http_statuses(void **state)
{
    for (int e = 0; e < ERR_COUNT; e++) {
        assert_in_range(err_status((err)e), 200, 599);
        assert_true(e == ERR_NONE || err_status((err)e) >= 400);
    }
}

static void codes_are_upper_case_words(void **state)
{
    for (int e = 0; e < ERR_COUNT; e++) {
        const char *code = err_code((err)e);
        assert_true(code[0] >= 'A' && code[0] <= 'Z');
        assert_int_equal(strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), strlen(code));
    }
}

static void rows_of_one_code_share_their_status(void **state)
{
    for (int a = 0; a < ERR_COUNT; a++) {
        for (int b = a + 1; b < ERR_COUNT; b++) {
            if (strcmp(err_code((err)a), err_code((err)b)) == 0) {
                assert_int_equal(err_status((err)a), err_status((err)b));
            }
        }
    }
}

static void texts_are_sentences_without_a_full_stop(void **state)
{
    for (int e = 0; e < ERR_COUNT; e++) {
        const char *text = err_text((err)e);
        size_t len = strlen(text);
        assert_true(len > 0);
        assert_null(strpbrk(text, "\"\\\r\n")); /* so that any wire may quote it as it is */
        if (text[len - 1] == '.' || text[len - 1] == ' ' || text[0] == ' ') {
            fail_msg("%s: \"%s\"", err_name((err)e), text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(statuses_are_final_http_statuses),
        cmocka_unit_test(codes_are_upper_case_words),
        cmocka_unit_test(rows_of_one_code_share_their_status),
        cmocka_unit_test(texts_are_sentences_without_a_full_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
