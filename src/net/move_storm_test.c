/*
 * Connections that change their loop all the time: three loops on threads of their own, with
 * tables of descriptors of their own where the system and the sanitizer allow it, and clients on
 * further threads, which send requests ahead and check every byte of what comes back.
 */
#include "net/move.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/test_server.h"

#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#define LOOPS 3
#define CLIENTS 4          /* threads, each with one connection after another */
#define REQUESTS 2500      /* of each client: 10,000 */
#define A_CONNECTION 125   /* requests of one connection */
#define AHEAD 5            /* requests sent before the first answer is read */

/* ThreadSanitizer takes equal numbers in two tables for one descriptor. */
#if defined(__SANITIZE_THREAD__)
#define OWN_TABLES 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define OWN_TABLES 0
#endif
#endif
#ifndef OWN_TABLES
#define OWN_TABLES 1
#endif

static struct loop *loops[LOOPS];
static struct net *nets[LOOPS];
static struct net_shared shared;
static struct sockaddr_storage addr;
static atomic_uint wrong;

static int64_t wall_ms(struct clock *c) { return 1700000000000; }
static uint64_t mono_ns(struct clock *c)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
static struct clock real_clock = {wall_ms, mono_ns};

/* "/N/": loop N echoes the body. */
static void on_request(struct http_exchange *x)
{
    unsigned here = loop_index(net_loop(conn_net(x->conn)));
    unsigned owner = (unsigned)x->path.ptr[1] - '0';
    if (owner != here) {
        http_move(x, owner);
    } else {
        http_respond(x, 200, "application/octet-stream", x->body);
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    atomic_fetch_add(&wrong, 1);
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

struct station {
    pthread_t thread;
    unsigned index;
    int listener;
    bool own_table;
    sem_t *ready;
};

static struct station stations[LOOPS];

/* As the process does it: a listener is open in its loop's table alone. */
static void *run_loop(void *arg)
{
    struct station *s = arg;
    s->own_table = OWN_TABLES && close_range(UINT_MAX, UINT_MAX, CLOSE_RANGE_UNSHARE) == 0;
    for (unsigned i = 0; i < LOOPS && s->own_table; i++) {
        if (i != s->index) {
            close(stations[i].listener);
        }
    }
    sem_post(s->ready);
    loop_run(loops[s->index]);
    net_stop(nets[s->index]);
    return NULL;
}

struct client {
    pthread_t thread;
    uint64_t random;
    unsigned answered;
};

static uint64_t next_random(struct client *c)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return c->random;
}

/* Of most requests a few bytes, of some more than a read takes. */
static size_t body_len(uint64_t seed) { return seed % 40 == 0 ? seed % 150000 : seed % 300; }

static uint8_t body_byte(uint64_t seed, size_t i)
{
    return (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}

static void append_request(struct client *c, buf *out, uint64_t *seed, unsigned owner)
{
    *seed = next_random(c);
    size_t len = body_len(*seed);
    buf_printf(out, "POST /%u/ HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", owner, len);
    for (size_t i = 0; i < len; i++) {
        buf_append_byte(out, body_byte(*seed, i));
    }
}

static bool receive(int fd, buf *in)
{
    ssize_t n = recv(fd, buf_reserve(in, 65536), 65536, 0);
    in->len += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* One answer, byte for byte. */
static bool check_answer(int fd, buf *in, uint64_t seed)
{
    const uint8_t *end;
    size_t want = body_len(seed);
    while (in->len == 0 || (end = memmem(in->ptr, in->len, "\r\n\r\n", 4)) == NULL) {
        if (!receive(fd, in)) {
            return false;
        }
    }
    size_t head = (size_t)(end - in->ptr) + 4;
    char text[64];
    int text_len = snprintf(text, sizeof text, "\r\nContent-Length: %zu\r\n", want);
    bool right = memcmp(in->ptr, "HTTP/1.1 200", 12) == 0 &&
                 memmem(in->ptr, head, text, (size_t)text_len) != NULL;
    while (in->len < head + want) {
        if (!receive(fd, in)) {
            return false;
        }
    }
    for (size_t i = 0; i < want && right; i++) {
        right = in->ptr[head + i] == body_byte(seed, i);
    }
    buf_consume(in, head + want);
    return right;
}

/* Sends a few requests ahead, from a thread of its own when they are large: nobody reads then. */
struct writing {
    int fd;
    buf out;
};

static void *write_all(void *arg)
{
    struct writing *w = arg;
    for (size_t at = 0; at < w->out.len;) {
        ssize_t n = send(w->fd, w->out.ptr + at, w->out.len - at, MSG_NOSIGNAL);
        if (n <= 0) {
            break;
        }
        at += (size_t)n;
    }
    return NULL;
}

static bool exchange(struct client *c, int fd, buf *in, unsigned *owner)
{
    uint64_t seeds[AHEAD];
    struct writing w = {.fd = fd};
    pthread_t writer;
    bool right = true;
    for (unsigned i = 0; i < AHEAD; i++) {
        *owner = (*owner + 1 + (unsigned)(next_random(c) % (LOOPS - 1))) % LOOPS; /* another one */
        append_request(c, &w.out, &seeds[i], *owner);
    }
    if (pthread_create(&writer, NULL, write_all, &w) != 0) {
        return false;
    }
    for (unsigned i = 0; i < AHEAD && right; i++) {
        right = check_answer(fd, in, seeds[i]);
        c->answered += right;
    }
    if (!right) {
        shutdown(fd, SHUT_RDWR);
    }
    pthread_join(writer, NULL);
    buf_deinit(&w.out);
    return right;
}

static void *run_client(void *arg)
{
    struct client *c = arg;
    unsigned owner = 0;
    for (unsigned done = 0; done < REQUESTS; done += A_CONNECTION) {
        buf in = {0};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool right = connect(fd, (struct sockaddr *)&addr, sizeof(struct sockaddr_in)) == 0;
        for (unsigned i = 0; i < A_CONNECTION / AHEAD && right; i++) {
            right = exchange(c, fd, &in, &owner);
        }
        atomic_fetch_add(&wrong, !right || in.len > 0);
        close(fd);
        buf_deinit(&in);
    }
    return NULL;
}

static void start(const struct net_limits *limits)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sem_t ready;
    sem_init(&ready, 0, 0);
    memcpy(&addr, &any, sizeof any);
    for (unsigned i = 0; i < LOOPS; i++) {
        loops[i] = loop_new(&(struct loop_conf){.index = i, .count = LOOPS, .clock = &real_clock,
                                                .poller = poller_epoll_new()},
                            loops);
        nets[i] = net_new(&(struct net_conf){.loop = loops[i], .limits = limits,
                                             .shared = &shared, .http = &handler});
        assert_int_equal(net_listen(nets[i], (struct sockaddr *)&addr, sizeof(struct sockaddr_in),
                                    0, &addr), 0);
        stations[i] = (struct station){.index = i, .ready = &ready};
        assert_int_equal(net_listeners(nets[i], &stations[i].listener, 1), 1);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_create(&stations[i].thread, NULL, run_loop, &stations[i]), 0);
    }
    for (unsigned i = 0; i < LOOPS;) {
        i += sem_wait(&ready) == 0;
    }
    sem_destroy(&ready);
    for (unsigned i = 0; i < LOOPS; i++) {
        if (stations[i].own_table) {
            close(stations[i].listener);
        }
    }
}

static void stop(void)
{
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_stop(loops[i]);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        pthread_join(stations[i].thread, NULL);
    }
    assert_int_equal(shared.connections, 0);
    for (unsigned i = 0; i < LOOPS; i++) {
        net_free(nets[i]);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_free(loops[i]);
    }
}

