#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool is_scalar(uint32_t cp) { return cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff); }

static void every_scalar_value_is_valid_and_complete_at_its_last_byte(void **state)
{
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        if (!is_scalar(cp)) {
            continue;
        }
        uint8_t bytes[4];
        unsigned len = utf8_encode(cp, bytes);
        struct utf8_state st = {0};
        assert_int_equal(len, cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4);
        for (unsigned i = 0; i < len; i++) {
            assert_true(utf8_complete(&st) == (i == 0));
            assert_true(utf8_feed(&st, span_of(bytes + i, 1)));
        }
        assert_true(utf8_complete(&st));
        assert_true(utf8_valid(span_of(bytes, len)));
    }
}

/* Whole characters in the middle of a text take another way than those at its end. */
static void characters_of_every_length_are_judged_at_every_place(void **state)
{
    static const char *const units[] = {"a", "\xc3\xb6", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    char text[64];
    for (size_t i = 0; i < 4 * 4 * 4 * 4; i++) {
        size_t len = 0;
        for (size_t k = 0; k < 8; k++) { /* four characters, twice */
            const char *unit = units[i >> (k % 4 * 2) & 3];
            memcpy(text + len, unit, strlen(unit));
            len += strlen(unit);
        }
        assert_true(utf8_valid(span_of(text, len)));
        for (size_t at = 0; at < len; at++) {
            char good = text[at];
            text[at] = '\xff';
            assert_false(utf8_valid(span_of(text, len)));
            text[at] = (good & 0x80) != 0 ? 'a' : '\x80';
            assert_false(utf8_valid(span_of(text, len)));
            text[at] = good;
        }
    }
}

/* RFC 3629 4, read as ranges of the value that three bytes (the last two maybe absent) encode. */
static bool three_bytes_can_begin_a_character(uint8_t a, uint8_t b, uint8_t c)
{
    if ((b & 0xc0) != 0x80 || (c & 0xc0) != 0x80) {
        return false;
    }
    uint32_t low = (uint32_t)(b & 0x3f) << 6 | (c & 0x3f);
    if (a >= 0xe0 && a <= 0xef) {
        uint32_t cp = (uint32_t)(a & 0x0f) << 12 | low;
        return cp >= 0x800 && is_scalar(cp);
    }
    if (a >= 0xf0 && a <= 0xf7) {
        uint32_t first = ((uint32_t)(a & 0x07) << 12 | low) << 6;
        return first >= 0x10000 && first <= 0x10ffff;
    }
    return false;
}

static bool can_begin_a_character(uint8_t byte)
{
    return byte < 0x80 || (byte >= 0xc2 && byte <= 0xf4);
}

static void every_start_of_three_bytes_is_judged_by_its_value(void **state)
{
    for (uint32_t i = 0xc000 << 8; i <= 0xffffff; i++) {
        uint8_t b[3] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        bool expected = b[0] < 0xe0 ? b[0] >= 0xc2 && (b[1] & 0xc0) == 0x80 &&
                                          can_begin_a_character(b[2])
                                    : three_bytes_can_begin_a_character(b[0], b[1], b[2]);
        struct utf8_state st = {0};
        if (utf8_feed(&st, span_of(b, 3)) != expected) {
            fail_msg("%02x %02x %02x", b[0], b[1], b[2]);
        }
    }
}

static void error_shows_at_the_first_impossible_byte(void **state)
{
    static const char *const bad[] = {
        "\x80", "\xbf", "\xc0", "\xc1", "\xf5", "\xff", "\xe0\x9f", "\xed\xa0", "\xf0\x8f",
        "\xf4\x90", "\xc2\x7f", "\xc2\xc0", "\xe1\x80\x7f", "\xf1\x80\x80\xc0", "\xc2 ",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        span s = span_str(bad[i]);
        struct utf8_state st = {0};
        assert_true(utf8_feed(&st, span_of(s.ptr, s.len - 1)));
        assert_false(utf8_feed(&st, span_of(s.ptr + s.len - 1, 1)));
        assert_false(utf8_complete(&st));
        assert_false(utf8_feed(&st, SPAN("a"))); /* and ever after */
        assert_false(utf8_feed(&st, SPAN("\xbf")));
        assert_false(utf8_feed(&st, SPAN_NONE));
        assert_false(utf8_complete(&st));
    }
}

static void fast_path_sees_a_bad_byte_at_every_place(void **state)
{
    char text[41];
    for (size_t len = 1; len <= 40; len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', len);
            assert_true(utf8_valid(span_of(text, len)));
            text[at] = '\x80';
            assert_false(utf8_valid(span_of(text, len)));
        }
    }
}

static void text_cut_within_a_character_is_incomplete(void **state)
{
    span s = SPAN("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 12345678 \xc3\xa9");
    assert_true(utf8_valid(s));
    assert_true(utf8_valid(SPAN_NONE));
    for (size_t cut = 0; cut <= s.len; cut++) {
        struct utf8_state st = {0};
        bool boundary = cut == s.len || (s.ptr[cut] & 0xc0) != 0x80;
        assert_true(utf8_feed(&st, span_of(s.ptr, cut)));
        assert_true(utf8_complete(&st) == boundary);
        assert_true(utf8_valid(span_of(s.ptr, cut)) == boundary);
        assert_true(utf8_feed(&st, SPAN_NONE));
        assert_true(utf8_feed(&st, span_slice(s, cut, s.len)));
        assert_true(utf8_complete(&st));
    }
}

static void stored_strings_have_no_controls_but_tab_and_newline(void **state)
{
    for (uint32_t cp = 0; cp < 0x300; cp++) {
        uint8_t bytes[6] = {'x'};
        unsigned len = 1 + utf8_encode(cp, bytes + 1);
        bytes[len++] = 'y';
        bool control = cp < 0x20 || (cp >= 0x80 && cp <= 0x9f);
        bool expected = !control || cp == '\t' || cp == '\n';
        assert_true(utf8_storable(span_of(bytes, len)) == expected);
    }
    assert_true(utf8_storable(SPAN_NONE));
    assert_false(utf8_storable(SPAN("a\0b")));
    assert_false(utf8_storable(SPAN("a\xc2")));
    assert_false(utf8_storable(SPAN("\xff")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scalar_value_is_valid_and_complete_at_its_last_byte),
        cmocka_unit_test(every_start_of_three_bytes_is_judged_by_its_value),
        cmocka_unit_test(characters_of_every_length_are_judged_at_every_place),
        cmocka_unit_test(error_shows_at_the_first_impossible_byte),
        cmocka_unit_test(fast_path_sees_a_bad_byte_at_every_place),
        cmocka_unit_test(text_cut_within_a_character_is_incomplete),
        cmocka_unit_test(stored_strings_have_no_controls_but_tab_and_newline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
