/*
 * crowd: many WebSocket clients that sign in, stay, and do nothing but answer pings. Each thread
 * has its own table of descriptors, so that one process holds more than a table does, and as
 * little as it can of each client: its descriptor. Prints one JSON line.
 *
 *     crowd --port P --pid SERVER --clients FILE --conns N
 *           [--ahead 256] [--rest S] [--seconds S] [--limit S]
 *
 * Client i takes line i (in turn) of the file: its bearer token, a space, its target. Memory of the
 * kernel is slab and socket memory of the whole machine, half of what it grew by: each connection
 * has two ends.
 */
#include "stats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ADDRESS_CONNS 12000 /* more from one address and connect() searches for a port linearly */
#define TABLE_CONNS 18000   /* of one thread */
#define EVENTS 1024
#define NS 1000000000u
#define RECV_BYTES 65536
#define OP_CLOSE 8
#define OP_PING 9

struct options {
    uint32_t port, pid, conns, ahead, rest_s, seconds, limit_s;
    const char *clients;
};

static struct options opt = {.ahead = 256, .rest_s = 2, .seconds = 1, .limit_s = 300};
static char **lines;
static size_t line_count;
static atomic_uint started, opened, lost;
static atomic_ullong pings;
static atomic_bool over;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void read_lines(void)
{
    FILE *f = fopen(opt.clients, "re");
    char *line = NULL;
    size_t cap = 0;
    size_t room = 0;
    ssize_t len;
    if (f == NULL) {
        die(opt.clients);
    }
    while ((len = getline(&line, &cap, f)) > 1) {
        line[len - 1] = '\0';
        if (line_count == room) {
            room = room == 0 ? 1024 : room * 2;
            lines = realloc(lines, room * sizeof *lines);
        }
        lines[line_count++] = strdup(line);
    }
    free(line);
    fclose(f);
    if (line_count == 0) {
        die("no clients");
    }
}

/* Its descriptor; the request is on its way. */
static int client_open(uint32_t index)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    int on = 1;
    char head[4096];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    from.sin_addr.s_addr = htonl(0x7f000001u + ((index / ADDRESS_CONNS + 1) << 8));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        die("connect");
    }
    const char *line = lines[index % line_count];
    int token_len = (int)strcspn(line, " ");
    const char *target = line[token_len] == '\0' ? "/" : line + token_len + 1;
    int n = snprintf(head, sizeof head,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: "
                     "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Version: 13\r\nAuthorization: Bearer %.*s\r\n\r\n",
                     target, opt.port, token_len, line);
    if (send(fd, head, (size_t)n, MSG_NOSIGNAL) != n) {
        die("send");
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

/* The server's frames are short and come whole: loopback, and a socket that is read at once. */
static void frames(int fd, const uint8_t *b, size_t len)
{
    static const uint8_t pong[6] = {0x8a, 0x80, 1, 2, 3, 4};
    while (len >= 2) {
        size_t n = b[1] & 0x7f;
        size_t head = n == 126 ? 4 : 2;
        n = n == 126 && len >= 4 ? (size_t)b[2] << 8 | b[3] : n;
        unsigned op = b[0] & 0x0f;
        if (op == OP_PING) {
            pings++;
            lost += send(fd, pong, sizeof pong, MSG_NOSIGNAL) != sizeof pong;
        } else if (op == OP_CLOSE) {
            fprintf(stderr, "crowd: closed by the server\n");
            lost++;
        }
        if (head + n > len) {
            return;
        }
        b += head + n;
        len -= head + n;
    }
}

static void readable(int epoll, int fd, bool *open)
{
    static _Thread_local uint8_t bytes[RECV_BYTES];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            lost++;
            epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
        }
        return;
    }
    const uint8_t *b = bytes;
    size_t len = (size_t)n;
    if (!*open) {
        const uint8_t *end = memmem(b, len, "\r\n\r\n", 4);
        if (end == NULL || memcmp(b, "HTTP/1.1 101", 12) != 0) {
            fprintf(stderr, "crowd: %.*s\n", (int)len, (const char *)b);
            exit(1);
        }
        *open = true;
        opened++;
        len -= (size_t)(end + 4 - b);
        b = end + 4;
    }
    frames(fd, b, len);
}

static bool may_start(void)
{
    unsigned s = atomic_load(&started);
    return s < opt.conns && s - atomic_load(&opened) < opt.ahead;
}

static void *run(void *arg)
{
    (void)arg;
    close_range(~0u, ~0u, CLOSE_RANGE_UNSHARE);
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    bool *open = calloc(lim.rlim_cur, sizeof *open);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    unsigned own = 0;
    while (!atomic_load(&over)) {
        struct epoll_event events[EVENTS];
        bool more = own < TABLE_CONNS && may_start();
        if (more) {
            unsigned index = started++;
            if (index < opt.conns) {
                int fd = client_open(index);
                struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
                own++;
            }
        }
        int n = epoll_wait(epoll, events, EVENTS, more ? 0 : own < TABLE_CONNS ? 1 : 100);
        for (int i = 0; i < n; i++) {
            readable(epoll, events[i].data.fd, &open[events[i].data.fd]);
        }
    }
    free(open);
    return NULL; /* its table ends with it, and so do its connections */
}

