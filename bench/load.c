/*
 * load: drives a server that speaks the pubsub protocol (s ROOM, p ROOM DATA, e DATA, i DATA, c)
 * and checks every delivery. One thread on one core. Prints one JSON line; exits 1 when anything
 * was lost, doubled, out of order or damaged.
 *
 *     load --port P --pid SERVER --mode echo|fan|rooms|ingest|idle|storm --conns N
 *          [--inflight K] [--rate MESSAGES/S] [--burst B] [--publishers P] [--members M]
 *          [--warm S] [--seconds S] [--size 128] [--own-room] [--tls] [--socketio]
 *
 * --socketio speaks Socket.IO to a server of the events join, broadcast, message-with-ack, count
 * and counted in place of these commands (bench/peers/socketio_server.mjs is one).
 *
 * A latency counts from when the message was due: in a closed loop that is when it was sent.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define NS 1000000000.0

static double number(const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (*end != '\0' || end == text || v < 0) {
        fprintf(stderr, "load: not a number: %s\n", text);
        exit(2);
    }
    return v;
}

static void parse(struct options *o, int argc, char **argv)
{
    const struct {
        const char *name;
        uint32_t *whole;
        double *real;
    } numbers[] = {
        {"--port", &o->port, NULL},         {"--pid", &o->pid, NULL},
        {"--conns", &o->conns, NULL},       {"--inflight", &o->inflight, NULL},
        {"--rate", &o->rate, NULL},         {"--burst", &o->burst, NULL},
        {"--members", &o->members, NULL},   {"--publishers", &o->publishers, NULL},
        {"--size", &o->size, NULL},         {"--warm", NULL, &o->warm_s},
        {"--seconds", NULL, &o->seconds},
    };
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        size_t k = 0;
        while (k < sizeof numbers / sizeof *numbers && strcmp(argv[i], numbers[k].name) != 0) {
            k++;
        }
        if (strcmp(argv[i], "--own-room") == 0) {
            o->own_room = true;
            continue;
        }
        if (strcmp(argv[i], "--tls") == 0) {
            o->tls = true;
            continue;
        }
        if (strcmp(argv[i], "--socketio") == 0) {
            o->socketio = true;
            continue;
        }
        if (strcmp(argv[i], "--mode") == 0) {
            o->mode = value;
        } else if (k == sizeof numbers / sizeof *numbers) {
            fprintf(stderr, "load: what is %s? See the head of bench/load.c\n", argv[i]);
            exit(2);
        } else if (numbers[k].whole != NULL) {
            *numbers[k].whole = (uint32_t)number(value);
        } else {
            *numbers[k].real = number(value);
        }
        i++;
    }
}

static bool is(const struct load *l, const char *mode) { return strcmp(l->opt.mode, mode) == 0; }

/* Publishes for a while and reports; 1 when a check failed. */
static int traffic_run(struct load *l)
{
    load_connect(l, 0, l->pool.count, 128);
    load_arrange(l);
    uint64_t t = now_ns();
    load_run(l, t + (uint64_t)(l->opt.warm_s * NS));

    uint64_t begin = now_ns();
    uint64_t cpu = cpu_ns_of((int)l->opt.pid);
    uint64_t delivered = l->delivered;
    uint64_t published = l->published;
    l->measuring = true;
    load_run(l, begin + (uint64_t)(l->opt.seconds * NS));
    double seconds = (double)(now_ns() - begin) / NS;
    double cpu_us = (double)(cpu_ns_of((int)l->opt.pid) - cpu) / 1000;
    l->measuring = false;
    uint64_t messages = is(l, "ingest") ? l->published - published : l->delivered - delivered;
    load_settle(l);

    printf("{\"mode\":\"%s\",\"conns\":%u,\"messages\":%llu,\"rate\":%.0f,\"cpu_us\":%.4f,"
           "\"busy\":%.3f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"lost\":%llu,"
           "\"doubled\":%llu,\"misordered\":%llu,\"damaged\":%llu}\n",
           l->opt.mode, l->opt.conns, (unsigned long long)messages, (double)messages / seconds,
           messages == 0 ? 0 : cpu_us / (double)messages, cpu_us / seconds / 1e6,
           (double)hist_at(&l->latency, 0.5) / 1000, (double)hist_at(&l->latency, 0.99) / 1000,
           (double)l->latency.max_ns / 1000, (unsigned long long)l->lost,
           (unsigned long long)l->doubled, (unsigned long long)l->misordered,
           (unsigned long long)l->damaged);
    return l->lost + l->doubled + l->misordered + l->damaged + l->pool.failed > 0;
}

int main(int argc, char **argv)
{
    struct load l = {.opt = {.mode = "echo", .conns = 1, .inflight = 1, .burst = 1,
                             .publishers = 1, .members = 10, .seconds = 1, .size = 128}};
    parse(&l.opt, argc, argv);
    if (l.opt.size < 32 || l.opt.size > 60000 || l.opt.conns == 0 || l.opt.burst == 0 ||
        l.opt.inflight == 0 || l.opt.publishers == 0 || l.opt.members == 0) {
        fprintf(stderr, "load: a size of 32-60000, and nothing of the rest may be 0\n");
        return 2;
    }
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = lim.rlim_max;
    setrlimit(RLIMIT_NOFILE, &lim);
    prctl(PR_SET_TIMERSLACK, 1); /* messages leave when they are due, not in clumps of 50 us */
    pool_init(&l.pool, l.opt.conns + (is(&l, "fan") ? l.opt.publishers : 0));
    l.pool.socketio = l.opt.socketio;
    if (l.opt.tls) {
        pool_use_tls(&l.pool);
    }
    int rc = is(&l, "idle") ? idle_run(&l) : is(&l, "storm") ? storm_run(&l) : traffic_run(&l);
    pool_close(&l.pool);
    free(l.publishers);
    return rc;
}
