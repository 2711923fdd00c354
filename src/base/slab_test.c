#include "base/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>

struct item {
    uint64_t value;
    char text[13];
};

static void objects_are_zeroed_aligned_and_stay_where_they_are(void **state)
{
    struct slab s;
    struct item *items[5000];
    slab_init(&s, sizeof(struct item));
    for (uint32_t i = 0; i < 5000; i++) {
        uint32_t index;
        items[i] = slab_alloc(&s, &index);
        assert_int_equal(index, i);
        assert_int_equal(items[i]->value, 0);
        assert_int_equal((uintptr_t)items[i] % alignof(struct item), 0);
        items[i]->value = i;
    }
    assert_int_equal(s.count, 5000);
    for (uint32_t i = 0; i < 5000; i++) {
        assert_ptr_equal(slab_at(&s, i), items[i]);
        assert_int_equal(items[i]->value, i);
    }
    slab_deinit(&s);
}

static void stale_handle_is_recognised(void **state)
{
    struct slab s;
    uint32_t index;
    uint32_t again;
    slab_init(&s, sizeof(struct item));
    struct item *first = slab_alloc(&s, &index);
    uint32_t gen = slab_gen(&s, index);
    assert_ptr_equal(slab_get(&s, index, gen), first);
    slab_free(&s, index);
    assert_null(slab_get(&s, index, gen));
    assert_null(slab_get(&s, index, gen + 1)); /* not live: no generation opens it */
    struct item *second = slab_alloc(&s, &again);
    assert_int_equal(again, index);
    assert_ptr_equal(second, first);
    assert_null(slab_get(&s, index, gen));
    assert_ptr_equal(slab_get(&s, index, slab_gen(&s, index)), second);
    assert_null(slab_get(&s, 1, 1));
    assert_null(slab_get(&s, SLAB_NONE, 1));
    slab_deinit(&s);
}

static void freed_indices_come_back_last_first_and_zeroed(void **state)
{
    struct slab s;
    uint32_t index;
    slab_init(&s, sizeof(struct item));
    for (int i = 0; i < 10; i++) {
        struct item *it = slab_alloc(&s, &index);
        it->value = 99;
    }
    slab_free(&s, 3);
    slab_free(&s, 7);
    assert_int_equal(s.count, 8);
    struct item *it = slab_alloc(&s, &index);
    assert_int_equal(index, 7);
    assert_int_equal(it->value, 0);
    (void)slab_alloc(&s, &index);
    assert_int_equal(index, 3);
    (void)slab_alloc(&s, &index);
    assert_int_equal(index, 10);
    slab_deinit(&s);
}

static void generations_are_odd_while_live(void **state)
{
    struct slab s;
    uint32_t index;
    slab_init(&s, 1);
    for (int i = 0; i < 100; i++) {
        (void)slab_alloc(&s, &index);
        assert_int_equal(slab_gen(&s, index) & 1, 1);
        slab_free(&s, index);
    }
    assert_int_equal(s.top, 1);
    assert_int_equal(s.count, 0);
    slab_deinit(&s);
}

static void deinit_leaves_a_usable_slab(void **state)
{
    struct slab s;
    uint32_t index;
    slab_init(&s, sizeof(struct item));
    (void)slab_alloc(&s, &index);
    slab_deinit(&s);
    assert_int_equal(s.count, 0);
    assert_non_null(slab_alloc(&s, &index));
    assert_int_equal(index, 0);
    slab_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_zeroed_aligned_and_stay_where_they_are),
        cmocka_unit_test(stale_handle_is_recognised),
        cmocka_unit_test(freed_indices_come_back_last_first_and_zeroed),
        cmocka_unit_test(generations_are_odd_while_live),
        cmocka_unit_test(deinit_leaves_a_usable_slab),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
