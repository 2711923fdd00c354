/* Limits at accept, running out of descriptors, and thousands of connections that come and go. */
#include "net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/test_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>

static unsigned closed_count;

static void on_message(struct conn *c, enum ws_opcode op, span payload) { ws_send(c, op, payload); }
static void on_close(struct conn *c, close_reason reason) { closed_count++; }

static const struct ws_wire wire = {
    .name = "test",
    .limits = {.message_bytes_max = 65536, .fragments_max = 10},
    .ping_ms = 1000,
    .idle_ms = 60000,
    .on_message = on_message,
    .on_close = on_close,
};

static void on_request(struct http_exchange *x)
{
    if (span_eq(x->path, SPAN("/ws"))) {
        (void)ws_upgrade(x, &wire, NULL, SPAN_NONE);
    } else {
        http_respond(x, 200, "text/plain", SPAN("ok"));
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

static struct server s;

static void start(struct net_limits limits)
{
    closed_count = 0;
    server_start(&s, &handler, &limits);
}

static void connections_over_the_limit_are_refused_until_one_leaves(void **state)
{
    struct net_limits limits = test_limits;
    limits.connections_max = 2;
    start(limits);
    struct peer a = peer_connect(&s), b = peer_connect(&s);
    until(&s, net_count(s.net) == 2);
    struct peer c = peer_connect(&s);
    until(&s, peer_ended(&c));
    assert_int_equal(net_stats(s.net)->refused, 1);
    assert_int_equal(s.shared->connections, 2);
    peer_close(&a);
    until(&s, net_count(s.net) == 1);
    struct peer d = peer_connect(&s);
    until(&s, net_count(s.net) == 2);
    peer_send_str(&d, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_status(&d, 200);
    peer_close(&b);
    peer_close(&c);
    peer_close(&d);
    server_stop(&s);
}

static void an_address_may_hold_only_so_many(void **state)
{
    struct net_limits limits = test_limits;
    limits.per_address_max = 3;
    start(limits);
    struct peer p[4];
    for (int i = 0; i < 4; i++) {
        p[i] = peer_connect(&s);
    }
    until(&s, net_stats(s.net)->refused == 1);
    assert_int_equal(net_count(s.net), 3);
    for (int i = 0; i < 4; i++) {
        peer_close(&p[i]);
    }
    until(&s, net_count(s.net) == 0);
    server_stop(&s);
}

static void handshakes_have_a_rate_and_a_burst(void **state)
{
    struct net_limits limits = test_limits;
    limits.handshakes_per_s = 10;
    start(limits);
    struct peer p[20];
    for (int i = 0; i < 15; i++) {
        p[i] = peer_connect(&s);
    }
    until(&s, net_stats(s.net)->refused == 5);
    assert_int_equal(net_count(s.net), 10);
    test_now_ns += 300000000; /* three more in 300 ms */
    turn(&s, 1);
    for (int i = 15; i < 20; i++) {
        p[i] = peer_connect(&s);
    }
    until(&s, net_stats(s.net)->accepted + net_stats(s.net)->refused == 20);
    assert_int_equal(net_stats(s.net)->accepted, 13);
    for (int i = 0; i < 20; i++) {
        peer_close(&p[i]);
    }
    server_stop(&s);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d) != NULL) {
        count++;
    }
    closedir(d);
    return count;
}

static void without_descriptors_accepting_rests_and_goes_on(void **state)
{
    start(test_limits);
    struct peer first = peer_connect(&s);
    until(&s, net_count(s.net) == 1);
    struct peer p = peer_connect(&s); /* its descriptor, none for the server's end */
    struct rlimit old, none;
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = (rlim_t)p.fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    turn(&s, 50);
    assert_int_equal(net_count(s.net), 1);
    peer_send_str(&first, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_status(&first, 200); /* the others are served meanwhile */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    turn(&s, 5);
    assert_int_equal(net_count(s.net), 1); /* still resting */
    advance(&s, 200);
    until(&s, net_count(s.net) == 2);
    peer_close(&first);
    peer_close(&p);
    server_stop(&s);
}

static void an_address_in_use_is_an_error(void **state)
{
    start(test_limits);
    struct sockaddr_in taken = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof taken;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&taken, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&taken, &len), 0);
    struct sockaddr_storage bound;
    assert_int_equal(net_listen(s.net, (struct sockaddr *)&taken, sizeof taken, 0, &bound),
                     -EADDRINUSE);
    close(fd);
    server_stop(&s);
}

