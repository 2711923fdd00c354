/* Records without a socket: sending through their wire, ending, whose they are and what they
 * count. */
#include "net/detached.h"

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
static struct conn *newest;      /* the last one that was opened and has not ended */
static const char *refused;      /* by which limit the last opening was */
static unsigned closed;
static close_reason why;
static size_t room; /* what the wire takes */
static buf sent;

static size_t on_send(struct conn *c, const struct iovec *iov, int count)
{
    size_t taken = 0;
    for (int i = 0; i < count; i++) {
        size_t len = iov[i].iov_len < room - taken ? iov[i].iov_len : room - taken;
        buf_append(&sent, iov[i].iov_base, len);
        taken += len;
    }
    room -= taken;
    return taken;
}

static void on_rest(struct conn *c, span bytes) { buf_append_span(&sent, bytes); }

static void on_close(struct conn *c, close_reason reason)
{
    struct iovec iov = {.iov_base = (void *)"x", .iov_len = 1};
    assert_ptr_equal(detached_user(c), &s);
    assert_false(conn_is_open(c));
    room = 1;
    assert_int_equal(conn_send(c, &iov, 1), 1); /* the last bytes go to the wire */
    assert_int_equal(conn_send(c, &iov, 1), 0);
    buf_clear(&sent);
    conn_close(c, CLOSE_INTERNAL); /* harmless */
    closed++;
    why = reason;
    newest = c == newest ? NULL : newest;
}

static const struct detached_wire wire = {
    .name = "test", .send = on_send, .rest = on_rest, .on_close = on_close};

/* Opens one for whoever asks; "@ADDR" in the path tells the client first. */
static void on_request(struct http_exchange *x)
{
    struct sockaddr_storage peer;
    ptrdiff_t as = span_find(x->path, '@');
    if (as >= 0 && trust_address(span_slice(x->path, (size_t)as + 1, x->path.len), &peer)) {
        assert_null(front_client(x->conn, &peer));
    }
    refused = NULL;
    struct conn *c = detached_open(x->conn, &wire, &s, &refused);
    newest = c == NULL ? newest : c;
    http_respond(x, c == NULL ? 429 : 200, NULL, SPAN_NONE);
}

static void on_refused(struct http_exchange *x, int status, const char *text)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(text));
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

static void start(const char *trusted, struct net_limits limits)
{
    span bad;
    assert_true(trust_parse(span_str(trusted), &limits.trusted, &bad));
    newest = NULL;
    closed = 0;
    server_start(&s, &handler, &limits);
}

static void stop(void)
{
    server_stop(&s);
    buf_deinit(&sent);
}

static int open_as(struct peer *p, const char *path)
{
    char text[128];
    struct answer a = {0};
    span body = SPAN_NONE;
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    peer_send_str(p, text);
    until(&s, answer_next(p, &a, &body) || p->ended);
    answer_drop(p, body);
    return a.status;
}

static uint64_t open_count(void) { return net_stats(s.net)->open_detached; }

static void it_is_a_connection_like_any_other_but_for_its_bytes(void **state)
{
    struct sockaddr_storage addr;
    char text[ADDR_TEXT_MAX];
    (void)state;
    start("", test_limits);
    struct peer p = peer_connect(&s);
    assert_int_equal(open_as(&p, "/"), 200);
    assert_true(conn_is_detached(newest) && conn_is_open(newest));
    assert_false(conn_is_secure(newest));
    assert_true(conn_peer_loopback(newest));
    struct conn_ref ref = conn_ref_of(newest);
    assert_ptr_equal(conn_find(s.net, ref), newest);
    assert_null(http_find(s.net, ref));
    assert_int_equal(s.shared->connections, 2);

    peer_close(&p); /* it outlives the connection that asked for it */
    until(&s, net_count(s.net) == 1);
    advance(&s, 20000);
    assert_true(conn_find(s.net, ref) == newest && closed == 0);
    assert_true(conn_peer(newest, &addr));
    addr_format(&addr, text);
    assert_memory_equal(text, "127.0.0.1:", 10);
    assert_false(conn_local(newest, &addr));

    struct iovec iov[2] = {{(void *)"abc", 3}, {(void *)"def", 3}};
    room = 4;
    assert_int_equal(conn_send(newest, iov, 2), 4);
    conn_send_rest(newest, SPAN("ef"));
    assert_true(span_eq(buf_span(&sent), SPAN("abcdef")));
    assert_int_equal(conn_pending_bytes(newest), 0);
    assert_int_equal(open_count(), 1);

    conn_close(newest, CLOSE_KICKED);
    assert_true(closed == 1 && why == CLOSE_KICKED);
    assert_null(conn_find(s.net, ref));
    turn(&s, 1);
    assert_int_equal(s.shared->connections, 0);
    assert_int_equal(open_count(), 0);
    stop();
}

static void a_drain_and_the_end_of_the_net_close_it(void **state)
{
    (void)state;
    for (int drained = 0; drained < 2; drained++) {
        start("", test_limits);
        struct peer p = peer_connect(&s);
        assert_int_equal(open_as(&p, "/"), 200);
        if (drained) {
            net_drain(s.net, CLOSE_DRAIN);
            assert_true(closed == 1 && why == CLOSE_DRAIN);
        }
        net_stop(s.net);
        assert_true(closed == 1 && why == (drained ? CLOSE_DRAIN : CLOSE_PEER_GONE));
        peer_close(&p);
        stop();
    }
}

