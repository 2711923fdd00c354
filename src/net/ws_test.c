/* WebSocket sessions, server role, over real sockets (RFC 6455). */
#include "net/ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/test_server.h"

static struct {
    struct conn_ref ref;
    unsigned messages;
    unsigned closed;
    unsigned writable;
    close_reason reason;
    bool say_bye; /* send a last message inside on_close */
} seen;

static void send_flood(struct conn *c)
{
    static uint8_t frame[4 + 60000] = {0x82, 126, 60000 >> 8, 60000 & 255};
    struct iovec iov = {.iov_base = frame, .iov_len = sizeof frame};
    size_t sent = sizeof frame;
    for (unsigned i = 0; i < 1000 && sent == sizeof frame; i++) {
        sent = conn_send(c, &iov, 1);
    }
    if (sent > 0 && sent < sizeof frame) {
        conn_send_rest(c, span_of(frame + sent, sizeof frame - sent));
    }
}

static void on_message(struct conn *c, enum ws_opcode op, span payload)
{
    seen.messages++;
    if (span_eq(payload, SPAN("close me"))) {
        conn_close(c, CLOSE_KICKED);
        conn_close(c, CLOSE_POLICY); /* harmless */
        ws_send(c, op, SPAN("never sent"));
    } else if (span_eq(payload, SPAN("lose me"))) {
        conn_close(c, CLOSE_TIMEOUT);
    } else if (span_eq(payload, SPAN("flood"))) {
        send_flood(c);
    } else {
        ws_send(c, op, payload);
    }
}

static void on_close(struct conn *c, close_reason reason)
{
    seen.closed++;
    seen.reason = reason;
    if (seen.say_bye) {
        buf frame = {0};
        ws_frame_append(&frame, WS_OP_TEXT, SPAN("bye"));
        struct iovec iov = {.iov_base = frame.ptr, .iov_len = frame.len};
        assert_int_equal(conn_send(c, &iov, 1), frame.len);
        buf_deinit(&frame);
    }
}

static void on_writable(struct conn *c) { seen.writable++; }

static const struct ws_wire wire = {
    .name = "test",
    .limits = {.message_bytes_max = 8 << 20, .fragments_max = 10},
    .on_message = on_message,
    .on_writable = on_writable,
    .on_close = on_close,
};

static const struct ws_wire timed_wire = {
    .name = "timed",
    .limits = {.message_bytes_max = 512, .fragments_max = 0},
    .ping_ms = 2000,
    .idle_ms = 5000,
    .write_ms = 1000,
    .text_only = true,
    .on_message = on_message,
    .on_close = on_close,
};

static const struct ws_wire *wire_now;

static void on_request(struct http_exchange *x)
{
    struct conn *c = ws_upgrade(x, wire_now, &seen, SPAN("proto"));
    if (c != NULL) {
        seen.ref = conn_ref_of(c);
        assert_ptr_equal(ws_user(c), &seen);
        assert_ptr_equal(ws_wire_of(c), wire_now);
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

static struct server s;

static int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    wire_now = &wire;
    server_start(&s, &handler, &test_limits);
    return 0;
}

static int setup_timed(void **state)
{
    (void)setup(state);
    wire_now = &timed_wire;
    return 0;
}

static int teardown(void **state)
{
    server_stop(&s);
    return 0;
}

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
        int status = (int)strtol((char *)p.in.ptr + 9, NULL, 10);
        if (status != rows[i].status) {
            fail_msg("row %zu: %d", i, status);
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

static void an_early_close_ends_the_session_once(void **state)
{
    struct peer p = peer_connect(&s);
    buf out = {0};
    buf_append_str(&out, UPGRADE_REQUEST);
    frame_append(&out, 0x81, SPAN("close me"));
    frame_append(&out, 0x81, SPAN("unread"));
    peer_send(&p, buf_span(&out));
    until(&s, seen.closed == 1);
    send_frame(&p, 0x88, SPAN("\x0f\xa4"));
    until(&s, peer_ended(&p));
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.messages, 1);
    buf_deinit(&out);
    peer_close(&p);
}

static void the_peers_close_is_answered_with_its_code_and_ended(void **state)
{
    struct peer p = peer_upgrade(&s);
    send_frame(&p, 0x88, SPAN("\x03\xe9going"));
    expect_close(&p, 1001);
    until(&s, peer_ended(&p));
    assert_false(p.reset);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.reason, CLOSE_PEER_CLOSED);
    peer_close(&p);
    until(&s, net_count(s.net) == 0);
    struct peer q = peer_upgrade(&s);
    send_frame(&q, 0x88, SPAN_NONE);
    expect_close(&q, 0);
    until(&s, peer_ended(&q));
    peer_close(&q);
}

