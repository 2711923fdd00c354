/* permessage-deflate over real sockets, server role (RFC 7692). */
#include "net/ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/test_server.h"

#define MESSAGE_BYTES_MAX 100000
#define BYTES_MIN 64
#define EXT "Sec-WebSocket-Extensions: "
#define ANSWER                                                                                     \
    EXT "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

static enum ws_deflate_kind kind_seen;
static unsigned closed;
static close_reason reason_seen;

static void on_message(struct conn *c, enum ws_opcode op, span payload) { ws_send(c, op, payload); }

static void on_close(struct conn *c, close_reason reason)
{
    closed++;
    reason_seen = reason;
}

static const struct ws_wire wire = {
    .name = "test",
    .limits = {.message_bytes_max = MESSAGE_BYTES_MAX, .fragments_max = 10},
    .deflate = true,
    .on_message = on_message,
    .on_close = on_close,
};

static const struct ws_wire text_wire = {
    .name = "text",
    .limits = {.message_bytes_max = MESSAGE_BYTES_MAX, .fragments_max = 10},
    .deflate = true,
    .text_only = true,
    .on_message = on_message,
    .on_close = on_close,
};

static const struct ws_wire plain_wire = {
    .name = "plain",
    .limits = {.message_bytes_max = MESSAGE_BYTES_MAX, .fragments_max = 10},
    .on_message = on_message,
    .on_close = on_close,
};

static const struct ws_wire *wire_now;

