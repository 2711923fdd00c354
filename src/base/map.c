#include "base/map.h"

#include "base/assert.h"
#include "base/mem.h"

/* The smallest table; below it, shrinking would save less than a cache line or two. */
#define BUCKETS_MIN 8

static size_t bucket_of(const struct map *m, uint64_t hash) { return hash & (m->bucket_count - 1); }

static void resize(struct map *m, size_t bucket_count)
{
    struct map_node **old = m->buckets;
    size_t old_count = m->bucket_count;
    m->buckets = mem_calloc(bucket_count, sizeof(struct map_node *));
    m->bucket_count = bucket_count;
    for (size_t i = 0; i < old_count; i++) {
        struct map_node *node = old[i];
        while (node != NULL) {
            struct map_node *next = node->next;
            size_t at = bucket_of(m, node->hash);
            node->next = m->buckets[at];
            m->buckets[at] = node;
            node = next;
        }
    }
    mem_free(old);
}

/* Unlinks what `link` points at, and gives memory back where a quarter suffices. */
static void unlink_at(struct map *m, struct map_node **link)
{
    struct map_node *node = *link;
    *link = node->next;
    node->next = NULL;
    m->count--;
    if (m->bucket_count > BUCKETS_MIN && m->count < m->bucket_count / 4) {
        resize(m, m->bucket_count / 2);
    }
}

void map_deinit(struct map *m)
{
    mem_free(m->buckets);
    *m = (struct map){0};
}

struct map_node *map_get(const struct map *m, uint64_t hash, map_eq eq, const void *key)
{
    if (m->count == 0) {
        return NULL;
    }
    struct map_node *node = m->buckets[bucket_of(m, hash)];
    while (node != NULL && (node->hash != hash || !eq(node, key))) {
        node = node->next;
    }
    return node;
}

void map_put(struct map *m, uint64_t hash, struct map_node *node)
{
    if (m->count >= m->bucket_count) {
        resize(m, m->bucket_count == 0 ? BUCKETS_MIN : m->bucket_count * 2);
    }
    size_t at = bucket_of(m, hash);
    node->hash = hash;
    node->next = m->buckets[at];
    m->buckets[at] = node;
    m->count++;
}

void map_remove(struct map *m, struct map_node *node)
{
    ASSERT(m->count > 0);
    struct map_node **link = &m->buckets[bucket_of(m, node->hash)];
    while (*link != node) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    unlink_at(m, link);
}

struct map_node *map_next(const struct map *m, const struct map_node *prev)
{
    size_t from = 0;
    if (prev != NULL) {
        if (prev->next != NULL) {
            return prev->next;
        }
        from = bucket_of(m, prev->hash) + 1;
    }
    for (size_t i = from; i < m->bucket_count; i++) {
        if (m->buckets[i] != NULL) {
            return m->buckets[i];
        }
    }
    return NULL;
}

struct map_node *map_pop(struct map *m)
{
    if (m->count == 0) {
        return NULL;
    }
    /* Starting where the last call ended would need a field; starting always at 0 would make
     * emptying quadratic. A scattered start finds a full bucket after a few steps, since at
     * least a quarter as many nodes as buckets are left. */
    size_t at = bucket_of(m, m->count * UINT64_C(0x9e3779b97f4a7c15) >> 20);
    while (m->buckets[at] == NULL) {
        at = bucket_of(m, at + 1);
    }
    struct map_node *node = m->buckets[at];
    unlink_at(m, &m->buckets[at]);
    return node;
}
