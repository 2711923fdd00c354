/* Real sockets on the loopback interface; waiting for an event, never for a time. */
#include "loop/addr.h"
#include "loop/poller.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_NS INT64_C(5000000000) /* only a failing test waits this long */

static int setup(void **state)
{
    *state = poller_epoll_new();
    return 0;
}

static int teardown(void **state)
{
    struct poller *p = *state;
    p->free(p);
    return 0;
}

static void ignore_ready(struct io *io, unsigned events) {}

static int listen_on(struct poller *p, const char *text, struct sockaddr_storage *bound)
{
    struct sockaddr_storage addr;
    socklen_t len;
    assert_true(addr_parse(span_str(text), &addr, &len));
    int fd = p->listen(p, (struct sockaddr *)&addr, len, 16);
    if (fd >= 0) {
        assert_int_equal(p->local(p, fd, bound), 0);
    }
    return fd;
}

/* Waits until `io` reports; returns its events. */
static unsigned await(struct poller *p, struct io *io, unsigned interest)
{
    struct poller_event e[4];
    p->set(p, io, interest);
    unsigned n = p->wait(p, WAIT_NS, e, 4);
    assert_int_equal(n, 1);
    assert_ptr_equal(e[0].io, io);
    return e[0].events;
}

struct pair {
    struct io listener, near, far; /* near was accepted, far connected */
    struct sockaddr_storage bound;
};

static void open_pair(struct poller *p, struct pair *pair, const char *where)
{
    *pair = (struct pair){.listener = {.ready = ignore_ready}, .near = {.ready = ignore_ready},
                          .far = {.ready = ignore_ready}};
    pair->listener.fd = listen_on(p, where, &pair->bound);
    assert_true(pair->listener.fd >= 0);
    socklen_t len = pair->bound.ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                     : sizeof(struct sockaddr_in6);
    pair->far.fd = p->connect(p, (struct sockaddr *)&pair->bound, len);
    assert_true(pair->far.fd >= 0);
    assert_int_equal(await(p, &pair->listener, IO_READ), IO_READ);
    struct sockaddr_storage peer, again;
    pair->near.fd = p->accept(p, pair->listener.fd, &peer);
    assert_true(pair->near.fd >= 0);
    assert_int_equal(p->peer(p, pair->near.fd, &again), 0);
    assert_memory_equal(&peer, &again, sizeof peer);
    assert_true(addr_is_loopback(&peer));
    assert_int_equal(p->accept(p, pair->listener.fd, &peer), -EAGAIN);
    p->set(p, &pair->listener, 0);
    assert_int_equal(await(p, &pair->far, IO_WRITE), IO_WRITE);
    assert_int_equal(p->connected(p, pair->far.fd), 0);
    p->set(p, &pair->far, 0);
}

static void close_pair(struct poller *p, struct pair *pair)
{
    io_close(p, &pair->near);
    io_close(p, &pair->far);
    io_close(p, &pair->listener);
    io_close(p, &pair->listener);
}

static void bytes_go_both_ways_over(struct poller *p, const char *where)
{
    struct pair pair;
    open_pair(p, &pair, where);
    char in[16];
    assert_int_equal(p->recv(p, pair.near.fd, in, sizeof in), -EAGAIN);
    struct iovec one = {(char[]){"hello"}, 5};
    assert_int_equal(p->send(p, pair.far.fd, &one, 1), 5);
    assert_int_equal(await(p, &pair.near, IO_READ), IO_READ);
    assert_int_equal(p->recv(p, pair.near.fd, in, sizeof in), 5);
    struct iovec two[2] = {{(char[]){"wor"}, 3}, {(char[]){"ld"}, 2}};
    assert_int_equal(p->send(p, pair.near.fd, two, 2), 5);
    p->shutdown_write(p, pair.near.fd);
    p->set(p, &pair.near, 0);
    assert_int_equal(await(p, &pair.far, IO_READ), IO_READ);
    assert_int_equal(p->recv(p, pair.far.fd, in, sizeof in), 5);
    assert_memory_equal(in, "world", 5);
    assert_int_equal(await(p, &pair.far, IO_READ), IO_READ); /* the end, level-triggered */
    assert_int_equal(p->recv(p, pair.far.fd, in, sizeof in), 0);
    close_pair(p, &pair);
}

static void bytes_go_both_ways(void **state)
{
    bytes_go_both_ways_over(*state, "127.0.0.1:0");
    bytes_go_both_ways_over(*state, "[::1]:0");
}

