/* Bodies in pieces: of requests as the handler asks, of answers as the socket takes them. */
#include "net/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/test_server.h"

#define STREAM_MAX (8u << 20)

/* What the handler has seen. /pull reads all and answers its length; /hand is pulled by the test;
 * /no is refused at once; /send/N answers N bytes, /stuck the first of many. */
static struct {
    struct conn_ref ref;
    uint64_t bytes;
    uint64_t sum;
    unsigned requests, pieces, last, broken, abandoned;
    size_t longest;
    bool empty_body;
} seen;
static uint8_t pattern[HTTP_PIECE_BYTES_MAX];
static struct server s;

static uint64_t streams(const struct http_exchange *x)
{
    return span_eq(x->path, SPAN("/whole")) ? 0 : STREAM_MAX;
}

static void send_more(struct http_exchange *x)
{
    enum http_sent sent = HTTP_SENT_MORE;
    while (sent == HTTP_SENT_MORE) {
        uint64_t len = x->left < sizeof pattern ? x->left : sizeof pattern;
        sent = http_respond_more(x, span_of(pattern, (size_t)len));
    }
}

static void on_request(struct http_exchange *x)
{
    seen.requests++;
    seen.ref = conn_ref_of(x->conn);
    if (span_starts(x->path, SPAN("/send/"))) {
        uint64_t len;
        assert_true(span_u64(span_slice(x->path, 6, x->path.len), UINT64_MAX, &len));
        http_header(x, "X-Kind", SPAN("pieces"));
        if (http_respond_begin(x, 206, "application/octet-stream", len)) {
            send_more(x);
        }
    } else if (span_eq(x->path, SPAN("/no"))) {
        http_respond(x, 403, "text/plain", SPAN("no"));
    } else if (span_eq(x->path, SPAN("/pull")) && x->streamed) {
        http_body_next(x);
    } else if (!x->streamed) {
        http_respond(x, 200, "text/plain", x->body.len > 0 ? x->body : x->path);
    }
}

static void on_piece(struct http_exchange *x, span piece, enum http_piece what)
{
    if (what == HTTP_PIECE_BROKEN) {
        seen.broken++;
        http_respond(x, (unsigned)x->refused_status, "text/plain", span_str(x->refused_why));
        return;
    }
    seen.pieces++;
    seen.bytes += piece.len;
    seen.longest = piece.len > seen.longest ? piece.len : seen.longest;
    for (size_t i = 0; i < piece.len; i++) {
        seen.sum = seen.sum * 31 + piece.ptr[i];
    }
    if (what == HTTP_PIECE_LAST) {
        char text[32];
        int len = snprintf(text, sizeof text, "%llu", (unsigned long long)seen.bytes);
        seen.last++;
        http_respond(x, 200, "text/plain", span_of(text, (size_t)len));
    } else {
        assert_true(piece.len > 0);
        if (span_eq(x->path, SPAN("/pull"))) {
            http_body_next(x);
        }
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static void on_abandoned(struct http_exchange *x) { seen.abandoned++; }

static const struct http_handler handler = {.on_request = on_request,
                                            .on_refused = on_refused,
                                            .on_abandoned = on_abandoned,
                                            .streams = streams,
                                            .on_piece = on_piece,
                                            .on_writable = send_more};

static int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = (uint8_t)(i * 7 + i / 256);
    }
    server_start(&s, &handler, &test_limits);
    return 0;
}

static int teardown(void **state)
{
    server_stop(&s);
    return 0;
}

static bool answer_is(struct peer *p, const char *text)
{
    struct answer a;
    span body;
    if (!answer_next(p, &a, &body)) {
        return false;
    }
    assert_int_equal(a.status, 200);
    assert_true(span_eq(body, span_str(text)));
    answer_drop(p, body);
    return true;
}

static uint64_t sum_of(span bytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        sum = sum * 31 + bytes.ptr[i];
    }
    return sum;
}

static void a_body_comes_in_pieces(void **state)
{
    struct peer p = peer_connect(&s);
    buf body = {0};
    for (int i = 0; i < 20; i++) { /* more than the 1 MiB that is read whole */
        buf_append(&body, pattern, sizeof pattern);
    }
    buf_append_str(&body, "tail");
    buf head = {0};
    buf_printf(&head, "PUT /pull HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", body.len);
    peer_send(&p, buf_span(&head));
    peer_send(&p, buf_span(&body));
    peer_send_str(&p, "GET /after HTTP/1.1\r\nHost: a\r\n\r\n");
    char text[32];
    snprintf(text, sizeof text, "%zu", body.len);
    until(&s, answer_is(&p, text));
    until(&s, answer_is(&p, "/after"));
    assert_true(seen.sum == sum_of(buf_span(&body)));
    assert_true(seen.longest <= HTTP_PIECE_BYTES_MAX);
    assert_int_equal(seen.last, 1);
    buf_deinit(&head);
    buf_deinit(&body);
    peer_close(&p);
}