static void what_the_owner_says_in_on_close_leaves_before_the_close_frame(void **state)
{
    seen.say_bye = true;
    struct peer p = peer_upgrade(&s);
    send_frame(&p, 0x88, SPAN("\x03\xe8"));
    expect_frame(&p, 0x81, SPAN("bye"));
    expect_close(&p, 1000);
    peer_close(&p);
    struct peer q = peer_upgrade(&s);
    send_frame(&q, 0x81, SPAN("close me"));
    expect_frame(&q, 0x81, SPAN("bye"));
    expect_close(&q, 4004);
    peer_close(&q);
}

static void our_close_waits_for_the_peers_and_reads_nothing_else(void **state)
{
    struct peer p = peer_upgrade(&s);
    send_frame(&p, 0x81, SPAN("close me"));
    expect_close(&p, 4004);
    send_frame(&p, 0x81, SPAN("late"));
    send_frame(&p, 0x89, SPAN("late"));
    turn(&s, 3);
    assert_int_equal(seen.messages, 1);
    assert_false(peer_ended(&p));
    assert_null(conn_find(s.net, seen.ref));
    send_frame(&p, 0x88, SPAN("\x0f\xa4"));
    until(&s, peer_ended(&p));
    assert_int_equal(p.in.len, 0);
    assert_false(p.reset);
    peer_close(&p);
}

static void a_peer_that_does_not_answer_the_close_is_cut(void **state)
{
    struct peer p = peer_upgrade(&s);
    send_frame(&p, 0x81, SPAN("close me"));
    expect_close(&p, 4004);
    advance(&s, 800);
    assert_int_equal(net_count(s.net), 1);
    advance(&s, 400);
    assert_int_equal(net_count(s.net), 0);
    peer_close(&p);
}

static void a_lost_connection_is_dropped_without_a_frame(void **state)
{
    struct peer p = peer_upgrade(&s);
    send_frame(&p, 0x81, SPAN("lose me"));
    until(&s, peer_ended(&p));
    assert_int_equal(p.in.len, 0);
    assert_int_equal(seen.closed, 1);
    peer_close(&p);
}

static void a_reset_in_the_middle_of_a_message_ends_the_session(void **state)
{
    struct peer p = peer_upgrade(&s);
    send_frame(&p, 0x01, SPAN("part"));
    turn(&s, 3);
    peer_reset(&p);
    until(&s, seen.closed == 1);
    assert_int_equal(seen.reason, CLOSE_PEER_GONE);
}

