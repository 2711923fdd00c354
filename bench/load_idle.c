/* Connections that do nothing: what one costs to open, to keep in memory, and to keep alive. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000u
#define STORM_AHEAD 128u  /* handshakes on the way: below every peer's backlog */
#define REST_MS 2000u     /* before memory is read: allocators and collectors come to rest */

static void serve_for(struct load *l, double ms)
{
    for (uint64_t end = now_ns() + (uint64_t)(ms * MS); now_ns() < end;) {
        pool_poll(&l->pool, 50 * MS);
    }
}

static void on_text(struct pool *p, struct client *c, const uint8_t *text, size_t len)
{
    struct load *l = p->user;
    (void)c;
    l->subscribed += len > 3 && memcmp(text, "ok ", 3) == 0;
}

static void subscribe_own(struct load *l)
{
    for (uint32_t i = 0; i < l->opt.conns; i++) {
        char text[NAME_BYTES];
        int n = snprintf(text, sizeof text, "s r%u", i);
        client_send(&l->pool, &l->pool.items[i], text, (size_t)n);
        if (i % 64 == 63) {
            pool_poll(&l->pool, 0);
        }
    }
    for (uint64_t end = now_ns() + 10000ull * MS; l->subscribed < l->opt.conns;) {
        pool_poll(&l->pool, 50 * MS);
        if (now_ns() > end) {
            fprintf(stderr, "load: %u subscriptions answered\n", l->subscribed);
            exit(1);
        }
    }
}

int idle_run(struct load *l)
{
    int pid = (int)l->opt.pid;
    l->pool.on_text = on_text;
    l->pool.user = l;
    uint64_t anon = status_kb_of(pid, "RssAnon");
    uint64_t rss = status_kb_of(pid, "VmRSS");
    load_connect(l, 0, l->opt.conns, STORM_AHEAD);
    if (l->opt.own_room) {
        subscribe_own(l);
    }
    serve_for(l, REST_MS);
    double n = l->opt.conns;
    double anon_bytes = ((double)status_kb_of(pid, "RssAnon") - (double)anon) * 1024 / n;
    double rss_bytes = ((double)status_kb_of(pid, "VmRSS") - (double)rss) * 1024 / n;
    uint64_t cpu = cpu_ns_of(pid);
    uint64_t pings = l->pool.pings;
    uint64_t begin = now_ns();
    serve_for(l, l->opt.seconds * 1000);
    double seconds = (double)(now_ns() - begin) / 1e9;
    double cpu_us = (double)(cpu_ns_of(pid) - cpu) / 1000;
    printf("{\"mode\":\"idle\",\"conns\":%u,\"anon_bytes\":%.1f,\"rss_bytes\":%.1f,"
           "\"cpu_us_s\":%.4f,\"pings\":%llu,\"lost\":%u}\n",
           l->opt.conns, anon_bytes, rss_bytes, cpu_us / seconds / n,
           (unsigned long long)(l->pool.pings - pings), l->pool.failed);
    return l->pool.failed > 0;
}

int storm_run(struct load *l)
{
    uint32_t warm = l->opt.conns / 4;
    load_connect(l, 0, warm, STORM_AHEAD);
    uint64_t cpu = cpu_ns_of((int)l->opt.pid);
    uint64_t begin = now_ns();
    load_connect(l, warm, l->opt.conns, STORM_AHEAD);
    double n = l->opt.conns - warm;
    double seconds = (double)(now_ns() - begin) / 1e9;
    double cpu_us = (double)(cpu_ns_of((int)l->opt.pid) - cpu) / 1000;
    printf("{\"mode\":\"storm\",\"conns\":%u,\"rate\":%.0f,\"cpu_us\":%.3f,\"per_core_s\":%.0f,"
           "\"lost\":%u}\n",
           l->opt.conns, n / seconds, cpu_us / n, n * 1e6 / cpu_us, l->pool.failed);
    return l->pool.failed > 0;
}
