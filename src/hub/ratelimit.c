/*
 * The bucket is kept as one time (the generic cell rate algorithm): when all that was taken is
 * repaid. A token is worth period / count microseconds; the bucket is empty when more than
 * burst - 1 tokens' worth lies ahead.
 */
#include "hub/ratelimit.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#define WINDOW_S 60
#define STREAK_MAX 16 /* doubling 1 ms sixteen times passes the longest answer */

bool bucket_take(struct bucket *b, const struct bucket_rule *r, int64_t now_ms,
                 uint32_t *retry_after_ms)
{
    ASSERT(r->count > 0 && r->period_ms > 0 && r->burst > 0);
    int64_t now_us = now_ms * 1000;
    int64_t token_us = (int64_t)r->period_ms * 1000 / r->count;
    int64_t ahead_us = (int64_t)(r->burst - 1) * token_us;
    int64_t start_us = b->empty_us > now_us ? b->empty_us : now_us;
    if (start_us - now_us <= ahead_us) {
        b->empty_us = start_us + token_us;
        b->streak = 0;
        return true;
    }
    uint32_t now_s = (uint32_t)(now_ms / 1000);
    if (now_s - b->window_s >= WINDOW_S || b->refused == 0) {
        b->window_s = now_s;
        b->refused = 0;
    }
    b->refused += b->refused < UINT16_MAX;
    int64_t wait_ms = (start_us - now_us - ahead_us + 999) / 1000;
    for (unsigned i = 0; i < b->streak && wait_ms < RETRY_AFTER_MS_MAX; i++) {
        wait_ms *= 2;
    }
    b->streak += b->streak < STREAK_MAX;
    if (retry_after_ms != NULL) {
        *retry_after_ms = (uint32_t)(wait_ms < RETRY_AFTER_MS_MAX ? wait_ms : RETRY_AFTER_MS_MAX);
    }
    return false;
}

unsigned bucket_refused(const struct bucket *b, int64_t now_ms)
{
    return (uint32_t)(now_ms / 1000) - b->window_s < WINDOW_S ? b->refused : 0;
}

/* Keys are kept as 64-bit seeded hashes: two that collide share a bucket, which a stranger cannot
 * arrange without the seed. */
struct keyed {
    struct map_node node;
    struct list used;
    struct bucket bucket;
};

struct limiter {
    struct bucket_rule rule;
    struct map map;
    struct list used; /* longest ago first */
    uint32_t key_count_max;
};

struct limiter *limiter_new(const struct bucket_rule *r, uint32_t key_count_max)
{
    ASSERT(key_count_max > 0);
    struct limiter *l = mem_calloc(1, sizeof *l);
    l->rule = *r;
    l->key_count_max = key_count_max;
    list_init(&l->used);
    return l;
}

void limiter_free(struct limiter *l)
{
    if (l == NULL) {
        return;
    }
    for (struct map_node *n; (n = map_pop(&l->map)) != NULL;) {
        mem_free(CONTAINER_OF(n, struct keyed, node));
    }
    map_deinit(&l->map);
    mem_free(l);
}

static bool same_hash(const struct map_node *node, const void *key)
{
    (void)node;
    (void)key;
    return true; /* the map compared the hashes, and they are the key */
}

bool limiter_take(struct limiter *l, span key, int64_t now_ms, uint32_t *retry_after_ms)
{
    uint64_t hash = hash_bytes(key);
    struct map_node *n = map_get(&l->map, hash, same_hash, NULL);
    struct keyed *k;
    if (n != NULL) {
        k = CONTAINER_OF(n, struct keyed, node);
    } else if (l->map.count < l->key_count_max) {
        k = mem_calloc(1, sizeof *k);
        list_init(&k->used);
        map_put(&l->map, hash, &k->node);
    } else {
        k = LIST_ITEM(l->used.next, struct keyed, used);
        map_remove(&l->map, &k->node);
        k->bucket = (struct bucket){0};
        map_put(&l->map, hash, &k->node);
    }
    list_remove(&k->used);
    list_push(&l->used, &k->used);
    return bucket_take(&k->bucket, &l->rule, now_ms, retry_after_ms);
}
