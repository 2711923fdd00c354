/*
 * Would io_uring pay? The sends and receives of our busiest loops, with nothing around them, once
 * by epoll and send() and once by io_uring, in turn within every round. CPU is that of the serving
 * process, kernel threads of its ring included; every byte is counted by the receiver.
 *
 *     build/release/bench/uring_probe [--rounds N] [--seconds S] [--only TEXT]
 *
 * What is sent stands in docs/decisions/0012-io-uring.md, with the figures.
 */
#include "uring.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FRAME 130        /* 128 bytes of payload behind a short WebSocket header */
#define BATCH 1024       /* sends a submit */
#define EVENTS 1024
#define ROUNDS_MAX 50
#define PER_ADDRESS 5000 /* connections from one source address */
#define WARM 0.5         /* of the measured time, before it */

enum kind { FAN_OUT, ROOMS, ECHO };

static const struct work {
    const char *name;
    enum kind kind;
    unsigned conns;
    unsigned frames; /* in one write */
    unsigned rooms;  /* of ten, written a turn */
} works[] = {
    {"fan-out 1 to 1,000", FAN_OUT, 1000, 1, 0},
    {"fan-out 1 to 10,000", FAN_OUT, 10000, 1, 0},
    {"fan-out to 1,000, 16 frames a write", FAN_OUT, 1000, 16, 0},
    {"500 rooms of 10, 20 a turn", ROOMS, 5000, 1, 20},
    {"echo, 200 connections, 1 in flight", ECHO, 200, 1, 0},
};
#define WORKS (sizeof works / sizeof *works)

struct probe {
    const struct work *work;
    bool ring;
    double seconds;
    int *fds;
    int credit; /* a byte says: the whole turn has been read */
    struct uring u;
    int epoll;
    uint8_t bytes[FRAME * 16];
    uint32_t seed;
    uint64_t deliveries;
    uint64_t again; /* sends that found the socket full */
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_core(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        fprintf(stderr, "uring_probe: not pinned to core %d\n", core);
    }
}

static struct sockaddr_in loopback(unsigned last, unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK + last)};
}

/* --- the other side: reads everything, and echoes or gives credit --- */

static void read_turns(int ep, uint64_t turn_bytes, int credit)
{
    static uint8_t in[65536];
    struct epoll_event ev[EVENTS];
    uint64_t got = 0;
    for (;;) {
        int n = epoll_wait(ep, ev, EVENTS, 2000);
        if (n <= 0) {
            _exit(0);
        }
        for (int i = 0; i < n; i++) {
            ssize_t len = recv(ev[i].data.fd, in, sizeof in, MSG_DONTWAIT);
            if (len == 0 || (len < 0 && errno == ECONNRESET)) {
                _exit(0);
            }
            got += len > 0 ? (uint64_t)len : 0;
            if (credit < 0 && len > 0 && send(ev[i].data.fd, in, (size_t)len, MSG_NOSIGNAL) < 0) {
                _exit(0);
            }
        }
        if (credit >= 0 && got == turn_bytes) {
            got = 0;
            if (write(credit, "", 1) != 1) {
                _exit(0);
            }
        }
    }
}

static void peer(const struct work *w, unsigned port, int credit)
{
    on_core(1);
    int ep = epoll_create1(0);
    uint8_t frame[FRAME] = {0};
    for (unsigned i = 0; i < w->conns; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in from = loopback(1 + i / PER_ADDRESS, 0);
        struct sockaddr_in to = loopback(0, port);
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fd < 0 || bind(fd, (void *)&from, sizeof from) != 0 ||
            connect(fd, (void *)&to, sizeof to) != 0) {
            die("connect");
        }
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
        if (w->kind == ECHO && send(fd, frame, sizeof frame, MSG_NOSIGNAL) < 0) {
            die("send");
        }
    }
    unsigned writes = w->kind == ROOMS ? w->rooms * 10 : w->conns;
    read_turns(ep, (uint64_t)writes * w->frames * FRAME, w->kind == ECHO ? -1 : credit);
}

/* --- this side --- */

static unsigned target(struct probe *p, unsigned i)
{
    static unsigned room;
    if (p->work->kind == FAN_OUT) {
        return i;
    }
    if (i % 10 == 0) { /* neighbouring rooms of a turn are different ones: members get one frame */
        p->seed = p->seed * 1664525u + 1013904223u;
        unsigned slice = 500 / p->work->rooms;
        room = (i / 10) * slice + (p->seed >> 16) % slice;
    }
    return room + (i % 10) * 500;
}

