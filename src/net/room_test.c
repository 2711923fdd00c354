/* Two loops at one address: the one whose descriptors are used up leaves it to the other. */
#include "net/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/test_server.h"

#define ROOM 16
#define SPARE 4

static struct {
    struct loop *loops[2];
    struct net *nets[2];
    struct net_shared *shared;
    struct net_limits limits;
    struct sockaddr_in addr;
} w;

static void on_request(struct http_exchange *x)
{
    http_respond(x, 200, "text/plain", SPAN("here"));
}

static const struct http_handler answers = {.on_request = on_request};

static void make_loop(unsigned i)
{
    struct loop_conf conf = {.index = i, .count = 2, .clock = &test_clock,
                             .log = &test_log.log, .poller = poller_epoll_new()};
    w.loops[i] = loop_new(&conf, w.loops);
    w.nets[i] = net_new(&(struct net_conf){.loop = w.loops[i], .limits = &w.limits,
                                           .shared = w.shared, .http = &answers, .room = ROOM,
                                           .spare = SPARE});
    struct sockaddr_storage bound;
    int rc = net_listen(w.nets[i], (struct sockaddr *)&w.addr, sizeof w.addr, 0, &bound);
    assert_int_equal(rc, 0);
    memcpy(&w.addr, &bound, sizeof w.addr);
}

static void begin(void)
{
    test_now_ns = 1000000000;
    test_log.log = (struct log){.write = test_log_write, .level_min = LOG_INFO};
    w.limits = test_limits;
    w.shared = mem_calloc(1, sizeof *w.shared);
    w.addr = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    make_loop(0);
    make_loop(1);
    assert_int_equal(w.shared->listening, 2);
}

static void end(void)
{
    for (unsigned i = 0; i < 2; i++) {
        net_free(w.nets[i]);
        loop_free(w.loops[i]);
    }
    assert_int_equal(w.shared->connections, 0);
    assert_int_equal(w.shared->listening, 0);
    mem_free(w.shared);
}

static void turn_both(void)
{
    test_now_ns += 1000000;
    loop_turn(w.loops[0], 0);
    loop_turn(w.loops[1], 0);
}

#define until_both(condition)                                                                      \
    for (uint64_t end_ms = real_ms() + TEST_PATIENCE_MS; !(condition);) {                          \
        turn_both();                                                                               \
        assert_true(real_ms() < end_ms);                                                           \
    }

static int connect_one(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&w.addr, sizeof w.addr), 0);
    return fd;
}

static uint64_t refused(void)
{
    return net_stats(w.nets[0])->refused + net_stats(w.nets[1])->refused;
}

/* One by one, as the kernel gives them out: no connection is refused while any loop has room. */
static void all_room_is_used_whoever_fills_first(void **state)
{
    int fds[2 * ROOM + SPARE];
    unsigned count = 0;
    (void)state;
    begin();
    for (; count < 2 * ROOM; count++) {
        fds[count] = connect_one();
        until_both(net_count(w.nets[0]) + net_count(w.nets[1]) == count + 1);
        assert_true(net_count(w.nets[0]) <= ROOM && net_count(w.nets[1]) <= ROOM);
    }
    assert_int_equal(refused(), 0);
    for (; count < 2 * ROOM + SPARE; count++) {
        char byte;
        fds[count] = connect_one(); /* somebody listens and says no */
        until_both(refused() == count + 1 - 2 * ROOM);
        assert_true(recv(fds[count], &byte, 1, 0) <= 0);
    }
    assert_int_equal(w.shared->listening, 1);
    while (count > 0) {
        close(fds[--count]);
    }
    until_both(net_count(w.nets[0]) + net_count(w.nets[1]) == 0);
    until_both(w.shared->listening == 2); /* it came back */
    uint64_t before = net_stats(w.nets[0])->accepted;
    for (count = 0; count < 2 * ROOM && net_stats(w.nets[0])->accepted == before; count++) {
        fds[count] = connect_one();
        until_both(net_count(w.nets[0]) + net_count(w.nets[1]) == count + 1);
    }
    assert_true(net_stats(w.nets[0])->accepted > before);
    while (count > 0) {
        close(fds[--count]);
    }
    end();
}

/* Who had connected before the loop was full is not reset by its leaving. */
static void who_waits_at_the_door_is_served(void **state)
{
    int fds[ROOM + SPARE];
    (void)state;
    begin();
    net_drain(w.nets[1], CLOSE_DRAIN);
    w.shared->listening++; /* as if it were full of others, and not away */
    for (unsigned i = 0; i < ROOM + SPARE; i++) {
        fds[i] = connect_one();
    }
    until_both(net_count(w.nets[0]) == ROOM + SPARE);
    assert_int_equal(w.shared->listening, 1);
    assert_int_equal(refused(), 0);
    for (unsigned i = 0; i < ROOM + SPARE; i++) {
        close(fds[i]);
    }
    until_both(net_count(w.nets[0]) == 0 && w.shared->listening == 2);
    w.shared->listening--;
    end();
}

/* A request that had arrived when the drain began is answered, and the peer told to go. */
static void a_request_at_the_door_is_answered_by_a_drain(void **state)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    char answer[512];
    (void)state;
    begin();
    int fd = connect_one();
    int silent = connect_one();
    assert_int_equal(send(fd, request, sizeof request - 1, 0), (ssize_t)sizeof request - 1);
    net_drain(w.nets[0], CLOSE_DRAIN);
    net_drain(w.nets[1], CLOSE_DRAIN);
    until_both(net_count(w.nets[0]) + net_count(w.nets[1]) == 0 ||
               recv(fd, answer, sizeof answer, MSG_PEEK | MSG_DONTWAIT) > 0);
    ssize_t len = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
    assert_true(len > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0);
    close(fd);
    until_both(net_count(w.nets[0]) + net_count(w.nets[1]) == 0); /* the silent one is closed */
    close(silent);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_room_is_used_whoever_fills_first),
        cmocka_unit_test(who_waits_at_the_door_is_served),
        cmocka_unit_test(a_request_at_the_door_is_answered_by_a_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
