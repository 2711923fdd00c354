/* Lists of trusted proxies: what may stand in them, and whom they hold. */
#include "net/trust.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_list_holds_its_blocks_and_nobody_else(void **state)
{
    static const struct {
        const char *list;
        const char *peer;
        bool held;
    } rows[] = {
        {"", "127.0.0.1", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1", "::ffff:127.0.0.1", true},
        {"::ffff:127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "::1", false},
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.16.0.0/12", "10.31.255.255", true},
        {"10.16.0.0/12", "10.32.0.0", false},
        {"192.0.2.8/31", "192.0.2.9", true},
        {"192.0.2.8/31", "192.0.2.10", false},
        {"0.0.0.0/0", "203.0.113.1", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "203.0.113.1", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1/128", "::1", true},
        {" 10.0.0.1 ,, ::1 , 192.0.2.0/24,", "192.0.2.200", true},
        {"unix:", "127.0.0.1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trust t;
        struct sockaddr_storage peer;
        span bad;
        assert_true(trust_parse(span_str(rows[i].list), &t, &bad));
        assert_true(trust_address(span_str(rows[i].peer), &peer));
        if (trust_holds(&t, &peer) != rows[i].held) {
            fail_msg("row %zu: %s and %s", i, rows[i].list, rows[i].peer);
        }
    }
}

static void unix_peers_are_named_by_themselves(void **state)
{
    struct sockaddr_storage peer = {.ss_family = AF_UNIX};
    struct trust t;
    span bad;
    (void)state;
    assert_true(trust_parse(SPAN("0.0.0.0/0, ::/0"), &t, &bad));
    assert_false(trust_holds(&t, &peer));
    assert_true(trust_parse(SPAN("unix:"), &t, &bad));
    assert_true(trust_holds(&t, &peer));
}

static void what_is_no_block_is_named(void **state)
{
    static const char *const rows[] = {
        "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08x", "10.0.0.0/-1", "10.0.0",
        "proxy.example", "2001:db8::1/64", "::/129", "[::1]", "127.0.0.1:80", "unix:/run/a",
        "unix", "*", "10.0.0.0/8/8", "2001:db8::/0016",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char list[128];
        struct trust t;
        span bad = SPAN_NONE;
        snprintf(list, sizeof list, "127.0.0.1, %s", rows[i]);
        if (trust_parse(span_str(list), &t, &bad) || !span_eq(bad, span_str(rows[i]))) {
            fail_msg("row %zu: %s", i, rows[i]);
        }
    }
}

static void a_list_has_a_bound(void **state)
{
    char list[TRUST_BLOCKS_MAX * 12 + 32] = "";
    struct trust t;
    span bad;
    (void)state;
    for (unsigned i = 0; i < TRUST_BLOCKS_MAX; i++) {
        snprintf(list + strlen(list), sizeof list - strlen(list), "10.0.0.%u,", i);
    }
    assert_true(trust_parse(span_str(list), &t, &bad));
    assert_int_equal(t.count, TRUST_BLOCKS_MAX);
    snprintf(list + strlen(list), sizeof list - strlen(list), "10.1.0.0");
    assert_false(trust_parse(span_str(list), &t, &bad));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_holds_its_blocks_and_nobody_else),
        cmocka_unit_test(unix_peers_are_named_by_themselves),
        cmocka_unit_test(what_is_no_block_is_named),
        cmocka_unit_test(a_list_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