static void chunks_are_gathered_however_they_are_split(void **state)
{
    static const char request[] = "PUT /pull HTTP/1.1\r\nHost: a\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n"
                                  "5;e=1\r\nhello\r\n6\r\n world\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n"
                                  "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    for (size_t cut = 1; cut < sizeof request - 1; cut++) {
        memset(&seen, 0, sizeof seen);
        struct peer p = peer_connect(&s);
        peer_send(&p, span_of(request, cut));
        turn(&s, 2);
        peer_send(&p, span_of(request + cut, sizeof request - 1 - cut));
        until(&s, answer_is(&p, "12"));
        until(&s, answer_is(&p, "/next"));
        assert_true(seen.sum == sum_of(SPAN("hello world!")));
        assert_true(seen.pieces <= 3);
        peer_close(&p);
    }
}

static void small_bodies_and_none_need_no_second_read(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "PUT /pull HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                      "PUT /pull HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
                      "PUT /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    until(&s, answer_is(&p, "3"));
    until(&s, answer_is(&p, "/pull"));
    until(&s, answer_is(&p, "ok"));
    peer_close(&p);
}

/* What the handler does not ask for stays with the peer and in the kernel. */
static void nobody_asks_nothing_is_read(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "PUT /hand HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
    until(&s, seen.requests == 1);
    size_t sent = 0;
    for (int idle = 0; idle < 50 && sent < 7000000;) {
        ssize_t n = send(p.fd, pattern, sizeof pattern, MSG_NOSIGNAL);
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        turn(&s, 2);
    }
    assert_true(net_stats(s.net)->bytes_in < 512 * 1024);
    advance(&s, 10 * test_limits.http_body_ms); /* who waits is the handler */
    assert_int_equal(net_count(s.net), 1);
    for (unsigned i = 1; i <= 5; i++) {
        http_body_next(http_find(s.net, seen.ref));
        until(&s, seen.pieces == i);
    }
    assert_true(seen.bytes <= 5 * HTTP_PIECE_BYTES_MAX);
    peer_reset(&p);
    while (seen.abandoned == 0) { /* shows behind what the kernel has */
        unsigned pieces = seen.pieces;
        http_body_next(http_find(s.net, seen.ref));
        until(&s, seen.pieces > pieces || seen.abandoned == 1);
    }
    until(&s, net_count(s.net) == 0);
}

static void a_stalled_sender_is_ended_and_a_slow_one_is_not(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "PUT /pull HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n");
    until(&s, seen.requests == 1);
    for (unsigned i = 0; i < 10; i++) {
        advance(&s, test_limits.http_body_ms - 500);
        peer_send_str(&p, "x");
        until(&s, seen.bytes == i + 1);
    }
    advance(&s, test_limits.http_body_ms + 1500);
    assert_true(expect_status(&p, 408).close);
    until(&s, peer_ended(&p));
    assert_int_equal(seen.broken, 1);
    assert_int_equal(seen.abandoned, 0);
    peer_close(&p);
}

static void a_peer_that_leaves_in_the_middle_is_noticed(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "PUT /pull HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nhalf");
    shutdown(p.fd, SHUT_WR);
    until(&s, seen.abandoned == 1);
    assert_int_equal(seen.bytes, 4); /* what came was given out first */
    assert_null(http_find(s.net, seen.ref));
    peer_close(&p);
    struct peer q = peer_connect(&s);
    peer_send_str(&q, "PUT /hand HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nmore");
    shutdown(q.fd, SHUT_WR);
    until(&s, seen.requests == 2);
    turn(&s, 5);
    assert_int_equal(seen.abandoned, 1); /* the handler works: it is told when it asks */
    http_body_next(http_find(s.net, seen.ref));
    until(&s, seen.bytes == 8);
    http_body_next(http_find(s.net, seen.ref));
    until(&s, seen.abandoned == 2);
    peer_close(&q);
    until(&s, net_count(s.net) == 0);
}

static void a_continue_is_sent_when_the_handler_asks(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "PUT /hand HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                      "Expect: 100-continue\r\n\r\n");
    until(&s, seen.requests == 1);
    turn(&s, 5);
    assert_false(peer_read(&p));
    http_body_next(http_find(s.net, seen.ref));
    until(&s, peer_has(&p, "HTTP/1.1 100 Continue\r\n\r\n"));
    buf_clear(&p.in);
    peer_send_str(&p, "ok");
    until(&s, answer_is(&p, "2"));
    peer_send_str(&p, "PUT /no HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n"
                      "Expect: 100-continue\r\n\r\n");
    assert_true(expect_status(&p, 403).close);
    until(&s, peer_ended(&p));
    peer_close(&p);
}

