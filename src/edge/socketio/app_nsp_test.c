#include "edge/socketio/app_nsp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* 65 bytes */
#define LONG "/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static enum app_nsp_next next(span *rest, struct app_nsp *out)
{
    span entry = SPAN_NONE;
    const char *why = NULL;
    enum app_nsp_next got = app_nsp_next(rest, out, &entry, &why);
    if (got == APP_NSP_BAD) {
        assert_non_null(why);
        assert_int_equal(out->pattern[0], 0);
    }
    return got;
}

static void namespaces_and_their_options_are_read(void **state)
{
    (void)state;
    struct app_nsp n;
    span rest = SPAN(" /chat , ,/game-* ; msgpack,/a/b;msgpack;msgpack,");
    assert_int_equal(next(&rest, &n), APP_NSP_GOT);
    assert_string_equal(n.pattern, "/chat");
    assert_false(n.msgpack);
    assert_int_equal(next(&rest, &n), APP_NSP_GOT);
    assert_string_equal(n.pattern, "/game-*");
    assert_true(n.msgpack);
    assert_int_equal(next(&rest, &n), APP_NSP_GOT);
    assert_string_equal(n.pattern, "/a/b");
    assert_true(n.msgpack);
    assert_int_equal(next(&rest, &n), APP_NSP_END);
    rest = SPAN("");
    assert_int_equal(next(&rest, &n), APP_NSP_END);
}

static void what_no_client_can_name_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"/", "chat", "/a b", "/a?b", "/a\"", "/a\\", "/\xc3\xa4",
                                      "/a;", "/a;fast", "/a;msgpack;", ";msgpack", "/a\x01",
                                      LONG};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct app_nsp n;
        span rest = span_str(bad[i]);
        if (next(&rest, &n) != APP_NSP_BAD) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(namespaces_and_their_options_are_read),
        cmocka_unit_test(what_no_client_can_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
