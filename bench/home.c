/*
 * home: clients of the home wire, /ws, anonymous ones on the loopback. One thread on one core. Each
 * mode prints one JSON line; exits 1 when something was lost or doubled.
 *
 *     home --mode idle|beat|fan|storm --port P --pid SERVER --conns N [--room R] [--seconds S]
 *          [--rest S] [--changes K] [--entities E --rate R --devices FILE]
 *
 *   idle   memory of each
 *   beat   heartbeats for --seconds: CPU time of each; and for as long again how long the loop
 *          answers nothing: an echo every 2 ms beside them (--conformance on, one loop)
 *   fan    --changes of one entity, set over REST (HOME_TOKEN), each told to all
 *   storm  bench/home_storm.c
 */
#include "home.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define AHEAD 128u /* handshakes on the way */
#define PROBE_MS 2
#define CHANGE_S 10 /* within which all have heard of one */

void die(const char *why)
{
    fprintf(stderr, "home: %s\n", why);
    exit(1);
}

void home_open(struct home_bench *b, uint32_t from, uint32_t to, const char *path)
{
    uint64_t end = now_ns() + OPEN_MS * MS;
    uint32_t before = b->pool.opened;
    for (uint32_t i = from; b->pool.opened - before < to - from;) {
        for (; i < to && i - from - (b->pool.opened - before) < AHEAD; i++) {
            pool_connect(&b->pool, i, b->port, path);
        }
        pool_poll(&b->pool, 100 * MS);
        if (b->pool.failed > 0 || now_ns() > end) {
            fprintf(stderr, "home: %u of %u opened\n", b->pool.opened - before, to - from);
            exit(1);
        }
    }
}

void home_serve(struct home_bench *b, uint64_t ms)
{
    for (uint64_t end = now_ns() + ms * MS; now_ns() < end;) {
        pool_poll(&b->pool, 10 * MS);
    }
}

bool home_member(const uint8_t *text, size_t len, const char *name, const char **at, size_t *n)
{
    char key[40];
    int k = snprintf(key, sizeof key, "\"%s\":", name);
    const uint8_t *p = memmem(text, len, key, (size_t)k);
    if (p == NULL) {
        return false;
    }
    p += k;
    const uint8_t *end = text + len;
    bool string = p < end && *p == '"';
    p += string;
    const uint8_t *q = p;
    while (q < end && (string ? *q != '"' : *q != ',' && *q != '}')) {
        q++;
    }
    *at = (const char *)p;
    *n = (size_t)(q - p);
    return true;
}

bool home_is(const uint8_t *text, size_t len, const char *type)
{
    char head[48];
    int n = snprintf(head, sizeof head, "{\"type\":\"%s\"", type);
    return len > (size_t)n && memcmp(text, head, (size_t)n) == 0;
}

void home_subscribe(struct home_bench *b, struct client *c, uint32_t room, bool snapshot)
{
    char text[128];
    int n = snprintf(text, sizeof text,
                     "{\"id\":\"s\",\"type\":\"subscribe_room\",\"data\":{\"room_id\":%u%s}}", room,
                     snapshot ? ",\"snapshot\":true" : "");
    client_send(&b->pool, c, text, (size_t)n);
}

/* --- idle --- */

static void count(struct pool *p, struct client *c, const uint8_t *text, size_t len)
{
    struct home_bench *b = p->user;
    const char *at;
    size_t n;
    (void)c;
    if (home_is(text, len, "heartbeat")) {
        b->heartbeats++;
    } else if (home_is(text, len, "result")) {
        bool ok = home_member(text, len, "ok", &at, &n) && n == 4;
        b->answered += ok;
        b->refused += !ok;
    } else if (home_is(text, len, "error")) {
        b->refused++;
    }
}

static void crowd_in(struct home_bench *b)
{
    home_open(b, 0, b->conns, HOME_PATH);
    for (uint32_t i = 0; b->room > 0 && i < b->conns; i++) {
        home_subscribe(b, &b->pool.items[i], b->room, false);
        if (i % 64 == 63) {
            pool_poll(&b->pool, 0);
        }
    }
    for (uint64_t end = now_ns() + OPEN_MS * MS; b->room > 0 && b->answered < b->conns;) {
        pool_poll(&b->pool, 50 * MS);
        if (b->refused > 0 || now_ns() > end) {
            die("the subscriptions are not answered");
        }
    }
    home_serve(b, (uint64_t)(b->rest_s * 1000));
}

