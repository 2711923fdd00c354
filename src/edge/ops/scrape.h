/*
 * Writing samples of /metrics: counters of all loops are summed as they stand. Readers may be a
 * moment behind the writers. Everything on the loop that answers.
 */
#ifndef SB_EDGE_OPS_SCRAPE_H
#define SB_EDGE_OPS_SCRAPE_H

#include "edge/ops/ops.h"
#include "edge/ops/process.h"
#include "tables/metrics.h"

/* One answer being written. */
struct scrape {
    buf *out;
    const char *name; /* of the row being written */
    const struct ops *ops;
    struct process_facts process;
    struct store_stats store;
    const struct edge *own; /* of the loop that answers */
};

/* Sums one member over all loops; `source` is what an edge `e` has it in. */
#define SUM(s, source, member) sum_##source(s, offsetof(struct source, member))

/* For SUM: the counter at that offset, over all loops. */
uint64_t sum_net_stats(const struct scrape *s, size_t at);
/* As above. */
uint64_t sum_hub_stats(const struct scrape *s, size_t at);
/* As above. */
uint64_t sum_edge_stats(const struct scrape *s, size_t at);
/* One counter, relaxed. */
uint64_t scrape_load(const _Atomic uint64_t *counter);

/* One sample; `labels` is ready text or empty. Label values here are words of our own tables. */
void scrape_sample(struct scrape *s, const char *suffix, const char *labels, double value);
/* One without labels. */
void scrape_plain(struct scrape *s, double value);
/* One with one label. */
void scrape_labelled(struct scrape *s, const char *name, const char *value, double number);
/* A sample for each name of the struct stats_names at that offset of the edges' stats. */
void scrape_names(struct scrape *s, size_t at, const char *label);
/* The histogram of the struct stats_times at that offset. */
void scrape_times(struct scrape *s, size_t at);
/* The same with labels: `prefix` is ready text ending in a comma, `bare` without the comma. */
void scrape_times_of(struct scrape *s, size_t at, const char *prefix, const char *bare);
/* A histogram that is counted elsewhere: `bounds` in seconds, the last of `n` stands for all. */
void scrape_histogram(struct scrape *s, const double *bounds, const uint64_t *counts, unsigned n,
                      double sum);

/* One a row of tables/metrics.def: writes its samples. */
#define M(name, type, labels, help) void collect_##name(struct scrape *s);
#include "tables/metrics.def"
#undef M

#endif
