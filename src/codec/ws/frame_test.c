#include "codec/ws/frame.h"

#include "base/assert.h"
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int decode(const char *hex, unsigned flags, struct ws_frame *f)
{
    uint8_t bytes[64];
    assert_true(hex_decode(span_str(hex), bytes));
    return ws_frame_decode(span_of(bytes, strlen(hex) / 2), flags, f);
}

static void headers_decode_at_their_exact_size(void **state)
{
    static const struct {
        const char *hex;
        unsigned flags;
        uint64_t len;
    } rows[] = {
        {"8100", 0, 0},
        {"827d", 0, 125},
        {"827e007e", 0, 126},
        {"827effff", 0, 65535},
        {"827f0000000000010000", 0, 65536},
        {"827f7fffffffffffffff", 0, INT64_MAX},
        {"818001020304", WS_FRAME_MASKED, 0},
        {"02fd01020304", WS_FRAME_MASKED, 125},
        {"00fe01000a0b0c0d", WS_FRAME_MASKED, 256},
        {"80ff00000001000000000a0b0c0d", WS_FRAME_MASKED, UINT64_C(1) << 32},
        {"c100", WS_FRAME_RSV1_OK, 0},
        {"4200", WS_FRAME_RSV1_OK, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ws_frame f;
        uint8_t bytes[16];
        size_t size = strlen(rows[i].hex) / 2;
        assert_true(hex_decode(span_str(rows[i].hex), bytes));
        for (size_t cut = 0; cut < size; cut++) {
            assert_int_equal(ws_frame_decode(span_of(bytes, cut), rows[i].flags, &f), 0);
        }
        assert_int_equal(ws_frame_decode(span_of(bytes, size), rows[i].flags, &f), size);
        assert_int_equal(f.len, rows[i].len);
        assert_int_equal(f.opcode, bytes[0] & 15);
        assert_int_equal(f.fin, bytes[0] >> 7);
        assert_int_equal(f.rsv1, bytes[0] >> 6 & 1);
        if ((rows[i].flags & WS_FRAME_MASKED) != 0) {
            assert_memory_equal(f.key, bytes + size - 4, 4);
        }
    }
}

static void bad_headers_are_named_as_early_as_they_show(void **state)
{
    static const struct {
        const char *hex;
        unsigned flags;
        int error;
    } rows[] = {
        {"c1", 0, WS_FRAME_E_RSV},
        {"a1", 0, WS_FRAME_E_RSV},
        {"91", 0, WS_FRAME_E_RSV},
        {"a1", WS_FRAME_RSV1_OK, WS_FRAME_E_RSV},
        {"c0", WS_FRAME_RSV1_OK, WS_FRAME_E_RSV}, /* not on a continuation, RFC 7692 6.1 */
        {"c9", WS_FRAME_RSV1_OK, WS_FRAME_E_RSV},
        {"83", 0, WS_FRAME_E_OPCODE},
        {"87", 0, WS_FRAME_E_OPCODE},
        {"8b", 0, WS_FRAME_E_OPCODE},
        {"8f", 0, WS_FRAME_E_OPCODE},
        {"08", 0, WS_FRAME_E_FRAGMENTED},
        {"09", 0, WS_FRAME_E_FRAGMENTED},
        {"887e", 0, WS_FRAME_E_CONTROL},
        {"897f", 0, WS_FRAME_E_CONTROL},
        {"8180", 0, WS_FRAME_E_MASK},
        {"8100", WS_FRAME_MASKED, WS_FRAME_E_MASK},
        {"817e007d", 0, WS_FRAME_E_LENGTH},
        {"81fe0000", WS_FRAME_MASKED, WS_FRAME_E_LENGTH},
        {"817f000000000000ffff", 0, WS_FRAME_E_LENGTH},
        {"817f8000000000000000", 0, WS_FRAME_E_LENGTH},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ws_frame f;
        assert_int_equal(decode(rows[i].hex, rows[i].flags, &f), rows[i].error);
        assert_true(strcmp(ws_frame_error_name(rows[i].error), "no frame error") != 0);
    }
    assert_string_equal(ws_frame_error_name(0), "no frame error");
}

static void every_length_survives_encoding(void **state)
{
    static const uint64_t lens[] = {0,   1,     125,   126,        127,      255,
                                    256, 65535, 65536, UINT32_MAX, INT64_MAX};
    static const uint8_t key[4] = {1, 2, 3, 4};
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        for (int masked = 0; masked < 2; masked++) {
            uint8_t head[WS_HEAD_BYTES_MAX];
            struct ws_frame f;
            const uint8_t *k = masked ? key : NULL;
            unsigned flags = masked ? WS_FRAME_MASKED : 0;
            size_t n = ws_frame_encode_head(head, masked, WS_OP_BINARY, lens[i], k);
            assert_int_equal(ws_frame_decode(span_of(head, n), flags, &f), n);
            assert_int_equal(f.len, lens[i]);
            assert_int_equal(f.fin, masked);
            assert_memory_equal(f.key, masked ? key : (const uint8_t[4]){0}, 4);
        }
    }
}

