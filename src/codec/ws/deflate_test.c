/* permessage-deflate: offers, the examples of RFC 7692 7.2.3, bounds. */
#include "codec/ws/deflate.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static size_t allocated; /* bytes asked for by zlib since the test began */

static void *counting_alloc(size_t bytes)
{
    allocated += bytes;
    return mem_alloc(bytes);
}

static const struct ws_deflate_memory memory = {.alloc = counting_alloc, .release = mem_free};

static struct ws_deflater *d;

static int setup(void **state)
{
    d = ws_deflater_new(&memory, 15);
    allocated = 0;
    return 0;
}

static int teardown(void **state)
{
    ws_deflater_free(d);
    return 0;
}

/* "-": nothing agreed; "!": a broken line; else the answer's parameters behind the fixed two. */
static void check_offer(const char *offer, unsigned window_bits, const char *expected)
{
    struct ws_deflate_agreed agreed;
    int rc = ws_deflate_negotiate(span_str(offer), window_bits, &agreed);
    buf text = {0};
    if (rc == 1) {
        buf answer = {0};
        span fixed = SPAN("permessage-deflate; server_no_context_takeover; "
                          "client_no_context_takeover");
        ws_deflate_answer(&agreed, &answer);
        assert_true(span_starts(buf_span(&answer), fixed));
        buf_append_str(&text, agreed.kind == WS_DEFLATE_FULL ? "full" : "small");
        buf_append_span(&text, span_slice(buf_span(&answer), fixed.len, answer.len));
        buf_deinit(&answer);
    } else {
        assert_int_equal(agreed.kind, WS_DEFLATE_NONE);
        buf_append_str(&text, rc == 0 ? "-" : "!");
    }
    if (!span_eq(buf_span(&text), span_str(expected))) {
        fail_msg("%s: %.*s", offer, (int)text.len, (const char *)text.ptr);
    }
    buf_deinit(&text);
}

#define P "permessage-deflate"

