#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_content(const buf *b, const char *text)
{
    assert_int_equal(b->len, strlen(text));
    assert_memory_equal(b->ptr, text, b->len);
}

static void zeroed_buffer_is_empty_and_usable(void **state)
{
    buf b = {0};
    assert_int_equal(buf_span(&b).len, 0);
    buf_append(&b, NULL, 0);
    buf_append_span(&b, SPAN_NONE);
    buf_consume(&b, 0);
    assert_int_equal(b.len, 0);
    buf_append_str(&b, "x");
    assert_content(&b, "x");
    buf_deinit(&b);
    assert_null(b.ptr);
    buf_append_str(&b, "again");
    assert_content(&b, "again");
    buf_deinit(&b);
}

static void reserve_leaves_the_length_and_gives_the_room(void **state)
{
    buf b = {0};
    assert_non_null(buf_reserve(&b, 0));
    buf_append_str(&b, "ab");
    uint8_t *at = buf_reserve(&b, 10000);
    assert_int_equal(b.len, 2);
    assert_true(b.cap >= 10002);
    assert_ptr_equal(at, b.ptr + 2);
    memset(at, 'z', 10000);
    b.len += 10000;
    assert_memory_equal(b.ptr, "abzz", 4);
    buf_deinit(&b);
}

static void growth_doubles(void **state)
{
    buf b = {0};
    unsigned moves = 0;
    size_t cap = 0;
    for (int i = 0; i < 100000; i++) {
        buf_append_byte(&b, (uint8_t)i);
        moves += b.cap != cap;
        cap = b.cap;
    }
    assert_true(moves <= 12);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(b.ptr[i], (uint8_t)i);
    }
    buf_deinit(&b);
}

static void numbers_are_decimal(void **state)
{
    buf b = {0};
    buf_append_u64(&b, 0);
    buf_append_byte(&b, ' ');
    buf_append_u64(&b, UINT64_MAX);
    buf_append_byte(&b, ' ');
    buf_append_i64(&b, INT64_MIN);
    buf_append_byte(&b, ' ');
    buf_append_i64(&b, INT64_MAX);
    buf_append_byte(&b, ' ');
    buf_append_i64(&b, -1);
    assert_content(&b, "0 18446744073709551615 -9223372036854775808 9223372036854775807 -1");
    buf_deinit(&b);
}

static void printf_appends_at_every_size_of_the_rest(void **state)
{
    for (size_t filled = 0; filled <= 64; filled++) {
        buf b = {0};
        for (size_t i = 0; i < filled; i++) {
            buf_append_byte(&b, '.');
        }
        buf_printf(&b, "%s=%d", "some text", 42);
        assert_int_equal(b.len, filled + 12);
        assert_memory_equal(b.ptr + filled, "some text=42", 12);
        buf_printf(&b, "%s", "");
        assert_int_equal(b.len, filled + 12);
        buf_deinit(&b);
    }
}

static void printf_takes_text_longer_than_the_buffer(void **state)
{
    buf b = {0};
    buf_printf(&b, "%0500d", 7);
    assert_int_equal(b.len, 500);
    assert_int_equal(b.ptr[499], '7');
    buf_deinit(&b);
}

static void consume_moves_the_rest_to_the_front(void **state)
{
    buf b = {0};
    buf_append_str(&b, "abcdef");
    buf_consume(&b, 4);
    assert_content(&b, "ef");
    buf_consume(&b, 2);
    assert_int_equal(b.len, 0);
    buf_deinit(&b);
}

static void clear_keeps_the_memory(void **state)
{
    buf b = {0};
    buf_append_str(&b, "abcdef");
    uint8_t *memory = b.ptr;
    buf_clear(&b);
    buf_append_str(&b, "xy");
    assert_ptr_equal(b.ptr, memory);
    assert_content(&b, "xy");
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_buffer_is_empty_and_usable),
        cmocka_unit_test(reserve_leaves_the_length_and_gives_the_room),
        cmocka_unit_test(growth_doubles),
        cmocka_unit_test(numbers_are_decimal),
        cmocka_unit_test(printf_appends_at_every_size_of_the_rest),
        cmocka_unit_test(printf_takes_text_longer_than_the_buffer),
        cmocka_unit_test(consume_moves_the_rest_to_the_front),
        cmocka_unit_test(clear_keeps_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