static void masking_agrees_with_the_definition(void **state)
{
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    for (size_t len = 0; len < 40; len++) {
        for (size_t offset = 0; offset < 9; offset++) {
            uint8_t data[48], wanted[48];
            for (size_t i = 0; i < sizeof data; i++) {
                data[i] = wanted[i] = (uint8_t)(i * 7);
            }
            for (size_t i = 0; i < len; i++) {
                wanted[i + 3] ^= key[(offset + i) % 4];
            }
            ws_mask(data + 3, len, key, offset); /* unaligned, and nothing around it touched */
            assert_memory_equal(data, wanted, sizeof data);
        }
    }
}

static void control_frames_carry_their_payload(void **state)
{
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t out[WS_CONTROL_FRAME_BYTES_MAX];
    assert_int_equal(ws_control_encode(out, WS_OP_PONG, SPAN("Hello"), NULL), 7);
    assert_memory_equal(out, "\x8a\x05Hello", 7); /* RFC 6455 5.7 */
    assert_int_equal(ws_control_encode(out, WS_OP_PONG, SPAN("Hello"), key), 11);
    assert_memory_equal(out, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    assert_int_equal(ws_control_encode(out, WS_OP_PING, SPAN_NONE, NULL), 2);
    uint8_t full[WS_CONTROL_BYTES_MAX] = {0};
    size_t n = ws_control_encode(out, WS_OP_PING, span_of(full, sizeof full), key);
    assert_int_equal(n, sizeof out);
}

static void close_reason_is_cut_between_characters(void **state)
{
    uint8_t out[WS_CONTROL_BYTES_MAX];
    assert_int_equal(ws_close_encode(0, SPAN("unused"), out), 0);
    assert_int_equal(ws_close_encode(1000, SPAN_NONE, out), 2);
    assert_memory_equal(out, "\x03\xe8", 2);
    assert_int_equal(ws_close_encode(4001, SPAN("bye"), out), 5);
    assert_memory_equal(out, "\x0f\xa1" "bye", 5);
    uint8_t reason[130];
    memset(reason, 'x', sizeof reason);
    assert_int_equal(ws_close_encode(1001, span_of(reason, 123), out), 125);
    assert_int_equal(ws_close_encode(1001, span_of(reason, 130), out), 125);
    memcpy(reason + 121, "\xe2\x82\xac", 3); /* would be cut after its second byte */
    assert_int_equal(ws_close_encode(1001, span_of(reason, 130), out), 2 + 121);
}

static void codes_that_may_be_sent(void **state)
{
    unsigned count = 0;
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        count += ws_close_code_valid((uint16_t)code);
    }
    assert_int_equal(count, 4 + 8 + 2000);
    assert_false(ws_close_code_valid(1005));
    assert_false(ws_close_code_valid(1006));
    assert_false(ws_close_code_valid(1015));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_decode_at_their_exact_size),
        cmocka_unit_test(bad_headers_are_named_as_early_as_they_show),
        cmocka_unit_test(every_length_survives_encoding),
        cmocka_unit_test(masking_agrees_with_the_definition),
        cmocka_unit_test(control_frames_carry_their_payload),
        cmocka_unit_test(close_reason_is_cut_between_characters),
        cmocka_unit_test(codes_that_may_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
