/* Answers that go on: written over time, kept alive, ended from either side. */
#include "net/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/test_server.h"

#define ASK "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static struct server s;
static struct conn *stream; /* the newest, NULL when it has ended */
static unsigned closed;
static close_reason why;
static unsigned writable;
static bool close_at_once;

static void on_writable(struct conn *c) { writable++; }

static void on_close(struct conn *c, close_reason reason)
{
    assert_ptr_equal(stream_user(c), &s);
    closed++;
    why = reason;
    stream = NULL;
}

static void on_beat(struct conn *c)
{
    static char beat[] = ":\n\n";
    struct iovec iov = {.iov_base = beat, .iov_len = 3};
    assert_int_equal(conn_send(c, &iov, 1), 3);
}

static const struct stream_wire wire = {.name = "test",
                                        .write_ms = 3000,
                                        .on_beat = on_beat,
                                        .on_writable = on_writable,
                                        .on_close = on_close};

static void on_request(struct http_exchange *x)
{
    if (span_eq(x->path, SPAN("/plain"))) {
        http_respond(x, 200, "text/plain", SPAN("plain"));
        return;
    }
    http_header(x, "X-Tail", SPAN("yes"));
    stream = http_stream(x, "text/event-stream", &wire, &s);
    if (close_at_once) {
        conn_close(stream, CLOSE_REVOKED);
    }
}

static void on_refused(struct http_exchange *x, int status, const char *text)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(text));
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

static int setup(void **state)
{
    struct net_limits limits = test_limits;
    limits.sse_heartbeat_ms = 2000;
    stream = NULL;
    closed = writable = 0;
    close_at_once = false;
    server_start(&s, &handler, &limits);
    return 0;
}

static int teardown(void **state)
{
    server_stop(&s);
    return 0;
}

static void say(const char *text)
{
    struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text)};
    assert_int_equal(conn_send(stream, &iov, 1), iov.iov_len);
}

static struct peer listen_small(int recv_bytes)
{
    struct peer p = peer_connect_small(&s, recv_bytes);
    peer_send_str(&p, ASK);
    until(&s, peer_has(&p, "\r\n\r\n"));
    return p;
}

static void the_body_comes_as_it_is_written_until_the_end(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"); /* kept alive before it */
    (void)expect_status(&p, 200);
    peer_send_str(&p, ASK);
    until(&s, peer_has(&p, "\r\n\r\n"));
    assert_true(peer_has(&p, "\r\nContent-Type: text/event-stream\r\n"));
    assert_true(peer_has(&p, "\r\nX-Tail: yes\r\n"));
    assert_true(peer_has(&p, "\r\nConnection: close\r\n"));
    assert_false(peer_has(&p, "Content-Length"));
    say("one\n\n");
    until(&s, peer_has(&p, "\r\n\r\none\n\n"));
    assert_false(p.ended);
    say("two\n\n");
    conn_close(stream, CLOSE_REVOKED);
    assert_int_equal(closed, 1);
    until(&s, peer_ended(&p));
    assert_false(p.reset);
    assert_true(peer_has(&p, "\r\n\r\none\n\ntwo\n\n"));
    peer_close(&p);
    until(&s, net_count(s.net) == 0);
}

static void a_quiet_stream_shows_signs_of_life(void **state)
{
    struct peer p = listen_small(0);
    advance(&s, 1800);
    assert_false(peer_has(&p, ":\n\n"));
    advance(&s, 400);
    until(&s, peer_has(&p, "\r\n\r\n:\n\n"));
    advance(&s, 100000); /* no time-out of a request ends it */
    assert_int_equal(closed, 0);
    while (peer_read(&p)) { /* all of it, so that the end is an orderly one */
    }
    peer_close(&p);
    until(&s, closed == 1);
    assert_int_equal(why, CLOSE_PEER_CLOSED);
}

static void a_full_socket_is_told_and_waits_no_longer_than_it_may(void **state)
{
    static uint8_t big[1 << 22];
    struct peer p = listen_small(4096);
    struct iovec iov = {.iov_base = big, .iov_len = sizeof big};
    memset(big, 'x', sizeof big);
    size_t sent = conn_send(stream, &iov, 1);
    assert_true(sent < sizeof big);
    while (writable == 0) { /* nothing of it is kept here: the owner has the rest */
        (void)peer_read(&p);
        turn(&s, 1);
    }
    iov.iov_len = sizeof big;
    (void)conn_send(stream, &iov, 1);
    advance(&s, 2800);
    assert_int_equal(closed, 0);
    advance(&s, 400);
    assert_int_equal(closed, 1);
    assert_int_equal(why, CLOSE_WRITE_TIMEOUT);
    peer_close(&p);
}

static void what_is_asked_behind_a_stream_is_dropped(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, ASK ASK ASK);
    until(&s, peer_has(&p, "\r\n\r\n"));
    peer_send_str(&p, ASK);
    turn(&s, 5);
    assert_int_equal(net_stats(s.net)->requests, 1);
    shutdown(p.fd, SHUT_WR);
    until(&s, closed == 1);
    until(&s, peer_ended(&p));
    peer_close(&p);
}

static void head_tells_of_a_stream_and_ends(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, peer_ended(&p));
    assert_true(peer_has(&p, "\r\nContent-Type: text/event-stream\r\n"));
    assert_false(peer_has(&p, "Content-Length"));
    assert_null(stream);
    assert_int_equal(closed, 0);
    peer_close(&p);
}

static void a_stream_may_end_where_it_began(void **state)
{
    close_at_once = true;
    struct peer p = peer_connect(&s);
    peer_send_str(&p, ASK ASK);
    until(&s, peer_ended(&p));
    assert_int_equal(closed, 1);
    assert_memory_equal(p.in.ptr, "HTTP/1.1 200 ", 13);
    peer_close(&p);
}

static void draining_ends_streams(void **state)
{
    struct peer p = listen_small(0);
    net_drain(s.net, CLOSE_DRAIN);
    assert_int_equal(closed, 1);
    assert_int_equal(why, CLOSE_DRAIN);
    until(&s, peer_ended(&p));
    assert_false(p.reset);
    peer_close(&p);
}

static void stopping_ends_a_stream(void **state)
{
    struct peer p = listen_small(0);
    net_stop(s.net);
    assert_int_equal(closed, 1);
    assert_int_equal(why, CLOSE_PEER_GONE);
    peer_close(&p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_body_comes_as_it_is_written_until_the_end),
        T(a_quiet_stream_shows_signs_of_life),
        T(a_full_socket_is_told_and_waits_no_longer_than_it_may),
        T(what_is_asked_behind_a_stream_is_dropped),
        T(head_tells_of_a_stream_and_ends),
        T(a_stream_may_end_where_it_began),
        T(draining_ends_streams),
        T(stopping_ends_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