static void on_request(struct http_exchange *x)
{
    struct conn *c = ws_upgrade(x, wire_now, NULL, SPAN_NONE);
    if (c != NULL) {
        kind_seen = ws_deflate_kind_of(c);
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

static struct server s;
static struct ws_deflater *packer; /* the peer's */
static const struct ws_deflate_memory memory = {.alloc = mem_alloc, .release = mem_free};

static int setup(void **state)
{
    struct net_limits limits = test_limits;
    limits.ws_deflate = true;
    limits.ws_deflate_bytes_min = BYTES_MIN;
    closed = 0;
    wire_now = &wire;
    packer = ws_deflater_new(&memory, 15);
    server_start(&s, &handler, &limits);
    return 0;
}

static int teardown(void **state)
{
    server_stop(&s);
    ws_deflater_free(packer);
    return 0;
}

/* Upgrades with these header lines; the answer's head, NUL-terminated, is in `head`. */
static struct peer upgrade(const char *lines, char head[1000])
{
    struct peer p = peer_connect(&s);
    buf out = {0};
    buf_printf(&out,
               "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
               "%s\r\n", lines);
    peer_send(&p, buf_span(&out));
    buf_deinit(&out);
    until(&s, peer_has(&p, "\r\n\r\n") || p.ended);
    size_t len = (size_t)((uint8_t *)memmem(p.in.ptr, p.in.len, "\r\n\r\n", 4) + 4 - p.in.ptr);
    assert_true(len < 1000);
    memcpy(head, p.in.ptr, len);
    head[len] = '\0';
    buf_consume(&p.in, len);
    return p;
}

static struct peer upgraded(void)
{
    char head[1000];
    struct peer p = upgrade(EXT "permessage-deflate\r\n", head);
    assert_non_null(strstr(head, ANSWER "\r\n"));
    return p;
}

static void offers_are_answered_in_the_handshake(void **state)
{
    static const struct {
        const char *lines;
        const char *answer; /* NULL: none */
        enum ws_deflate_kind kind;
    } rows[] = {
        {"", NULL, WS_DEFLATE_NONE},
        {EXT "\r\n", NULL, WS_DEFLATE_NONE},
        {EXT "permessage-deflate\r\n", ANSWER "\r\n", WS_DEFLATE_FULL},
        {EXT "permessage-deflate; server_max_window_bits=10\r\n",
         ANSWER "; server_max_window_bits=10\r\n", WS_DEFLATE_SMALL},
        {EXT "permessage-deflate; server_max_window_bits=8\r\n", NULL, WS_DEFLATE_NONE},
        {EXT "foo\r\nsec-websocket-extensions: permessage-deflate\r\n", ANSWER "\r\n",
         WS_DEFLATE_FULL},
        {EXT "permessage-deflate; server_max_window_bits=9\r\n" EXT "permessage-deflate\r\n",
         ANSWER "; server_max_window_bits=9\r\n", WS_DEFLATE_SMALL},
    };
    char head[1000];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer p = upgrade(rows[i].lines, head);
        assert_memory_equal(head, "HTTP/1.1 101 ", 13);
        if ((rows[i].answer == NULL) != (strstr(head, EXT) == NULL) ||
            (rows[i].answer != NULL && strstr(head, rows[i].answer) == NULL) ||
            kind_seen != rows[i].kind) {
            fail_msg("row %zu: %s", i, head);
        }
        peer_close(&p);
    }
    struct peer p = upgrade(EXT "permessage-deflate; =\r\n", head);
    assert_memory_equal(head, "HTTP/1.1 400 ", 13);
    peer_close(&p);
}

static void setting_and_wire_must_both_allow_it(void **state)
{
    char head[1000];
    wire_now = &plain_wire;
    struct peer p = upgrade(EXT "permessage-deflate\r\n", head);
    assert_null(strstr(head, EXT));
    send_frame(&p, 0xc1, SPAN("\xf2\x48\xcd\xc9\xc9\x07\x00"));
    expect_close(&p, 1002);
    peer_close(&p);
    wire_now = &wire;
    s.limits.ws_deflate = false;
    p = upgrade(EXT "permessage-deflate; =\r\n", head); /* not even looked at */
    assert_memory_equal(head, "HTTP/1.1 101 ", 13);
    assert_null(strstr(head, EXT));
    peer_close(&p);
}

static void a_smaller_window_is_a_setting(void **state)
{
    char head[1000];
    s.limits.ws_deflate_window_bits = 10;
    struct peer p = upgrade(EXT "permessage-deflate; client_max_window_bits\r\n", head);
    assert_non_null(strstr(head, ANSWER "; client_max_window_bits=10\r\n"));
    peer_close(&p);
}

/* Takes the next frame, inflated when it is marked; returns its first byte. */
static unsigned take_frame(struct peer *p, buf *out)
{
    unsigned first = 0;
    span payload = SPAN_NONE;
    until(&s, frame_next(p, &first, &payload) || p->ended);
    buf_clear(out);
    if ((first & WS_FRAME_RSV1) != 0) {
        ws_inflate_begin(packer);
        assert_int_equal(ws_inflate_feed(packer, payload, MESSAGE_BYTES_MAX, out), 0);
        assert_int_equal(ws_inflate_end(packer, MESSAGE_BYTES_MAX, out), 0);
        assert_true(payload.len < out->len);
    } else {
        buf_append_span(out, payload);
    }
    answer_drop(p, payload);
    return first;
}

static void messages_are_inflated_and_compressed(void **state)
{
    struct peer p = upgraded();
    buf text = {0}, packed = {0}, back = {0};
    send_frame(&p, 0xc1, SPAN("\xf2\x48\xcd\xc9\xc9\x07\x00"));
    expect_frame(&p, 0x81, SPAN("Hello")); /* too short to be worth it */
    send_frame(&p, 0xc1, SPAN("\x00"));
    expect_frame(&p, 0x81, SPAN(""));
    send_frame(&p, 0x81, SPAN("plain"));
    expect_frame(&p, 0x81, SPAN("plain"));
    for (size_t len = 50; len <= MESSAGE_BYTES_MAX; len = len * 5 / 4 + 1) {
        while (text.len < len) {
            buf_printf(&text, "line %zu, ", text.len);
        }
        text.len = len;
        buf_clear(&packed);
        assert_true(ws_deflate_encode(packer, WS_DEFLATE_FULL, buf_span(&text), &packed));
        send_frame(&p, 0xc2, buf_span(&packed));
        assert_int_equal(take_frame(&p, &back), len < BYTES_MIN ? 0x82 : 0xc2);
        assert_true(span_eq(buf_span(&back), buf_span(&text)));
        send_frame(&p, 0x81, buf_span(&text));
        assert_int_equal(take_frame(&p, &back), len < BYTES_MIN ? 0x81 : 0xc1);
        assert_true(span_eq(buf_span(&back), buf_span(&text)));
    }
    send_frame(&p, 0x89, SPAN("ping")); /* control frames never */
    expect_frame(&p, 0x8a, SPAN("ping"));
    buf_deinit(&text);
    buf_deinit(&packed);
    buf_deinit(&back);
    peer_close(&p);
}

static void noise_leaves_as_it_is(void **state)
{
    struct peer p = upgraded();
    uint8_t noise[5000];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof noise; i++) {
        x = x * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(x >> 24);
    }
    send_frame(&p, 0x82, span_of(noise, sizeof noise));
    expect_frame(&p, 0x82, span_of(noise, sizeof noise));
    peer_close(&p);
}

