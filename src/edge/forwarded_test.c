/* Whose address a request through proxies has, and what may stand in their fields. */
#include "edge/forwarded.h"

#include "loop/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct http1_request req;

static const struct forwarded *read_fields(const char *fields, const char *trusted)
{
    static struct forwarded f;
    static char head[2048];
    struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    struct http1_scan scan = {0};
    struct trust t;
    span bad;
    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    assert_true(http1_request_parse(span_str(head), &lim, &scan, &req) > 0);
    assert_true(trust_parse(span_str(trusted), &t, &bad));
    forwarded_read(&req, &t, &f);
    return &f;
}

#define XFF "X-Forwarded-For: "

static void the_first_stranger_from_the_right_is_the_client(void **state)
{
    static const struct {
        const char *fields;
        const char *client; /* NULL: none */
    } rows[] = {
        {"", NULL},
        {XFF "192.0.2.1\r\n", "192.0.2.1"},
        {XFF "203.0.113.9, 192.0.2.1\r\n", "192.0.2.1"}, /* the left one is its own word */
        {XFF "192.0.2.1, 10.0.0.2\r\n", "192.0.2.1"},
        {XFF "6.6.6.6, 192.0.2.1, 10.0.0.3,10.0.0.2\r\n", "192.0.2.1"},
        {XFF "6.6.6.6\r\n" XFF "192.0.2.1\r\nX-Other: b\r\nx-forwarded-for: 10.0.0.2\r\n",
         "192.0.2.1"}, /* lines are one list */
        {XFF "10.0.0.4, 10.0.0.3\r\n", "10.0.0.4"}, /* all ours: the farthest */
        {XFF "192.0.2.1, , ,10.0.0.2,\r\n", "192.0.2.1"},
        {XFF ",,\r\n", NULL},
        {XFF "\r\n", NULL},
        {XFF "192.0.2.1:4711\r\n", "192.0.2.1"},
        {XFF "2001:db8::1\r\n", "2001:db8::1"},
        {XFF "[2001:db8::1]\r\n", "2001:db8::1"},
        {XFF "[2001:db8::1]:443\r\n", "2001:db8::1"},
        {XFF "::ffff:10.0.0.1\r\n", "::ffff:10.0.0.1"},
        {XFF "192.0.2.1, ::ffff:10.0.0.1\r\n", "192.0.2.1"}, /* ours in IPv6's clothes */
        /* what is malformed ends the walk where it was safe */
        {XFF "192.0.2.1, unknown\r\n", NULL},
        {XFF "192.0.2.1, junk, 10.0.0.2\r\n", "10.0.0.2"},
        {XFF "192.0.2.1\r\n" XFF "_hidden\r\n" XFF "10.0.0.2\r\n", "10.0.0.2"},
        {XFF "192.0.2.1:99999\r\n", NULL},
        {XFF "192.0.2.1:\r\n", NULL},
        {XFF "192.0.2.01\r\n", NULL},
        {XFF "192.0.2.1 10.0.0.2\r\n", NULL},
        {XFF "[192.0.2.1]\r\n", NULL},
        {XFF "[2001:db8::1\r\n", NULL},
        {XFF "[2001:db8::1]x\r\n", NULL},
        {XFF "fe80::1%eth0\r\n", NULL},
        {XFF "unix:\r\n", NULL},
        {XFF "\"192.0.2.1\"\r\n", NULL},
        /* never read */
        {"Forwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\n", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct forwarded *f = read_fields(rows[i].fields, "10.0.0.0/24, 127.0.0.1");
        char text[ADDR_TEXT_MAX] = "none";
        if (f->has_client) {
            addr_format_host(&f->client, text);
        }
        if (strcmp(text, rows[i].client == NULL ? "none" : rows[i].client) != 0) {
            fail_msg("row %zu: %s gives %s", i, rows[i].fields, text);
        }
    }
}

static void the_walk_has_a_bound(void **state)
{
    char fields[1024] = XFF "192.0.2.1";
    (void)state;
    for (unsigned i = 0; i < FORWARDED_HOPS_MAX; i++) {
        strncat(fields, ",10.0.0.9", sizeof fields - strlen(fields) - 1);
    }
    strncat(fields, "\r\n", sizeof fields - strlen(fields) - 1);
    char text[ADDR_TEXT_MAX];
    addr_format_host(&read_fields(fields, "10.0.0.0/24")->client, text);
    assert_string_equal(text, "10.0.0.9");
}

static void scheme_and_host_count_when_they_stand_once(void **state)
{
    static const struct {
        const char *fields;
        enum access_scheme scheme;
        const char *host;
    } rows[] = {
        {"", SCHEME_UNTOLD, NULL},
        {"X-Forwarded-Proto: https\r\nX-Forwarded-Host: box.example\r\n", SCHEME_HTTPS,
         "box.example"},
        {"X-Forwarded-Proto: HTTP\r\nX-Forwarded-Host: box.example:8443\r\n", SCHEME_HTTP,
         "box.example:8443"},
        {"X-Forwarded-Proto: https, http\r\nX-Forwarded-Host: a, b\r\n", SCHEME_UNTOLD, NULL},
        {"X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n"
         "X-Forwarded-Host: a\r\nX-Forwarded-Host: a\r\n",
         SCHEME_UNTOLD, NULL},
        {"X-Forwarded-Proto: wss\r\nX-Forwarded-Host:\r\n", SCHEME_UNTOLD, NULL},
        {"X-Forwarded-Ssl: on\r\nFront-End-Https: on\r\n", SCHEME_UNTOLD, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct forwarded *f = read_fields(rows[i].fields, "");
        assert_int_equal(f->scheme, rows[i].scheme);
        assert_int_equal(f->host.ptr == NULL, rows[i].host == NULL);
        assert_true(span_eq(f->host, span_str(rows[i].host)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_stranger_from_the_right_is_the_client),
        cmocka_unit_test(the_walk_has_a_bound),
        cmocka_unit_test(scheme_and_host_count_when_they_stand_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
