/* Requests that belong to another loop go there with their connection, whatever hangs on it. Three
 * loops on real sockets, turned by one thread. */
#include "net/move.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/addr.h"
#include "loop/test_certs.h"
#include "net/front.h"
#include "net/test_server.h"

#define LOOPS 3

static struct loop *loops[LOOPS];
static struct server servers[LOOPS]; /* each with its loop and net; shared is one for all */
static struct net_shared *shared;
static unsigned abandoned;
static struct conn_ref waiting; /* the newest request that is answered by the test */

static void on_message(struct conn *c, enum ws_opcode op, span payload) { ws_send(c, op, payload); }
static void on_ws_close(struct conn *c, close_reason reason) {}
static const struct ws_wire echo = {.name = "echo",
                                    .limits = {.message_bytes_max = 1 << 20, .fragments_max = 8},
                                    .on_message = on_message,
                                    .on_close = on_ws_close};

static size_t streamed_bytes;

/* Bodies of PUT come in pieces; the answer says how many bytes there were. */
static uint64_t streams(const struct http_exchange *x)
{
    return x->req->method == HTTP1_PUT ? 8u << 20 : 0;
}

static void on_piece(struct http_exchange *x, span piece, enum http_piece what)
{
    char text[32];
    assert_int_not_equal(what, HTTP_PIECE_BROKEN);
    streamed_bytes += piece.len;
    if (what == HTTP_PIECE) {
        http_body_next(x);
        return;
    }
    int len = snprintf(text, sizeof text, "%zu on %u", streamed_bytes,
                       loop_index(net_loop(conn_net(x->conn))));
    http_respond(x, 200, "text/plain", span_of(text, (size_t)len));
}

/* "/N/..." is loop N's to answer, with "N path secure=S client=ADDR" or, when there is one, with
 * the body. "ws" upgrades, "wait" waits. "@ADDR" tells the client of a trusted proxy. */
static void on_request(struct http_exchange *x)
{
    struct conn *c = x->conn;
    struct sockaddr_storage peer;
    char addr[ADDR_TEXT_MAX] = "-", text[256];
    unsigned here = loop_index(net_loop(conn_net(c)));
    unsigned owner = (unsigned)x->path.ptr[1] - '0';
    ptrdiff_t at = span_find(x->path, '@');
    assert_null(x->user);
    assert_true(owner < LOOPS);
    if (at >= 0 && trust_address(span_slice(x->path, (size_t)at + 1, x->path.len), &peer)) {
        assert_null(front_client(c, &peer));
    }
    if (here != owner) {
        x->user = &servers;
        http_header(x, "X-Left", SPAN("behind"));
        http_close_after(x);
        http_move(x, owner);
        return;
    }
    span what = span_slice(x->path, 3, x->path.len);
    if (span_starts(what, SPAN("ws"))) {
        assert_non_null(ws_upgrade(x, &echo, NULL, SPAN_NONE));
        return;
    }
    if (span_starts(what, SPAN("wait"))) {
        waiting = conn_ref_of(c);
        http_watch(x);
        return;
    }
    if (x->streamed) {
        streamed_bytes = 0;
        http_body_next(x);
        return;
    }
    if (x->body.len > 0) {
        http_respond(x, 200, "text/plain", x->body);
        return;
    }
    if (conn_peer(c, &peer)) {
        addr_format(&peer, addr);
    }
    int len = snprintf(text, sizeof text, "%u %.*s secure=%d client=%s", here, SPAN_FMT(what),
                       conn_is_secure(c), addr);
    http_respond(x, 200, "text/plain", span_of(text, (size_t)len));
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static void on_abandoned(struct http_exchange *x)
{
    assert_null(x->user);
    abandoned++;
}

static const struct http_handler handler = {
    .on_request = on_request, .on_refused = on_refused, .on_abandoned = on_abandoned,
    .streams = streams, .on_piece = on_piece};

static void start_with(const struct net_limits *limits, unsigned flags, struct tls_server *tls,
                       uint32_t room)
{
    static struct net_limits lim;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage bound;
    lim = *limits;
    shared = mem_calloc(1, sizeof *shared);
    test_now_ns = 1000000000;
    test_log.log = (struct log){.write = test_log_write, .level_min = LOG_INFO};
    abandoned = 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        loops[i] = loop_new(&(struct loop_conf){.index = i, .count = LOOPS, .clock = &test_clock,
                                                .log = &test_log.log,
                                                .poller = poller_epoll_new()},
                            loops);
        struct net *n = net_new(&(struct net_conf){.loop = loops[i], .limits = &lim,
                                                   .shared = shared, .http = &handler,
                                                   .room = i == 0 ? 0 : room});
        servers[i] = (struct server){.loop = loops[i], .net = n, .shared = shared};
        net_set_tls(n, tls);
        assert_int_equal(net_listen(n, (struct sockaddr *)&any, sizeof any, flags, &bound), 0);
        memcpy(&servers[i].addr, &bound, sizeof servers[i].addr);
    }
}

