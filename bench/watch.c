/*
 * Clients of the devices' bench: Socket.IO connections of one user, most of which only are there,
 * some of which subscribe to telemetry and measure how old each value is. Values are the sender's
 * monotonic clock in microseconds modulo 10^9 (signalbox simulate --clock-values).
 *
 *     WATCH_TOKEN=... watch --port P --idle N --watchers K --each M --devices FILE
 *
 * FILE has a device's id at the beginning of each line. Prints {"ready":true} when everything is
 * subscribed; at the end of its input prints what came in since then, and ends.
 */
#include "client.h"
#include "stats.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH "/socket.io/?EIO=4&transport=websocket"
#define ID_LEN 36
#define MODULUS 1000000000
#define OPEN_S 60

struct watch {
    struct pool pool;
    const char *token;
    char (*ids)[ID_LEN + 1];
    uint32_t id_count;
    uint32_t watchers, each;
    uint32_t joined, subscribed, wanted;
    uint64_t refused;
    uint64_t updates; /* counted ones */
    bool counting;
    struct hist age;
};

static void die(const char *why)
{
    fprintf(stderr, "watch: %s\n", why);
    exit(1);
}

static void subscribe(struct watch *w, struct client *c)
{
    char text[128];
    for (uint32_t i = 0; c->index < w->watchers && i < w->each; i++) {
        uint32_t at = (c->index * w->each + i) % w->id_count;
        int n = snprintf(text, sizeof text, "42%u[\"telemetry:subscribe\",{\"deviceId\":\"%s\"}]",
                         i, w->ids[at]);
        client_queue_frame(c, text, (size_t)n);
    }
}

/* How old the value of an update is; the ones that a subscription begins with are old by nature. */
static void on_update(struct watch *w, const uint8_t *text, size_t len)
{
    static const char value[] = "\"value\":";
    const uint8_t *at = memmem(text, len, value, sizeof value - 1);
    if (at == NULL || memmem(text, len, "\"initial\":true", 14) != NULL) {
        return;
    }
    uint64_t sent = strtoull((const char *)at + sizeof value - 1, NULL, 10);
    uint64_t now = now_ns() / 1000 % MODULUS;
    w->updates++;
    hist_add(&w->age, (now + MODULUS - sent) % MODULUS * 1000);
}

static void on_text(struct pool *p, struct client *c, const uint8_t *text, size_t len)
{
    static const char update[] = "42[\"telemetry:update\"";
    struct watch *w = p->user;
    char connect[8192];
    if (len > sizeof update && memcmp(text, update, sizeof update - 1) == 0) {
        if (w->counting) {
            on_update(w, text, len);
        }
    } else if (len == 1 && text[0] == '2') {
        client_queue_frame(c, "3", 1);
        p->pings++;
    } else if (text[0] == '0') {
        int n = snprintf(connect, sizeof connect, "40{\"token\":\"%s\"}", w->token);
        client_queue_frame(c, connect, (size_t)n);
    } else if (len > 2 && memcmp(text, "40", 2) == 0) {
        w->joined++;
        subscribe(w, c);
    } else if (len > 2 && memcmp(text, "43", 2) == 0) {
        bool ok = memmem(text, len, "\"ok\":true", 9) != NULL;
        w->subscribed += ok;
        w->refused += !ok;
        if (!ok) {
            fprintf(stderr, "watch: %.*s\n", (int)len, (const char *)text);
        }
    } else if (len > 2 && memcmp(text, "44", 2) == 0) {
        fprintf(stderr, "watch: %.*s\n", (int)len, (const char *)text);
        p->failed++;
    }
}

static void read_ids(struct watch *w, const char *path)
{
    FILE *f = fopen(path, "re");
    char line[8192];
    if (f == NULL) {
        die(strerror(errno));
    }
    w->ids = calloc(w->watchers * w->each + 1, sizeof *w->ids);
    while (w->id_count < w->watchers * w->each && fgets(line, sizeof line, f) != NULL) {
        if (strlen(line) > ID_LEN) {
            memcpy(w->ids[w->id_count++], line, ID_LEN);
        }
    }
    fclose(f);
    if (w->watchers * w->each > 0 && w->id_count == 0) {
        die("no devices");
    }
}

static void open_all(struct watch *w, unsigned port)
{
    uint64_t end = now_ns() + OPEN_S * 1000000000ull;
    for (uint32_t i = 0; i < w->pool.count; i++) {
        if (!pool_connect(&w->pool, i, port, PATH)) {
            die("a connection was refused");
        }
        if (i % 64 == 63) {
            pool_poll(&w->pool, 1000000);
        }
    }
    while (w->joined < w->pool.count || w->subscribed < w->wanted) {
        pool_poll(&w->pool, 10000000);
        if (w->pool.failed > 0 || w->refused > 0 || now_ns() > end) {
            fprintf(stderr, "watch: %u of %u joined, %u of %u subscribed\n", w->joined,
                    w->pool.count, w->subscribed, w->wanted);
            exit(1);
        }
    }
}

static bool input_ended(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static double ms(uint64_t ns) { return (double)ns / 1e6; }

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},     {"idle", required_argument, NULL, 'i'},
        {"watchers", required_argument, NULL, 'w'}, {"each", required_argument, NULL, 'e'},
        {"devices", required_argument, NULL, 'd'},  {NULL, 0, NULL, 0}};
    static struct watch w;
    unsigned port = 0;
    uint32_t idle = 0;
    const char *devices = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        unsigned long n = optarg == NULL || c == 'd' ? 0 : strtoul(optarg, NULL, 10);
        port = c == 'p' ? (unsigned)n : port;
        idle = c == 'i' ? (uint32_t)n : idle;
        w.watchers = c == 'w' ? (uint32_t)n : w.watchers;
        w.each = c == 'e' ? (uint32_t)n : w.each;
        devices = c == 'd' ? optarg : devices;
    }
    w.token = getenv("WATCH_TOKEN");
    if (port == 0 || devices == NULL || w.token == NULL || strlen(w.token) > 8000) {
        die("--port, --devices and WATCH_TOKEN are needed");
    }
    read_ids(&w, devices);
    w.wanted = w.watchers * w.each;
    pool_init(&w.pool, idle + w.watchers);
    w.pool.on_text = on_text;
    w.pool.user = &w;
    open_all(&w, port);
    puts("{\"ready\":true}");
    fflush(stdout);
    w.counting = true;
    uint64_t begin = now_ns();
    while (!input_ended()) {
        pool_poll(&w.pool, 20000000);
    }
    printf("{\"seconds\":%.3f,\"updates\":%llu,\"failed\":%u,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
           "\"max_ms\":%.3f}\n",
           (double)(now_ns() - begin) / 1e9, (unsigned long long)w.updates, w.pool.failed,
           ms(hist_at(&w.age, 0.5)), ms(hist_at(&w.age, 0.99)), ms(w.age.max_ns));
    pool_close(&w.pool);
    free(w.ids);
    return 0;
}