static void violations_are_closed_with_their_code_and_end_the_connection(void **state)
{
    static const struct {
        const char *why;
        unsigned first;
        const char *payload;
        unsigned code;
        close_reason reason;
    } rows[] = {
        {"reserved bit", 0xc1, "x", 1002, CLOSE_PROTOCOL},
        {"reserved opcode", 0x83, "x", 1002, CLOSE_PROTOCOL},
        {"reserved control opcode", 0x8b, "x", 1002, CLOSE_PROTOCOL},
        {"ping in fragments", 0x09, "x", 1002, CLOSE_PROTOCOL},
        {"continuation of nothing", 0x80, "x", 1002, CLOSE_PROTOCOL},
        {"close code 999", 0x88, "\x03\xe7", 1002, CLOSE_PROTOCOL},
        {"close code 1005", 0x88, "\x03\xed", 1002, CLOSE_PROTOCOL},
        {"close of one byte", 0x88, "\x03", 1002, CLOSE_PROTOCOL},
        {"close reason not UTF-8", 0x88, "\x03\xe8\xff", 1007, CLOSE_BAD_UTF8},
        {"text not UTF-8", 0x81, "\xc0\xaf", 1007, CLOSE_BAD_UTF8},
        {"text fragment not UTF-8", 0x01, "ok\xff", 1007, CLOSE_BAD_UTF8},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        seen.closed = 0;
        struct peer p = peer_upgrade(&s);
        send_frame(&p, rows[i].first, span_str(rows[i].payload));
        send_frame(&p, 0x81, SPAN("behind the violation"));
        expect_close(&p, rows[i].code);
        until(&s, peer_ended(&p));
        if (seen.closed != 1 || seen.reason != rows[i].reason || p.reset) {
            fail_msg("%s: %s", rows[i].why, close_label(seen.reason));
        }
        peer_close(&p);
    }
    assert_int_equal(seen.messages, 0);
}

static void an_unmasked_frame_and_a_long_form_are_violations(void **state)
{
    struct peer p = peer_upgrade(&s);
    peer_send(&p, SPAN("\x81\x02hi"));
    expect_close(&p, 1002);
    until(&s, peer_ended(&p));
    peer_close(&p);
    struct peer q = peer_upgrade(&s);
    peer_send(&q, span_of("\x81\xfe\x00\x05", 4));
    expect_close(&q, 1002);
    until(&s, peer_ended(&q));
    peer_close(&q);
}

static void too_large_and_too_many_pieces_are_closed_and_ended(void **state)
{
    struct peer p = peer_upgrade(&s);
    peer_send(&p, span_of("\x82\xff\0\0\0\0\0\x80\0\x01mask", 14)); /* 8 MiB + 1 announced */
    expect_close(&p, 1009);
    until(&s, peer_ended(&p));
    peer_close(&p);
    struct peer q = peer_upgrade(&s);
    for (int i = 0; i < 11; i++) {
        send_frame(&q, i == 0 ? 0x01 : 0x00, SPAN("f"));
    }
    expect_close(&q, 1008);
    until(&s, peer_ended(&q)); /* at once: its close frame would not be understood any more */
    assert_false(q.reset);
    peer_close(&q);
}

