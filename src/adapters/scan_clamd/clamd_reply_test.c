/* Only what clamd says to the letter is clean. */
#include "adapters/scan_clamd/clamd_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"

static void only_what_is_said_to_the_letter_is_clean(void **state)
{
    static const struct {
        const char *reply;
        enum scan_verdict verdict;
        const char *what;
    } rows[] = {
        {"stream: OK", SCAN_CLEAN, ""},
        {" stream: OK ", SCAN_CLEAN, ""},
        {"stream: Eicar-Test-Signature FOUND", SCAN_FOUND, "Eicar-Test-Signature"},
        {"stream: Win.Test.EICAR_HDB-1 FOUND", SCAN_FOUND, "Win.Test.EICAR_HDB-1"},
        {"stream: OK FOUND", SCAN_FOUND, "OK"},
        {"INSTREAM size limit exceeded. ERROR", SCAN_FAILED, "INSTREAM size limit exceeded. ERROR"},
        {"stream: Can't allocate memory ERROR", SCAN_FAILED, "stream: Can't allocate memory ERROR"},
        {"UNKNOWN COMMAND", SCAN_FAILED, "UNKNOWN COMMAND"},
        {"stream: ok", SCAN_FAILED, "stream: ok"},
        {"stream:  FOUND", SCAN_FAILED, "stream:  FOUND"},
        {"stream: OK\n", SCAN_FAILED, "stream: OK"},
        {"stream: OK\nstream: OK", SCAN_FAILED, "stream: OKstream: OK"},
        {"", SCAN_FAILED, "an empty answer"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scan_result r;
        clamd_reply(span_str(rows[i].reply), &r);
        assert_string_equal(scan_verdict_name(r.verdict), scan_verdict_name(rows[i].verdict));
        assert_string_equal(r.what, rows[i].what);
    }
}

static void long_and_unprintable_names_are_cut(void **state)
{
    char text[CLAMD_REPLY_BYTES_MAX];
    struct scan_result r;
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "stream: \x01\xff", 10);
    memcpy(text + sizeof text - 6, " FOUND", 6);
    clamd_reply(span_of(text, sizeof text), &r);
    assert_int_equal(r.verdict, SCAN_FOUND);
    assert_int_equal(strlen(r.what), SCAN_WHAT_MAX - 1);
    assert_int_equal(strspn(r.what, "x"), SCAN_WHAT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_said_to_the_letter_is_clean),
        cmocka_unit_test(long_and_unprintable_names_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