static void a_small_window_is_kept(void **state)
{
    char head[1000];
    struct peer p = upgrade(EXT "permessage-deflate; server_max_window_bits=9\r\n", head);
    buf text = {0}, back = {0};
    for (size_t i = 0; i < 8000; i++) { /* repeats after 1000 bytes and after 4 */
        buf_append_byte(&text, (uint8_t)(i % 4 == 0 ? i * 7 % 1000 : 'x'));
    }
    send_frame(&p, 0x82, buf_span(&text));
    assert_int_equal(take_frame(&p, &back), 0xc2);
    assert_true(span_eq(buf_span(&back), buf_span(&text)));
    buf_deinit(&text);
    buf_deinit(&back);
    peer_close(&p);
}

static void compressed_messages_may_be_fragmented(void **state)
{
    struct peer p = upgraded();
    send_frame(&p, 0x41, SPAN("\xf2\x48\xcd"));
    send_frame(&p, 0x89, SPAN("between"));
    expect_frame(&p, 0x8a, SPAN("between"));
    send_frame(&p, 0x00, SPAN(""));
    send_frame(&p, 0x80, SPAN("\xc9\xc9\x07\x00"));
    expect_frame(&p, 0x81, SPAN("Hello"));
    send_frame(&p, 0x01, SPAN("pl")); /* and a plain one after it */
    send_frame(&p, 0x80, SPAN("ain"));
    expect_frame(&p, 0x81, SPAN("plain"));
    peer_close(&p);
}

static void expect_end(struct peer *p, unsigned code, close_reason reason)
{
    expect_close(p, code);
    assert_int_equal(closed, 1);
    assert_int_equal(reason_seen, reason);
    closed = 0;
    peer_close(p);
    until(&s, net_count(s.net) == 0);
}

