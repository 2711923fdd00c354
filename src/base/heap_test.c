#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NODES 1000

static struct heap_node nodes[NODES];

static uint64_t random_next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void check(const struct heap *h)
{
    for (size_t pos = 1; pos <= h->count; pos++) {
        assert_int_equal(h->items[pos - 1]->pos, pos);
        assert_true(pos == 1 || h->items[pos / 2 - 1]->key <= h->items[pos - 1]->key);
    }
}

static void empty_heap_has_no_first(void **state)
{
    struct heap h = {0};
    assert_null(heap_peek(&h));
    heap_deinit(&h);
}

static void nodes_leave_in_order_of_key(void **state)
{
    struct heap h = {0};
    uint64_t x = 42;
    for (size_t i = 0; i < NODES; i++) {
        nodes[i] = (struct heap_node){.key = random_next(&x) % 300}; /* with equal keys */
        heap_push(&h, &nodes[i]);
    }
    check(&h);
    uint64_t last = 0;
    for (size_t i = 0; i < NODES; i++) {
        struct heap_node *n = heap_peek(&h);
        assert_true(n->key >= last);
        last = n->key;
        heap_remove(&h, n);
        assert_int_equal(n->pos, 0);
    }
    assert_null(heap_peek(&h));
    heap_deinit(&h);
}

static void any_node_may_be_removed(void **state)
{
    struct heap h = {0};
    uint64_t x = 4711;
    for (size_t i = 0; i < NODES; i++) {
        nodes[i] = (struct heap_node){.key = UINT64_MAX - i};
    }
    for (int step = 0; step < 20000; step++) {
        struct heap_node *n = &nodes[random_next(&x) % NODES];
        if (n->pos == 0) {
            n->key = random_next(&x);
            heap_push(&h, n);
        } else {
            heap_remove(&h, n);
        }
        if (step % 100 == 0) {
            check(&h);
        }
    }
    check(&h);
    heap_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_heap_has_no_first),
        cmocka_unit_test(nodes_leave_in_order_of_key),
        cmocka_unit_test(any_node_may_be_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
