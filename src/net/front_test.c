/* Peers that stand for others: the PROXY header before anything else, clients told by a request,
 * and whose limits hold then. The kernel's peers here are all 127.0.0.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/addr.h"
#include "net/front.h"
#include "net/test_server.h"

#include <sys/un.h>

static struct server s;
static struct conn_ref waiting; /* a request that is not answered yet */

static void ignore_message(struct conn *c, enum ws_opcode op, span payload) {}
static void ignore_close(struct conn *c, close_reason reason) {}

/* Answers who the client is: "192.0.2.7:1 fields=1 loopback=0 tls=0". /as/ADDR tells the client
 * first, /hold keeps the request, /ws upgrades. */
static void on_request(struct http_exchange *x)
{
    static const struct ws_wire wire = {
        .name = "test", .on_message = ignore_message, .on_close = ignore_close};
    struct sockaddr_storage peer;
    char addr[ADDR_TEXT_MAX] = "-", text[128];
    span path = x->path;
    bool hold = span_starts(path, SPAN("/hold"));
    if (front_fields_count(x->conn)) {
        ptrdiff_t as = span_find(path, '@');
        if (as >= 0 && trust_address(span_slice(path, (size_t)as + 1, path.len), &peer)) {
            const char *limit = front_client(x->conn, &peer);
            if (limit != NULL) {
                http_respond(x, 429, "text/plain", span_str(limit));
                return;
            }
        } else {
            front_client_none(x->conn);
        }
    }
    if (hold) {
        waiting = conn_ref_of(x->conn);
        return;
    }
    if (span_starts(path, SPAN("/ws"))) {
        (void)ws_upgrade(x, &wire, NULL, SPAN_NONE);
        return;
    }
    if (conn_peer(x->conn, &peer)) {
        addr_format(&peer, addr);
    }
    int len = snprintf(text, sizeof text, "%s fields=%d loopback=%d tls=%d", addr,
                       front_fields_count(x->conn), conn_peer_loopback(x->conn),
                       (int)front_tls(x->conn));
    http_respond(x, 200, "text/plain", span_of(text, (size_t)len));
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

/* A server that trusts `trusted` and, with `flags`, listens that way. */
static void start(const char *trusted, unsigned flags, struct net_limits limits)
{
    span bad;
    assert_true(trust_parse(span_str(trusted), &limits.trusted, &bad));
    server_start(&s, &handler, &limits);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage bound;
    assert_int_equal(net_listen(s.net, (struct sockaddr *)&any, sizeof any, flags, &bound), 0);
    memcpy(&s.addr, &bound, sizeof s.addr);
}

static void ask(struct peer *p, const char *path)
{
    char text[128];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    peer_send_str(p, text);
}

static void expect_body(struct peer *p, int status, const char *want)
{
    struct answer a = {0};
    span body = SPAN_NONE;
    until(p->server, answer_next(p, &a, &body) || p->ended);
    assert_int_equal(a.status, status);
    if (!span_starts(body, span_str(want))) {
        fail_msg("answered %.*s, expected %s", SPAN_FMT(body), want);
    }
    answer_drop(p, body);
}

#define V1 "PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n"
#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define V2_TLS                                                                                     \
    V2 "\x21\x11\x00\x14\xc0\x00\x02\x08\x0a\x00\x00\x01\x30\x39\x01\xbb\x20\x00\x05\x01\0\0\0\0"

static void a_header_names_the_client_at_every_cut(void **state)
{
    static const struct {
        span header;
        const char *want;
    } rows[] = {
        {{(const uint8_t *)V1, sizeof V1 - 1}, "192.0.2.7:4711 fields=0 loopback=0 tls=0"},
        {{(const uint8_t *)V2_TLS, sizeof V2_TLS - 1}, "192.0.2.8:12345 fields=0 loopback=0 tls=2"},
        {{(const uint8_t *)"PROXY TCP6 ::ffff:192.0.2.9 ::1 5 6\r\n", 37}, "192.0.2.9:5 fields=0"},
        {{(const uint8_t *)"PROXY TCP6 2001:db8::1 ::1 5 6\r\n", 32}, "[2001:db8::1]:5 fields=0"},
        {{(const uint8_t *)"PROXY TCP4 127.0.0.1 127.0.0.1 5 6\r\n", 36},
         "127.0.0.1:5 fields=0 loopback=0"},
        {{(const uint8_t *)V2 "\x20\x00\x00\x00", 16}, "127.0.0.1:"},
        {{(const uint8_t *)"PROXY UNKNOWN\r\n", 15}, "127.0.0.1:"},
    };
    (void)state;
    start("127.0.0.1", NET_LISTEN_PROXY, test_limits);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        span header = rows[i].header;
        for (size_t cut = 0; cut < header.len; cut += i < 2 ? 1 : 7) {
            struct peer p = peer_connect(&s);
            peer_send(&p, span_slice(header, 0, cut));
            turn(&s, 2);
            peer_send(&p, span_slice(header, cut, header.len));
            ask(&p, "/");
            expect_body(&p, 200, rows[i].want);
            ask(&p, "/");
            expect_body(&p, 200, rows[i].want);
            peer_close(&p);
        }
    }
    server_stop(&s);
}

