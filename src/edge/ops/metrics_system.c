/* /metrics: the hub, the journal, the store, the process. */
#include "edge/ops/scrape.h"

#include <stdio.h>

void collect_topics(struct scrape *s) { scrape_plain(s, (double)SUM(s, hub_stats, topics)); }

void collect_subscriptions(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, subscriptions));
}

void collect_published_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, published));
}

void collect_delivered_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, delivered));
}

void collect_joined_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, joined));
}

void collect_slow_readers_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, slow_closed));
}

void collect_merged_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, merged));
}

void collect_dropped_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, dropped));
}

void collect_outbox_bytes(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, outbox_bytes));
}

/* Sums one count over the journals of all loops. */
#define JOURNAL_SUM(s, member) journal_sum(s, offsetof(struct journal_stats, member))

static double journal_sum(const struct scrape *s, size_t at)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        struct journal_stats stats = {0};
        if (home != NULL && home->journal != NULL) {
            journal_stats(home->journal, &stats);
        }
        sum += *(const uint64_t *)(const void *)((const char *)&stats + at);
    }
    return (double)sum;
}

#define COLLECT_JOURNAL(name, member)                                                              \
    void collect_journal_##name(struct scrape *s)                                           \
    {                                                                                              \
        scrape_plain(s, JOURNAL_SUM(s, member));                                                   \
    }
COLLECT_JOURNAL(published_total, published)
COLLECT_JOURNAL(parked, parked)
COLLECT_JOURNAL(holes_total, holes)
COLLECT_JOURNAL(replays_total, replays)
COLLECT_JOURNAL(replayed_total, replayed)
COLLECT_JOURNAL(pages_total, replay_pages)
COLLECT_JOURNAL(gaps_total, gaps)

void collect_store_commit_seconds(struct scrape *s)
{
    double bounds[STORE_COMMIT_BUCKETS];
    for (unsigned i = 0; i < STORE_COMMIT_BUCKETS; i++) {
        bounds[i] = (double)store_commit_bound_ns(i) / 1e9;
    }
    scrape_histogram(s, bounds, s->store.commit_buckets, STORE_COMMIT_BUCKETS,
              (double)s->store.commit_ns_sum / 1e9);
}

void collect_store_commits_total(struct scrape *s)
{
    scrape_plain(s, (double)s->store.commits);
}

void collect_store_rows_total(struct scrape *s)
{
    scrape_plain(s, (double)s->store.rows_written);
}

void collect_store_failures_total(struct scrape *s)
{
    scrape_plain(s, (double)s->store.failures);
}

void collect_store_queue(struct scrape *s)
{
    scrape_labelled(s, "kind", "write", (double)s->store.write_waiting);
    scrape_labelled(s, "kind", "read", (double)s->store.read_waiting);
}

void collect_store_unsettled(struct scrape *s)
{
    scrape_plain(s, (double)s->store.unsettled);
}

void collect_store_bytes(struct scrape *s) { scrape_plain(s, (double)s->store.file_bytes); }

void collect_store_up(struct scrape *s)
{
    scrape_plain(s, s->store.health == ERR_NONE ? 1 : 0);
}

/* `at` is of one of the two counts. */
static void caches(struct scrape *s, size_t at)
{
    for (unsigned c = 0; c < CACHE_COUNT; c++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < s->ops->edge_count; i++) {
            const struct home *home = s->ops->edges[i]->home;
            if (home != NULL) {
                const char *count = (const char *)&home->caches[c];
                sum += scrape_load((const _Atomic uint64_t *)(const void *)(count + at));
            }
        }
        scrape_labelled(s, "cache", home_cache_name((enum home_cache)c), (double)sum);
    }
}

void collect_cache_hits_total(struct scrape *s)
{
    caches(s, offsetof(struct cache_count, hits));
}

void collect_cache_misses_total(struct scrape *s)
{
    caches(s, offsetof(struct cache_count, misses));
}

void collect_alert(struct scrape *s)
{
    for (unsigned a = 0; a < ALERT_COUNT; a++) {
        bool on = atomic_load_explicit(&s->ops->alerts[a], memory_order_relaxed);
        scrape_labelled(s, "name", alert_name((enum alert)a), on ? 1 : 0);
    }
}

void collect_log_dropped_total(struct scrape *s)
{
    if (s->ops->log_dropped != NULL) {
        scrape_plain(s, (double)s->ops->log_dropped(s->ops->log_arg));
    }
}

void collect_uptime_seconds(struct scrape *s)
{
    scrape_plain(s, (double)((loop_now_ns(s->own->loop) - s->ops->started_ns) / 1000000) / 1e3);
}

void collect_tls_handshakes_total(struct scrape *s)
{
    scrape_labelled(s, "version", "1.2", (double)SUM(s, net_stats, tls_handshakes[0]));
    scrape_labelled(s, "version", "1.3", (double)SUM(s, net_stats, tls_handshakes[1]));
}

void collect_tls_resumed_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, tls_resumed));
}

void collect_tls_handshake_failures_total(struct scrape *s)
{
    size_t first = offsetof(struct net_stats, tls_faults);
    for (enum tls_fault f = TLS_FAULT_NONE + 1; f < TLS_FAULT_COUNT; f++) {
        scrape_labelled(s, "reason", tls_fault_label(f),
                 (double)sum_net_stats(s, first + f * sizeof(_Atomic uint64_t)));
    }
}

/* A file's name as a label: what would end it, or the line, is left out. */
static void label_clean(const char *text, char *out, size_t room)
{
    size_t at = 0;
    for (; *text != '\0' && at + 1 < room; text++) {
        if (*text != '"' && *text != '\\' && (unsigned char)*text >= ' ') {
            out[at++] = *text;
        }
    }
    out[at] = '\0';
}

void collect_tls_certificate_expiry_seconds(struct scrape *s)
{
    const struct tls_server *tls = net_tls_server(s->own->net);
    for (unsigned i = 0; tls != NULL && i < tls_server_cert_count(tls); i++) {
        char name[96];
        const struct tls_cert_info *info = tls_server_cert(tls, i);
        label_clean(info->file, name, sizeof name);
        scrape_labelled(s, "file", name,
                 (double)(info->ends_s - loop_wall_ms(s->own->loop) / 1000));
    }
}

void collect_build_info(struct scrape *s)
{
    scrape_labelled(s, "version", SIGNALBOX_VERSION, 1);
}

void collect_process_cpu_seconds_total(struct scrape *s)
{
    scrape_plain(s, s->process.cpu_s);
}

void collect_process_resident_memory_bytes(struct scrape *s)
{
    scrape_plain(s, (double)s->process.rss_bytes);
}

void collect_process_open_fds(struct scrape *s) { scrape_plain(s, (double)s->process.fds); }

void collect_process_max_fds(struct scrape *s)
{
    scrape_plain(s, (double)s->process.fds_max);
}