static int idle_run(struct home_bench *b)
{
    uint64_t anon = status_kb_of(b->pid, "RssAnon");
    uint64_t rss = status_kb_of(b->pid, "VmRSS");
    crowd_in(b);
    printf("{\"conns\":%u,\"anon_bytes\":%.1f,\"rss_bytes\":%.1f,\"failed\":%u}\n", b->conns,
           (double)(status_kb_of(b->pid, "RssAnon") - anon) * 1024 / b->conns,
           (double)(status_kb_of(b->pid, "VmRSS") - rss) * 1024 / b->conns, b->pool.failed);
    return b->pool.failed > 0;
}

/* --- beat --- */

struct probe {
    struct client *client;
    uint64_t sent_ns; /* 0: nothing is on the way */
    struct hist round;
    uint64_t echoes;
};

static void on_beat(struct pool *p, struct client *c, const uint8_t *text, size_t len)
{
    struct home_bench *b = p->user;
    struct probe *probe = b->user;
    if (c != probe->client) {
        count(p, c, text, len);
    } else if (probe->sent_ns != 0) {
        hist_add(&probe->round, now_ns() - probe->sent_ns);
        probe->sent_ns = 0;
        probe->echoes++;
    }
}

/* Echoes for a while. */
static void probe_for(struct home_bench *b, struct probe *probe, double seconds)
{
    uint64_t begin = now_ns();
    uint64_t due = begin;
    while (now_ns() < begin + (uint64_t)(seconds * SECOND)) {
        if (probe->sent_ns == 0 && now_ns() >= due) {
            probe->sent_ns = now_ns();
            due = probe->sent_ns + PROBE_MS * MS;
            client_send(&b->pool, probe->client, "e x", 3);
        }
        pool_poll(&b->pool, MS / 2);
    }
}

static int beat_run(struct home_bench *b)
{
    static struct probe alone, beside;
    alone.client = beside.client = &b->pool.items[b->conns];
    b->pool.on_text = on_beat;
    b->user = &alone;
    home_open(b, b->conns, b->conns + 1, "/conformance/pubsub");
    probe_for(b, &alone, b->seconds / 2);
    uint64_t cpu = cpu_ns_of(b->pid);
    home_serve(b, (uint64_t)(b->seconds * 1000 / 2));
    double rest_us = (double)(cpu_ns_of(b->pid) - cpu) / 1e3 / (b->seconds / 2);

    crowd_in(b);
    uint64_t before = b->heartbeats;
    cpu = cpu_ns_of(b->pid);
    home_serve(b, (uint64_t)(b->seconds * 1000));
    double beats = (double)(b->heartbeats - before);
    double us = (double)(cpu_ns_of(b->pid) - cpu) / 1e3 - rest_us * b->seconds;
    b->user = &beside;
    probe_for(b, &beside, b->seconds);
    printf("{\"conns\":%u,\"heartbeats\":%.0f,\"us_each\":%.3f,\"rest_us_s\":%.0f,"
           "\"stall_ms\":%.2f,\"stall_p99_ms\":%.2f,\"rest_stall_ms\":%.2f,\"failed\":%u}\n",
           b->conns, beats, beats == 0 ? 0 : us / beats, rest_us,
           (double)beside.round.max_ns / 1e6, (double)hist_at(&beside.round, 0.99) / 1e6,
           (double)alone.round.max_ns / 1e6, b->pool.failed);
    return b->pool.failed > 0 || beats == 0;
}

/* --- fan --- */

struct fan {
    uint32_t change;    /* the one that is on its way */
    uint64_t begin_ns;
    uint32_t heard;
    uint64_t wrong;     /* doubled or out of order */
    uint64_t bytes;
    struct hist each, last;
};

static void on_fan(struct pool *p, struct client *c, const uint8_t *text, size_t len)
{
    struct home_bench *b = p->user;
    struct fan *f = b->user;
    const char *at;
    size_t n;
    if (!home_is(text, len, "entity_state_changed")) {
        count(p, c, text, len);
        return;
    }
    if (!home_member(text, len, "new_state", &at, &n) || strtoul(at, NULL, 10) != f->change ||
        c->room == f->change) {
        f->wrong++;
        return;
    }
    c->room = f->change;
    f->heard++;
    f->bytes = len;
    hist_add(&f->each, p->now_ns - f->begin_ns);
}

static int rest_connect(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = CHANGE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        die("REST is not there");
    }
    return fd;
}

static void post_change(int fd, unsigned port, uint32_t change)
{
    char body[64], text[4096];
    const char *token = getenv("HOME_TOKEN");
    int k = snprintf(body, sizeof body, "{\"state\":\"%u\"}", change);
    int n = snprintf(text, sizeof text,
                     "POST /api/v1/entities/light.fan/state HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                     "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                     "Content-Length: %d\r\n\r\n%s",
                     port, token == NULL ? "" : token, k, body);
    if (n >= (int)sizeof text || send(fd, text, (size_t)n, MSG_NOSIGNAL) != n) {
        die("REST takes no request");
    }
}

