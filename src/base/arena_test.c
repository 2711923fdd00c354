#include "base/arena.h"

#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>

static void memory_is_zeroed_and_aligned_at_every_size(void **state)
{
    struct arena a = {0};
    for (size_t bytes = 0; bytes < 3000; bytes += 7) {
        uint8_t *p = arena_alloc(&a, bytes);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++) {
            assert_int_equal(p[i], 0);
        }
        memset(p, 0xff, bytes);
    }
    arena_reset(&a);
}

static void allocations_do_not_overlap(void **state)
{
    struct arena a = {0};
    uint8_t *items[500];
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        items[i] = arena_alloc(&a, i + 1);
        memset(items[i], (int)(i & 0xff), i + 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        for (size_t k = 0; k <= i; k++) {
            assert_int_equal(items[i][k], i & 0xff);
        }
    }
    arena_reset(&a);
}

static void large_allocation_leaves_the_rest_of_the_block_in_use(void **state)
{
    struct arena a = {0};
    uint8_t *before = arena_alloc(&a, 16);
    uint8_t *large = arena_alloc(&a, 1 << 20);
    memset(large, 1, 1 << 20);
    uint8_t *after = arena_alloc(&a, 16);
    assert_ptr_equal(after, before + 16);
    arena_reset(&a);

    large = arena_alloc(&a, 1 << 20); /* also as the very first */
    memset(large, 1, 1 << 20);
    after = arena_alloc(&a, 16);
    memset(after, 2, 16);
    assert_int_equal(large[(1 << 20) - 1], 1);
    arena_reset(&a);
}

static void blocks_grow_so_that_few_are_made(void **state)
{
    struct arena a = {0};
    unsigned blocks = 0;
    size_t total = 0;
    for (int i = 0; i < 64 * 1024; i++) {
        (void)arena_alloc(&a, 16);
        blocks += a.total_bytes != total;
        total = a.total_bytes;
    }
    assert_true(blocks <= 6 + 17);
    assert_in_range(total, 1 << 20, (1 << 20) + (1 << 17));
    arena_reset(&a);
}

static void dup_copies_and_ends_with_nul(void **state)
{
    struct arena a = {0};
    char text[] = "hello";
    span copy = arena_dup(&a, span_str(text));
    text[0] = 'j';
    assert_int_equal(copy.len, 5);
    assert_string_equal((const char *)copy.ptr, "hello");
    span empty = arena_dup(&a, SPAN_NONE);
    assert_int_equal(empty.len, 0);
    assert_string_equal((const char *)empty.ptr, "");
    arena_reset(&a);
}

static void reset_arena_is_empty_and_usable(void **state)
{
    struct arena a = {0};
    arena_reset(&a);
    int *one = ARENA_NEW(&a, int);
    *one = 1;
    uint64_t *many = ARENA_ARRAY(&a, uint64_t, 10000);
    many[9999] = 2;
    arena_reset(&a);
    assert_int_equal(a.total_bytes, 0);
    assert_null(a.head);
    one = ARENA_NEW(&a, int);
    assert_int_equal(*one, 0);
    arena_reset(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned_at_every_size),
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(large_allocation_leaves_the_rest_of_the_block_in_use),
        cmocka_unit_test(blocks_grow_so_that_few_are_made),
        cmocka_unit_test(dup_copies_and_ends_with_nul),
        cmocka_unit_test(reset_arena_is_empty_and_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