static void what_is_no_header_ends_the_connection(void **state)
{
    static const span rows[] = {
        {(const uint8_t *)"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27},
        {(const uint8_t *)"PROXY TCP4 nobody\r\n", 19},
        {(const uint8_t *)V2 "\x11\x11\x00\x00", 16},
    };
    (void)state;
    start("127.0.0.1", NET_LISTEN_PROXY, test_limits);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peer p = peer_connect(&s);
        peer_send(&p, rows[i]);
        until(&s, peer_ended(&p));
        assert_int_equal(p.in.len, 0);
        assert_int_equal(net_stats(s.net)->closed[CLOSE_BAD_PROXY], i + 1);
        peer_close(&p);
    }
    assert_int_equal(net_stats(s.net)->requests, 0);
    server_stop(&s);
}

static void half_a_header_ends_with_its_peer_or_its_time(void **state)
{
    (void)state;
    start("127.0.0.1", NET_LISTEN_PROXY, test_limits);
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "PROXY TCP4 192.");
    shutdown(p.fd, SHUT_WR);
    until(&s, peer_ended(&p));
    assert_int_equal(net_stats(s.net)->closed[CLOSE_BAD_PROXY], 1);
    peer_close(&p);

    struct peer silent = peer_connect(&s);
    shutdown(silent.fd, SHUT_WR); /* a health check that only connects */
    until(&s, peer_ended(&silent));
    assert_int_equal(net_stats(s.net)->closed[CLOSE_PEER_CLOSED], 1);
    peer_close(&silent);

    struct peer slow = peer_connect(&s);
    peer_send_str(&slow, "PROXY ");
    until(&s, net_count(s.net) == 1);
    advance(&s, test_limits.http_header_ms + 200);
    until(&s, peer_ended(&slow));
    assert_int_equal(net_stats(s.net)->closed[CLOSE_HEADER_TIMEOUT], 1);
    peer_close(&slow);
    server_stop(&s);
}

static void strangers_headers_are_bad_requests(void **state)
{
    (void)state;
    start("192.0.2.1", NET_LISTEN_PROXY, test_limits);
    struct peer p = peer_connect(&s);
    peer_send(&p, SPAN(V1));
    ask(&p, "/");
    expect_status(&p, 400);
    peer_close(&p);
    struct peer v2 = peer_connect(&s);
    peer_send(&v2, SPAN(V2_TLS));
    expect_status(&v2, 400);
    peer_close(&v2);
    struct peer plain = peer_connect(&s);
    ask(&plain, "/");
    expect_body(&plain, 200, "127.0.0.1:");
    peer_close(&plain);
    server_stop(&s);

    start("127.0.0.1", 0, test_limits); /* trusted, but nobody waits for headers here */
    p = peer_connect(&s);
    peer_send(&p, SPAN(V1));
    ask(&p, "/");
    expect_status(&p, 400);
    peer_close(&p);
    server_stop(&s);
}

static void limits_hold_for_the_client_of_a_header_not_for_its_proxy(void **state)
{
    struct net_limits limits = test_limits;
    struct peer p[8];
    limits.per_address_max = 3;
    limits.handshakes_per_s = 6;
    (void)state;
    start("127.0.0.1", NET_LISTEN_PROXY, limits);
    for (int i = 0; i < 8; i++) { /* two clients of one proxy, three of four each */
        char header[80];
        p[i] = peer_connect(&s);
        snprintf(header, sizeof header, "PROXY TCP4 192.0.2.%d 10.0.0.1 1 2\r\n", i % 2);
        peer_send_str(&p[i], header);
        ask(&p[i], "/");
        until(&s, peer_ended(&p[i]) || p[i].in.len > 0);
    }
    assert_int_equal(net_stats(s.net)->refused, 2);
    assert_int_equal(net_count(s.net), 6);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(p[i].ended, i >= 6);
        peer_close(&p[i]);
    }
    until(&s, net_count(s.net) == 0);
    for (int i = 0; i < 6; i++) { /* the rate counts on */
        p[i] = peer_connect(&s);
        peer_send_str(&p[i], "PROXY TCP4 192.0.2.0 10.0.0.1 1 2\r\n");
        ask(&p[i], "/");
        until(&s, peer_ended(&p[i]) || p[i].in.len > 0);
        peer_close(&p[i]);
        turn(&s, 2);
    }
    assert_true(net_stats(s.net)->refused >= 5);
    server_stop(&s);
}