/* Slab and socket memory of the machine, bytes. */
static double kernel_bytes(void)
{
    double slab = 0;
    double pages = 0;
    char line[256];
    FILE *f = fopen("/proc/meminfo", "re");
    while (fgets(line, sizeof line, f) != NULL) {
        (void)sscanf(line, "Slab: %lf", &slab);
    }
    fclose(f);
    f = fopen("/proc/net/sockstat", "re");
    while (fgets(line, sizeof line, f) != NULL) {
        (void)sscanf(line, "TCP: inuse %*d orphan %*d tw %*d alloc %*d mem %lf", &pages);
    }
    fclose(f);
    return slab * 1024 + pages * (double)sysconf(_SC_PAGESIZE);
}

static void rest(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds,
                         .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

static void measure(uint64_t begin, uint64_t cpu_begin, double kb, double anon_kb, double kernel)
{
    int pid = (int)opt.pid;
    double n = opt.conns;
    while (atomic_load(&opened) < opt.conns) {
        rest(0.01);
    }
    double opening_s = (double)(now_ns() - begin) / 1e9;
    double connect_us = (double)(cpu_ns_of(pid) - cpu_begin) / 1000 / n;
    rest(opt.rest_s);
    double settled_us = (double)(cpu_ns_of(pid) - cpu_begin) / 1000 / n;
    double rss = ((double)status_kb_of(pid, "VmRSS") - kb) * 1024 / n;
    double anon = ((double)status_kb_of(pid, "RssAnon") - anon_kb) * 1024 / n;
    double in_kernel = (kernel_bytes() - kernel) / 2 / n;
    uint64_t cpu = cpu_ns_of(pid);
    uint64_t at = now_ns();
    unsigned long long pinged = atomic_load(&pings);
    rest(opt.seconds);
    double idle_us = (double)(cpu_ns_of(pid) - cpu) / 1000 / ((double)(now_ns() - at) / 1e9) / n;
    printf("{\"conns\":%u,\"opening_s\":%.2f,\"rate\":%.0f,\"connect_us\":%.2f,"
           "\"settled_us\":%.2f,\"anon_bytes\":%.1f,\"rss_bytes\":%.1f,\"kernel_bytes\":%.0f,"
           "\"idle_us_s\":%.4f,\"pings\":%llu,\"lost\":%u}\n",
           opt.conns, opening_s, n / opening_s, connect_us, settled_us, anon, rss, in_kernel,
           idle_us, atomic_load(&pings) - pinged, atomic_load(&lost));
}

static void parse(int argc, char **argv)
{
    const struct {
        const char *name;
        uint32_t *number;
        const char **text;
    } known[] = {{"--port", &opt.port, NULL},       {"--pid", &opt.pid, NULL},
                 {"--conns", &opt.conns, NULL},     {"--ahead", &opt.ahead, NULL},
                 {"--rest", &opt.rest_s, NULL},     {"--seconds", &opt.seconds, NULL},
                 {"--limit", &opt.limit_s, NULL},   {"--clients", NULL, &opt.clients}};
    for (int i = 1; i + 1 < argc; i += 2) {
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(argv[i], known[k].name) != 0) {
            k++;
        }
        if (k == sizeof known / sizeof *known) {
            fprintf(stderr, "crowd: what is %s? See the head of bench/crowd.c\n", argv[i]);
            exit(2);
        } else if (known[k].number != NULL) {
            *known[k].number = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        } else {
            *known[k].text = argv[i + 1];
        }
    }
    if (opt.conns == 0 || opt.ahead == 0 || opt.clients == NULL) {
        fprintf(stderr, "crowd: see the head of bench/crowd.c\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    read_lines();
    alarm(opt.limit_s); /* a run that hangs ends */
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = lim.rlim_max;
    setrlimit(RLIMIT_NOFILE, &lim);
    unsigned count = (opt.conns + TABLE_CONNS - 1) / TABLE_CONNS;
    pthread_t *threads = calloc(count, sizeof *threads);
    double kernel = kernel_bytes();
    double kb = (double)status_kb_of((int)opt.pid, "VmRSS");
    double anon_kb = (double)status_kb_of((int)opt.pid, "RssAnon");
    uint64_t cpu = cpu_ns_of((int)opt.pid);
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, run, NULL) != 0) {
            die("pthread_create");
        }
    }
    measure(begin, cpu, kb, anon_kb, kernel);
    atomic_store(&over, true);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    return atomic_load(&lost) > 0;
}