static void offers_are_met_in_order_or_declined(void **state)
{
    static const struct {
        const char *offer;
        const char *expected;
    } rows[] = {
        {"", "-"},
        {P, "full"},
        {"Permessage-Deflate", "full"},
        {" \t" P " , ", "full"},
        {P "; server_no_context_takeover", "full"},
        {P "; client_no_context_takeover", "full"},
        {P ";server_no_context_takeover;client_no_context_takeover", "full"},
        {P "; client_max_window_bits", "full"},
        {P "; client_max_window_bits=8", "full"},
        {P "; client_max_window_bits=15", "full"},
        {P "; client_max_window_bits=\"10\"", "full"},
        {P "; server_max_window_bits=15", "full; server_max_window_bits=15"},
        {P "; server_max_window_bits=\"12\"", "small; server_max_window_bits=12"},
        {P "; Server_Max_Window_Bits = 9", "small; server_max_window_bits=9"},
        {P "; server_max_window_bits=9; client_max_window_bits; client_no_context_takeover; "
         "server_no_context_takeover", "small; server_max_window_bits=9"},
        /* declined: what cannot be met */
        {P "; server_max_window_bits=8", "-"},
        {P "; server_max_window_bits=7", "-"},
        {P "; server_max_window_bits=16", "-"},
        {P "; server_max_window_bits=09", "-"},
        {P "; server_max_window_bits=1", "-"},
        {P "; server_max_window_bits=150", "-"},
        {P "; server_max_window_bits", "-"},
        {P "; client_max_window_bits=7", "-"},
        {P "; client_max_window_bits=16", "-"},
        {P "; client_max_window_bits=+9", "-"},
        {P "; server_no_context_takeover=1", "-"},
        {P "; client_no_context_takeover=\"true\"", "-"},
        {P "; unknown", "-"},
        {P "; unknown=1", "-"},
        {P "; server_no_context_takeover; server_no_context_takeover", "-"},
        {P "; client_no_context_takeover; client_no_context_takeover", "-"},
        {P "; client_max_window_bits; client_max_window_bits=10", "-"},
        {P "; server_max_window_bits=10; server_max_window_bits=10", "-"},
        {"permessage-bzip2, x-webkit-deflate-frame", "-"},
        /* several */
        {P "; server_max_window_bits=8, " P, "full"},
        {P "; server_max_window_bits=10, " P, "small; server_max_window_bits=10"},
        {P ", " P "; server_max_window_bits=10", "full"},
        {"foo; bar=\"baz\"; x, " P "; client_max_window_bits", "full"},
        {P "; client_max_window_bits , foo", "full"},
        /* the grammar */
        {P ";", "!"},
        {P "; =1", "!"},
        {P "; server_max_window_bits=", "!"},
        {P "; server_max_window_bits=\"10", "!"},
        {P "; server_max_window_bits=\"\"", "!"},
        {P "; server_max_window_bits=\"1\\0\"", "!"},
        {P " foo", "!"},
        {P ", ;", "!"},
        {"foo bar, " P, "!"},
        {P ", @", "!"},
        {P "\x80", "!"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_offer(rows[i].offer, 15, rows[i].expected);
    }
}

static void our_own_window_bounds_both_sides(void **state)
{
    check_offer(P, 11, "full");
    check_offer(P "; client_max_window_bits", 11, "full; client_max_window_bits=11");
    check_offer(P "; client_max_window_bits=15", 11, "full; client_max_window_bits=11");
    check_offer(P "; client_max_window_bits=11", 11, "full");
    check_offer(P "; server_max_window_bits=14", 11, "full; server_max_window_bits=11");
    check_offer(P "; server_max_window_bits=11", 11, "full; server_max_window_bits=11");
    check_offer(P "; server_max_window_bits=10", 11, "small; server_max_window_bits=10");
    check_offer(P "; server_max_window_bits=9", 9, "full; server_max_window_bits=9");
}

static int inflate_in(size_t step, span in, size_t bytes_max, buf *out)
{
    buf_clear(out);
    ws_inflate_begin(d);
    for (size_t at = 0; at < in.len; at += step) {
        int rc = ws_inflate_feed(d, span_slice(in, at, step), bytes_max, out);
        if (rc < 0) {
            return rc;
        }
    }
    return ws_inflate_end(d, bytes_max, out);
}

static void the_examples_of_the_rfc_inflate(void **state)
{
    static const struct {
        span in;
        const char *expected; /* NULL: not DEFLATE by itself */
    } rows[] = {
        {SPAN("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello"},                         /* 7.2.3.1 */
        {SPAN("\xf2\x00\x11\x00\x00"), NULL},                                    /* 7.2.3.2 */
        {SPAN("\x00\x05\x00\xfa\xffHello\x00"), "Hello"},                        /* 7.2.3.3 */
        {SPAN("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello"},                     /* 7.2.3.4 */
        {SPAN("\xf3\x48\xcd\xc9\xc9\x07\x00"), "Hello"},
        {SPAN("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), "Hello"}, /* 7.2.3.5 */
        {SPAN("\x00"), ""},                                                      /* 7.2.3.6 */
        {SPAN(""), NULL},
        {SPAN("\xf2\x48\xcd\xc9\xc9\x07"), NULL}, /* cut in a block */
        {SPAN("\xf2\x48\xcd"), NULL},
        {SPAN("\x00\x05\x00\xfa\xffHel"), NULL},
        {SPAN("\x06"), NULL}, /* a reserved block type */
        {SPAN("\x00\x05\x00\x05\x00Hello"), NULL},
        {SPAN("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00"), "HelloHello"},
    };
    buf out = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step < 16; step++) {
            int rc = inflate_in(step, rows[i].in, 100, &out);
            if (rows[i].expected == NULL ? rc != WS_INFLATE_E_DATA
                                         : rc != 0 || !span_eq(buf_span(&out),
                                                               span_str(rows[i].expected))) {
                fail_msg("row %zu in steps of %zu: %d", i, step, rc);
            }
        }
    }
    buf_deinit(&out);
}

static void hello_is_compressed_only_when_it_gets_shorter(void **state)
{
    buf out = {0};
    buf_append_str(&out, "before");
    assert_false(ws_deflate_encode(d, WS_DEFLATE_FULL, SPAN("Hello"), &out));
    assert_false(ws_deflate_encode(d, WS_DEFLATE_FULL, SPAN_NONE, &out));
    assert_int_equal(out.len, 6);
    assert_true(ws_deflate_encode(d, WS_DEFLATE_FULL, SPAN("HelloHelloHelloHello"), &out));
    assert_true(out.len < 6 + 20);
    span made = span_slice(buf_span(&out), 6, out.len);
    buf back = {0};
    assert_int_equal(inflate_in(made.len, made, 20, &back), 0);
    assert_true(span_eq(buf_span(&back), SPAN("HelloHelloHelloHello")));
    buf_deinit(&back);
    buf_deinit(&out);
}

static uint32_t seed = 7;

static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* Text with repeats that reach back up to `reach` bytes. */
static void fill_text(buf *b, size_t len, size_t reach)
{
    buf_clear(b);
    while (b->len < len) {
        size_t back = 1 + next_random() % reach;
        if (b->len > back && next_random() % 4 != 0) {
            uint8_t again[16];
            size_t n = back < sizeof again ? back : sizeof again;
            memcpy(again, b->ptr + b->len - back, n);
            buf_append(b, again, n);
        } else {
            buf_append_byte(b, (uint8_t)next_random());
        }
    }
    b->len = len;
}

static void messages_of_any_size_come_back_for_every_kind(void **state)
{
    static const size_t sizes[] = {21, 1024, 4096, 32768, 70000, 1 << 20};
    buf text = {0}, packed = {0}, back = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fill_text(&text, sizes[i], 40000);
        for (int kind = WS_DEFLATE_FULL; kind <= WS_DEFLATE_SMALL; kind++) {
            buf_clear(&packed);
            if (ws_deflate_encode(d, (enum ws_deflate_kind)kind, buf_span(&text), &packed)) {
                assert_true(packed.len < text.len);
                assert_int_equal(inflate_in(777, buf_span(&packed), text.len, &back), 0);
                assert_true(span_eq(buf_span(&back), buf_span(&text)));
            } else {
                assert_int_equal(packed.len, 0);
            }
        }
    }
    buf_deinit(&text);
    buf_deinit(&packed);
    buf_deinit(&back);
}

static void what_does_not_compress_is_left_alone(void **state)
{
    buf noise = {0}, out = {0};
    for (size_t i = 0; i < 100000; i++) {
        buf_append_byte(&noise, (uint8_t)next_random());
    }
    assert_false(ws_deflate_encode(d, WS_DEFLATE_FULL, buf_span(&noise), &out));
    assert_false(ws_deflate_encode(d, WS_DEFLATE_SMALL, buf_span(&noise), &out));
    assert_int_equal(out.len, 0);
    buf_deinit(&noise);
    buf_deinit(&out);
}

/* A peer that asked for 9 bits has a window of 512 bytes: nothing may point further back. */
static void the_small_kind_needs_512_bytes_of_window(void **state)
{
    buf text = {0}, full = {0}, small = {0};
    for (size_t i = 0; i < 8192; i++) { /* noise that repeats after 600 bytes */
        buf_append_byte(&text, (uint8_t)(i < 600 ? next_random() : text.ptr[i - 600]));
    }
    assert_true(ws_deflate_encode(d, WS_DEFLATE_FULL, buf_span(&text), &full));
    assert_true(full.len < 1000);
    assert_false(ws_deflate_encode(d, WS_DEFLATE_SMALL, buf_span(&text), &small));
    buf_deinit(&text);
    buf_deinit(&full);
    buf_deinit(&small);
}

static void a_bomb_stops_at_the_bound(void **state)
{
    buf zeros = {0}, bomb = {0}, out = {0};
    memset(buf_reserve(&zeros, 16 << 20), 0, 16 << 20);
    zeros.len = 16 << 20;
    assert_true(ws_deflate_encode(d, WS_DEFLATE_FULL, buf_span(&zeros), &bomb));
    assert_true(bomb.len < 100000);
    for (size_t step = 1; step <= bomb.len; step *= 10) {
        buf_deinit(&out);
        assert_int_equal(inflate_in(step, buf_span(&bomb), 65536, &out), WS_INFLATE_E_TOO_BIG);
        assert_true(out.len == 65537 && out.cap <= 131072);
    }
    assert_int_equal(inflate_in(100, buf_span(&bomb), zeros.len, &out), 0);
    assert_int_equal(out.len, zeros.len);
    assert_int_equal(inflate_in(100, buf_span(&bomb), zeros.len - 1, &out), WS_INFLATE_E_TOO_BIG);
    buf_deinit(&zeros);
    buf_deinit(&bomb);
    buf_deinit(&out);
}

/* The figures of the header. */
static void memory_is_what_the_header_says(void **state)
{
    buf out = {0};
    assert_int_equal(allocated, 0);
    assert_int_equal(inflate_in(1, SPAN("\xf2\x48\xcd\xc9\xc9\x07\x00"), 100, &out), 0);
    assert_in_range(allocated, 1, 40 << 10);
    allocated = 0;
    fill_text(&out, 100000, 1000);
    buf packed = {0};
    assert_true(ws_deflate_encode(d, WS_DEFLATE_FULL, buf_span(&out), &packed));
    assert_in_range(allocated, 1, 264 << 10);
    allocated = 0;
    assert_true(ws_deflate_encode(d, WS_DEFLATE_SMALL, buf_span(&out), &packed));
    assert_in_range(allocated, 1, 24 << 10);
    allocated = 0;
    assert_true(ws_deflate_encode(d, WS_DEFLATE_SMALL, buf_span(&out), &packed));
    assert_int_equal(inflate_in(1, SPAN("\xf2\x48\xcd\xc9\xc9\x07\x00"), 100, &out), 0);
    assert_int_equal(allocated, 0);
    buf_deinit(&out);
    buf_deinit(&packed);
}

static void wire_bytes_leave_room_for_stored_blocks(void **state)
{
    assert_true(ws_deflate_payload_bytes_max(0) >= 1);
    assert_true(ws_deflate_payload_bytes_max(127) >= 127 + 5);
    assert_true(ws_deflate_payload_bytes_max(1 << 20) >= (1 << 20) + 5 * ((1 << 20) / 127));
    assert_true(ws_deflate_payload_bytes_max(UINT32_MAX) > UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_are_met_in_order_or_declined),
        cmocka_unit_test(our_own_window_bounds_both_sides),
        cmocka_unit_test_setup_teardown(the_examples_of_the_rfc_inflate, setup, teardown),
        cmocka_unit_test_setup_teardown(hello_is_compressed_only_when_it_gets_shorter, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(messages_of_any_size_come_back_for_every_kind, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_does_not_compress_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_small_kind_needs_512_bytes_of_window, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bomb_stops_at_the_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_what_the_header_says, setup, teardown),
        cmocka_unit_test(wire_bytes_leave_room_for_stored_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
