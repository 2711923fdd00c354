/* HTTP sessions over real sockets: answers in order, limits. */
#include "net/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/test_http.h"

static void one_connection_serves_many_requests(void **state)
{
    struct peer p = peer_connect(&s);
    for (int i = 0; i < 3; i++) {
        peer_send_str(&p, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        until(&s, answer_is(&p, "/a"));
    }
    assert_int_equal(net_count(s.net), 1);
    peer_send_str(&p, "GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_true(expect_status(&p, 200).close);
    until(&s, peer_ended(&p));
    peer_close(&p);
    until(&s, net_count(s.net) == 0);
}

static void old_clients_are_closed_unless_they_ask_to_stay(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    until(&s, peer_has(&p, "Connection: keep-alive\r\n"));
    assert_false(expect_status(&p, 200).close);
    peer_send_str(&p, "GET /a HTTP/1.0\r\n\r\n");
    assert_true(expect_status(&p, 200).close);
    until(&s, peer_ended(&p));
    peer_close(&p);
}

static void head_and_empty_answers_have_no_body(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, peer_has(&p, "\r\n\r\n"));
    assert_non_null(memmem(p.in.ptr, p.in.len, "Content-Length: 4\r\n", 19));
    turn(&s, 3);
    assert_false(peer_read(&p));
    assert_memory_equal(p.in.ptr + p.in.len - 4, "\r\n\r\n", 4);
    buf_clear(&p.in);
    peer_send_str(&p, "GET /empty HTTP/1.1\r\nHost: a\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_status(&p, 204);
    until(&s, answer_is(&p, "/c"));
    peer_close(&p);
}

static void the_last_answer_carries_its_fields(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, peer_has(&p, "X-Tail: yes\r\n"));
    assert_true(expect_status(&p, 200).close);
    until(&s, peer_ended(&p));
    peer_close(&p);
}

static void split_bytes_make_the_same_requests(void **state)
{
    static const char request[] = "POST /x HTTP/1.1\r\nHost: a\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n"
                                  "5;e=1\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    struct peer p = peer_connect(&s);
    for (size_t i = 0; i < sizeof request - 1; i++) {
        peer_send(&p, span_of(request + i, 1));
        turn(&s, 1);
    }
    until(&s, answer_is(&p, "hello world"));
    peer_close(&p);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    buf out = {0};
    for (int i = 0; i < 3000; i++) {
        if (i % 3 == 0) {
            buf_printf(&out, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n%04d", i);
        } else {
            buf_printf(&out, "GET /%04d HTTP/1.1\r\nHost: a\r\n\r\n", i);
        }
    }
    struct peer p = peer_connect(&s);
    size_t at = 0;
    for (int i = 0; i < 3000;) {
        ssize_t n = send(p.fd, out.ptr + at, out.len - at, MSG_NOSIGNAL);
        at += n > 0 ? (size_t)n : 0;
        loop_turn(s.loop, 0);
        char text[8];
        snprintf(text, sizeof text, i % 3 == 0 ? "%04d" : "/%04d", i);
        i += answer_is(&p, text);
    }
    buf_deinit(&out);
    peer_close(&p);
}

static void a_continue_is_sent_when_the_body_waits_for_it(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                      "Expect: 100-continue\r\n\r\n");
    until(&s, peer_has(&p, "HTTP/1.1 100 Continue\r\n\r\n"));
    buf_clear(&p.in);
    peer_send_str(&p, "ok");
    until(&s, answer_is(&p, "ok"));
    peer_send_str(&p, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n"
                      "Expect: 100-continue\r\n\r\n");
    assert_true(expect_status(&p, 413).close);
    until(&s, peer_ended(&p));
    peer_close(&p);
}

static void limits_answer_with_their_status(void **state)
{
    static const struct {
        const char *request;
        size_t fill;
        int status;
    } rows[] = {
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 0, 413},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: ", 20000, 431},
        {"GET /", 10000, 414},
        {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 501},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 0, 505},
        {"GET /../.. HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer p = peer_connect(&s);
        buf out = {0};
        buf_append_str(&out, rows[i].request);
        memset(buf_reserve(&out, rows[i].fill), 'f', rows[i].fill);
        out.len += rows[i].fill;
        peer_send(&p, buf_span(&out));
        assert_true(expect_status(&p, rows[i].status).close);
        until(&s, peer_ended(&p));
        assert_false(p.reset);
        buf_deinit(&out);
        peer_close(&p);
    }
}

static void a_chunked_body_over_the_limit_is_refused_while_it_comes(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    static char chunk[65536 + 9] = "10000\r\n";
    memset(chunk + 7, 'c', 65536);
    memcpy(chunk + 7 + 65536, "\r\n", 2);
    for (int i = 0; i < 40 && !p.ended; i++) {
        peer_send(&p, span_of(chunk, sizeof chunk)); /* goes on sending: the answer must arrive */
        turn(&s, 1);
    }
    assert_true(expect_status(&p, 413).close);
    until(&s, peer_ended(&p));
    assert_false(p.reset);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_connection_serves_many_requests),
        T(old_clients_are_closed_unless_they_ask_to_stay),
        T(head_and_empty_answers_have_no_body),
        T(the_last_answer_carries_its_fields),
        T(split_bytes_make_the_same_requests),
        T(pipelined_requests_are_answered_in_order),
        T(a_continue_is_sent_when_the_body_waits_for_it),
        T(limits_answer_with_their_status),
        T(a_chunked_body_over_the_limit_is_refused_while_it_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