static void binary_is_unsupported_where_only_text_is(void **state)
{
    struct peer p = peer_upgrade(&s);
    send_frame(&p, 0x82, SPAN("b"));
    expect_close(&p, 1003);
    peer_close(&p);
    struct peer q = peer_upgrade(&s);
    send_frame(&q, 0x02, SPAN("b"));
    expect_close(&q, 1003);
    assert_int_equal(seen.messages, 0);
    peer_close(&q);
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

static void a_close_waits_behind_a_message_that_was_begun(void **state)
{
    struct peer p = peer_upgrade_small(&s, 4096);
    send_frame(&p, 0x81, SPAN("flood"));
    until(&s, seen.messages == 1);
    conn_close(conn_find(s.net, seen.ref), CLOSE_SLOW);
    unsigned first = 0;
    unsigned frames = 0;
    span payload;
    while (first != 0x88) {
        until(&s, frame_next(&p, &first, &payload) || p.ended);
        assert_false(p.ended);
        frames++;
        if (first != 0x88) {
            assert_int_equal(payload.len, 60000);
        } else {
            assert_memory_equal(payload.ptr, "\x03\xf5", 2);
        }
        answer_drop(&p, payload);
    }
    assert_true(frames > 1);
    peer_close(&p);
}

static void drain_closes_every_session_with_its_reason(void **state)
{
    struct peer p = peer_upgrade(&s);
    struct peer q = peer_upgrade(&s);
    net_drain(s.net, CLOSE_DRAIN);
    expect_close(&p, 1001);
    expect_close(&q, 1001);
    assert_int_equal(seen.closed, 2);
    peer_close(&p);
    peer_close(&q);
    until(&s, net_count(s.net) == 0);
}

static void closes_are_logged_with_wire_reason_and_peer(void **state)
{
    struct peer p = peer_upgrade(&s);
    struct sockaddr_in own;
    socklen_t len = sizeof own;
    assert_int_equal(getsockname(p.fd, (struct sockaddr *)&own, &len), 0);
    struct conn *c = conn_find(s.net, seen.ref);
    struct sockaddr_storage local;
    assert_true(conn_local(c, &local) && conn_peer_loopback(c) && conn_net(c) == s.net);
    assert_int_equal(((struct sockaddr_in *)&local)->sin_port, s.addr.sin_port);
    assert_ptr_equal(conn_at(s.net, conn_slot(c)), c);
    send_frame(&p, 0x81, SPAN("close me"));
    until(&s, seen.closed == 1);
    char line[128];
    snprintf(line, sizeof line, "conn.close wire=test reason=kicked peer=127.0.0.1:%u",
             ntohs(own.sin_port));
    assert_string_equal(test_log.last, line);
    peer_close(&p);
}

static void close_one(struct conn *c, void *arg)
{
    unsigned *count = arg;
    (*count)++;
    conn_close(c, CLOSE_REVOKED);
}

static void each_open_session_is_visited_and_may_be_closed(void **state)
{
    struct peer p = peer_upgrade(&s);
    struct peer q = peer_upgrade(&s);
    struct peer http = peer_connect(&s);
    turn(&s, 3);
    unsigned count = 0;
    net_each_ws(s.net, close_one, &count);
    assert_int_equal(count, 2);
    net_each_ws(s.net, close_one, &count);
    assert_int_equal(count, 2);
    expect_close(&p, 4000);
    expect_close(&q, 4000);
    peer_close(&p);
    peer_close(&q);
    peer_close(&http);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TIMED(name) cmocka_unit_test_setup_teardown(name, setup_timed, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_handshake_is_answered_with_the_key_and_subprotocol),
        T(handshakes_that_are_wrong_are_refused),
        T(messages_of_every_size_come_back),
        T(split_frames_make_the_same_messages),
        T(frames_that_come_with_the_handshake_are_read),
        T(an_early_close_ends_the_session_once),
        T(the_peers_close_is_answered_with_its_code_and_ended),
        T(what_the_owner_says_in_on_close_leaves_before_the_close_frame),
        T(our_close_waits_for_the_peers_and_reads_nothing_else),
        T(a_peer_that_does_not_answer_the_close_is_cut),
        T(a_lost_connection_is_dropped_without_a_frame),
        T(a_reset_in_the_middle_of_a_message_ends_the_session),
        T(violations_are_closed_with_their_code_and_end_the_connection),
        T(an_unmasked_frame_and_a_long_form_are_violations),
        T(too_large_and_too_many_pieces_are_closed_and_ended),
        TIMED(binary_is_unsupported_where_only_text_is),
        TIMED(pings_keep_an_answering_peer_and_silence_ends_it),
        TIMED(a_full_socket_is_closed_after_the_write_time),
        T(the_owner_hears_when_the_socket_takes_bytes_again),
        T(pongs_of_a_peer_that_does_not_read_are_bounded),
        T(a_close_waits_behind_a_message_that_was_begun),
        T(drain_closes_every_session_with_its_reason),
        T(closes_are_logged_with_wire_reason_and_peer),
        T(each_open_session_is_visited_and_may_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
