/* SplitMix64: one word of state, every seed good; decides everything that a simulation decides. */
#ifndef SB_TESTS_SIM_RANDOM_H
#define SB_TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 <= n < bound; bound > 0. Biased by less than 2^-32, which no test can see. */
static inline uint64_t sim_random_below(struct sim_random *r, uint64_t bound)
{
    return sim_random_next(r) % bound;
}

/* 1 to max, small numbers as likely as large ones: sizes of pieces and delays. */
static inline uint64_t sim_random_size(struct sim_random *r, uint64_t max)
{
    uint64_t top = max;
    while (top > 1 && sim_random_below(r, 3) == 0) {
        top = top / 4 + 1;
    }
    return 1 + sim_random_below(r, top);
}

static inline bool sim_random_chance(struct sim_random *r, unsigned percent)
{
    return sim_random_below(r, 100) < percent;
}

#endif
