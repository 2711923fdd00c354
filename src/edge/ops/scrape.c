#include "edge/ops/scrape.h"

#include "codec/json/write.h"

#include <stdio.h>
#include <string.h>

uint64_t scrape_load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static uint64_t counter_at(const void *stats, size_t at)
{
    return scrape_load((const _Atomic uint64_t *)(const void *)((const char *)stats + at));
}

uint64_t sum_net_stats(const struct scrape *s, size_t at)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        sum += counter_at(net_stats(s->ops->edges[i]->net), at);
    }
    return sum;
}

uint64_t sum_hub_stats(const struct scrape *s, size_t at)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        sum += counter_at(hub_stats(s->ops->edges[i]->hub), at);
    }
    return sum;
}

uint64_t sum_edge_stats(const struct scrape *s, size_t at)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        sum += counter_at(&s->ops->edges[i]->stats, at);
    }
    return sum;
}

void scrape_sample(struct scrape *s, const char *suffix, const char *labels, double value)
{
    buf_append_str(s->out, s->name);
    buf_append_str(s->out, suffix);
    if (labels[0] != '\0') {
        buf_printf(s->out, "{%s}", labels);
    }
    buf_append_byte(s->out, ' ');
    json_put_double(s->out, value); /* the same form: shortest, no locale */
    buf_append_byte(s->out, '\n');
}

void scrape_plain(struct scrape *s, double value) { scrape_sample(s, "", "", value); }

void scrape_labelled(struct scrape *s, const char *name, const char *value, double number)
{
    char labels[128];
    snprintf(labels, sizeof labels, "%s=\"%s\"", name, value);
    scrape_sample(s, "", labels, number);
}

/* --- sets of names --- */

/* The same name may stand in different rows on different loops: sums over all for each name that
 * the loop before it has not shown yet. */
static uint64_t names_sum(const struct scrape *s, size_t at, const char *name)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct stats_names *set =
            (const void *)((const char *)&s->ops->edges[i]->stats + at);
        for (unsigned r = 0; r < STATS_NAMES_MAX; r++) {
            const char *here = atomic_load_explicit(&set->rows[r].name, memory_order_acquire);
            if (here == NULL) {
                break;
            }
            sum += strcmp(here, name) == 0 ? scrape_load(&set->rows[r].count) : 0;
        }
    }
    return sum;
}

static bool names_seen(const struct scrape *s, size_t at, unsigned edges, const char *name)
{
    for (unsigned i = 0; i < edges; i++) {
        const struct stats_names *set =
            (const void *)((const char *)&s->ops->edges[i]->stats + at);
        for (unsigned r = 0; r < STATS_NAMES_MAX; r++) {
            const char *here = atomic_load_explicit(&set->rows[r].name, memory_order_acquire);
            if (here == NULL) {
                break;
            }
            if (strcmp(here, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

void scrape_names(struct scrape *s, size_t at, const char *label)
{
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct stats_names *set =
            (const void *)((const char *)&s->ops->edges[i]->stats + at);
        for (unsigned r = 0; r < STATS_NAMES_MAX; r++) {
            const char *name = atomic_load_explicit(&set->rows[r].name, memory_order_acquire);
            char labels[192];
            if (name == NULL) {
                break;
            }
            if (!names_seen(s, at, i, name)) {
                snprintf(labels, sizeof labels, "%s=\"%s\"", label, name);
                scrape_sample(s, "", labels, (double)names_sum(s, at, name));
            }
        }
    }
}

/* --- times --- */

void scrape_times_of(struct scrape *s, size_t at, const char *prefix, const char *bare)
{
    char labels[128];
    uint64_t below = 0;
    for (unsigned b = 0; b < STATS_BUCKETS; b++) {
        size_t bucket = at + offsetof(struct stats_times, buckets) + b * sizeof(uint64_t);
        below += sum_edge_stats(s, bucket);
        if (b + 1 < STATS_BUCKETS) {
            snprintf(labels, sizeof labels, "%sle=\"%g\"", prefix,
                     (double)stats_bucket_us(b) / 1e6);
        } else {
            snprintf(labels, sizeof labels, "%sle=\"+Inf\"", prefix);
        }
        scrape_sample(s, "_bucket", labels, (double)below);
    }
    scrape_sample(s, "_sum", bare,
           (double)sum_edge_stats(s, at + offsetof(struct stats_times, sum_us)) / 1e6);
    scrape_sample(s, "_count", bare, (double)below);
}

void scrape_histogram(struct scrape *s, const double *bounds, const uint64_t *counts, unsigned n,
                      double sum)
{
    char labels[48];
    uint64_t below = 0;
    for (unsigned i = 0; i < n; i++) {
        below += counts[i];
        if (i + 1 < n) {
            snprintf(labels, sizeof labels, "le=\"%g\"", bounds[i]);
        }
        scrape_sample(s, "_bucket", i + 1 < n ? labels : "le=\"+Inf\"", (double)below);
    }
    scrape_sample(s, "_sum", "", sum);
    scrape_sample(s, "_count", "", (double)below);
}

void scrape_times(struct scrape *s, size_t at) { scrape_times_of(s, at, "", ""); }
