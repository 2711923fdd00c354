/* See timers.h. */
#include "loop/timers.h"

#include "base/assert.h"

#include <stddef.h>

void timers_set(struct heap *h, struct timer *t, uint64_t due_ns)
{
    timers_clear(h, t);
    t->node.key = due_ns;
    heap_push(h, &t->node);
}

void timers_clear(struct heap *h, struct timer *t)
{
    if (t->node.pos != 0) {
        heap_remove(h, &t->node);
        t->node.pos = 0;
    }
}

int64_t timers_wait_ns(const struct heap *h, uint64_t now_ns)
{
    const struct heap_node *first = heap_peek(h);
    if (first == NULL) {
        return -1;
    }
    return first->key <= now_ns ? 0 : (int64_t)(first->key - now_ns);
}

void timers_run(struct heap *h, uint64_t now_ns)
{
    for (size_t left = h->count; left > 0; left--) {
        struct heap_node *first = heap_peek(h);
        if (first == NULL || first->key > now_ns) {
            return;
        }
        struct timer *t = CONTAINER_OF(first, struct timer, node);
        timers_clear(h, t);
        t->fire(t);
    }
}