static void start(void) { start_with(&test_limits, 0, NULL, 0); }

static void turn_all(unsigned count)
{
    while (count-- > 0) {
        test_now_ns += 1000000; /* a millisecond: what waits is tried again */
        for (unsigned i = 0; i < LOOPS; i++) {
            loop_turn(loops[i], 0);
        }
    }
}

#define until_all(condition)                                                                       \
    do {                                                                                           \
        uint64_t end_ms = real_ms() + TEST_PATIENCE_MS;                                            \
        while (!(condition)) {                                                                     \
            turn_all(1);                                                                           \
            if (real_ms() > end_ms) {                                                              \
                fail_msg("waited in vain for " #condition);                                        \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static uint32_t count_all(void)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        count += net_count(servers[i].net);
    }
    return count;
}

/* Frees all; nothing may be counted any more. */
static void stop(void)
{
    for (unsigned i = 0; i < LOOPS; i++) {
        net_stop(servers[i].net);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        net_free(servers[i].net);
    }
    assert_int_equal(shared->connections, 0);
    for (unsigned i = 0; i < ADDRS_ROW_SLOTS; i++) {
        assert_int_equal(shared->addrs.counts[0][i], 0);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_free(loops[i]);
    }
    mem_free(shared);
}

static struct answer next_answer(struct peer *p, const char *want)
{
    struct answer a = {0};
    span body = SPAN_NONE;
    until_all(answer_next(p, &a, &body) || p->ended);
    if (a.status != 200 || !span_starts(body, span_str(want))) {
        fail_msg("answered %d %.*s, expected %s", a.status, SPAN_FMT(body), want);
    }
    if (memmem(p->in.ptr, (size_t)(body.ptr - p->in.ptr), "X-Left", 6) != NULL) {
        fail_msg("a field of the loop that did not answer");
    }
    answer_drop(p, body);
    return a;
}

static void ask(struct peer *p, const char *path)
{
    char text[128];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    peer_send_str(p, text);
}

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

/* ---- what hangs on the connection ---- */

struct secure_peer {
    struct peer raw;
    struct tls_pipe pipe;
    struct tls_session *t;
    buf in;
};

static bool secure_has(struct secure_peer *p, const char *text)
{
    static uint8_t plain[1 << 18];
    size_t len;
    (void)peer_read(&p->raw);
    (void)tls_feed(p->t, buf_span(&p->raw.in), plain, sizeof plain, &len);
    buf_clear(&p->raw.in);
    buf_append(&p->in, plain, len);
    peer_send(&p->raw, buf_span(&p->pipe.out));
    buf_clear(&p->pipe.out);
    return p->in.len > 0 && memmem(p->in.ptr, p->in.len, text, strlen(text)) != NULL;
}

static void a_tls_session_moves_along(void **state)
{
    buf why = {0};
    (void)state;
    certs_begin();
    struct test_cert cert = cert_make("box", "DNS:box.example", NULL, DAY_S);
    struct tls_server_conf conf = {.certs = cert.cert_file, .keys = cert.key_file,
                                   .client_ca = "", .clock = &test_clock};
    struct tls_server *tls = tls_server_new(&conf, NULL, &why);
    struct tls_client *client = tls_client_new(cert.cert_file, &why);
    assert_true(tls != NULL && client != NULL);
    struct net_limits limits = test_limits;
    limits.tls_handshake_ms = 10000;
    start_with(&limits, NET_LISTEN_TLS, tls, 0);
    struct secure_peer p = {.raw = peer_connect(&servers[0])};
    p.t = tls_connect(client, &p.pipe, "box.example", false);
    until_all(secure_has(&p, "x") || tls_state_of(p.t) == TLS_OPEN);
    for (unsigned i = 0; i < 30; i++) {
        char ahead[160], wanted[32];
        snprintf(ahead, sizeof ahead,
                 "GET /%u/n%u HTTP/1.1\r\nHost: a\r\n\r\nGET /%u/m%u HTTP/1.1\r\nHost: a\r\n\r\n",
                 (i + 1) % LOOPS, i, i % LOOPS, i);
        assert_true(tls_write(p.t, span_str(ahead)));
        snprintf(wanted, sizeof wanted, "%u m%u secure=1", i % LOOPS, i);
        until_all(secure_has(&p, wanted));
        snprintf(wanted, sizeof wanted, "%u n%u secure=1", (i + 1) % LOOPS, i);
        assert_true(secure_has(&p, wanted));
    }
    assert_true(tls_write(p.t, SPAN("GET /2/wait HTTP/1.1\r\nHost: a\r\n\r\n")));
    (void)secure_has(&p, "x");
    turn_all(10);
    assert_int_equal(abandoned, 0);
    tls_end(p.t);
    (void)secure_has(&p, "x");
    peer_close(&p.raw);
    until_all(abandoned == 1);
    until_all(count_all() == 0);
    tls_session_free(p.t);
    tls_pipe_deinit(&p.pipe);
    buf_deinit(&p.in);
    stop();
    tls_client_free(client);
    tls_server_unref(tls);
    cert_drop(&cert);
    certs_end();
    buf_deinit(&why);
}

static struct net_limits behind_proxy(void)
{
    struct net_limits limits = test_limits;
    span bad;
    limits.per_address_max = 2;
    limits.handshakes_per_s = 2;
    assert_true(trust_parse(SPAN("127.0.0.1"), &limits.trusted, &bad));
    return limits;
}

static void the_client_of_a_proxy_header_moves_along(void **state)
{
    struct net_limits limits = behind_proxy();
    (void)state;
    start_with(&limits, NET_LISTEN_PROXY, NULL, 0);
    struct peer p = peer_connect(&servers[0]);
    peer_send_str(&p, "PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n");
    for (unsigned i = 0; i < 10; i++) { /* a handshake of its address, once */
        ask(&p, i % 2 == 0 ? "/1/a" : "/2/a");
        next_answer(&p, i % 2 == 0 ? "1 a secure=0 client=192.0.2.7:4711"
                                   : "2 a secure=0 client=192.0.2.7:4711");
    }
    struct peer q = peer_connect(&servers[0]); /* its second place, and no third */
    struct peer r = peer_connect(&servers[0]);
    peer_send_str(&q, "PROXY TCP4 192.0.2.7 10.0.0.1 4712 443\r\n");
    ask(&q, "/0/b");
    next_answer(&q, "0 b");
    test_now_ns += 2000000000;
    peer_send_str(&r, "PROXY TCP4 192.0.2.7 10.0.0.1 4713 443\r\n");
    until_all(peer_ended(&r));
    peer_close(&p);
    peer_close(&q);
    peer_close(&r);
    until_all(count_all() == 0);
    stop();
}

static void the_client_of_header_fields_is_no_new_handshake_there(void **state)
{
    struct net_limits limits = behind_proxy();
    (void)state;
    limits.handshakes_per_s = 1;
    start_with(&limits, 0, NULL, 0);
    struct peer p = peer_connect(&servers[0]);
    for (unsigned i = 0; i < 10; i++) {
        ask(&p, i % 2 == 0 ? "/1/@192.0.2.8" : "/2/@192.0.2.8");
        next_answer(&p, i % 2 == 0 ? "1 @192.0.2.8 secure=0 client=192.0.2.8:0"
                                   : "2 @192.0.2.8 secure=0 client=192.0.2.8:0");
    }
    peer_close(&p);
    until_all(count_all() == 0);
    stop();
}

static void its_address_stays_counted(void **state)
{
    struct net_limits limits = test_limits;
    (void)state;
    limits.per_address_max = 1;
    start_with(&limits, 0, NULL, 0);
    struct peer p = peer_connect(&servers[0]);
    ask(&p, "/1/a");
    next_answer(&p, "1 a");
    struct peer q = peer_connect(&servers[2]);
    until_all(peer_ended(&q));
    peer_close(&p);
    peer_close(&q);
    until_all(count_all() == 0);
    stop();
}

/* ---- when it cannot be ---- */

static void more_than_a_target_takes_waits(void **state)
{
    enum { PEERS = 900 };
    static struct peer peers[PEERS];
    (void)state;
    start();
    for (unsigned i = 0; i < PEERS; i++) {
        char text[16];
        peers[i] = peer_connect(&servers[0]);
        snprintf(text, sizeof text, "/1/%u-", i);
        ask(&peers[i], text);
        loop_turn(loops[0], 0);
    }
    turn(&servers[0], 20);
    assert_true(net_count(servers[0].net) > 0); /* they hold descriptors here */
    assert_int_equal(net_count(servers[1].net), 0);
    for (unsigned i = 0; i < PEERS; i++) {
        char text[16];
        snprintf(text, sizeof text, "1 %u-", i);
        next_answer(&peers[i], text);
    }
    assert_int_equal(net_count(servers[1].net), PEERS);
    for (unsigned i = 0; i < PEERS; i++) {
        peer_close(&peers[i]);
    }
    until_all(count_all() == 0);
    stop();
}

static void a_full_target_closes_what_comes(void **state)
{
    (void)state;
    start_with(&test_limits, 0, NULL, 1);
    struct peer p = peer_connect(&servers[1]);
    ask(&p, "/1/a");
    next_answer(&p, "1 a");
    struct peer q = peer_connect(&servers[0]);
    ask(&q, "/1/b");
    until_all(peer_ended(&q));
    assert_int_equal(net_stats(servers[1].net)->closed[CLOSE_LIMIT], 1);
    assert_int_equal(shared->connections, 1);
    ask(&p, "/1/c");
    next_answer(&p, "1 c");
    peer_close(&p);
    peer_close(&q);
    until_all(count_all() == 0);
    stop();
}

static void a_target_that_drains_answers_for_the_last_time(void **state)
{
    (void)state;
    start();
    net_drain(servers[1].net, CLOSE_DRAIN);
    struct peer p = peer_connect(&servers[0]);
    ask(&p, "/1/a");
    assert_true(next_answer(&p, "1 a").close);
    peer_close(&p);
    until_all(count_all() == 0);
    stop();
}

static void a_target_that_has_stopped_closes_what_comes(void **state)
{
    (void)state;
    start();
    struct peer p = peer_connect(&servers[0]);
    ask(&p, "/1/a");
    turn(&servers[0], 5); /* under way */
    assert_int_equal(shared->connections, 1);
    net_stop(servers[1].net);
    assert_int_equal(shared->connections, 0);
    until_all(peer_ended(&p));
    struct peer q = peer_connect(&servers[0]);
    ask(&q, "/1/a");
    until_all(peer_ended(&q));
    assert_int_equal(abandoned, 0);
    peer_close(&p);
    peer_close(&q);
    stop();
}

static void who_stops_closes_what_could_not_leave(void **state)
{
    enum { PEERS = 600 };
    static struct peer peers[PEERS];
    (void)state;
    start();
    for (unsigned i = 0; i < PEERS; i++) {
        peers[i] = peer_connect(&servers[0]);
        ask(&peers[i], "/1/a");
        loop_turn(loops[0], 0);
    }
    turn(&servers[0], 20);
    assert_true(net_count(servers[0].net) > 0);
    net_stop(servers[0].net);
    net_stop(servers[1].net);
    assert_int_equal(shared->connections, 0);
    for (unsigned i = 0; i < PEERS; i++) {
        until_all(peer_ended(&peers[i]));
        peer_close(&peers[i]);
    }
    stop();
}

static void a_peer_that_leaves_on_the_way_is_noticed_there(void **state)
{
    (void)state;
    start();
    for (unsigned reset = 0; reset < 2; reset++) {
        struct peer p = peer_connect(&servers[0]);
        ask(&p, "/1/wait");
        turn(&servers[0], 5);
        if (reset) {
            peer_reset(&p);
        } else {
            peer_close(&p);
        }
        until_all(abandoned == reset + 1);
        assert_null(http_find(servers[1].net, waiting));
    }
    struct peer p = peer_connect(&servers[0]);
    ask(&p, "/1/wait");
    until_all(net_count(servers[1].net) == 1 && http_find(servers[1].net, waiting) != NULL);
    http_respond(http_find(servers[1].net, waiting), 200, NULL, SPAN("at last"));
    next_answer(&p, "at last");
    peer_close(&p);
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
        cmocka_unit_test(a_tls_session_moves_along),
        cmocka_unit_test(the_client_of_a_proxy_header_moves_along),
        cmocka_unit_test(the_client_of_header_fields_is_no_new_handshake_there),
        cmocka_unit_test(its_address_stays_counted),
        cmocka_unit_test(more_than_a_target_takes_waits),
        cmocka_unit_test(a_full_target_closes_what_comes),
        cmocka_unit_test(a_target_that_drains_answers_for_the_last_time),
        cmocka_unit_test(a_target_that_has_stopped_closes_what_comes),
        cmocka_unit_test(who_stops_closes_what_could_not_leave),
        cmocka_unit_test(a_peer_that_leaves_on_the_way_is_noticed_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