static void send_all_epoll(struct probe *p, unsigned count)
{
    size_t len = (size_t)FRAME * p->work->frames;
    for (unsigned i = 0; i < count; i++) {
        ssize_t n = send(p->fds[target(p, i)], p->bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        p->again += n < (ssize_t)len;
        p->deliveries += n == (ssize_t)len ? p->work->frames : 0;
    }
}

static void reap_sends(struct probe *p, unsigned count)
{
    for (; count > 0; count--) {
        struct io_uring_cqe *c = uring_peek(&p->u);
        if (c == NULL) {
            uring_enter(&p->u, 1);
            count++;
            continue;
        }
        bool whole = c->res == (int)(FRAME * p->work->frames);
        p->again += !whole;
        p->deliveries += whole ? p->work->frames : 0;
        uring_seen(&p->u);
    }
}

static void prepare_send(struct probe *p, unsigned to, const void *bytes, size_t len)
{
    struct io_uring_sqe *e = uring_sqe(&p->u);
    e->opcode = IORING_OP_SEND;
    e->flags = IOSQE_FIXED_FILE;
    e->fd = (int)to;
    e->addr = (uintptr_t)bytes;
    e->len = (uint32_t)len;
    e->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
}

static void send_all_ring(struct probe *p, unsigned count)
{
    for (unsigned done = 0; done < count;) {
        unsigned n = count - done < BATCH ? count - done : BATCH;
        for (unsigned i = 0; i < n; i++) {
            prepare_send(p, target(p, done + i), p->bytes, (size_t)FRAME * p->work->frames);
        }
        uring_enter(&p->u, n);
        reap_sends(p, n);
        done += n;
    }
}

static void turn(struct probe *p)
{
    char credit;
    unsigned count = p->work->kind == ROOMS ? p->work->rooms * 10 : p->work->conns;
    (p->ring ? send_all_ring : send_all_epoll)(p, count);
    if (read(p->credit, &credit, 1) != 1) {
        die("credit");
    }
}

static void echo_epoll(struct probe *p)
{
    static uint8_t in[65536];
    struct epoll_event ev[EVENTS];
    int n = epoll_wait(p->epoll, ev, EVENTS, 1000);
    for (int i = 0; i < n; i++) {
        ssize_t len = recv(ev[i].data.fd, in, sizeof in, MSG_DONTWAIT);
        if (len <= 0 || send(ev[i].data.fd, in, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) != len) {
            die("echo");
        }
        p->deliveries += (uint64_t)len / FRAME;
    }
}

#define TAG_SEND (1ull << 32) /* user_data: with a buffer's number; else a connection's */

static void arm(struct probe *p, unsigned conn)
{
    struct io_uring_sqe *e = uring_sqe(&p->u);
    e->opcode = IORING_OP_RECV;
    e->flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    e->fd = (int)conn;
    e->ioprio = IORING_RECV_MULTISHOT;
    e->user_data = conn;
}

static void echo_ring(struct probe *p)
{
    uring_enter(&p->u, 1);
    for (struct io_uring_cqe *c; (c = uring_peek(&p->u)) != NULL; uring_seen(&p->u)) {
        if (c->res <= 0) {
            errno = -c->res;
            die("echo by ring");
        }
        if (c->user_data & TAG_SEND) {
            uring_buffer_back(&p->u, (uint32_t)c->user_data);
            continue;
        }
        uint32_t id = c->flags >> IORING_CQE_BUFFER_SHIFT;
        prepare_send(p, (unsigned)c->user_data, uring_buffer(&p->u, id), (size_t)c->res);
        p->u.sqes[(*p->u.sq_tail + p->u.queued - 1) & p->u.sq_mask].user_data = TAG_SEND | id;
        p->deliveries += (uint64_t)c->res / FRAME;
        if (!(c->flags & IORING_CQE_F_MORE)) {
            arm(p, (unsigned)c->user_data);
        }
    }
}

static void prepare(struct probe *p)
{
    if (p->ring) {
        int rc = uring_open(&p->u, BATCH);
        if (rc < 0) {
            errno = -rc;
            die("io_uring_setup");
        }
        uring_register(&p->u, p->fds, p->work->conns);
    }
    if (p->work->kind != ECHO) {
        return;
    }
    if (p->ring) {
        uring_buffers(&p->u, 1024, 2048);
        for (unsigned i = 0; i < p->work->conns; i++) {
            arm(p, i);
        }
        return;
    }
    p->epoll = epoll_create1(0);
    for (unsigned i = 0; i < p->work->conns; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = p->fds[i]};
        epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->fds[i], &ev);
    }
}

