#include "base/heap.h"

#include "base/assert.h"
#include "base/mem.h"

/* Places are 1-based: the parent of i is i / 2, its children are 2i and 2i + 1. items[i - 1]
 * is the node at place i. */
static void place(struct heap *h, size_t pos, struct heap_node *n)
{
    h->items[pos - 1] = n;
    n->pos = pos;
}

static void sift_up(struct heap *h, size_t pos, struct heap_node *n)
{
    while (pos > 1 && h->items[pos / 2 - 1]->key > n->key) {
        place(h, pos, h->items[pos / 2 - 1]);
        pos /= 2;
    }
    place(h, pos, n);
}

static void sift_down(struct heap *h, size_t pos, struct heap_node *n)
{
    while (pos * 2 <= h->count) {
        size_t child = pos * 2;
        if (child < h->count && h->items[child]->key < h->items[child - 1]->key) {
            child++;
        }
        if (h->items[child - 1]->key >= n->key) {
            break;
        }
        place(h, pos, h->items[child - 1]);
        pos = child;
    }
    place(h, pos, n);
}

void heap_deinit(struct heap *h)
{
    mem_free(h->items);
    *h = (struct heap){0};
}

void heap_push(struct heap *h, struct heap_node *n)
{
    ASSERT(n->pos == 0);
    if (h->count == h->cap) {
        h->cap = h->cap == 0 ? 16 : h->cap * 2;
        h->items = mem_realloc(h->items, h->cap * sizeof(struct heap_node *));
    }
    h->count++;
    sift_up(h, h->count, n);
}

struct heap_node *heap_peek(const struct heap *h) { return h->count == 0 ? NULL : h->items[0]; }

void heap_remove(struct heap *h, struct heap_node *n)
{
    size_t pos = n->pos;
    ASSERT(pos > 0 && pos <= h->count && h->items[pos - 1] == n);
    struct heap_node *last = h->items[h->count - 1];
    h->count--;
    n->pos = 0;
    if (last == n) {
        return;
    }
    if (pos > 1 && h->items[pos / 2 - 1]->key > last->key) {
        sift_up(h, pos, last);
    } else {
        sift_down(h, pos, last);
    }
}