static void drain_now(struct timer *t) { net_drain(s.net, CLOSE_DRAIN); }

/* Closing the listener while an event for it waits in the same turn. */
static void draining_with_connections_at_the_door_is_clean(void **state)
{
    start(test_limits);
    static struct timer t;
    t = (struct timer){.fire = drain_now};
    timer_start(s.loop, &t, 0);
    struct peer p = peer_connect(&s);
    struct peer q = peer_connect(&s);
    until(&s, peer_ended(&p) && peer_ended(&q));
    peer_close(&p);
    peer_close(&q);
    server_stop(&s);
}

/* One of the ways in which a peer comes and goes. */
static void visit(unsigned kind)
{
    struct peer p = peer_connect(&s);
    switch (kind) {
    case 0:
        break;
    case 1:
        turn(&s, 1);
        break;
    case 2:
        peer_send_str(&p, "GET /ws HTTP/1.1\r\nHos");
        turn(&s, 1);
        break;
    case 3:
        peer_send_str(&p, UPGRADE_REQUEST);
        break;
    case 4:
        peer_send_str(&p, UPGRADE_REQUEST);
        turn(&s, 2);
        send_frame(&p, 0x01, SPAN("half a message"));
        turn(&s, 1);
        break;
    case 5:
        peer_send_str(&p, UPGRADE_REQUEST);
        turn(&s, 2);
        send_frame(&p, 0x88, SPAN("\x03\xe8"));
        turn(&s, 2);
        break;
    case 6:
        peer_send_str(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart");
        turn(&s, 2);
        break;
    default:
        peer_send_str(&p, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        turn(&s, 2);
        break;
    }
    if (kind % 2 == 0) {
        peer_reset(&p);
    } else {
        peer_close(&p);
    }
    turn(&s, 1);
}

static void ten_thousand_visits_leave_nothing_behind(void **state)
{
    start(test_limits);
    unsigned fds = 0;
    size_t bytes = 0;
    for (unsigned i = 0; i < 10000; i++) {
        visit(i * 7 % 8);
        if (i == 2000 || i == 9999) {
            until(&s, net_count(s.net) == 0);
            unsigned fds_now = open_descriptors();
            size_t bytes_now = mallinfo2().uordblks;
            if (i == 2000) {
                fds = fds_now;
                bytes = bytes_now;
            } else {
                assert_int_equal(fds_now, fds);
                assert_true(bytes_now <= bytes + 4096);
            }
        }
    }
    assert_true(net_stats(s.net)->accepted > 9000);
    assert_int_equal(net_stats(s.net)->open_ws, 0);
    server_stop(&s);
}

/* More records than one tick sweeps: each is still visited about once a second. */
static void many_connections_are_swept_in_tenths(void **state)
{
    start(test_limits);
    s.limits.connections_max = 100000;
    s.limits.http_header_ms = 2000;
    enum { COUNT = 4500 };
    struct rlimit old;
    getrlimit(RLIMIT_NOFILE, &old);
    if (old.rlim_cur < 2 * COUNT + 100) {
        struct rlimit more = old;
        more.rlim_cur = old.rlim_max;
        setrlimit(RLIMIT_NOFILE, &more);
        if (more.rlim_cur < 2 * COUNT + 100) {
            server_stop(&s);
            skip();
        }
    }
    static struct peer p[COUNT];
    for (int i = 0; i < COUNT; i++) {
        p[i] = peer_connect(&s);
        if (i % 50 == 0) {
            turn(&s, 1);
        }
    }
    until(&s, net_count(s.net) == COUNT);
    advance(&s, 1500);
    assert_int_equal(net_count(s.net), COUNT);
    advance(&s, 2000);
    assert_int_equal(net_count(s.net), 0);
    for (int i = 0; i < COUNT; i++) {
        peer_close(&p[i]);
    }
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_over_the_limit_are_refused_until_one_leaves),
        cmocka_unit_test(an_address_may_hold_only_so_many),
        cmocka_unit_test(handshakes_have_a_rate_and_a_burst),
        cmocka_unit_test(without_descriptors_accepting_rests_and_goes_on),
        cmocka_unit_test(an_address_in_use_is_an_error),
        cmocka_unit_test(draining_with_connections_at_the_door_is_clean),
        cmocka_unit_test(ten_thousand_visits_leave_nothing_behind),
        cmocka_unit_test(many_connections_are_swept_in_tenths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