/* CPU microseconds a delivery. */
static double serve(struct probe *p)
{
    void (*step)(struct probe *) = p->work->kind != ECHO ? turn : p->ring ? echo_ring : echo_epoll;
    prepare(p);
    for (double end = now(CLOCK_MONOTONIC) + p->seconds * WARM; now(CLOCK_MONOTONIC) < end;) {
        step(p);
    }
    p->deliveries = p->again = 0;
    double cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (double end = now(CLOCK_MONOTONIC) + p->seconds; now(CLOCK_MONOTONIC) < end;) {
        step(p);
    }
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (p->again > 0) {
        fprintf(stderr, "%s: %lu sends found a full socket\n", p->work->name, p->again);
        exit(1);
    }
    return cpu * 1e6 / (double)p->deliveries;
}

static void accept_all(struct probe *p, int listener)
{
    p->fds = calloc(p->work->conns, sizeof *p->fds);
    for (unsigned i = 0; i < p->work->conns; i++) {
        int one = 1;
        p->fds[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (p->fds[i] < 0) {
            die("accept");
        }
        setsockopt(p->fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
}

/* In a process of its own, so that its CPU time is that of this work alone. */
static double run(const struct work *w, bool ring, double seconds)
{
    int result[2], credit[2];
    if (pipe(result) != 0 || pipe(credit) != 0) {
        die("pipe");
    }
    pid_t server = fork();
    if (server == 0) {
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in addr = loopback(0, 0);
        socklen_t len = sizeof addr;
        setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
        if (bind(listener, (void *)&addr, len) != 0 || listen(listener, 4096) != 0) {
            die("listen");
        }
        getsockname(listener, (void *)&addr, &len);
        pid_t other = fork();
        if (other == 0) {
            close(listener);
            peer(w, ntohs(addr.sin_port), credit[1]);
        }
        on_core(0);
        struct probe p = {.work = w, .ring = ring, .seconds = seconds, .credit = credit[0]};
        accept_all(&p, listener);
        double us = serve(&p);
        for (unsigned i = 0; i < w->conns; i++) {
            close(p.fds[i]);
        }
        if (ring) {
            uring_close(&p.u);
        }
        waitpid(other, NULL, 0);
        _exit(write(result[1], &us, sizeof us) == sizeof us ? 0 : 1);
    }
    double us = 0;
    close(result[1]);
    bool ok = read(result[0], &us, sizeof us) == sizeof us;
    int status;
    waitpid(server, &status, 0);
    close(result[0]);
    close(credit[0]);
    close(credit[1]);
    if (!ok || status != 0) {
        fprintf(stderr, "uring_probe: %s by %s failed\n", w->name, ring ? "io_uring" : "epoll");
        exit(1);
    }
    return us;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void cell(double *v, unsigned n, const char *end)
{
    qsort(v, n, sizeof *v, by_size);
    printf("%.3g (%.3g-%.3g)%s", v[n / 2], v[0], v[n - 1], end);
}

int main(int argc, char **argv)
{
    unsigned rounds = 5;
    double seconds = 2;
    const char *only = "";
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--rounds") == 0) {
            rounds = (unsigned)strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            seconds = strtod(argv[i + 1], NULL);
        } else if (strcmp(argv[i], "--only") == 0) {
            only = argv[i + 1];
        }
    }
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "uring_probe: 1 to %d rounds\n", ROUNDS_MAX);
        return 2;
    }
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    printf("| work | epoll, us a delivery | io_uring | epoll / io_uring |\n"
           "| --- | --- | --- | --- |\n");
    fflush(stdout);
    for (unsigned w = 0; w < WORKS; w++) {
        double epoll[ROUNDS_MAX], ring[ROUNDS_MAX], ratio[ROUNDS_MAX];
        if (strstr(works[w].name, only) == NULL) {
            continue;
        }
        for (unsigned r = 0; r < rounds; r++) {
            bool first = r % 2 == 0; /* who goes first changes */
            double a = run(&works[w], !first, seconds), b = run(&works[w], first, seconds);
            epoll[r] = first ? a : b;
            ring[r] = first ? b : a;
            ratio[r] = epoll[r] / ring[r];
        }
        printf("| %s | ", works[w].name);
        cell(epoll, rounds, " | ");
        cell(ring, rounds, " | ");
        cell(ratio, rounds, " |\n");
        fflush(stdout);
    }
    return 0;
}
