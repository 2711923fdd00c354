#include "edge/access.h"

#include "codec/http1/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct http1_request req;
static char head[4096];

/* A request with these field lines (each ended by CRLF) for this target. */
static const struct http1_request *request(const char *target, const char *lines)
{
    struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    struct http1_scan scan = {0};
    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n%s\r\n", target, lines);
    assert_true(http1_request_parse(span_str(head), &lim, &scan, &req) > 0);
    return &req;
}

static void expect_credential(const char *target, const char *lines, enum credential_from from,
                              const char *text)
{
    struct arena arena = {0};
    enum credential_from got;
    span token;
    char with_host[2048];
    snprintf(with_host, sizeof with_host, "Host: localhost\r\n%s", lines);
    assert_int_equal(credential_find(request(target, with_host), &arena, &got, &token), ERR_NONE);
    if (got != from || !span_eq(token, span_str(text))) {
        fail_msg("%s %s: place %d, \"%.*s\"", target, lines, got, SPAN_FMT(token));
    }
    arena_reset(&arena);
}

static void first_place_that_holds_something_decides(void **state)
{
    (void)state;
    expect_credential("/", "", CREDENTIAL_NONE, "");
    expect_credential("/", "Authorization: Bearer abc\r\n", CREDENTIAL_BEARER, "abc");
    expect_credential("/", "Authorization: bEARER   abc\r\n", CREDENTIAL_BEARER, "abc");
    expect_credential("/", "Sec-WebSocket-Protocol: bearer, t.o.k\r\n", CREDENTIAL_SUBPROTOCOL,
                      "t.o.k");
    expect_credential("/",
                      "Sec-WebSocket-Protocol: bearer\r\nSec-WebSocket-Protocol: second\r\n",
                      CREDENTIAL_SUBPROTOCOL, "second");
    expect_credential("/", "Sec-WebSocket-Protocol: chat, bearer, x\r\n", CREDENTIAL_SUBPROTOCOL,
                      "x");
    expect_credential("/", "Cookie: a=b; sb_session=cook\r\n", CREDENTIAL_COOKIE, "cook");
    expect_credential("/?a=1&token=q%2Bq", "", CREDENTIAL_QUERY, "q+q");
    expect_credential("/?token=q", "Cookie: sb_session=cook\r\n", CREDENTIAL_COOKIE, "cook");
    expect_credential("/?token=q",
                      "Cookie: sb_session=cook\r\nSec-WebSocket-Protocol: bearer, sub\r\n",
                      CREDENTIAL_SUBPROTOCOL, "sub");
    expect_credential("/?token=q",
                      "Cookie: sb_session=c\r\nSec-WebSocket-Protocol: bearer, s\r\n"
                      "Authorization: Bearer head\r\n",
                      CREDENTIAL_BEARER, "head");
}

static void an_empty_credential_still_decides(void **state)
{
    (void)state;
    expect_credential("/?token=q", "Authorization: Bearer\r\n", CREDENTIAL_BEARER, "");
    expect_credential("/?token=q", "Sec-WebSocket-Protocol: bearer\r\n", CREDENTIAL_SUBPROTOCOL,
                      "");
    expect_credential("/?token=q", "Cookie: sb_session=\r\n", CREDENTIAL_COOKIE, "");
    expect_credential("/?token", "", CREDENTIAL_QUERY, "");
}

static void another_scheme_or_subprotocol_is_no_place(void **state)
{
    (void)state;
    expect_credential("/", "Authorization: Basic abc\r\n", CREDENTIAL_NONE, "");
    expect_credential("/?token=q", "Authorization: Basic abc\r\n", CREDENTIAL_QUERY, "q");
    expect_credential("/", "Sec-WebSocket-Protocol: chat, superchat\r\n", CREDENTIAL_NONE, "");
    expect_credential("/", "Cookie: SB_SESSION=x\r\n", CREDENTIAL_NONE, "");
}

static void two_credentials_of_one_place_are_refused(void **state)
{
    (void)state;
    struct arena arena = {0};
    enum credential_from from;
    span token;
    assert_int_equal(credential_find(request("/", "Host: a\r\nAuthorization: Bearer a\r\n"
                                                  "Authorization: Bearer a\r\n"),
                                     &arena, &from, &token),
                     ERR_INVALID_REQUEST);
    assert_int_equal(credential_find(request("/", "Host: a\r\nAuthorization: Bearer a\r\n"
                                                  "Authorization: Basic b\r\n"),
                                     &arena, &from, &token),
                     ERR_INVALID_REQUEST);
    assert_int_equal(
        credential_find(request("/?token=a&token=a", "Host: a\r\n"), &arena, &from, &token),
        ERR_INVALID_REQUEST);
    arena_reset(&arena);
}

static void anonymous_needs_loopback_host_and_no_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        bool listener, peer, admitted;
    } rows[] = {
        {"Host: localhost\r\n", true, true, true},
        {"Host: LOCALHOST:3001\r\n", true, true, true},
        {"Host: 127.0.0.1:3001\r\n", true, true, true},
        {"Host: [::1]:3001\r\n", true, true, true},
        {"Host: localhost\r\n", false, true, false},
        {"Host: localhost\r\n", true, false, false},
        {"Host: 127.0.0.2\r\n", true, true, false},
        {"Host: signalbox.example\r\n", true, true, false},
        {"Host: localhost.example\r\n", true, true, false},
        {"Host: localhost\r\nForwarded: for=1.2.3.4\r\n", true, true, false},
        {"Host: localhost\r\nx-forwarded-for: 1.2.3.4\r\n", true, true, false},
        {"Host: localhost\r\nX-Forwarded-Proto: https\r\n", true, true, false},
        {"Host: localhost\r\nX-Real-IP: 1.2.3.4\r\n", true, true, false},
        {"Host: localhost\r\nVia: 1.1 proxy\r\n", true, true, false},
        {"Host: localhost\r\nX-Forwarder: none\r\n", true, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool got =
            anonymous_admitted(request("/", rows[i].lines), rows[i].listener, rows[i].peer);
        if (got != rows[i].admitted) {
            fail_msg("row %zu: %s", i, rows[i].lines);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_place_that_holds_something_decides),
        cmocka_unit_test(an_empty_credential_still_decides),
        cmocka_unit_test(another_scheme_or_subprotocol_is_no_place),
        cmocka_unit_test(two_credentials_of_one_place_are_refused),
        cmocka_unit_test(anonymous_needs_loopback_host_and_no_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
