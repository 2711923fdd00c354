#include "codec/eio/packet.h"

#include "base/assert.h"
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void text_frames_are_a_digit_and_data(void **state)
{
    static const struct {
        const char *text;
        enum eio_type type;
        const char *data;
    } rows[] = {
        {"0{\"sid\":\"x\"}", EIO_OPEN, "{\"sid\":\"x\"}"},
        {"1", EIO_CLOSE, ""},
        {"2", EIO_PING, ""},
        {"2probe", EIO_PING, "probe"},
        {"3probe", EIO_PONG, "probe"},
        {"4hello", EIO_MESSAGE, "hello"},
        {"4", EIO_MESSAGE, ""},
        {"44", EIO_MESSAGE, "4"},
        {"4\xe2\x82\xac", EIO_MESSAGE, "\xe2\x82\xac"},
        {"4bAQID", EIO_MESSAGE, "bAQID"},
        {"5", EIO_UPGRADE, ""},
        {"6", EIO_NOOP, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct eio_packet p;
        span text = span_str(rows[i].text);
        assert_true(eio_packet_read(text, &p));
        assert_int_equal(p.type, rows[i].type);
        assert_false(p.binary);
        assert_true(span_eq(p.data, span_str(rows[i].data)));
        assert_ptr_equal(p.data.ptr, text.ptr + 1);
    }
}

static void other_text_is_no_packet(void **state)
{
    static const char *const bad[] = {"", "7", "8abc", "9", "a", "b", "bAQID", " 4", "-1", "/", ":",
                                      "\x04", "\xff", "\x1e"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct eio_packet p;
        if (eio_packet_read(span_str(bad[i]), &p)) {
            fail_msg("read: %s", bad[i]);
        }
        assert_int_equal(p.data.len, 0);
    }
    struct eio_packet p;
    assert_false(eio_packet_read(SPAN_NONE, &p));
    assert_false(eio_packet_read(span_of("\0", 1), &p));
}

static bool decode(const char *text, enum eio_revision revision, struct eio_packet *p)
{
    static uint8_t bytes[64]; /* what p->data points into */
    size_t len = strlen(text);
    memcpy(bytes, text, len);
    return eio_packet_decode(bytes, len, revision, p);
}

static void base64_is_a_binary_message(void **state)
{
    static const struct {
        const char *text;
        const char *text_v3;
        span data;
    } rows[] = {
        {"b", "b4", {(const uint8_t *)"", 0}},
        {"bAA==", "b4AA==", {(const uint8_t *)"\0", 1}},
        {"bAQI=", "b4AQI=", {(const uint8_t *)"\1\2", 2}},
        {"bAQIDBA==", "b4AQIDBA==", {(const uint8_t *)"\1\2\3\4", 4}},
        {"b+/+/", "b4+/+/", {(const uint8_t *)"\xfb\xff\xbf", 3}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct eio_packet p;
        assert_true(decode(rows[i].text, EIO_V4, &p));
        assert_true(p.binary && p.type == EIO_MESSAGE && span_eq(p.data, rows[i].data));
        assert_true(decode(rows[i].text_v3, EIO_V3, &p));
        assert_true(p.binary && p.type == EIO_MESSAGE && span_eq(p.data, rows[i].data));
    }
    struct eio_packet p;
    assert_true(decode("4bAQID", EIO_V4, &p));
    assert_true(!p.binary && span_eq(p.data, SPAN("bAQID")));
    assert_true(decode("4bAQID", EIO_V3, &p));
    assert_true(!p.binary && span_eq(p.data, SPAN("bAQID")));
}

static void malformed_base64_is_no_packet(void **state)
{
    static const char *const bad[] = {"bA", "bAQ", "bAQ=", "bAR==", "bAQI", "bAQ-_", "bAQID=",
                                      "bAQID====", "b AQID", "bAQID\n", "b=", "b4AQID", "b\xff"};
    static const char *const bad_v3[] = {"b", "bAQID", "b2AQID", "b4A", "b44AQID", "b5", "b4AR=="};
    struct eio_packet p;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (decode(bad[i], EIO_V4, &p)) {
            fail_msg("read: %s", bad[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(bad_v3); i++) {
        if (decode(bad_v3[i], EIO_V3, &p)) {
            fail_msg("read: %s", bad_v3[i]);
        }
    }
    assert_false(eio_packet_decode(NULL, 0, EIO_V4, &p));
}

/* Writes what a walk says as "type:data " for each packet (binary in hex after '#'), and how it
 * ended. */
static const char *walk(enum eio_revision revision, span payload)
{
    static buf out;
    static uint8_t bytes[256];
    struct eio_walk w;
    struct eio_packet p;
    int n;
    memcpy(bytes, payload.len > 0 ? payload.ptr : bytes, payload.len);
    buf_clear(&out);
    eio_walk_begin(&w, revision, bytes, payload.len);
    while ((n = eio_walk_next(&w, &p)) == 1) {
        buf_printf(&out, "%d%s", (int)p.type, p.binary ? "#" : ":");
        for (size_t i = 0; p.binary && i < p.data.len; i++) {
            buf_printf(&out, "%02x", p.data.ptr[i]);
        }
        buf_append_span(&out, p.binary ? SPAN_NONE : p.data);
        buf_append_byte(&out, ' ');
    }
    buf_append_str(&out, n == 0 ? "end" : "bad");
    assert_int_equal(eio_walk_next(&w, &p), n); /* and stays so */
    buf_append_byte(&out, 0);
    return (const char *)out.ptr;
}

struct payload_row {
    const char *payload;
    const char *walked;
};

static void require_walks(enum eio_revision revision, const struct payload_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = walk(revision, span_str(rows[i].payload));
        if (strcmp(got, rows[i].walked) != 0) {
            fail_msg("%s: %s, not %s", rows[i].payload, got, rows[i].walked);
        }
    }
}

static void payloads_of_revision_4(void **state)
{
    static const struct payload_row rows[] = {
        {"2", "2: end"},
        {"4hello\x1e" "2\x1e" "4world", "4:hello 2: 4:world end"},
        {"4hello\x1e" "bAQIDBA==", "4:hello 4#01020304 end"},
        {"b\x1e" "bAQID\x1e" "b\x1e" "4", "4# 4#010203 4# 4: end"},
        {"4\xe2\x82\xac\xf0\x9f\x98\x80", "4:\xe2\x82\xac\xf0\x9f\x98\x80 end"},
        {"1", "1: end"},
        {"", "bad"},
        {"\x1e", "bad"},
        {"4a\x1e", "4:a bad"},
        {"\x1e" "4a", "bad"},
        {"4a\x1e\x1e" "4b", "4:a bad"},
        {"abc", "bad"},
        {"4a\x1e" "7\x1e" "4b", "4:a bad"},
        {"4a\x1e" "bAQ", "4:a bad"},
        {"4\xff", "bad"},
        {"4\xe2\x82", "bad"},
        {"4\xe2\x82\x1e\xac", "bad"}, /* a separator parts bytes, not characters */
        {"6:4hello", "6::4hello end"},
    };
    require_walks(EIO_V4, rows, ARRAY_LEN(rows));
    assert_string_equal(walk(EIO_V4, SPAN_NONE), "bad");
}

static void payloads_of_revision_3(void **state)
{
    static const struct payload_row rows[] = {
        {"6:4hello", "4:hello end"},
        {"6:4hello2:4\xe2\x82\xac", "4:hello 4:\xe2\x82\xac end"}, /* the protocol's example */
        {"2:4\xe2\x82\xac" "10:b4AQIDBA==", "4:\xe2\x82\xac 4#01020304 end"},
        {"3:4\xf0\x9f\x98\x80" "1:2", "4:\xf0\x9f\x98\x80 2: end"}, /* two UTF-16 units */
        {"5:4a\xf0\x9f\x98\x80" "b1:1", "4:a\xf0\x9f\x98\x80" "b 1: end"},
        {"3:4\xc3\xa9" "b", "4:\xc3\xa9" "b end"},
        {"4:4\x1e" "ab", "4:\x1e" "ab end"},
        {"6:42:1:4", "4:2:1:4 end"},
        {"2:b4", "4# end"},
        {"001:2", "2: end"},
        {"0:", "end"},
        {"0:1:20:", "2: end"},
        {"", "bad"},
        {":", "bad"},
        {"1", "bad"},
        {"12", "bad"},
        {"1:", "bad"},
        {"2:4", "bad"},
        {"1:2x", "2: bad"},
        {"1:21", "2: bad"},
        {"-1:2", "bad"},
        {"+1:2", "bad"},
        {"1.0:2", "bad"},
        {" 1:2", "bad"},
        {"1e0:2", "bad"},
        {"NaN:2", "bad"},
        {"99999999999999999999999999:2", "bad"},
        {"1:7", "bad"},
        {"1:b", "bad"},
        {"5:bAQID", "bad"},
        {"2:4\xf0\x9f\x98\x80", "bad"}, /* half of a surrogate pair */
        {"2:4\xff", "bad"},
        {"0:\x80", "bad"},
        {"2:4\xc3" "1:2", "bad"},
    };
    require_walks(EIO_V3, rows, ARRAY_LEN(rows));
    assert_string_equal(walk(EIO_V3, SPAN_NONE), "bad");
}

/* What XMLHttpRequest of revision 3 posts as soon as one of its packets is binary. The first is the
 * protocol's example, whose text forgot the type 04. */
static void binary_payloads_of_revision_3(void **state)
{
    static const struct {
        const char *hex;
        const char *walked;
    } rows[] = {
        {"0004ff34e282ac" "0105ff0401020304", "4:\xe2\x82\xac 4#01020304 end"},
        {"0006ff3468656c6c6f", "4:hello end"},
        {"000100ff34303132333435363738", "4:012345678 end"}, /* ten bytes */
        {"0101ff04", "4# end"},
        {"0102ff04ff" "0001ff32", "4#ff 2: end"},
        {"0006ff623441414543" "0001ff31", "4#000102 1: end"}, /* base64 is taken there too */
        {"000001ff32", "2: end"},
        {"", "bad"},
        {"00", "bad"},
        {"00ff", "bad"},
        {"0000ff", "bad"},
        {"0001", "bad"},
        {"0001ff", "bad"},
        {"0002ff34", "bad"},
        {"0201ff34", "bad"},
        {"000aff34", "bad"},
        {"0031ff34", "bad"},
        {"0001ff37", "bad"},
        {"0001ff04", "bad"},
        {"0002ff34ff", "bad"},
        {"0101ff34", "bad"},
        {"0101ff02", "bad"},
        {"0001ff32" "00", "2: bad"},
        {"0009090909090909090909090909090909090909ff34", "bad"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bytes[64];
        assert_true(hex_decode(span_str(rows[i].hex), bytes));
        const char *got = walk(EIO_V3_BINARY, span_of(bytes, strlen(rows[i].hex) / 2));
        if (strcmp(got, rows[i].walked) != 0) {
            fail_msg("%s: %s, not %s", rows[i].hex, got, rows[i].walked);
        }
    }
    assert_string_equal(walk(EIO_V3_BINARY, SPAN_NONE), "bad");
}

static void what_was_put_is_walked(void **state)
{
    buf out = {0}, v3 = {0};
    eio_payload_put(&out, EIO_OPEN, false, SPAN("{}"));
    eio_payload_put(&out, EIO_MESSAGE, false, SPAN("\xf0\x9f\x98\x80"));
    eio_payload_put(&out, EIO_MESSAGE, true, SPAN("\1\2\3\4"));
    eio_payload_put(&out, EIO_MESSAGE, true, SPAN_NONE);
    eio_payload_put(&out, EIO_NOOP, false, SPAN_NONE);
    span whole = buf_span(&out);
    assert_true(span_eq(whole, SPAN("0{}\x1e" "4\xf0\x9f\x98\x80\x1e" "bAQIDBA==\x1e" "b\x1e"
                                    "6\x1e")));
    span sent = span_of(whole.ptr, whole.len - 1);
    const char *want = "0:{} 4:\xf0\x9f\x98\x80 4#01020304 4# 6: end";
    assert_string_equal(walk(EIO_V4, sent), want);

    eio_payload_to_v3(&v3, sent);
    assert_true(span_eq(buf_span(&v3), SPAN("3:0{}3:4\xf0\x9f\x98\x80" "10:b4AQIDBA==2:b41:6")));
    assert_string_equal(walk(EIO_V3, buf_span(&v3)), want);
    buf_clear(&v3);
    eio_payload_to_v3(&v3, whole);
    assert_string_equal(walk(EIO_V3, buf_span(&v3)), want);
    buf_clear(&v3);
    assert_true(eio_payload_to_v3_binary(&v3, whole));
    assert_string_equal(walk(EIO_V3_BINARY, buf_span(&v3)), want);
    assert_memory_equal(v3.ptr, "\0\3\xff" "0{}", 6);
    buf_clear(&v3);
    assert_false(eio_payload_to_v3_binary(&v3, SPAN("4b\x1e" "4\x1e")));
    eio_payload_to_v3(&v3, SPAN_NONE);
    assert_int_equal(v3.len, 0);
    buf_deinit(&out);
    buf_deinit(&v3);
}

static void a_megabyte_round_trips(void **state)
{
    enum { SIZE = 1000000 };
    buf data = {0}, out = {0};
    for (size_t i = 0; i < SIZE; i++) {
        buf_append_byte(&data, (uint8_t)(i * 151));
    }
    eio_payload_put(&out, EIO_MESSAGE, true, buf_span(&data));
    struct eio_walk w;
    struct eio_packet p;
    eio_walk_begin(&w, EIO_V4, out.ptr, out.len - 1);
    assert_int_equal(eio_walk_next(&w, &p), 1);
    assert_true(p.binary && span_eq(p.data, buf_span(&data)));
    assert_int_equal(eio_walk_next(&w, &p), 0);
    buf_deinit(&data);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_frames_are_a_digit_and_data),
        cmocka_unit_test(other_text_is_no_packet),
        cmocka_unit_test(base64_is_a_binary_message),
        cmocka_unit_test(malformed_base64_is_no_packet),
        cmocka_unit_test(payloads_of_revision_4),
        cmocka_unit_test(payloads_of_revision_3),
        cmocka_unit_test(binary_payloads_of_revision_3),
        cmocka_unit_test(what_was_put_is_walked),
        cmocka_unit_test(a_megabyte_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
