#include "domain/home.h"

#include "base/assert.h"

#define DEADLINE_TICK_MS 100

void home_init(struct home *h)
{
    wheel_init(&h->wheel, DEADLINE_TICK_MS, clock_mono_ms(h->clock));
    list_init(&h->turn_works);
}

static void fire(struct wheel_node *n, void *arg)
{
    struct deadline *d = CONTAINER_OF(n, struct deadline, node);
    (void)arg;
    d->fire(d);
}

void home_tick(struct home *h)
{
    (void)wheel_advance(&h->wheel, clock_mono_ms(h->clock), fire, NULL);
    while (!list_empty(&h->turn_works)) {
        struct turn_work *w = LIST_ITEM(h->turn_works.next, struct turn_work, link);
        list_remove(&w->link);
        w->run(w);
    }
}

void home_at_turn_end(struct home *h, struct turn_work *w)
{
    if (!list_linked(&w->link)) {
        list_push(&h->turn_works, &w->link);
    }
}

void deadline_set(struct home *h, struct deadline *d, int64_t delay_ms)
{
    wheel_set(&h->wheel, &d->node, clock_mono_ms(h->clock) + delay_ms);
}

void deadline_clear(struct deadline *d) { wheel_clear(&d->node); }

uuid home_new_id(struct home *h)
{
    uint8_t entropy[10];
    entropy_fill(h->entropy, entropy, sizeof entropy);
    return uuid_gen_next(&h->ids, clock_wall_ms(h->clock), entropy);
}

const char *home_cache_name(enum home_cache c)
{
    static const char *const names[] = {
        [CACHE_PROOFS] = "proofs", [CACHE_PRINCIPALS] = "principals", [CACHE_DEVICES] = "devices"};
    _Static_assert(ARRAY_LEN(names) == CACHE_COUNT, "a name each");
    return names[c];
}

void home_cache_count(struct home *h, enum home_cache c, bool hit)
{
    _Atomic uint64_t *n = hit ? &h->caches[c].hits : &h->caches[c].misses;
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}