static void every_byte_of_10000_moved_requests_comes_back(void **state)
{
    static struct net_limits limits;
    static struct client clients[CLIENTS];
    (void)state;
    limits = test_limits;
    limits.http_header_ms = limits.http_body_ms = limits.http_idle_ms = TEST_PATIENCE_MS;
    start(&limits);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.random = 88172645463325252u + i};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    }
    unsigned answered = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        answered += clients[i].answered;
    }
    uint64_t moved = 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        moved += net_stats(nets[i])->moved;
    }
    stop();
    assert_int_equal(wrong, 0);
    assert_int_equal(answered, CLIENTS * REQUESTS);
    assert_true(moved >= CLIENTS * (REQUESTS - 2 * REQUESTS / A_CONNECTION));
}

/* Loops stop while others still send to them: everything is closed and given back. */
static void loops_may_stop_in_the_middle(void **state)
{
    static struct net_limits limits;
    static struct client clients[CLIENTS];
    (void)state;
    limits = test_limits;
    for (unsigned round = 0; round < 10; round++) {
        start(&limits);
        for (unsigned i = 0; i < CLIENTS; i++) {
            clients[i] = (struct client){.random = 1234567 + 16 * round + i};
            assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
        }
        while (net_stats(nets[0])->moved + net_stats(nets[1])->moved < 20) {
            sched_yield();
        }
        stop(); /* clients see it, and end */
        for (unsigned i = 0; i < CLIENTS; i++) {
            pthread_join(clients[i].thread, NULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_10000_moved_requests_comes_back),
        cmocka_unit_test(loops_may_stop_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
