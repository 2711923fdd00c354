/* WebSocket sessions, server role, over real sockets: messages, pings, full sockets. */
#include "net/ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/test_ws.h"

static void the_handshake_is_answered_with_the_key_and_subprotocol(void **state)
{
    struct peer p = peer_connect(&s);
    peer_send_str(&p, UPGRADE_REQUEST);
    until(&s, peer_has(&p, "\r\n\r\n"));
    assert_true(peer_has(&p, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_true(peer_has(&p, "Sec-WebSocket-Protocol: proto\r\n"));
    peer_close(&p);
    until(&s, seen.closed == 1);
    assert_int_equal(seen.reason, CLOSE_PEER_GONE);
    until(&s, net_count(s.net) == 0);
    assert_int_equal(net_stats(s.net)->open_ws, 0);
}

static void handshakes_that_are_wrong_are_refused(void **state)
{
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    static const struct {
        const char *fields;
        int status;
    } rows[] = {
        {"Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY "Sec-WebSocket-Version: 13\r\n", 101},
        {"Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: x, upgrade\r\n" KEY
         "Sec-WebSocket-Version: 13\r\n", 101},
        {"Upgrade: h2c\r\nUpgrade: WebSocket\r\nConnection: UPGRADE\r\n" KEY
         "Sec-WebSocket-Version: 13\r\n", 101},
        {"", 400},
        {"Upgrade: websocket\r\n" KEY "Sec-WebSocket-Version: 13\r\n", 400},
        {"Connection: Upgrade\r\n" KEY "Sec-WebSocket-Version: 13\r\n", 400},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", 400},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: short\r\n"
         "Sec-WebSocket-Version: 13\r\n", 400},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\n"
         "" KEY KEY "Sec-WebSocket-Version: 13\r\n", 400},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY "Sec-WebSocket-Version: 8\r\n", 426},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY, 426},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n", 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer p = peer_connect(&s);
        buf out = {0};
        buf_printf(&out, "GET /ws HTTP/1.1\r\nHost: a\r\n%s\r\n", rows[i].fields);
        peer_send(&p, buf_span(&out));
        until(&s, peer_has(&p, "\r\n\r\n"));
        uint64_t status;
        assert_true(span_u64(span_of(p.in.ptr + 9, 3), 999, &status));
        if ((int)status != rows[i].status) {
            fail_msg("row %zu: %d", i, (int)status);
        }
        if (status == 426) {
            assert_true(peer_has(&p, "Sec-WebSocket-Version: 13\r\n"));
        }
        buf_deinit(&out);
        peer_close(&p);
    }
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "POST /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\n"
                      KEY "Sec-WebSocket-Version: 13\r\nContent-Length: 1\r\n\r\nx");
    expect_status(&p, 400);
    peer_close(&p);
}

static void messages_of_every_size_come_back(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 262144, 5 << 20};
    struct peer p = peer_upgrade(&s);
    uint8_t *bytes = mem_alloc(5 << 20);
    for (size_t i = 0; i < 5 << 20; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        send_frame(&p, 0x82, span_of(bytes, sizes[i]));
        expect_frame(&p, 0x82, span_of(bytes, sizes[i]));
    }
    mem_free(bytes);
    peer_close(&p);
}

static void split_frames_make_the_same_messages(void **state)
{
    struct peer p = peer_upgrade(&s);
    buf out = {0};
    frame_append(&out, 0x81, SPAN("one"));
    frame_append(&out, 0x01, SPAN("tw"));
    frame_append(&out, 0x89, SPAN("ping"));
    frame_append(&out, 0x80, SPAN("o"));
    static char three[300];
    memset(three, '3', sizeof three);
    frame_append(&out, 0x81, span_of(three, sizeof three));
    for (size_t i = 0; i < out.len; i++) {
        peer_send(&p, span_of(out.ptr + i, 1));
        turn(&s, 1);
    }
    expect_frame(&p, 0x81, SPAN("one"));
    expect_frame(&p, 0x8a, SPAN("ping"));
    expect_frame(&p, 0x81, SPAN("two"));
    expect_frame(&p, 0x81, span_of(three, sizeof three));
    buf_deinit(&out);
    peer_close(&p);
}

static void frames_that_come_with_the_handshake_are_read(void **state)
{
    struct peer p = peer_connect(&s);
    buf out = {0};
    buf_append_str(&out, UPGRADE_REQUEST);
    frame_append(&out, 0x81, SPAN("early"));
    frame_append(&out, 0x81, SPAN("half"));
    peer_send(&p, span_of(out.ptr, out.len - 3));
    until(&s, peer_has(&p, "\r\n\r\n") && peer_has(&p, "early"));
    peer_send(&p, span_of(out.ptr + out.len - 3, 3));
    until(&s, peer_has(&p, "half"));
    buf_deinit(&out);
    peer_close(&p);
}