static void broken_messages_end_the_session(void **state)
{
    static const struct {
        unsigned first;
        span payload;
        unsigned code;
        close_reason reason;
    } rows[] = {
        {0xc1, SPAN("\xf2\x48\xcd"), 1007, CLOSE_BAD_DATA},             /* cut */
        {0xc1, SPAN("not deflate"), 1007, CLOSE_BAD_DATA},
        {0xc1, SPAN("\xf2\x00\x11\x00\x00"), 1007, CLOSE_BAD_DATA},     /* an older context */
        {0xc1, SPAN(""), 1007, CLOSE_BAD_DATA},
        {0xc1, SPAN("\x00\x01\x00\xfe\xff\xff\x00"), 1007, CLOSE_BAD_UTF8},
        {0xc9, SPAN(""), 1002, CLOSE_PROTOCOL},
        {0xc0, SPAN(""), 1002, CLOSE_PROTOCOL},
        {0xe1, SPAN(""), 1002, CLOSE_PROTOCOL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer p = upgraded();
        send_frame(&p, rows[i].first, rows[i].payload);
        expect_end(&p, rows[i].code, rows[i].reason);
    }
    struct peer p = upgraded();
    send_frame(&p, 0x41, SPAN("\xf2\x48\xcd"));
    send_frame(&p, 0xc0, SPAN("\xc9\xc9\x07\x00"));
    expect_end(&p, 1002, CLOSE_PROTOCOL);
    wire_now = &text_wire;
    p = upgraded();
    send_frame(&p, 0xc2, SPAN("\xf2\x48\xcd\xc9\xc9\x07\x00"));
    expect_end(&p, 1003, CLOSE_UNSUPPORTED);
}

static void a_bomb_is_too_big_whole_or_in_fragments(void **state)
{
    buf zeros = {0}, bomb = {0};
    memset(buf_reserve(&zeros, 32 << 20), 0, 32 << 20);
    zeros.len = 32 << 20;
    assert_true(ws_deflate_encode(packer, WS_DEFLATE_FULL, buf_span(&zeros), &bomb));
    assert_true(bomb.len < MESSAGE_BYTES_MAX * 2);
    size_t half = bomb.len / 2 < MESSAGE_BYTES_MAX / 2 ? bomb.len / 2 : MESSAGE_BYTES_MAX / 2;
    bomb.len = half * 2;
    struct peer p = upgraded();
    send_frame(&p, 0xc2, buf_span(&bomb));
    expect_end(&p, 1009, CLOSE_TOO_BIG);
    p = upgraded();
    send_frame(&p, 0x42, span_slice(buf_span(&bomb), 0, half));
    send_frame(&p, 0x80, span_slice(buf_span(&bomb), half, half));
    expect_end(&p, 1009, CLOSE_TOO_BIG);

    /* The limit counts what comes out, to the byte. */
    buf_clear(&bomb);
    zeros.len = MESSAGE_BYTES_MAX;
    assert_true(ws_deflate_encode(packer, WS_DEFLATE_FULL, buf_span(&zeros), &bomb));
    p = upgraded();
    send_frame(&p, 0xc2, buf_span(&bomb));
    buf back = {0};
    assert_int_equal(take_frame(&p, &back), 0xc2);
    assert_int_equal(back.len, MESSAGE_BYTES_MAX);
    buf_clear(&bomb);
    buf_append_byte(&zeros, 0);
    assert_true(ws_deflate_encode(packer, WS_DEFLATE_FULL, buf_span(&zeros), &bomb));
    send_frame(&p, 0xc2, buf_span(&bomb));
    expect_end(&p, 1009, CLOSE_TOO_BIG);
    buf_deinit(&back);
    buf_deinit(&zeros);
    buf_deinit(&bomb);
}

static void several_frames_are_compressed_in_place(void **state)
{
    buf out = {0}, text = {0}, back = {0};
    for (unsigned i = 0; i < 300; i++) {
        buf_append_str(&text, "again and ");
    }
    buf_append_str(&out, "before");
    ws_deflate_frames(s.net, WS_DEFLATE_FULL, &out, 6);
    assert_int_equal(out.len, 6);
    ws_frame_append(&out, WS_OP_BINARY, buf_span(&text));
    ws_frame_append(&out, WS_OP_TEXT, SPAN("short"));
    ws_frame_append(&out, WS_OP_TEXT, buf_span(&text));
    size_t plain = out.len;
    ws_deflate_frames(s.net, WS_DEFLATE_NONE, &out, 6);
    assert_int_equal(out.len, plain);
    ws_deflate_frames(s.net, WS_DEFLATE_FULL, &out, 6);
    assert_true(out.len < plain / 4);
    assert_memory_equal(out.ptr, "before", 6);
    static const uint8_t firsts[] = {0xc2, 0x81, 0xc1};
    struct peer p = {.server = &s, .fd = -1}; /* reads from a buffer only */
    buf_append(&p.in, out.ptr + 6, out.len - 6);
    for (size_t i = 0; i < sizeof firsts; i++) {
        assert_int_equal(take_frame(&p, &back), firsts[i]);
        assert_true(span_eq(buf_span(&back), i == 1 ? SPAN("short") : buf_span(&text)));
    }
    assert_int_equal(p.in.len, 0);
    buf_deinit(&p.in);
    buf_deinit(&out);
    buf_deinit(&text);
    buf_deinit(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(offers_are_answered_in_the_handshake, setup, teardown),
        cmocka_unit_test_setup_teardown(setting_and_wire_must_both_allow_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_smaller_window_is_a_setting, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_are_inflated_and_compressed, setup, teardown),
        cmocka_unit_test_setup_teardown(noise_leaves_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_small_window_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(compressed_messages_may_be_fragmented, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_messages_end_the_session, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bomb_is_too_big_whole_or_in_fragments, setup, teardown),
        cmocka_unit_test_setup_teardown(several_frames_are_compressed_in_place, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