static void accepted_sockets_inherit_the_listeners_options(void **state)
{
    struct poller *p = *state;
    assert_int_equal(poller_epoll_set_congestion(p, "no-such-algorithm"), -ENOENT);
    assert_int_equal(poller_epoll_set_congestion(p, ""), 0);
    assert_int_equal(poller_epoll_set_congestion(p, "reno"), 0); /* built into every kernel */
    struct pair pair;
    open_pair(p, &pair, "127.0.0.1:0");
    int on = 0;
    socklen_t len = sizeof on;
    assert_int_equal(getsockopt(pair.near.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_equal(on != 0, 1);
    char name[16] = {0};
    len = sizeof name;
    assert_int_equal(getsockopt(pair.near.fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    assert_string_equal(name, "reno");
    close_pair(p, &pair);
}

static void a_full_pipe_takes_part_and_then_nothing_until_it_is_read(void **state)
{
    struct poller *p = *state;
    struct pair pair;
    open_pair(p, &pair, "127.0.0.1:0");
    static char block[1 << 20];
    struct iovec iov = {block, sizeof block};
    size_t sent = 0;
    ssize_t n;
    while ((n = p->send(p, pair.near.fd, &iov, 1)) > 0) {
        sent += (size_t)n;
        assert_true(sent < (size_t)1 << 30);
    }
    assert_int_equal(n, -EAGAIN);
    size_t got = 0;
    while (got < sent) {
        assert_int_equal(await(p, &pair.far, IO_READ), IO_READ);
        n = p->recv(p, pair.far.fd, block, sizeof block);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_int_equal(got, sent);
    p->set(p, &pair.far, 0);
    assert_int_equal(await(p, &pair.near, IO_WRITE), IO_WRITE);
    close_pair(p, &pair);
}

static void a_reset_is_reported_and_named(void **state)
{
    struct poller *p = *state;
    struct pair pair;
    open_pair(p, &pair, "127.0.0.1:0");
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(pair.far.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    io_close(p, &pair.far);
    unsigned events = await(p, &pair.near, IO_READ);
    assert_int_equal(events & IO_HANGUP, IO_HANGUP);
    char in[1];
    assert_int_equal(p->recv(p, pair.near.fd, in, 1), -ECONNRESET);
    struct iovec iov = {(char[]){"x"}, 1};
    assert_int_equal(p->send(p, pair.near.fd, &iov, 1), -EPIPE); /* and no signal */
    struct iovec two[2] = {iov, iov};
    assert_int_equal(p->send(p, pair.near.fd, two, 2), -EPIPE);
    struct sockaddr_storage peer;
    assert_int_equal(p->peer(p, pair.near.fd, &peer), -ENOTCONN);
    close_pair(p, &pair);
}

static void a_refused_connect_says_so(void **state)
{
    struct poller *p = *state;
    struct sockaddr_storage bound;
    int fd = listen_on(p, "127.0.0.1:0", &bound);
    assert_true(fd >= 0);
    p->close(p, fd); /* nobody listens there now */
    struct io io = {.ready = ignore_ready};
    io.fd = p->connect(p, (struct sockaddr *)&bound, sizeof(struct sockaddr_in));
    if (io.fd >= 0) {
        assert_int_equal(await(p, &io, IO_WRITE) & IO_HANGUP, IO_HANGUP);
        assert_int_equal(p->connected(p, io.fd), -ECONNREFUSED);
        io_close(p, &io);
    } else {
        assert_int_equal(io.fd, -ECONNREFUSED);
    }
}

static void several_loops_listen_on_one_address(void **state)
{
    struct poller *p = *state;
    struct poller *q = poller_epoll_new();
    struct sockaddr_storage bound, again;
    int a = listen_on(p, "127.0.0.1:0", &bound);
    char text[ADDR_TEXT_MAX];
    addr_format(&bound, text);
    int b = listen_on(q, text, &again);
    assert_true(a >= 0 && b >= 0);
    assert_int_equal(addr_port(&bound), addr_port(&again));
    /* Another process would be let in just the same, so it asks first. */
    socklen_t len = sizeof(struct sockaddr_in);
    assert_int_equal(poller_epoll_probe((struct sockaddr *)&bound, len), -EADDRINUSE);
    p->close(p, a);
    assert_int_equal(poller_epoll_probe((struct sockaddr *)&bound, len), -EADDRINUSE);
    q->close(q, b);
    assert_int_equal(poller_epoll_probe((struct sockaddr *)&bound, len), 0);
    q->free(q);
}

static void addresses_that_cannot_be_bound_are_errors(void **state)
{
    struct poller *p = *state;
    struct sockaddr_storage bound;
    assert_int_equal(listen_on(p, "127.0.0.1:0", &bound) >= 0, 1);
    assert_int_equal(listen_on(p, "[2001:db8::1]:0", &bound), -EADDRNOTAVAIL);
    struct sockaddr_storage none = {.ss_family = AF_APPLETALK};
    assert_int_equal(p->listen(p, (struct sockaddr *)&none, sizeof none, 1), -EAFNOSUPPORT);
    assert_int_equal(p->connect(p, (struct sockaddr *)&none, sizeof none), -EAFNOSUPPORT);
    assert_int_equal(poller_epoll_probe((struct sockaddr *)&none, sizeof none), -EAFNOSUPPORT);
    assert_true(addr_parse(SPAN("[2001:db8::1]:0"), &none, &(socklen_t){0}));
    assert_int_equal(poller_epoll_probe((struct sockaddr *)&none, sizeof(struct sockaddr_in6)),
                     -EADDRNOTAVAIL);
    assert_int_equal(p->local(p, -1, &bound), -EBADF);
    assert_int_equal(p->connected(p, -1), -EBADF);
}

static void a_wake_before_the_wait_ends_it_and_only_once(void **state)
{
    struct poller *p = *state;
    struct poller_event e[1];
    p->wake(p);
    p->wake(p);
    assert_int_equal(p->wait(p, -1, e, 1), 0);
    assert_int_equal(p->wait(p, 0, e, 1), 0);
    p->wake(p);
    assert_int_equal(p->wait(p, -1, e, 1), 0);
    assert_int_equal(p->wait(p, 1, e, 1), 0); /* 1 ns waits, rounded up, and ends */
}

static void short_waits_are_never_shorter_than_asked(void **state)
{
    struct poller *p = *state;
    struct poller_event e[1];
    static const int64_t waits_ns[] = {1, 50000, 300000, 999999, 1000001, 1999999, 2000001};
    for (size_t i = 0; i < ARRAY_LEN(waits_ns); i++) {
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        assert_int_equal(p->wait(p, waits_ns[i], e, 1), 0);
        clock_gettime(CLOCK_MONOTONIC, &end);
        int64_t took_ns = (int64_t)(end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec -
                          begin.tv_nsec;
        assert_true(took_ns >= waits_ns[i]);
    }
}

static void interest_may_change_and_end(void **state)
{
    struct poller *p = *state;
    struct pair pair;
    open_pair(p, &pair, "127.0.0.1:0");
    struct poller_event e[4];
    p->set(p, &pair.near, IO_READ);
    p->set(p, &pair.near, IO_READ);
    assert_int_equal(p->wait(p, 0, e, 4), 0);
    p->set(p, &pair.near, IO_READ | IO_WRITE);
    assert_int_equal(p->wait(p, WAIT_NS, e, 4), 1);
    assert_int_equal(e[0].events, IO_WRITE);
    p->set(p, &pair.near, 0);
    assert_int_equal(p->wait(p, 0, e, 4), 0);
    close_pair(p, &pair);
}

static void an_edge_is_reported_once_and_the_end_with_it(void **state)
{
    struct poller *p = *state;
    struct pair pair;
    open_pair(p, &pair, "127.0.0.1:0");
    struct poller_event e[4];
    char text[] = "hi";
    struct iovec hi = {.iov_base = text, .iov_len = 2};
    assert_int_equal(p->send(p, pair.far.fd, &hi, 1), 2);
    assert_int_equal(await(p, &pair.near, IO_READ | IO_EDGE), IO_READ);
    assert_int_equal(p->wait(p, 0, e, 4), 0); /* nothing new */
    assert_int_equal(p->send(p, pair.far.fd, &hi, 1), 2);
    assert_int_equal(await(p, &pair.near, IO_READ | IO_EDGE), IO_READ);
    p->set(p, &pair.near, 0);
    assert_int_equal(await(p, &pair.near, IO_READ | IO_EDGE), IO_READ); /* renewed */
    p->shutdown_write(p, pair.far.fd);
    assert_int_equal(await(p, &pair.near, IO_READ | IO_EDGE), IO_READ | IO_END);
    char bytes[8];
    assert_int_equal(p->recv(p, pair.near.fd, bytes, sizeof bytes), 4);
    assert_int_equal(p->recv(p, pair.near.fd, bytes, sizeof bytes), 0);
    assert_int_equal(await(p, &pair.near, IO_READ | IO_WRITE | IO_EDGE), IO_READ | IO_WRITE);
    assert_int_equal(p->wait(p, 0, e, 4), 1); /* beside IO_WRITE it is a level */
    close_pair(p, &pair);
}

static void an_end_may_be_asked_for_alone(void **state)
{
    struct poller *p = *state;
    struct pair pair;
    open_pair(p, &pair, "127.0.0.1:0");
    struct poller_event e[4];
    char text[] = "hi";
    struct iovec hi = {.iov_base = text, .iov_len = 2};
    p->set(p, &pair.near, IO_END);
    assert_int_equal(p->send(p, pair.far.fd, &hi, 1), 2);
    assert_int_equal(await(p, &pair.near, IO_END | IO_WRITE), IO_WRITE);
    p->set(p, &pair.near, IO_END);
    assert_int_equal(p->wait(p, 0, e, 4), 0);
    p->shutdown_write(p, pair.far.fd);
    assert_int_equal(await(p, &pair.near, IO_END), IO_END); /* with bytes before it */
    close_pair(p, &pair);
}

#define TICKER_COUNT 16

/* Timers of one interval, spread evenly over it. */
static void start_tickers(const struct io *tickers, long interval_ns)
{
    for (long i = 0; i < TICKER_COUNT; i++) {
        struct itimerspec t = {.it_interval.tv_nsec = interval_ns,
                               .it_value.tv_nsec = 1000000 + i * (interval_ns / TICKER_COUNT)};
        assert_int_equal(timerfd_settime(tickers[i].fd, 0, &t, NULL), 0);
    }
}

/* The waits in which ten ticks of each came. */
static unsigned waits_for_ticks(struct poller *p)
{
    unsigned waits = 0;
    for (unsigned ticks = 0; ticks < 10 * TICKER_COUNT; waits++) {
        struct poller_event e[TICKER_COUNT];
        unsigned n = p->wait(p, WAIT_NS, e, TICKER_COUNT);
        assert_true(n > 0);
        ticks += n;
        for (unsigned i = 0; i < n; i++) {
            uint64_t missed;
            assert_int_equal(read(e[i].io->fd, &missed, sizeof missed), sizeof missed);
        }
    }
    return waits;
}

/* Tried again while the machine is too busy to wake us for each tick. */
static void many_events_gather_and_few_do_not(void **state)
{
    struct poller *p = *state;
    struct io tickers[TICKER_COUNT];
    poller_epoll_set_gather(p, 1000);
    for (unsigned i = 0; i < TICKER_COUNT; i++) {
        tickers[i] = (struct io){.ready = ignore_ready, .fd = timerfd_create(CLOCK_MONOTONIC, 0)};
        p->set(p, &tickers[i], IO_READ);
    }
    start_tickers(tickers, 1000000); /* 16,000 a second, all of them in each millisecond */
    unsigned waits = UINT32_MAX;
    for (unsigned i = 0; i < 200 && waits > 25; i++) {
        waits = waits_for_ticks(p);
    }
    assert_in_range(waits, 1, 25);
    start_tickers(tickers, 16000000); /* 1,000 a second */
    for (unsigned i = 0; i < 50 && waits < 80; i++) {
        waits = waits_for_ticks(p);
    }
    assert_true(waits >= 80);
    for (unsigned i = 0; i < TICKER_COUNT; i++) {
        io_close(p, &tickers[i]);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(bytes_go_both_ways),
        T(accepted_sockets_inherit_the_listeners_options),
        T(a_full_pipe_takes_part_and_then_nothing_until_it_is_read),
        T(a_reset_is_reported_and_named),
        T(a_refused_connect_says_so),
        T(several_loops_listen_on_one_address),
        T(addresses_that_cannot_be_bound_are_errors),
        T(a_wake_before_the_wait_ends_it_and_only_once),
        T(short_waits_are_never_shorter_than_asked),
        T(interest_may_change_and_end),
        T(an_edge_is_reported_once_and_the_end_with_it),
        T(an_end_may_be_asked_for_alone),
        T(many_events_gather_and_few_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