static void a_net_that_drains_opens_none(void **state)
{
    (void)state;
    start("", test_limits);
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET / HTTP/1.1\r\n"); /* begun: it will be answered */
    turn(&s, 10);
    net_drain(s.net, CLOSE_DRAIN);
    peer_send_str(&p, "Host: a\r\n\r\n");
    expect_status(&p, 429);
    assert_string_equal(refused, "drain");
    peer_close(&p);
    stop();
}

static void it_counts_for_its_address(void **state)
{
    struct net_limits limits = test_limits;
    (void)state;
    limits.per_address_max = 3;
    start("", limits);
    struct peer p = peer_connect(&s);
    assert_int_equal(open_as(&p, "/"), 200);
    assert_int_equal(open_as(&p, "/"), 200);
    assert_int_equal(open_as(&p, "/"), 429);
    assert_string_equal(refused, "connections_per_address_max");
    assert_int_equal(net_stats(s.net)->refused, 1);
    conn_close(newest, CLOSE_NORMAL);
    assert_int_equal(open_as(&p, "/"), 200);
    peer_close(&p);
    stop();
}

static void it_counts_among_all_connections(void **state)
{
    struct net_limits limits = test_limits;
    (void)state;
    limits.connections_max = 2;
    start("", limits);
    struct peer p = peer_connect(&s);
    assert_int_equal(open_as(&p, "/"), 200);
    assert_int_equal(open_as(&p, "/"), 429);
    assert_string_equal(refused, "connections_max");
    peer_close(&p);
    stop();
}

static void it_takes_no_descriptor(void **state)
{
    (void)state;
    start("", test_limits);
    net_free(s.net);
    s.net = net_new(&(struct net_conf){.loop = s.loop, .limits = &s.limits, .shared = s.shared,
                                       .http = &handler, .room = 2});
    struct sockaddr_storage bound;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(net_listen(s.net, (struct sockaddr *)&any, sizeof any, 0, &bound), 0);
    memcpy(&s.addr, &bound, sizeof s.addr);
    struct peer p = peer_connect(&s);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(open_as(&p, "/"), 200);
    }
    struct peer q = peer_connect(&s);
    assert_int_equal(open_as(&q, "/"), 200);
    peer_close(&p);
    peer_close(&q);
    stop();
}

/* Keep-alive connections are no way around the rate of handshakes. */
static void an_address_opens_so_many_a_second(void **state)
{
    struct net_limits limits = test_limits;
    (void)state;
    limits.handshakes_per_s = 3;
    start("", limits);
    struct peer p = peer_connect(&s);
    assert_int_equal(open_as(&p, "/"), 200); /* covered by the connection's own handshake */
    assert_int_equal(open_as(&p, "/"), 200);
    assert_int_equal(open_as(&p, "/"), 200);
    assert_int_equal(open_as(&p, "/"), 429);
    assert_string_equal(refused, "handshake_rate");
    advance(&s, 1000);
    assert_int_equal(open_as(&p, "/"), 200);
    peer_close(&p);
    stop();
}

static void the_client_of_a_unix_socket_has_no_address(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_storage addr = {0};
    struct net_limits limits = test_limits;
    (void)state;
    limits.per_address_max = 1;
    limits.handshakes_per_s = 1;
    start("", limits);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t len = sizeof un;
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un.sun_family), 0); /* autobind */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&un, &len), 0);
    assert_int_equal(listen(fd, 8), 0);
    net_listen_shared(s.net, fd, 0);
    struct peer p = {.server = &s, .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    assert_int_equal(connect(p.fd, (struct sockaddr *)&un, len), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(open_as(&p, "/"), 200);
    }
    assert_true(conn_peer(newest, &addr));
    assert_int_equal(addr.ss_family, AF_UNIX);
    assert_false(conn_peer_loopback(newest));
    peer_close(&p);
    stop();
}

/* One connection of a proxy, clients by the request: each has its own share and rate. */
static void behind_a_proxy_its_client_is_the_one_of_the_request(void **state)
{
    struct net_limits limits = test_limits;
    struct sockaddr_storage addr;
    char text[ADDR_TEXT_MAX];
    (void)state;
    limits.per_address_max = 2; /* the request in hand counts, too */
    limits.handshakes_per_s = 2;
    start("127.0.0.1", limits);
    struct peer p = peer_connect(&s);
    assert_int_equal(open_as(&p, "/@192.0.2.1"), 200);
    struct conn *first = newest;
    assert_int_equal(open_as(&p, "/@192.0.2.2"), 200);
    assert_int_equal(open_as(&p, "/@192.0.2.1"), 429);
    assert_string_equal(refused, "connections_per_address_max");
    assert_true(conn_peer(first, &addr));
    addr_format(&addr, text);
    assert_string_equal(text, "192.0.2.1:0");
    assert_true(conn_peer(newest, &addr));
    addr_format(&addr, text);
    assert_string_equal(text, "192.0.2.2:0");
    assert_int_equal(open_as(&p, "/"), 200); /* the proxy's own has no limits */
    peer_close(&p);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_connection_like_any_other_but_for_its_bytes),
        cmocka_unit_test(a_drain_and_the_end_of_the_net_close_it),
        cmocka_unit_test(a_net_that_drains_opens_none),
        cmocka_unit_test(it_counts_for_its_address),
        cmocka_unit_test(it_counts_among_all_connections),
        cmocka_unit_test(it_takes_no_descriptor),
        cmocka_unit_test(an_address_opens_so_many_a_second),
        cmocka_unit_test(the_client_of_a_unix_socket_has_no_address),
        cmocka_unit_test(behind_a_proxy_its_client_is_the_one_of_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