static void limits_hold_for_the_client_of_a_request(void **state)
{
    struct net_limits limits = test_limits;
    limits.per_address_max = 2;
    (void)state;
    start("127.0.0.1", 0, limits);
    struct peer busy[2], other = peer_connect(&s);
    for (int i = 0; i < 2; i++) {
        busy[i] = peer_connect(&s);
    }
    ask(&busy[0], "/hold@192.0.2.1");
    waiting = (struct conn_ref){0};
    until(&s, waiting.gen != 0);
    struct conn_ref held = waiting;
    peer_send_str(&busy[1], "GET /ws@192.0.2.1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    until(&s, peer_has(&busy[1], "101"));
    ask(&other, "/@192.0.2.1");
    expect_body(&other, 429, "connections_per_address_max");
    ask(&other, "/@192.0.2.2"); /* the connection is the proxy's to keep */
    expect_body(&other, 200, "192.0.2.2:0 fields=1 loopback=1 tls=0");
    ask(&other, "/");
    expect_body(&other, 200, "127.0.0.1:");
    http_respond(http_find(s.net, held), 200, NULL, SPAN_NONE);
    expect_status(&busy[0], 200);
    ask(&other, "/@192.0.2.1"); /* that request is done: it counts no more */
    expect_body(&other, 200, "192.0.2.1:0");
    peer_close(&busy[0]);
    peer_close(&busy[1]);
    peer_close(&other);
    until(&s, net_count(s.net) == 0);
    server_stop(&s);
}

static void a_change_of_the_client_is_a_handshake(void **state)
{
    struct net_limits limits = test_limits;
    limits.handshakes_per_s = 3;
    (void)state;
    start("127.0.0.1, 10.0.0.0/8", 0, limits);
    struct peer p = peer_connect(&s);
    for (int i = 0; i < 10; i++) { /* one client that stays is one handshake */
        ask(&p, "/@192.0.2.1");
        expect_body(&p, 200, "192.0.2.1:0");
    }
    for (int i = 0; i < 10; i++) { /* a proxy of ours has no limit */
        ask(&p, "/@10.0.0.1");
        expect_body(&p, 200, "10.0.0.1:0");
        ask(&p, "/@10.0.0.2");
        expect_body(&p, 200, "10.0.0.2:0");
    }
    for (int i = 0; i < 2; i++) {
        ask(&p, "/@192.0.2.1");
        expect_body(&p, 200, "192.0.2.1:0");
        ask(&p, "/");
        expect_body(&p, 200, "127.0.0.1:");
    }
    ask(&p, "/@192.0.2.1");
    expect_body(&p, 429, "handshake_rate");
    struct peer more[8]; /* nor for its connections */
    for (int i = 0; i < 8; i++) {
        more[i] = peer_connect(&s);
        ask(&more[i], "/");
        expect_body(&more[i], 200, "127.0.0.1:");
        peer_close(&more[i]);
    }
    peer_close(&p);
    server_stop(&s);
}

/* ---- unix sockets ---- */

static struct peer unix_peer(int listener)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    struct peer p = {.server = &s, .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(connect(p.fd, (struct sockaddr *)&addr, len), 0);
    return p;
}

/* An abstract name that the system picks; the program's own have paths. */
static int unix_listener(unsigned flags)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any.sun_family), 0);
    assert_int_equal(listen(fd, 64), 0);
    net_listen_shared(s.net, dup(fd), flags);
    return fd;
}

static void unix_peers_have_no_address_and_no_limit_of_one(void **state)
{
    struct net_limits limits = test_limits;
    struct peer p[5];
    limits.per_address_max = 1;
    limits.handshakes_per_s = 1;
    (void)state;
    start("127.0.0.1", 0, limits);
    int fd = unix_listener(0);
    for (int i = 0; i < 5; i++) {
        p[i] = unix_peer(fd);
        ask(&p[i], "/");
        expect_body(&p[i], 200, "unix fields=0 loopback=0 tls=0");
    }
    for (int i = 0; i < 5; i++) {
        peer_close(&p[i]);
    }
    server_stop(&s);
    close(fd);

    start("unix:", 0, limits);
    fd = unix_listener(0);
    p[0] = unix_peer(fd);
    ask(&p[0], "/@192.0.2.1");
    expect_body(&p[0], 200, "192.0.2.1:0 fields=1 loopback=0 tls=0");
    peer_close(&p[0]);
    int proxied = unix_listener(NET_LISTEN_PROXY);
    p[0] = unix_peer(proxied);
    peer_send(&p[0], SPAN(V1));
    ask(&p[0], "/");
    expect_body(&p[0], 200, "192.0.2.7:4711 fields=0 loopback=0 tls=0");
    peer_close(&p[0]);
    server_stop(&s);
    close(fd);
    close(proxied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_names_the_client_at_every_cut),
        cmocka_unit_test(what_is_no_header_ends_the_connection),
        cmocka_unit_test(half_a_header_ends_with_its_peer_or_its_time),
        cmocka_unit_test(strangers_headers_are_bad_requests),
        cmocka_unit_test(limits_hold_for_the_client_of_a_header_not_for_its_proxy),
        cmocka_unit_test(limits_hold_for_the_client_of_a_request),
        cmocka_unit_test(a_change_of_the_client_is_a_handshake),
        cmocka_unit_test(unix_peers_have_no_address_and_no_limit_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
