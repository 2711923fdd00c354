#include "hub/pos.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void text_is_epoch_and_number(void **state)
{
    char text[POS_TEXT_MAX];
    struct pos p;
    assert_int_equal(pos_text((struct pos){.epoch = 0xab, .n = 17}, text), 19);
    assert_string_equal(text, "00000000000000ab-17");
    assert_true(pos_parse(span_str(text), &p));
    assert_true(p.epoch == 0xab && p.n == 17);
    assert_int_equal(pos_text((struct pos){UINT64_MAX, INT64_MAX}, text), 36);
    assert_true(pos_parse(span_str(text), &p));
    assert_true(p.epoch == UINT64_MAX && p.n == INT64_MAX);
}

static void what_is_no_position_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "-", "17", "00000000000000ab", "00000000000000ab-", "00000000000000AB-1",
        "00000000000000ab-1 ", "00000000000000ab-+1", "00000000000000ab-01",
        "000000000000000ab-1", "0000000000000ab-12", "00000000000000ag-1",
        "00000000000000ab-9223372036854775808", "00000000000000ab-99999999999999999999999"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pos p = {1, 2};
        assert_false(pos_parse(span_str(bad[i]), &p));
        assert_true(p.epoch == 1 && p.n == 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_epoch_and_number),
        cmocka_unit_test(what_is_no_position_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
