/*
 * An intrusive hash map: the node is a member of the object. Chained, power-of-two buckets,
 * grows at load 1, shrinks at 1/4 (amortised). One thread. The caller supplies the hash (hash.h,
 * uuid_hash) and, on lookup, a function that compares a node with the key.
 */
#ifndef SB_BASE_MAP_H
#define SB_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    struct map_node **buckets; /* owned; NULL while empty */
    size_t bucket_count;       /* 0 or a power of two */
    size_t count;
};

typedef bool (*map_eq)(const struct map_node *node, const void *key);

void map_deinit(struct map *m); /* frees the buckets; nodes are the caller's */
struct map_node *map_get(const struct map *m, uint64_t hash, map_eq eq, const void *key);
/* Links `node`; the caller has checked that the key is absent. */
void map_put(struct map *m, uint64_t hash, struct map_node *node);
/* Unlinks a node that is in the map (asserted). */
void map_remove(struct map *m, struct map_node *node);
/* Walks all nodes in no particular order: pass NULL first, then the node last returned; NULL at
 * the end. The map must not change during the walk; to empty it, use map_pop. */
struct map_node *map_next(const struct map *m, const struct map_node *prev);
/* Unlinks and returns any node, or NULL when empty (for tearing down). */
struct map_node *map_pop(struct map *m);

#endif
