#include "edge/access.h"

#include "loop/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage addr;
    socklen_t len;
    assert_true(addr_parse(span_str(text), &addr, &len));
    return addr;
}

static void host_names_the_server(void **state)
{
    (void)state;
    static const struct {
        const char *local, *public_hosts, *host;
        bool admitted;
    } rows[] = {
        {"127.0.0.1:3001", "", "localhost:3001", true},
        {"127.0.0.1:3001", "", "LocalHost", true},
        {"127.0.0.1:3001", "", "localhost.:3001", true},
        {"127.0.0.1:3001", "", "127.0.0.1:3001", true},
        {"127.0.0.1:3001", "", "[::1]:3001", true},
        {"127.0.0.1:3001", "", "127.0.0.1:8080", true}, /* a forwarded port */
        {"127.0.0.5:3001", "", "127.0.0.5:3001", true},
        {"127.0.0.1:3001", "", "evil.example:3001", false},
        {"127.0.0.1:3001", "", "localhost.evil.example", false},
        {"127.0.0.1:3001", "", "127.0.0.1.evil.example", false},
        {"127.0.0.1:3001", "", "192.0.2.1:3001", false},
        {"192.0.2.1:3001", "", "192.0.2.1:3001", true},
        {"192.0.2.1:3001", "", "localhost:3001", false},
        {"192.0.2.1:3001", "", "127.0.0.1", false},
        {"[2001:db8::1]:3001", "", "[2001:DB8:0::1]:3001", true},
        {"[2001:db8::1]:3001", "", "[2001:db8::2]:3001", false},
        {"[::ffff:192.0.2.1]:3001", "", "192.0.2.1:3001", true},
        {"192.0.2.1:3001", "box.example, other.example:8443", "box.example", true},
        {"192.0.2.1:3001", "box.example, other.example:8443", "BOX.example:99", true},
        {"192.0.2.1:3001", "box.example, other.example:8443", "other.example:8443", true},
        {"192.0.2.1:3001", "box.example, other.example:8443", "other.example", false},
        {"192.0.2.1:3001", "box.example, other.example:8443", "x.box.example", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sockaddr_storage local = address(rows[i].local);
        struct access_site site = {rows[i].public_hosts, "", &local, SCHEME_UNTOLD, SPAN_NONE};
        if (host_admitted(&site, span_str(rows[i].host)) != rows[i].admitted) {
            fail_msg("row %zu: %s at %s", i, rows[i].host, rows[i].local);
        }
    }
    struct sockaddr_storage local = address("127.0.0.1:1");
    struct access_site site = {"", "", &local, SCHEME_UNTOLD, SPAN_NONE};
    assert_false(host_admitted(&site, SPAN_NONE));
    assert_false(host_admitted(&site, SPAN("[::1")));
    assert_false(host_admitted(&site, SPAN("[::1]x")));
    assert_false(host_admitted(&site, SPAN(":80")));
}

static enum origin_verdict judge(const struct access_site *site, const char *host,
                                 const char *lines)
{
    static char head[1024];
    static struct http1_request req;
    struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    struct http1_scan scan = {0};
    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", host, lines);
    assert_true(http1_request_parse(span_str(head), &lim, &scan, &req) > 0);
    return origin_judge(site, &req);
}

static void origin_is_judged_against_host_and_lists(void **state)
{
    (void)state;
    static const struct {
        const char *local, *public_hosts, *allowed, *host, *origin;
        enum origin_verdict verdict;
    } rows[] = {
        {"127.0.0.1:3001", "", "", "localhost:3001", "http://localhost:3001", ORIGIN_SAME},
        {"127.0.0.1:3001", "", "", "localhost:3001", "http://127.0.0.1:3001", ORIGIN_SAME},
        {"127.0.0.1:3001", "", "", "127.0.0.1:3001", "http://[::1]:3001", ORIGIN_SAME},
        {"127.0.0.1:80", "", "", "localhost", "http://localhost:80", ORIGIN_SAME},
        {"127.0.0.1:3001", "", "", "localhost:3001", "http://localhost:3002", ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "", "localhost:3001", "http://localhost", ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "", "localhost:3001", "https://localhost:3001", ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "", "localhost:3001", "http://evil.example", ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "", "localhost:3001", "null", ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "*", "localhost:3001", "null", ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "", "localhost:3001", "", ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "", "localhost:3001", "file://", ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "", "localhost:3001", "http://localhost:3001/x", ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "", "localhost:3001", "http://localhost:99999", ORIGIN_REFUSED},
        {"192.0.2.1:3001", "", "", "192.0.2.1:3001", "http://192.0.2.1:3001", ORIGIN_SAME},
        {"192.0.2.1:3001", "", "", "192.0.2.1:3001", "http://localhost:3001", ORIGIN_REFUSED},
        {"192.0.2.1:80", "box.example", "", "box.example", "https://box.example", ORIGIN_SAME},
        {"192.0.2.1:80", "box.example", "", "box.example", "http://box.example", ORIGIN_SAME},
        {"192.0.2.1:80", "box.example", "", "box.example", "https://box.example:8443",
         ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "http://app.example, https://b.example:8443/", "localhost:3001",
         "http://app.example", ORIGIN_ALLOWED},
        {"127.0.0.1:3001", "", "http://app.example, https://b.example:8443/", "localhost:3001",
         "https://B.example:8443", ORIGIN_ALLOWED},
        {"127.0.0.1:3001", "", "http://app.example, https://b.example:8443/", "localhost:3001",
         "https://app.example", ORIGIN_REFUSED},
        {"127.0.0.1:3001", "", "https://app.example:443", "localhost:3001",
         "https://app.example", ORIGIN_ALLOWED},
        {"127.0.0.1:3001", "", "*", "localhost:3001", "https://any.example", ORIGIN_ANY},
        {"127.0.0.1:3001", "", "*, https://any.example", "localhost:3001",
         "https://any.example", ORIGIN_ALLOWED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sockaddr_storage local = address(rows[i].local);
        struct access_site site = {rows[i].public_hosts, rows[i].allowed, &local, SCHEME_UNTOLD,
                                   SPAN_NONE};
        char line[256];
        snprintf(line, sizeof line, "Origin: %s\r\n", rows[i].origin);
        enum origin_verdict got = judge(&site, rows[i].host, line);
        if (got != rows[i].verdict) {
            fail_msg("row %zu: %s at %s: %d", i, rows[i].origin, rows[i].host, got);
        }
    }
}

static void over_tls_the_own_origin_is_https(void **state)
{
    (void)state;
    static const struct {
        const char *host, *origin;
        enum origin_verdict verdict;
    } rows[] = {
        {"localhost:3443", "https://localhost:3443", ORIGIN_SAME},
        {"localhost:3443", "https://127.0.0.1:3443", ORIGIN_SAME},
        {"localhost:3443", "http://localhost:3443", ORIGIN_REFUSED},
        {"localhost:3443", "https://localhost", ORIGIN_REFUSED},
        {"box.example", "https://box.example", ORIGIN_SAME},
        {"box.example", "https://box.example:443", ORIGIN_SAME},
        {"box.example", "http://box.example", ORIGIN_REFUSED},
        {"box.example", "http://box.example:443", ORIGIN_REFUSED},
    };
    struct sockaddr_storage local = address("127.0.0.1:3443");
    struct access_site site = {"box.example", "", &local, SCHEME_HTTPS, SPAN_NONE};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[256];
        snprintf(line, sizeof line, "Origin: %s\r\n", rows[i].origin);
        assert_int_equal(judge(&site, rows[i].host, line), rows[i].verdict);
    }
}

static void a_trusted_proxy_tells_scheme_and_host(void **state)
{
    static const struct {
        enum access_scheme scheme;
        const char *forwarded, *host, *origin;
        enum origin_verdict verdict;
    } rows[] = {
        {SCHEME_HTTPS, NULL, "box.example", "https://box.example", ORIGIN_SAME},
        {SCHEME_HTTPS, NULL, "box.example", "http://box.example", ORIGIN_REFUSED},
        {SCHEME_HTTP, NULL, "box.example", "http://box.example", ORIGIN_SAME},
        {SCHEME_HTTP, NULL, "box.example", "https://box.example", ORIGIN_REFUSED},
        {SCHEME_UNTOLD, NULL, "box.example", "https://box.example", ORIGIN_SAME},
        {SCHEME_UNTOLD, NULL, "box.example", "http://box.example", ORIGIN_SAME},
        {SCHEME_HTTPS, "box.example", "127.0.0.1:3001", "https://box.example", ORIGIN_SAME},
        {SCHEME_HTTPS, "box.example:8443", "localhost", "https://box.example:8443", ORIGIN_SAME},
        {SCHEME_HTTPS, "box.example", "127.0.0.1:3001", "https://127.0.0.1:3001", ORIGIN_REFUSED},
        {SCHEME_HTTPS, "box.example", "box.example", "https://evil.example", ORIGIN_REFUSED},
    };
    struct sockaddr_storage local = address("127.0.0.1:3001");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct access_site site = {"box.example", "", &local, rows[i].scheme,
                                   span_str(rows[i].forwarded)};
        char line[256];
        snprintf(line, sizeof line, "Origin: %s\r\n", rows[i].origin);
        if (judge(&site, rows[i].host, line) != rows[i].verdict) {
            fail_msg("row %zu: %s", i, rows[i].origin);
        }
    }
}

static void no_origin_passes_and_two_do_not(void **state)
{
    (void)state;
    struct sockaddr_storage local = address("127.0.0.1:3001");
    struct access_site site = {"", "", &local, SCHEME_UNTOLD, SPAN_NONE};
    assert_int_equal(judge(&site, "localhost:3001", ""), ORIGIN_ABSENT);
    assert_int_equal(judge(&site, "localhost:3001",
                           "Origin: http://localhost:3001\r\nOrigin: http://localhost:3001\r\n"),
                     ORIGIN_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_names_the_server),
        cmocka_unit_test(origin_is_judged_against_host_and_lists),
        cmocka_unit_test(over_tls_the_own_origin_is_https),
        cmocka_unit_test(a_trusted_proxy_tells_scheme_and_host),
        cmocka_unit_test(no_origin_passes_and_two_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
