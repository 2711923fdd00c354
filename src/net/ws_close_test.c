/* How WebSocket sessions of the server role end (RFC 6455 7), over real sockets. */
#include "net/ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/test_ws.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        T(a_close_waits_behind_a_message_that_was_begun),
        T(drain_closes_every_session_with_its_reason),
        T(closes_are_logged_with_wire_reason_and_peer),
        T(each_open_session_is_visited_and_may_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
