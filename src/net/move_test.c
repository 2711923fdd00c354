/* Requests that belong to another loop go there with their connection: their bodies, what was
 * sent behind them, and WebSockets that begin there. */
#include "net/move.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/test_move.h"

static void a_request_is_answered_by_its_loop(void **state)
{
    (void)state;
    start();
    struct peer p = peer_connect(&servers[0]);
    ask(&p, "/2/a");
    assert_false(next_answer(&p, "2 a secure=0 client=127.0.0.1:").close);
    assert_int_equal(net_count(servers[0].net), 0);
    assert_int_equal(net_count(servers[2].net), 1);
    assert_int_equal(shared->connections, 1);
    ask(&p, "/2/b"); /* it stays there */
    next_answer(&p, "2 b");
    ask(&p, "/1/c"); /* until somebody else is asked for */
    next_answer(&p, "1 c");
    assert_int_equal(net_stats(servers[2].net)->moved, 1);
    assert_int_equal(net_stats(servers[1].net)->moved, 1);
    uint64_t requests = 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        requests += net_stats(servers[i].net)->requests;
    }
    assert_int_equal(requests, 3);
    peer_close(&p);
    until_all(count_all() == 0);
    stop();
}

#define PIPELINE                                                                                   \
    "GET /1/a HTTP/1.1\r\nHost: a\r\n\r\n"                                                         \
    "POST /2/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"                              \
    "POST /0/c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"                          \
    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"                                                             \
    "GET /0/d HTTP/1.1\r\nHost: a\r\n\r\n"                                                         \
    "GET /1/e HTTP/1.1\r\nHost: a\r\n\r\n"

static void what_was_sent_ahead_moves_along_at_every_cut(void **state)
{
    (void)state;
    start();
    for (size_t cut = 0; cut < sizeof PIPELINE - 1; cut += 3) {
        struct peer p = peer_connect(&servers[cut % LOOPS]);
        peer_send(&p, span_slice(SPAN(PIPELINE), 0, cut));
        turn_all(cut % 5);
        peer_send(&p, span_slice(SPAN(PIPELINE), cut, sizeof PIPELINE - 1));
        next_answer(&p, "1 a");
        next_answer(&p, "hello");
        next_answer(&p, "abcde");
        next_answer(&p, "0 d");
        next_answer(&p, "1 e");
        peer_close(&p);
    }
    until_all(count_all() == 0);
    stop();
}

static void a_streamed_body_moves_before_it_is_asked_for(void **state)
{
    (void)state;
    start();
    buf request = {0};
    for (unsigned from = 0; from < LOOPS; from++) {
        struct peer p = peer_connect(&servers[from]);
        buf_clear(&request);
        buf_append_str(&request, "PUT /1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
        memset(buf_reserve(&request, 3000000), 'x', 3000000);
        request.len += 3000000;
        buf_append_str(&request, "GET /2/b HTTP/1.1\r\nHost: a\r\n\r\n");
        for (size_t at = 0; at < request.len;) {
            ssize_t n = send(p.fd, request.ptr + at, request.len - at, MSG_NOSIGNAL);
            at += n > 0 ? (size_t)n : 0;
            turn_all(1);
        }
        next_answer(&p, "3000000 on 1");
        next_answer(&p, "2 b");
        peer_close(&p);
    }
    struct peer p = peer_connect(&servers[0]); /* the 100 comes from where it is read */
    peer_send_str(&p, "PUT /1/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                      "Content-Length: 2\r\n\r\n");
    until_all(peer_has(&p, "100 Continue\r\n\r\n"));
    buf_clear(&p.in);
    peer_send_str(&p, "ok");
    next_answer(&p, "2 on 1");
    peer_close(&p);
    buf_deinit(&request);
    until_all(count_all() == 0);
    stop();
}

static void a_large_body_moves_along(void **state)
{
    char head[128];
    buf request = {0};
    (void)state;
    start();
    struct peer p = peer_connect(&servers[0]);
    size_t len = 1 << 20;
    snprintf(head, sizeof head, "POST /1/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                                "Content-Length: %zu\r\n\r\n", len);
    peer_send_str(&p, head);
    until_all(peer_has(&p, "100 Continue\r\n\r\n"));
    buf_clear(&p.in);
    for (size_t i = 0; i < len; i++) {
        buf_append_byte(&request, (uint8_t)(i * 7 % 251));
    }
    peer_send(&p, buf_span(&request));
    struct answer a = {0};
    span body = SPAN_NONE;
    until_all(answer_next(&p, &a, &body));
    assert_true(span_eq(body, buf_span(&request)));
    peer_close(&p);
    buf_deinit(&request);
    stop();
}

static void a_websocket_may_begin_where_it_belongs(void **state)
{
    (void)state;
    start();
    struct peer p = peer_connect(&servers[0]);
    buf bytes = {0};
    buf_append_str(&bytes, "GET /1/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    frame_append(&bytes, 0x81, SPAN("early")); /* behind the handshake, before its answer */
    peer_send(&p, buf_span(&bytes));
    until_all(peer_has(&p, "early"));
    assert_int_equal(net_stats(servers[1].net)->open_ws, 1);
    const uint8_t *end = memmem(p.in.ptr, p.in.len, "\r\n\r\n", 4);
    buf_consume(&p.in, (size_t)(end + 4 - p.in.ptr));
    assert_int_equal(p.in.len, 7);
    peer_close(&p);
    buf_deinit(&bytes);
    until_all(count_all() == 0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_by_its_loop),
        cmocka_unit_test(what_was_sent_ahead_moves_along_at_every_cut),
        cmocka_unit_test(a_streamed_body_moves_before_it_is_asked_for),
        cmocka_unit_test(a_large_body_moves_along),
        cmocka_unit_test(a_websocket_may_begin_where_it_belongs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
