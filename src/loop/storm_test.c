/*
 * Loops on threads of their own post mail to each other as fast as they can, while a thread that
 * is no loop posts too and sockets echo. Every mail arrives once, on its target, in its sender's
 * order; a missed wake-up would hang (the test runner's time-out ends it). Runs under TSan.
 */
#include "base/mem.h"
#include "loop/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#define LOOPS_MAX 8
#define LETTERS 2000      /* of each sender, spread over all targets */
#define BURST 7           /* letters a sender posts before it waits for its next turn */
#define OUTSIDER LOOPS_MAX

struct letter {
    struct mail mail;
    unsigned from, to, number;
};

struct station {
    struct loop *loop;
    pthread_t thread;
    unsigned posted;
    unsigned expected[LOOPS_MAX + 1]; /* next number by sender */
    unsigned received;
    unsigned wrong;
    struct mail tick; /* to itself: post the next burst */
};

static int64_t wall_ms(struct clock *c) { return 0; }
static uint64_t mono_ns(struct clock *c)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
static struct clock test_clock = {wall_ms, mono_ns};

static unsigned loop_total;
static struct loop *loops[LOOPS_MAX];
static struct station stations[LOOPS_MAX];
static struct post *port;
static atomic_uint received_total;
static unsigned letters_total;

static void stop_all(void)
{
    for (unsigned i = 0; i < loop_total; i++) {
        loop_stop(loops[i]);
    }
}

static void on_letter(struct mail *m)
{
    struct letter *l = CONTAINER_OF(m, struct letter, mail);
    struct station *s = &stations[l->to];
    /* Numbers of one sender to one target go up by the number of targets. */
    bool right = loop_current() == s->loop && l->number == s->expected[l->from];
    s->wrong += right ? 0 : 1;
    s->expected[l->from] = l->number + loop_total;
    s->received++;
    mem_free(l);
    if (atomic_fetch_add(&received_total, 1) + 1 == letters_total) {
        stop_all();
    }
}

static void send_letter(unsigned from, unsigned number)
{
    struct letter *l = mem_calloc(1, sizeof *l);
    *l = (struct letter){.mail = {.run = on_letter}, .from = from, .to = number % loop_total,
                         .number = number};
    post_mail(port, l->to, &l->mail);
}

static void on_tick(struct mail *m)
{
    struct station *s = CONTAINER_OF(m, struct station, tick);
    for (unsigned i = 0; i < BURST && s->posted < LETTERS; i++) {
        send_letter(loop_index(s->loop), s->posted++);
    }
    if (s->posted < LETTERS) {
        post_mail(port, loop_index(s->loop), &s->tick);
    }
}

static void *run_station(void *arg)
{
    loop_run(((struct station *)arg)->loop);
    return NULL;
}

static void storm(unsigned count)
{
    loop_total = count;
    letters_total = (count + 1) * LETTERS;
    atomic_store(&received_total, 0);
    for (unsigned i = 0; i < count; i++) {
        loops[i] = loop_new(&(struct loop_conf){.index = i, .count = count, .clock = &test_clock,
                                                .poller = poller_epoll_new(), .mail_max = 50},
                            loops);
        stations[i] = (struct station){.loop = loops[i], .tick = {.run = on_tick}};
        for (unsigned from = 0; from <= LOOPS_MAX; from++) {
            stations[i].expected[from] = i;
        }
    }
    port = loop_post_port(loops, count);
    for (unsigned i = 0; i < count; i++) {
        post_mail(port, i, &stations[i].tick);
        assert_int_equal(pthread_create(&stations[i].thread, NULL, run_station, &stations[i]), 0);
    }
    for (unsigned n = 0; n < LETTERS; n++) {
        send_letter(OUTSIDER, n);
    }
    unsigned received = 0;
    for (unsigned i = 0; i < count; i++) {
        pthread_join(stations[i].thread, NULL);
    }
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(stations[i].wrong, 0);
        received += stations[i].received;
        loop_free(loops[i]);
    }
    assert_int_equal(received, letters_total);
    loop_post_port_free(port);
}

