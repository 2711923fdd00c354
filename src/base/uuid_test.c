#include "base/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RFC_TEXT "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"

static void v7_holds_the_time_the_version_and_the_entropy(void **state)
{
    /* RFC 9562 A.6. */
    static const uint8_t entropy[10] = {0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
    char text[UUID_TEXT_LEN + 1];
    uuid_format(uuid_v7(INT64_C(0x017f22e279b0), entropy), text);
    assert_string_equal(text, RFC_TEXT);

    static const uint8_t ones[10] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    uuid_format(uuid_v7(0, ones), text);
    assert_string_equal(text, "00000000-0000-7fff-bfff-ffffffffffff");
}

static void text_round_trips_in_either_case(void **state)
{
    uuid lower, upper;
    char text[UUID_TEXT_LEN + 1];
    assert_true(uuid_parse(SPAN("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"), &lower));
    assert_true(uuid_parse(SPAN("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &upper));
    assert_true(uuid_eq(lower, upper));
    uuid_format(upper, text);
    assert_string_equal(text, RFC_TEXT);
    assert_true(uuid_parse(SPAN("00000000-0000-0000-0000-000000000000"), &lower));
    assert_true(uuid_is_nil(lower));
    assert_false(uuid_is_nil(upper));
}

static void any_other_text_is_refused(void **state)
{
    uuid u = UUID_NIL;
    char text[UUID_TEXT_LEN + 1];
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        static const char wrong[] = "gG@`/: {}\x80_.";
        for (const char *c = wrong; *c != '\0'; c++) {
            memcpy(text, RFC_TEXT, sizeof text);
            text[i] = *c;
            assert_false(uuid_parse(span_str(text), &u));
        }
        memcpy(text, RFC_TEXT, sizeof text);
        text[i] = text[i] == '-' ? '0' : '-';
        assert_false(uuid_parse(span_str(text), &u));
        assert_false(uuid_parse(span_of(RFC_TEXT, i), &u));
    }
    assert_false(uuid_parse(SPAN(RFC_TEXT "0"), &u));
    assert_false(uuid_parse(SPAN("{" RFC_TEXT "}"), &u));
    assert_false(uuid_parse(SPAN_NONE, &u));
    assert_true(uuid_is_nil(u));
}

static void assert_sorted(uuid before, uuid after)
{
    assert_true(memcmp(before.bytes, after.bytes, 16) < 0);
    assert_int_equal(after.bytes[6] >> 4, 7);
    assert_int_equal(after.bytes[8] >> 6, 2);
}

static void generator_keeps_the_order_within_a_millisecond(void **state)
{
    struct uuid_gen g = {0};
    uint8_t entropy[10] = {0};
    uuid last = UUID_NIL;
    for (int i = 0; i < 100000; i++) {
        for (size_t k = 0; k < sizeof entropy; k++) {
            entropy[k] = (uint8_t)(entropy[k] * 167 + i + 13);
        }
        uuid next = uuid_gen_next(&g, 1000 + i / 30000, entropy);
        assert_sorted(last, next);
        last = next;
    }
}

static void generator_keeps_the_order_when_the_clock_steps_back(void **state)
{
    struct uuid_gen g = {0};
    static const uint8_t high[10] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    static const uint8_t low[10] = {0};
    uuid a = uuid_gen_next(&g, 5000, high);
    uuid b = uuid_gen_next(&g, 10, low);
    uuid c = uuid_gen_next(&g, 5001, low);
    assert_sorted(a, b);
    assert_sorted(b, c);
    assert_true(g.last_ms == 5001);
}

static void full_counter_borrows_the_next_millisecond(void **state)
{
    struct uuid_gen g = {.last_ms = 5000, .counter = UINT32_MAX - 1};
    static const uint8_t entropy[10] = {0};
    uuid a = uuid_gen_next(&g, 5000, entropy);
    uuid b = uuid_gen_next(&g, 5000, entropy);
    assert_sorted(a, b);
    assert_true(g.last_ms == 5001);
    uuid c = uuid_gen_next(&g, 5001, entropy);
    assert_sorted(b, c);
}

static void every_bit_of_the_counter_reaches_the_value_in_order(void **state)
{
    static const uint8_t entropy[10] = {0};
    uuid last = UUID_NIL;
    for (int bit = 0; bit < 32; bit++) {
        struct uuid_gen g = {.last_ms = 1, .counter = (UINT32_C(1) << bit) - 1};
        uuid next = uuid_gen_next(&g, 1, entropy);
        assert_sorted(last, next);
        last = next;
    }
}

static void hash_is_the_same_everywhere_and_well_spread(void **state)
{
    uuid u;
    assert_true(uuid_parse(SPAN(RFC_TEXT), &u));
    assert_true(uuid_hash(u) == UINT64_C(0x9b7edaa21a55b934));

    /* Consecutive values choose among 8 homes evenly, by the low and by the high bits. */
    unsigned low[8] = {0};
    unsigned high[8] = {0};
    for (unsigned i = 0; i < 8000; i++) {
        u.bytes[15] = (uint8_t)i;
        u.bytes[14] = (uint8_t)(i >> 8);
        low[uuid_hash(u) & 7]++;
        high[uuid_hash(u) >> 61]++;
    }
    for (int i = 0; i < 8; i++) {
        assert_in_range(low[i], 850, 1150);
        assert_in_range(high[i], 850, 1150);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v7_holds_the_time_the_version_and_the_entropy),
        cmocka_unit_test(text_round_trips_in_either_case),
        cmocka_unit_test(any_other_text_is_refused),
        cmocka_unit_test(generator_keeps_the_order_within_a_millisecond),
        cmocka_unit_test(generator_keeps_the_order_when_the_clock_steps_back),
        cmocka_unit_test(full_counter_borrows_the_next_millisecond),
        cmocka_unit_test(every_bit_of_the_counter_reaches_the_value_in_order),
        cmocka_unit_test(hash_is_the_same_everywhere_and_well_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