/* The 101 stands behind an answer that the socket does not take. */
static void a_handshake_behind_a_large_answer_waits_for_it(void **state)
{
    struct peer p = peer_connect_small(&s, 4096);
    buf out = {0};
    buf_append_str(&out, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n" UPGRADE_REQUEST);
    frame_append(&out, 0x81, SPAN("early"));
    frame_append(&out, 0x81, SPAN("second"));
    peer_send(&p, buf_span(&out));
    turn(&s, 10);
    assert_int_equal(seen.messages, 0);
    assert_int_equal(expect_status(&p, 200).body_len, 3000000);
    assert_int_equal(expect_status(&p, 101).body_len, 0);
    expect_frame(&p, 0x81, SPAN("early"));
    expect_frame(&p, 0x81, SPAN("second"));
    buf_deinit(&out);
    peer_close(&p);
}

static void pings_keep_an_answering_peer_and_silence_ends_it(void **state)
{
    struct peer p = peer_upgrade(&s);
    for (int i = 0; i < 5; i++) {
        advance(&s, 2200);
        expect_frame(&p, 0x89, SPAN_NONE);
        send_frame(&p, 0x8a, SPAN_NONE);
        turn(&s, 2);
    }
    assert_int_equal(seen.closed, 0);
    advance(&s, 4800);
    assert_int_equal(seen.closed, 0);
    advance(&s, 500);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.reason, CLOSE_TIMEOUT);
    peer_close(&p);
}

/* The bytes that wait may be the owner's (an outbox), not the record's: the deadline counts. */
static void a_full_socket_is_closed_after_the_write_time(void **state)
{
    struct peer p = peer_upgrade_small(&s, 4096);
    struct conn *c = conn_find(s.net, seen.ref);
    static uint8_t one = 0x81;
    struct iovec iov = {.iov_base = &one, .iov_len = 1};
    while (conn_send(c, &iov, 1) == 1) {
    }
    assert_int_equal(conn_pending_bytes(c), 0);
    advance(&s, 700);
    assert_int_equal(seen.closed, 0);
    advance(&s, 600);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.reason, CLOSE_WRITE_TIMEOUT);
    assert_int_equal(net_count(s.net), 0);
    peer_close(&p);
}

static void the_owner_hears_when_the_socket_takes_bytes_again(void **state)
{
    struct peer p = peer_upgrade_small(&s, 4096);
    send_frame(&p, 0x81, SPAN("flood"));
    until(&s, seen.messages == 1);
    turn(&s, 5);
    assert_int_equal(seen.writable, 0);
    until(&s, (buf_clear(&p.in), (void)peer_read(&p), seen.writable > 0));
    assert_int_equal(conn_pending_bytes(conn_find(s.net, seen.ref)), 0);
    peer_close(&p);
}

static void pongs_of_a_peer_that_does_not_read_are_bounded(void **state)
{
    struct peer p = peer_upgrade_small(&s, 4096);
    send_frame(&p, 0x81, SPAN("flood"));
    until(&s, seen.messages == 1);
    struct conn *c = conn_find(s.net, seen.ref);
    size_t before = conn_pending_bytes(c);
    assert_true(before > 5000); /* more than pongs may take: they are counted for themselves */
    send_frame(&p, 0x89, SPAN("first"));
    turn(&s, 2);
    assert_int_equal(conn_pending_bytes(c), before + 7);
    for (int i = 0; i < 5000; i++) {
        send_frame(&p, 0x89, SPAN("more"));
    }
    turn(&s, 20);
    assert_true(conn_pending_bytes(c) < before + 5000);
    peer_reset(&p);
    until(&s, seen.closed == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_handshake_is_answered_with_the_key_and_subprotocol),
        T(handshakes_that_are_wrong_are_refused),
        T(messages_of_every_size_come_back),
        T(split_frames_make_the_same_messages),
        T(frames_that_come_with_the_handshake_are_read),
        T(a_handshake_behind_a_large_answer_waits_for_it),
        TIMED(pings_keep_an_answering_peer_and_silence_ends_it),
        TIMED(a_full_socket_is_closed_after_the_write_time),
        T(the_owner_hears_when_the_socket_takes_bytes_again),
        T(pongs_of_a_peer_that_does_not_read_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