static void an_early_answer_ends_the_connection_and_arrives(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "PUT /no HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
    for (int i = 0; i < 30; i++) {
        peer_send(&p, span_of(pattern, sizeof pattern));
        turn(&s, 1);
    }
    assert_true(expect_status(&p, 403).close);
    until(&s, peer_ended(&p));
    assert_false(p.reset);
    assert_int_equal(seen.pieces, 0);
    peer_close(&p);
}

static void what_is_too_long_or_malformed_is_refused(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "PUT /pull HTTP/1.1\r\nHost: a\r\nContent-Length: 8388609\r\n\r\n");
    assert_true(expect_status(&p, 413).close);
    peer_close(&p);
    assert_int_equal(seen.requests, 0);
    struct peer q = peer_connect(&s);
    peer_send_str(&q, "PUT /pull HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3\r\nabc\r\n900000\r\n");
    assert_true(expect_status(&q, 413).close);
    peer_close(&q);
    struct peer r = peer_connect(&s);
    peer_send_str(&r, "PUT /pull HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    assert_true(expect_status(&r, 400).close);
    assert_int_equal(seen.broken, 2);
    peer_close(&r);
}

static void an_answer_leaves_as_the_peer_reads(void **state)
{
    struct peer p = peer_connect_small(&s, 4096);
    peer_send_str(&p, "GET /send/9000000 HTTP/1.1\r\nHost: a\r\n\r\n"
                      "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, seen.requests == 1);
    turn(&s, 50);
    struct conn *c = conn_find(s.net, seen.ref);
    assert_non_null(c);
    assert_true(conn_pending_bytes(c) <= HTTP_PIECE_BYTES_MAX + 1024);
    advance(&s, 1000);
    struct answer a;
    span body;
    until(&s, answer_next(&p, &a, &body));
    assert_int_equal(a.status, 206);
    assert_int_equal(a.body_len, 9000000);
    for (size_t i = 0; i < body.len; i += sizeof pattern) {
        size_t len = body.len - i < sizeof pattern ? body.len - i : sizeof pattern;
        assert_memory_equal(body.ptr + i, pattern, len);
    }
    answer_drop(&p, body);
    until(&s, answer_is(&p, "/next"));
    assert_int_equal(seen.abandoned, 0);
    peer_close(&p);
}

static void head_and_nothing_have_no_pieces(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "HEAD /send/9000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, peer_has(&p, "Content-Length: 9000000\r\n\r\n"));
    buf_clear(&p.in);
    peer_send_str(&p, "GET /send/0 HTTP/1.1\r\nHost: a\r\n\r\n"
                      "GET /n HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_status(&p, 206);
    until(&s, answer_is(&p, "/n"));
    peer_send_str(&p, "GET /send/70000 HTTP/1.0\r\n\r\n");
    assert_true(expect_status(&p, 206).close);
    until(&s, peer_ended(&p));
    peer_close(&p);
}

static void a_reader_that_stops_is_closed_and_the_handler_told(void **state)
{
    struct peer p = peer_connect_small(&s, 4096);
    peer_send_str(&p, "GET /send/16000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, seen.requests == 1);
    turn(&s, 10);
    advance(&s, 1000);
    assert_int_equal(net_count(s.net), 1);
    advance(&s, 1500);
    assert_int_equal(net_count(s.net), 0);
    assert_int_equal(seen.abandoned, 1);
    peer_close(&p);
}

static void a_handler_may_cut_its_answer_short(void **state)
{
    struct peer p = peer_connect_small(&s, 4096);
    peer_send_str(&p, "GET /send/16000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, seen.requests == 1);
    turn(&s, 10);
    conn_close(conn_find(s.net, seen.ref), CLOSE_INTERNAL);
    assert_int_equal(seen.abandoned, 1);
    until(&s, peer_ended(&p));
    assert_true(p.in.len < 16000000);
    peer_close(&p);
    until(&s, net_count(s.net) == 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_body_comes_in_pieces),
        T(chunks_are_gathered_however_they_are_split),
        T(small_bodies_and_none_need_no_second_read),
        T(nobody_asks_nothing_is_read),
        T(a_stalled_sender_is_ended_and_a_slow_one_is_not),
        T(a_peer_that_leaves_in_the_middle_is_noticed),
        T(a_continue_is_sent_when_the_handler_asks),
        T(an_early_answer_ends_the_connection_and_arrives),
        T(what_is_too_long_or_malformed_is_refused),
        T(an_answer_leaves_as_the_peer_reads),
        T(head_and_nothing_have_no_pieces),
        T(a_reader_that_stops_is_closed_and_the_handler_told),
        T(a_handler_may_cut_its_answer_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
