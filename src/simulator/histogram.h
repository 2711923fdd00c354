/*
 * Counts of latencies in buckets 1/32 of a power of two wide (3 %), so that quantiles cost
 * nothing while counting and a file of any run is the same size. Pure; one thread.
 */
#ifndef SB_SIMULATOR_HISTOGRAM_H
#define SB_SIMULATOR_HISTOGRAM_H

#include <stdint.h>

/* Up to 2^42 ns, over an hour; what is longer counts as that. */
#define HISTOGRAM_BUCKETS 1216

/* Zeroed: empty. */
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t max_ns;
};

/* Counts one. */
void histogram_add(struct histogram *h, uint64_t ns);
/* Adds all of `from` to `to`. */
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The least upper bound of a bucket that holds the quantile (0 to 1), ns, never over the longest
 * seen; 0 when empty. */
uint64_t histogram_at(const struct histogram *h, double quantile);

#endif
