#include "loop/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void good_addresses_come_back_as_written(void **state)
{
    static const struct {
        const char *in, *out, *host;
        unsigned port;
        bool loopback;
    } rows[] = {
        {"127.0.0.1:3001", "127.0.0.1:3001", "127.0.0.1", 3001, true},
        {"127.255.0.9:0", "127.255.0.9:0", "127.255.0.9", 0, true},
        {"0.0.0.0:65535", "0.0.0.0:65535", "0.0.0.0", 65535, false},
        {"LocalHost:80", "127.0.0.1:80", "127.0.0.1", 80, true},
        {"[::1]:0", "[::1]:0", "::1", 0, true},
        {"[::]:3001", "[::]:3001", "::", 3001, false},
        {"[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443", "2001:db8::1", 443, false},
        {"[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1, true},
        {"[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", 1, false},
        {"[1111:2222:3333:4444:5555:6666:123.123.123.123]:65535",
         "[1111:2222:3333:4444:5555:6666:7b7b:7b7b]:65535",
         "1111:2222:3333:4444:5555:6666:7b7b:7b7b", 65535, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sockaddr_storage addr;
        socklen_t len;
        char text[ADDR_TEXT_MAX];
        assert_true(addr_parse(span_str(rows[i].in), &addr, &len));
        assert_true(len <= sizeof addr);
        addr_format(&addr, text);
        assert_string_equal(text, rows[i].out);
        addr_format_host(&addr, text);
        assert_string_equal(text, rows[i].host);
        assert_int_equal(addr_port(&addr), rows[i].port);
        assert_int_equal(addr_is_loopback(&addr), rows[i].loopback);
    }
}

static void everything_else_is_refused(void **state)
{
    static const span rows[] = {
        SPAN(""),
        SPAN(":"),
        SPAN(":80"),
        SPAN("127.0.0.1"),
        SPAN("127.0.0.1:"),
        SPAN("127.0.0.1:65536"),
        SPAN("127.0.0.1:-1"),
        SPAN("127.0.0.1:+1"),
        SPAN("127.0.0.1: 80"),
        SPAN(" 127.0.0.1:80"),
        SPAN("127.0.0.1:99999999999999999999"),
        SPAN("127.1:80"),
        SPAN("127.0.0.256:80"),
        SPAN("0x7f.0.0.1:80"),
        SPAN("127.0.0.1\0:80"),
        SPAN("example.org:80"),
        SPAN("::1:80"),
        SPAN("[::1]"),
        SPAN("[::1:80"),
        SPAN("[]:80"),
        SPAN("[127.0.0.1]:80"),
        SPAN("[localhost]:80"),
        SPAN("[fe80::1%lo]:80"),
        SPAN("[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:80"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sockaddr_storage addr;
        socklen_t len;
        assert_false(addr_parse(rows[i], &addr, &len));
    }
}

static void a_unix_socket_has_a_name_and_no_port(void **state)
{
    struct sockaddr_storage addr = {.ss_family = AF_UNIX};
    char text[ADDR_TEXT_MAX];
    addr_format(&addr, text);
    assert_string_equal(text, "unix");
    addr_format_host(&addr, text);
    assert_string_equal(text, "unix");
    assert_int_equal(addr_port(&addr), 0);
    assert_true(addr_is_loopback(&addr));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_addresses_come_back_as_written),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(a_unix_socket_has_a_name_and_no_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
