#include "base/base64.h"

#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* RFC 4648 10, and bytes in which the alphabets differ. */
static const struct {
    const char *bytes;
    const char *text;
    const char *url;
} known[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/", "-_-_"},
    {"\xff\xef", "/+8=", "_-8"},
};

static void known_texts_encode_and_decode(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        span bytes = span_str(known[i].bytes);
        char text[64];
        uint8_t back[64];
        assert_int_equal(base64_encode(bytes, text), BASE64_SIZE(bytes.len));
        assert_memory_equal(text, known[i].text, strlen(known[i].text));
        assert_int_equal(base64url_encode(bytes, text), strlen(known[i].url));
        assert_memory_equal(text, known[i].url, strlen(known[i].url));
        assert_int_equal(base64_decode(span_str(known[i].text), back), bytes.len);
        assert_memory_equal(back, known[i].bytes, bytes.len);
        assert_int_equal(base64url_decode(span_str(known[i].url), back), bytes.len);
        assert_memory_equal(back, known[i].bytes, bytes.len);
    }
}

static void all_bytes_round_trip_at_every_length(void **state)
{
    uint8_t bytes[256];
    uint8_t back[260];
    char text[BASE64_SIZE(256)];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)(i * 151 + 7);
    }
    for (size_t len = 0; len <= 256; len++) {
        size_t n = base64_encode(span_of(bytes, len), text);
        assert_int_equal(base64_decode(span_of(text, n), back), len);
        assert_memory_equal(back, bytes, len);
        assert_int_equal(base64_decode(span_of(text, n), (uint8_t *)text), len); /* in place */
        assert_memory_equal(text, bytes, len);
        n = base64url_encode(span_of(bytes, len), text);
        assert_int_equal(base64url_decode(span_of(text, n), back), len);
        assert_memory_equal(back, bytes, len);
    }
}

static void malformed_text_is_refused(void **state)
{
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zm8", "Zm9vY", "Zg===", "====", "=", "Zg==Zg==", "Z=g=", "Zm9=v",
        "Zh==", /* spare bits */ "Zm9=", "Zm 8=", "Zm8=\n", "-_-_", "Zm9\x80", "Zm8=====",
        "Zm9v=",
    };
    static const char *const bad_url[] = {"Z", "Zg==", "Zm8=", "Zh", "Zm9vY", "+/+/", "Zm9", "Z g"};
    uint8_t back[32];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (base64_decode(span_str(bad[i]), back) != -1) {
            fail_msg("decoded: %s", bad[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(bad_url); i++) {
        if (base64url_decode(span_str(bad_url[i]), back) != -1) {
            fail_msg("decoded: %s", bad_url[i]);
        }
    }
}

static void only_the_alphabet_is_accepted(void **state)
{
    unsigned accepted = 0;
    unsigned accepted_url = 0;
    for (int c = 0; c < 256; c++) {
        uint8_t text[4] = {(uint8_t)c, 'A', 'A', 'A'};
        uint8_t back[8];
        accepted += base64_decode(span_of(text, 4), back) == 3;
        accepted_url += base64url_decode(span_of(text, 4), back) == 3;
    }
    assert_int_equal(accepted, 64);
    assert_int_equal(accepted_url, 64);
}

static void hex_round_trips_in_either_case(void **state)
{
    char text[8];
    uint8_t back[4];
    hex_encode(SPAN("\x00\x9f\xa0\xff"), text);
    assert_memory_equal(text, "009fa0ff", 8);
    assert_true(hex_decode(SPAN("009Fa0fF"), back));
    assert_memory_equal(back, "\x00\x9f\xa0\xff", 4);
    assert_true(hex_decode(SPAN_NONE, back));
}

static void malformed_hex_is_refused(void **state)
{
    uint8_t back[4];
    assert_false(hex_decode(SPAN("0"), back));
    assert_false(hex_decode(SPAN("0g"), back));
    assert_false(hex_decode(SPAN("G0"), back));
    assert_false(hex_decode(SPAN("0@"), back));
    assert_false(hex_decode(SPAN(" 0"), back));
    assert_false(hex_decode(SPAN("0x00"), back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_encode_and_decode),
        cmocka_unit_test(all_bytes_round_trip_at_every_length),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(only_the_alphabet_is_accepted),
        cmocka_unit_test(hex_round_trips_in_either_case),
        cmocka_unit_test(malformed_hex_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
