/* HTTP sessions with peers that are slow, break, or leave; draining and stopping. */
#include "net/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/test_http.h"

/* A peer that asks and never reads must not make the server keep what it asks. */
static void requests_wait_in_the_kernel_while_answers_do(void **state)
{
    struct peer p = peer_connect_small(&s, 4096);
    buf out = {0};
    for (int i = 0; i < 40000; i++) {
        buf_append_str(&out, "GET /big/65536 HTTP/1.1\r\nHost: a\r\nX-Fill: 0123456789\r\n\r\n");
    }
    size_t sent = 0;
    for (int idle = 0; idle < 50 && sent < out.len;) {
        ssize_t n = send(p.fd, out.ptr + sent, out.len - sent, MSG_NOSIGNAL);
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        turn(&s, 2);
    }
    turn(&s, 100);
    assert_true(net_stats(s.net)->bytes_in < 512 * 1024);
    unsigned answered = 0;
    while (answered < 50) { /* and goes on when it reads */
        until(&s, peer_read(&p));
        struct answer a;
        span body;
        while (answer_next(&p, &a, &body)) {
            assert_int_equal(a.body_len, 65536);
            answer_drop(&p, body);
            answered++;
        }
    }
    buf_deinit(&out);
    peer_reset(&p);
}

static void a_peer_that_never_reads_is_closed_after_the_write_time(void **state)
{
    struct peer p = peer_connect_small(&s, 4096);
    peer_send_str(&p, "GET /big/16000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, seen.requests == 1);
    turn(&s, 10);
    advance(&s, 1000);
    assert_int_equal(net_count(s.net), 1);
    advance(&s, 1500);
    assert_int_equal(net_count(s.net), 0);
    peer_close(&p);
}

static void a_large_last_answer_reaches_a_slow_reader_whole(void **state)
{
    struct peer p = peer_connect_small(&s, 4096);
    peer_send_str(&p, "GET /big/8000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    until(&s, seen.requests == 1);
    for (int i = 0; i < 12; i++) { /* far beyond close_wait_ms, but making progress */
        size_t target = p.in.len + 400000;
        until(&s, p.in.len >= target || !(peer_read_some(&p, 65536), true));
        advance(&s, 500);
    }
    until(&s, peer_ended(&p));
    assert_false(p.reset);
    assert_true(p.in.len > 8000000);
    peer_close(&p);
}

static void a_peer_that_ends_its_side_still_gets_its_answers(void **state)
{
    struct peer p = peer_connect_small(&s, 4096);
    peer_send_str(&p, "GET /big/4000000 HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n"
                      "Host: a\r\n\r\n");
    shutdown(p.fd, SHUT_WR);
    turn(&s, 20); /* the end arrives while the answer is stuck */
    struct answer a;
    span body;
    until(&s, answer_next(&p, &a, &body) || p.ended);
    assert_false(p.ended);
    assert_int_equal(a.body_len, 4000000);
    answer_drop(&p, body);
    until(&s, answer_is(&p, "/b"));
    until(&s, peer_ended(&p));
    assert_false(p.reset);
    peer_close(&p);
}

static void a_peer_that_ends_its_side_waits_for_a_later_answer(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(p.fd, SHUT_WR);
    until(&s, seen.requests == 1);
    turn(&s, 5);
    struct http_exchange *x = http_find(s.net, seen.ref);
    assert_non_null(x);
    http_respond(x, 200, "text/plain", SPAN("at last"));
    until(&s, answer_is(&p, "at last"));
    until(&s, peer_ended(&p));
    peer_close(&p);
    until(&s, net_count(s.net) == 0);
    assert_null(http_find(s.net, seen.ref));
}

static void later_answers_keep_pipelined_order(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, seen.requests == 1);
    turn(&s, 5);
    assert_int_equal(seen.requests, 1);
    assert_false(peer_read(&p));
    http_respond(http_find(s.net, seen.ref), 200, NULL, SPAN("first"));
    until(&s, answer_is(&p, "first"));
    until(&s, answer_is(&p, "/b"));
    peer_close(&p);
}

static void a_handler_may_close_its_connection(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "POST /close HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
                      "xGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, peer_ended(&p));
    assert_int_equal(seen.requests, 1);
    assert_int_equal(seen.abandoned, 1);
    peer_close(&p);
    struct peer q = peer_connect_small(&s, 4096);
    peer_send_str(&q, "GET /big/3000000 HTTP/1.1\r\nHost: a\r\n\r\n"
                      "GET /close-pending HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, peer_ended(&q));
    assert_int_equal(seen.requests, 3);
    assert_int_equal(seen.abandoned, 2);
    peer_close(&q);
    until(&s, net_count(s.net) == 0);
}

static void a_waiting_request_is_abandoned_when_the_peer_breaks(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, seen.requests == 1);
    peer_reset(&p);
    until(&s, seen.abandoned == 1);
    assert_null(http_find(s.net, seen.ref));
    assert_int_equal(net_count(s.net), 0);
}

/* A peer that ends its side does not wait any more, where the handler says so. */
static void a_watched_request_is_abandoned_when_the_peer_ends(void **state)
{
    static const char pipelined[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /watch HTTP/1.1\r\n"
                                    "Host: a\r\nContent-Length: 1\r\n\r\nxGET /b";
    static const char *const asks[] = {
        "GET /watch HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /watch HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        pipelined,
    };
    for (unsigned i = 0; i < 2 * ARRAY_LEN(asks); i++) {
        struct peer p = peer_connect(&s);
        memset(&seen, 0, sizeof seen);
        peer_send_str(&p, asks[i / 2]);
        if (i % 2 == 0) { /* else the end comes with the request */
            until(&s, seen.watched);
            turn(&s, 5);
            assert_int_equal(seen.abandoned, 0);
            peer_send_str(&p, "GET /c");
            turn(&s, 5);
            assert_int_equal(seen.abandoned, 0);
        }
        shutdown(p.fd, SHUT_WR);
        until(&s, seen.abandoned == 1);
        assert_null(http_find(s.net, seen.ref));
        assert_int_equal(net_count(s.net), 0);
        peer_close(&p);
    }
}

/* The end was read long before the handler asks. */
static void an_end_that_is_known_is_told_after_the_handler(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                      "GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(p.fd, SHUT_WR);
    until(&s, seen.requests == 1);
    turn(&s, 5);
    assert_int_equal(seen.abandoned, 0); /* this one still gets its answer */
    http_respond(http_find(s.net, seen.ref), 200, NULL, SPAN("first"));
    until(&s, answer_is(&p, "first"));
    until(&s, seen.abandoned == 1);
    assert_true(seen.watched);
    peer_close(&p);
}

static void bytes_behind_a_watched_request_are_read_after_its_answer(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /watch HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n");
    until(&s, seen.watched);
    turn(&s, 5);
    peer_send_str(&p, "Host: a\r\n\r\n");
    turn(&s, 5);
    peer_send_str(&p, "GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
    turn(&s, 5);
    assert_int_equal(seen.requests, 1);
    http_respond(http_find(s.net, seen.ref), 200, NULL, SPAN("first"));
    until(&s, answer_is(&p, "first"));
    until(&s, answer_is(&p, "/b"));
    until(&s, seen.requests == 3);
    peer_reset(&p);
    until(&s, seen.abandoned == 1);
}

static void slow_heads_and_bodies_are_answered_408(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET / HT");
    turn(&s, 3);
    for (int i = 0; i < 8; i++) { /* a trickle does not extend the time */
        advance(&s, 200);
        (void)send(p.fd, "T", 1, MSG_NOSIGNAL);
    }
    assert_true(expect_status(&p, 408).close);
    peer_close(&p);

    struct peer q = peer_connect(&s);
    peer_send_str(&q, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    turn(&s, 3);
    advance(&s, 1500);
    assert_false(peer_ended(&q));
    advance(&s, 700);
    assert_true(expect_status(&q, 408).close);
    peer_close(&q);
}

static void silent_connections_are_closed_in_their_time(void **state)
{
    struct peer fresh = peer_connect(&s);
    struct peer idle = peer_connect(&s);
    peer_send_str(&idle, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, answer_is(&idle, "/a"));
    until(&s, net_count(s.net) == 2);
    advance(&s, 1500);
    until(&s, peer_ended(&fresh));
    assert_false(peer_ended(&idle));
    advance(&s, 4000);
    until(&s, peer_ended(&idle));
    peer_close(&fresh);
    peer_close(&idle);
}

static void a_peer_that_does_not_end_is_cut_after_lingering(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_status(&p, 200);
    until(&s, peer_ended(&p));
    assert_int_equal(net_count(s.net), 1);
    advance(&s, 1200);
    assert_int_equal(net_count(s.net), 0);
    peer_close(&p);
}

static void drain_ends_idle_connections_and_finishes_the_others(void **state)
{
    struct peer idle = peer_connect(&s);
    struct peer busy = peer_connect(&s);
    peer_send_str(&busy, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, seen.requests == 1 && net_count(s.net) == 2);
    net_drain(s.net, CLOSE_DRAIN);
    until(&s, peer_ended(&idle));
    http_respond(http_find(s.net, seen.ref), 200, NULL, SPAN("done"));
    assert_true(expect_status(&busy, 200).close);
    until(&s, peer_ended(&busy));
    peer_close(&idle);
    peer_close(&busy);
    until(&s, net_count(s.net) == 0);
}

static void a_stopped_net_finds_nothing_any_more(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, seen.requests == 1);
    net_stop(s.net);
    assert_int_equal(seen.abandoned, 1);
    turn(&s, 2);
    assert_null(http_find(s.net, seen.ref)); /* an answer that comes too late */
    assert_null(conn_find(s.net, seen.ref));
    assert_int_equal(net_count(s.net), 0);
    peer_close(&p);
}

static void freeing_the_net_abandons_what_waits(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, seen.requests == 1);
    net_free(s.net);
    s.net = NULL;
    assert_int_equal(seen.abandoned, 1);
    until(&s, peer_ended(&p));
    peer_close(&p);
}

/* Small pipelined requests in one large read: the cost must not grow with the square. */
static void a_flood_of_pipelined_requests_leaves_room_for_others(void **state)
{
    struct peer flood = peer_connect(&s);
    struct peer other = peer_connect(&s);
    buf out = {0};
    for (int i = 0; i < 20000; i++) {
        buf_append_str(&out, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    until(&s, net_count(s.net) == 2);
    size_t sent = 0;
    for (int tries = 0; sent < out.len && tries < 100; tries++) {
        ssize_t n = send(flood.fd, out.ptr + sent, out.len - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
    }
    peer_send_str(&other, "GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
    turn(&s, 2);
    assert_true(seen.requests < 1000);
    until(&s, answer_is(&other, "/other"));
    buf_deinit(&out);
    peer_reset(&flood);
    peer_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(requests_wait_in_the_kernel_while_answers_do),
        T(a_peer_that_never_reads_is_closed_after_the_write_time),
        T(a_large_last_answer_reaches_a_slow_reader_whole),
        T(a_peer_that_ends_its_side_still_gets_its_answers),
        T(a_peer_that_ends_its_side_waits_for_a_later_answer),
        T(later_answers_keep_pipelined_order),
        T(a_handler_may_close_its_connection),
        T(a_waiting_request_is_abandoned_when_the_peer_breaks),
        T(a_watched_request_is_abandoned_when_the_peer_ends),
        T(an_end_that_is_known_is_told_after_the_handler),
        T(bytes_behind_a_watched_request_are_read_after_its_answer),
        T(slow_heads_and_bodies_are_answered_408),
        T(silent_connections_are_closed_in_their_time),
        T(a_peer_that_does_not_end_is_cut_after_lingering),
        T(drain_ends_idle_connections_and_finishes_the_others),
        T(a_stopped_net_finds_nothing_any_more),
        T(freeing_the_net_abandons_what_waits),
        T(a_flood_of_pipelined_requests_leaves_room_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