static void mail_storms_arrive_once_in_order(void **state)
{
    for (unsigned count = 1; count <= LOOPS_MAX; count *= 2) {
        storm(count);
    }
}

/* Two loops pass one mail to and fro, each asleep while the other has it. */
struct ball {
    struct mail mail;
    unsigned bounces;
};

static void on_ball(struct mail *m)
{
    struct ball *b = CONTAINER_OF(m, struct ball, mail);
    if (++b->bounces == LETTERS) {
        stop_all();
    } else {
        post_mail(port, 1 - loop_index(loop_current()), m);
    }
}

static void a_sleeping_loop_is_always_woken(void **state)
{
    loop_total = 2;
    for (unsigned i = 0; i < 2; i++) {
        loops[i] = loop_new(&(struct loop_conf){.index = i, .count = 2, .clock = &test_clock,
                                                .poller = poller_epoll_new()},
                            loops);
        stations[i] = (struct station){.loop = loops[i]};
    }
    port = loop_post_port(loops, 2);
    struct ball ball = {.mail = {.run = on_ball}};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&stations[i].thread, NULL, run_station, &stations[i]), 0);
    }
    post_mail(port, 0, &ball.mail);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(stations[i].thread, NULL);
    }
    for (unsigned i = 0; i < 2; i++) {
        loop_free(loops[i]);
    }
    assert_int_equal(ball.bounces, LETTERS);
    loop_post_port_free(port);
}

/* Sockets on a running loop: what goes in at one end comes back whole. */
struct echo {
    struct io io;
    struct loop *loop;
    size_t bytes;
    struct deferred gone;
    bool released;
};

static void on_released(struct deferred *d)
{
    struct echo *e = CONTAINER_OF(d, struct echo, gone);
    e->released = true;
    loop_stop(e->loop);
}

static void on_ready(struct io *io, unsigned events)
{
    struct echo *e = CONTAINER_OF(io, struct echo, io);
    struct poller *p = loop_poller(e->loop);
    char bytes[512];
    ssize_t n = p->recv(p, io->fd, bytes, sizeof bytes);
    if (n <= 0) {
        io_close(p, io);
        loop_defer(e->loop, &e->gone);
        return;
    }
    struct iovec iov = {bytes, (size_t)n};
    assert_int_equal(p->send(p, io->fd, &iov, 1), n);
    e->bytes += (size_t)n;
}

static void a_socket_echoes_on_a_running_loop(void **state)
{
    loops[0] = loop_new(&(struct loop_conf){.index = 0, .count = 1, .clock = &test_clock,
                                            .poller = poller_epoll_new()},
                        loops);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct echo e = {.io = {.fd = fds[0], .ready = on_ready}, .loop = loops[0],
                     .gone = {.release = on_released}};
    struct poller *p = loop_poller(loops[0]);
    p->set(p, &e.io, IO_READ);
    stations[0] = (struct station){.loop = loops[0]};
    assert_int_equal(pthread_create(&stations[0].thread, NULL, run_station, &stations[0]), 0);
    char out[64], in[64];
    for (unsigned round = 0; round < 200; round++) {
        memset(out, (int)round, sizeof out);
        assert_int_equal(send(fds[1], out, sizeof out, 0), sizeof out);
        assert_int_equal(recv(fds[1], in, sizeof in, MSG_WAITALL), sizeof in);
        assert_memory_equal(in, out, sizeof in);
    }
    p->close(p, fds[1]);
    pthread_join(stations[0].thread, NULL);
    assert_int_equal(e.bytes, 200 * sizeof out);
    assert_true(e.released);
    loop_free(loops[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_storms_arrive_once_in_order),
        cmocka_unit_test(a_sleeping_loop_is_always_woken),
        cmocka_unit_test(a_socket_echoes_on_a_running_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
