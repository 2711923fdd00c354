/*
 * An intrusive binary min-heap of u64 keys, for precise timers. The owner embeds a heap_node.
 * Push, pop and remove are O(log n). One thread.
 */
#ifndef SB_BASE_HEAP_H
#define SB_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    size_t pos; /* 1-based place in the heap; 0 while not in it */
};

struct heap {
    struct heap_node **items; /* owned array of borrowed nodes */
    size_t count;
    size_t cap;
};

/* Frees the array; nodes are the caller's. The heap is empty and usable again. */
void heap_deinit(struct heap *h);
/* Puts a node that is in no heap (asserted) under n->key, which must not change while it is in. */
void heap_push(struct heap *h, struct heap_node *n);
struct heap_node *heap_peek(const struct heap *h); /* NULL when empty */
/* Takes out a node that is in this heap (asserted); to pop, remove what heap_peek returned. */
void heap_remove(struct heap *h, struct heap_node *n);

#endif
