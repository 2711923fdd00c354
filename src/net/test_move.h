/*
 * For tests: three loops on real sockets, turned by one thread, whose paths say which of them
 * answers. Needs cmocka before it.
 */
#ifndef SB_NET_TEST_MOVE_H
#define SB_NET_TEST_MOVE_H

#include "loop/addr.h"
#include "net/front.h"
#include "net/move.h"
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

static UNUSED_OK void start(void) { start_with(&test_limits, 0, NULL, 0); }

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

#endif
