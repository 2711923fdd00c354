#include "domain/heard.h"

static const uint32_t bounds_s[HEARD_BUCKETS] = {5, 15, 30, 45, 60, 90, 120, 300, UINT32_MAX};

uint32_t heard_bound_s(unsigned i) { return bounds_s[i]; }

static int64_t get(const _Atomic int64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

static void add(_Atomic int64_t *n, int64_t by)
{
    atomic_store_explicit(n, get(n) + by, memory_order_relaxed);
}

static void count(_Atomic uint32_t *n, uint32_t by)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static _Atomic uint32_t *slot(struct heard *h, int64_t second)
{
    return &h->slots[(uint64_t)second % HEARD_SECONDS];
}

/* Makes `second` one of the slots; those that fall out are counted together. */
static void advance(struct heard *h, int64_t second)
{
    int64_t newest = get(&h->newest_s);
    int64_t from = second - newest > HEARD_SECONDS ? second - HEARD_SECONDS : newest;
    for (int64_t s = from + 1; s <= second; s++) {
        count(&h->before, atomic_load_explicit(slot(h, s), memory_order_relaxed));
        atomic_store_explicit(slot(h, s), 0, memory_order_relaxed);
    }
    if (second > newest) {
        atomic_store_explicit(&h->newest_s, second, memory_order_relaxed);
    }
}

static void put(struct heard *h, int64_t second, uint32_t by)
{
    advance(h, second);
    count(get(&h->newest_s) - second < HEARD_SECONDS ? slot(h, second) : &h->before, by);
}

void heard_add(struct heard *h, int64_t now_ms)
{
    put(h, now_ms / 1000, 1);
    add(&h->count, 1);
    add(&h->sum_ms, now_ms);
}

void heard_again(struct heard *h, int64_t at_ms, int64_t now_ms)
{
    if (at_ms / 1000 != now_ms / 1000) {
        put(h, now_ms / 1000, 1);
        put(h, at_ms / 1000, -1u);
    }
    add(&h->sum_ms, now_ms - at_ms);
}

void heard_remove(struct heard *h, int64_t at_ms)
{
    put(h, at_ms / 1000, -1u);
    add(&h->count, -1);
    add(&h->sum_ms, -at_ms);
}

void heard_sum(const struct heard *h, int64_t now_ms, struct heard_ages *sum)
{
    int64_t newest = get(&h->newest_s), devices = get(&h->count);
    unsigned bucket = 0;
    for (int64_t s = newest; s > newest - HEARD_SECONDS; s--) {
        int64_t age_s = now_ms / 1000 - s;
        while (age_s > (int64_t)bounds_s[bucket]) {
            bucket++;
        }
        uint32_t here = atomic_load_explicit(&h->slots[(uint64_t)s % HEARD_SECONDS],
                                             memory_order_relaxed);
        sum->buckets[bucket] += here;
        sum->count += here;
    }
    uint32_t before = atomic_load_explicit(&h->before, memory_order_relaxed);
    sum->buckets[HEARD_BUCKETS - 1] += before;
    sum->count += before;
    sum->sum_s += (double)(devices * now_ms - get(&h->sum_ms)) / 1e3;
}
