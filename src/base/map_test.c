#include "base/map.h"

#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ITEMS 2000

struct item {
    struct map_node node;
    uint64_t key;
    bool in;
    bool seen;
};

static struct item items[ITEMS];

static uint64_t hash_of(uint64_t key) { return key * UINT64_C(0x9e3779b97f4a7c15) >> 7; }

static bool key_eq(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct item, node)->key == *(const uint64_t *)key;
}

static struct map_node *get(const struct map *m, uint64_t key)
{
    return map_get(m, hash_of(key), key_eq, &key);
}

static void put(struct map *m, struct item *it)
{
    map_put(m, hash_of(it->key), &it->node);
    it->in = true;
}

static int items_init(void **state)
{
    for (size_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.key = i};
    }
    return 0;
}

/* The structure's own rules, and that the walk meets each member once. */
static void check(const struct map *m)
{
    size_t in = 0;
    size_t met = 0;
    assert_int_equal(m->bucket_count & (m->bucket_count - 1), 0);
    assert_true(m->count <= m->bucket_count);
    assert_true(m->bucket_count <= 8 || m->count >= m->bucket_count / 4);
    for (size_t i = 0; i < ITEMS; i++) {
        in += items[i].in;
        items[i].seen = false;
        assert_true((get(m, i) == &items[i].node) == items[i].in);
    }
    for (struct map_node *n = map_next(m, NULL); n != NULL; n = map_next(m, n)) {
        struct item *it = CONTAINER_OF(n, struct item, node);
        assert_true(it->in && !it->seen);
        it->seen = true;
        met++;
    }
    assert_int_equal(m->count, in);
    assert_int_equal(met, in);
}

static void empty_map_finds_nothing(void **state)
{
    struct map m = {0};
    assert_null(get(&m, 1));
    assert_null(map_next(&m, NULL));
    assert_null(map_pop(&m));
    map_deinit(&m);
}

static void equal_hashes_are_told_apart_by_key(void **state)
{
    struct map m = {0};
    for (uint64_t i = 0; i < 20; i++) {
        map_put(&m, 7, &items[i].node);
    }
    for (uint64_t i = 0; i < 20; i++) {
        assert_ptr_equal(map_get(&m, 7, key_eq, &i), &items[i].node);
    }
    uint64_t absent = 20;
    assert_null(map_get(&m, 7, key_eq, &absent));
    for (uint64_t i = 0; i < 20; i++) {
        map_remove(&m, &items[i].node);
        assert_null(map_get(&m, 7, key_eq, &i));
    }
    assert_int_equal(m.count, 0);
    map_deinit(&m);
}

static void random_puts_and_removes_agree_with_a_plain_set(void **state)
{
    struct map m = {0};
    uint64_t random = 88172645463325252; /* xorshift64 */
    for (int step = 0; step < 40000; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        /* Phases that mostly grow and mostly shrink pass every size of table. */
        bool grow = (step / 5000) % 2 == 0 ? random % 8 != 0 : random % 8 == 0;
        struct item *it = &items[(random >> 8) % ITEMS];
        if (grow && !it->in) {
            put(&m, it);
        } else if (!grow && it->in) {
            map_remove(&m, &it->node);
            it->in = false;
        }
        if (step % 1000 == 0) {
            check(&m);
        }
    }
    check(&m);
    map_deinit(&m);
}

static void pop_empties_the_map_and_gives_each_node_once(void **state)
{
    struct map m = {0};
    for (size_t i = 0; i < ITEMS; i++) {
        put(&m, &items[i]);
    }
    size_t popped = 0;
    for (struct map_node *n = map_pop(&m); n != NULL; n = map_pop(&m)) {
        struct item *it = CONTAINER_OF(n, struct item, node);
        assert_true(it->in);
        it->in = false;
        popped++;
    }
    assert_int_equal(popped, ITEMS);
    check(&m);
    map_deinit(&m);
}

static void memory_shrinks_with_the_content(void **state)
{
    struct map m = {0};
    for (size_t i = 0; i < ITEMS; i++) {
        put(&m, &items[i]);
    }
    assert_int_equal(m.bucket_count, 2048);
    for (size_t i = 1; i < ITEMS; i++) {
        map_remove(&m, &items[i].node);
    }
    assert_int_equal(m.bucket_count, 8);
    map_deinit(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(empty_map_finds_nothing, items_init),
        cmocka_unit_test_setup(equal_hashes_are_told_apart_by_key, items_init),
        cmocka_unit_test_setup(random_puts_and_removes_agree_with_a_plain_set, items_init),
        cmocka_unit_test_setup(pop_empties_the_map_and_gives_each_node_once, items_init),
        cmocka_unit_test_setup(memory_shrinks_with_the_content, items_init),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
