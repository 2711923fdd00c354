/* Latencies counted in buckets. */
#include "simulator/histogram.h"

#include "base/assert.h"

#define STEPS 32      /* of a power of two */
#define STEP_BITS 5

_Static_assert(HISTOGRAM_BUCKETS == (43 - STEP_BITS) * STEPS, "up to 2^42 ns");

static unsigned bucket_of(uint64_t ns)
{
    if (ns < STEPS) {
        return (unsigned)ns;
    }
    unsigned top = 63 - (unsigned)__builtin_clzll(ns);
    unsigned b = (top - STEP_BITS + 1) * STEPS + (unsigned)((ns >> (top - STEP_BITS)) % STEPS);
    return b < HISTOGRAM_BUCKETS ? b : HISTOGRAM_BUCKETS - 1;
}

/* The last value of a bucket. */
static uint64_t bucket_end(unsigned b)
{
    if (b < STEPS) {
        return b;
    }
    unsigned shift = b / STEPS - 1;
    return ((uint64_t)(STEPS + b % STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->counts[bucket_of(ns)]++;
    h->total++;
    h->max_ns = ns > h->max_ns ? ns : h->max_ns;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
        to->counts[b] += from->counts[b];
    }
    to->total += from->total;
    to->max_ns = to->max_ns > from->max_ns ? to->max_ns : from->max_ns;
}

uint64_t histogram_at(const struct histogram *h, double quantile)
{
    ASSERT(quantile >= 0 && quantile <= 1);
    uint64_t want = (uint64_t)(quantile * (double)h->total);
    uint64_t seen = 0;
    for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
        seen += h->counts[b];
        if (seen > want) {
            uint64_t end = bucket_end(b);
            return end < h->max_ns ? end : h->max_ns;
        }
    }
    return h->max_ns;
}