static void await_answer(int fd)
{
    char text[8192];
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    if (n < 12 || memcmp(text, "HTTP/1.1 20", 11) != 0) {
        fprintf(stderr, "home: %.*s\n", n < 0 ? 0 : (int)n, text);
        die("a change was refused");
    }
}

static int fan_run(struct home_bench *b)
{
    static struct fan f;
    int rest = rest_connect(b->port);
    uint64_t cpu = 0;
    crowd_in(b);
    b->user = &f;
    b->pool.on_text = on_fan;
    for (f.change = 1; f.change <= b->changes + 1; f.change++) { /* the first is the warm-up */
        uint64_t before = cpu_ns_of(b->pid);
        f.heard = 0;
        f.begin_ns = now_ns();
        post_change(rest, b->port, f.change);
        while (f.heard < b->conns && now_ns() < f.begin_ns + CHANGE_S * SECOND) {
            pool_poll(&b->pool, 50 * MS);
        }
        if (f.heard < b->conns) {
            fprintf(stderr, "home: %u of %u heard change %u\n", f.heard, b->conns, f.change);
            return 1;
        }
        uint64_t took = now_ns() - f.begin_ns;
        await_answer(rest);
        home_serve(b, 20);
        if (f.change == 1) {
            memset(&f.each, 0, sizeof f.each);
        } else {
            hist_add(&f.last, took);
            cpu += cpu_ns_of(b->pid) - before;
        }
    }
    printf("{\"conns\":%u,\"changes\":%u,\"bytes\":%llu,\"cpu_us\":%.3f,\"p50_ms\":%.2f,"
           "\"last_p50_ms\":%.2f,\"last_max_ms\":%.2f,\"wrong\":%llu,\"failed\":%u}\n",
           b->conns, b->changes, (unsigned long long)f.bytes,
           (double)cpu / 1e3 / b->changes / b->conns, (double)hist_at(&f.each, 0.5) / 1e6,
           (double)hist_at(&f.last, 0.5) / 1e6, (double)f.last.max_ns / 1e6,
           (unsigned long long)f.wrong, b->pool.failed);
    close(rest);
    return f.wrong > 0 || b->pool.failed > 0;
}

/* --- */

static void parse(struct home_bench *b, int argc, char **argv)
{
    static const struct option options[] = {
        {"mode", 1, NULL, 'm'},    {"port", 1, NULL, 'p'},     {"pid", 1, NULL, 'P'},
        {"conns", 1, NULL, 'n'},   {"room", 1, NULL, 'r'},     {"changes", 1, NULL, 'c'},
        {"seconds", 1, NULL, 's'}, {"rest", 1, NULL, 'R'},     {"entities", 1, NULL, 'e'},
        {"rate", 1, NULL, 'a'},    {"devices", 1, NULL, 'd'},  {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        double v = optarg == NULL ? 0 : strtod(optarg, NULL);
        switch (c) {
        case 'm': b->mode = optarg; break;
        case 'p': b->port = (unsigned)v; break;
        case 'P': b->pid = (int)v; break;
        case 'n': b->conns = (uint32_t)v; break;
        case 'r': b->room = (uint32_t)v; break;
        case 'c': b->changes = (uint32_t)v; break;
        case 's': b->seconds = v; break;
        case 'R': b->rest_s = v; break;
        case 'e': b->entities = (uint32_t)v; break;
        case 'a': b->rate = (uint32_t)v; break;
        case 'd': b->devices = optarg; break;
        default: exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    static struct home_bench b = {.mode = "idle", .conns = 100, .changes = 20, .seconds = 2,
                                  .rest_s = 1, .entities = 1000, .rate = 10000};
    struct rlimit lim;
    parse(&b, argc, argv);
    if (b.port == 0 || b.pid == 0 || b.conns == 0 || b.changes == 0 || b.seconds <= 0) {
        die("--port and --pid are needed, and no count may be 0; see the head of bench/home.c");
    }
    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = lim.rlim_max;
    setrlimit(RLIMIT_NOFILE, &lim);
    b.pool.user = &b;
    b.pool.on_text = count;
    if (strcmp(b.mode, "storm") == 0) {
        return storm_run(&b);
    }
    pool_init(&b.pool, b.conns + 1);
    int rc = strcmp(b.mode, "idle") == 0   ? idle_run(&b)
             : strcmp(b.mode, "beat") == 0 ? beat_run(&b)
             : strcmp(b.mode, "fan") == 0  ? fan_run(&b)
                                           : 2;
    pool_close(&b.pool);
    return rc;
}
