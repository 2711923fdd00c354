/*
 * The request tables once more, over a socket into the session of net/: what the codec refuses is
 * answered with its status and ends the connection; what it accepts reaches the handler. Nothing
 * behind a refused request is looked at, so nothing can be smuggled past one.
 */
#include "codec/http1/error.h"
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/test_server.h"

static unsigned requests;

static void on_request(struct http_exchange *x)
{
    requests++;
    http_respond(x, 200, "text/plain", x->body);
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

static struct server s;

static int status_of(const char *name)
{
    for (int e = -1; e > -HTTP1_ROW_COUNT; e--) {
        const char *known = http1_error_name(e);
        if (known != NULL && strcmp(known, name) == 0) {
            return http1_error_status(e);
        }
    }
    fail_msg("no error %s", name);
    return 0;
}

static int answered(struct peer *p)
{
    struct answer a = {0};
    span body;
    until(&s, answer_next(p, &a, &body) || p->ended);
    if (a.status != 0) {
        answer_drop(p, body);
    }
    return a.status;
}

static void refused_row(const struct wire_row *row)
{
    int status = status_of((const char *)row->expected.ptr);
    requests = 0;
    struct peer p = peer_connect(&s);
    peer_send(&p, buf_span(&row->bytes));
    peer_send_str(&p, "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    int got = answered(&p);
    if (got != status || requests != 0) {
        fail_msg("%s: answered %d (%u handled), expected %d", row->why, got, requests, status);
    }
    until(&s, peer_ended(&p));
    if (p.in.len != 0 || p.reset) {
        fail_msg("%s: %zu bytes after the refusal%s", row->why, p.in.len, p.reset ? ", reset" : "");
    }
    peer_close(&p);
}

static void accepted_row(const struct wire_row *row)
{
    const char *text = (const char *)row->expected.ptr;
    requests = 0;
    struct peer p = peer_connect(&s);
    peer_send(&p, buf_span(&row->bytes));
    turn(&s, 2);
    bool body = strstr(text, "chunked") != NULL ||
                (strstr(text, "length=") != NULL && strstr(text, "length=0") == NULL);
    bool head_only = strncmp(text, "HEAD ", 5) == 0;
    if (!body && !head_only) {
        int got = answered(&p);
        /* 400: a path that leaves the root; it is well-formed, but names nothing. */
        if (got != 200 && got != 400) {
            fail_msg("%s: answered %d", row->why, got);
        }
    } else if (head_only) {
        until(&s, requests == 1);
    }
    peer_reset(&p);
    turn(&s, 2);
}

static void refused_requests_are_answered_with_their_status_and_end_it(void **state)
{
    server_start(&s, &handler, &test_limits);
    assert_true(wire_rows("tests/wire/http1_requests_refused.txt", refused_row) >= 80);
    server_stop(&s);
}

static void accepted_requests_are_answered(void **state)
{
    server_start(&s, &handler, &test_limits);
    assert_true(wire_rows("tests/wire/http1_requests_accepted.txt", accepted_row) >= 60);
    server_stop(&s);
}

/* Two requests in one packet that two readers could take for one or three. */
static void what_stands_behind_a_body_is_the_next_request(void **state)
{
    server_start(&s, &handler, &test_limits);
    struct peer p = peer_connect(&s);
    requests = 0;
    peer_send_str(&p, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\n"
                      "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
                      "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "1c\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\nX: y\r\n\r\n"
                      "GET /5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                      "GET /6 HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answered(&p), 200);
    }
    until(&s, peer_ended(&p));
    assert_int_equal(p.in.len, 0);
    assert_int_equal(requests, 3);
    peer_close(&p);
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_requests_are_answered_with_their_status_and_end_it),
        cmocka_unit_test(accepted_requests_are_answered),
        cmocka_unit_test(what_stands_behind_a_body_is_the_next_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
