/* Every form of `listen`, what it means, and that what is not one of them is named. */
#include "app/listeners.h"

#include "loop/addr.h"
#include "net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static void each_form_is_read_and_written_back(void **state)
{
    static const struct {
        const char *text;
        int family;
        unsigned flags;
    } rows[] = {
        {"127.0.0.1:3001", AF_INET, 0},
        {"[::1]:0", AF_INET6, 0},
        {"tls://0.0.0.0:443", AF_INET, NET_LISTEN_TLS},
        {"tls://[::]:443", AF_INET6, NET_LISTEN_TLS},
        {"unix:/run/box.sock", AF_UNIX, 0},
        {"proxy+127.0.0.1:3002", AF_INET, NET_LISTEN_PROXY},
        {"proxy+tls://[::1]:3003", AF_INET6, NET_LISTEN_PROXY | NET_LISTEN_TLS},
        {"proxy+unix:/run/box.sock", AF_UNIX, NET_LISTEN_PROXY},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        span rest = span_str(rows[i].text);
        struct listener_spec l;
        const char *fault;
        buf text = {0};
        assert_int_equal(listener_next(&rest, &l, &fault), LISTENER_GOT);
        assert_int_equal(l.addr.ss_family, rows[i].family);
        assert_int_equal(l.flags, rows[i].flags);
        assert_int_equal(listener_is_unix(&l), rows[i].family == AF_UNIX);
        listener_format(&l, &l.addr, &text);
        assert_true(span_eq(buf_span(&text), span_str(rows[i].text)));
        buf_deinit(&text);
        assert_int_equal(listener_next(&rest, &l, &fault), LISTENER_END);
    }
}

static void a_list_is_walked_without_its_empty_entries(void **state)
{
    span rest = SPAN(" 127.0.0.1:1 ,, unix:/a,tls://127.0.0.1:2, ");
    static const char *const want[] = {"127.0.0.1:1", "unix:/a", "tls://127.0.0.1:2"};
    struct listener_spec l;
    const char *fault;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_int_equal(listener_next(&rest, &l, &fault), LISTENER_GOT);
        assert_true(span_eq(l.text, span_str(want[i])));
    }
    assert_int_equal(listener_next(&rest, &l, &fault), LISTENER_END);
    span none = SPAN("");
    assert_int_equal(listener_next(&none, &l, &fault), LISTENER_END);
}

static void what_is_no_listener_is_named(void **state)
{
    static const char *const rows[] = {
        "3001", "localhost", "http://127.0.0.1:1", "tls:127.0.0.1:1", "TLS://127.0.0.1:1",
        "unix:", "unix:/", "unix:relative", "unix:./a", "tls://unix:/a", "tls+unix:/a",
        "tls://proxy+127.0.0.1:1", "proxy+", "proxy+proxy+127.0.0.1:1", "127.0.0.1:65536",
        "example.org:80",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        span rest = span_str(rows[i]);
        struct listener_spec l;
        const char *fault;
        assert_int_equal(listener_next(&rest, &l, &fault), LISTENER_BAD);
        assert_true(span_eq(l.text, span_str(rows[i])));
        assert_non_null(fault);
    }
}

static void a_path_may_be_as_long_as_the_system_says(void **state)
{
    char text[256];
    struct sockaddr_un name;
    size_t longest = sizeof name.sun_path - 1;
    (void)state;
    for (size_t len = longest; len <= longest + 1; len++) {
        memcpy(text, "unix:/", 6);
        memset(text + 6, 'a', len - 1);
        span rest = span_of(text, 5 + len);
        struct listener_spec l;
        const char *fault;
        assert_int_equal(listener_next(&rest, &l, &fault),
                         len == longest ? LISTENER_GOT : LISTENER_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_read_and_written_back),
        cmocka_unit_test(a_list_is_walked_without_its_empty_entries),
        cmocka_unit_test(what_is_no_listener_is_named),
        cmocka_unit_test(a_path_may_be_as_long_as_the_system_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
