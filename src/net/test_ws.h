/*
 * For tests: a server of WebSockets that echoes, and does what some messages ask for ("close me",
 * "lose me", "flood"). Needs cmocka before it.
 */
#ifndef SB_NET_TEST_WS_H
#define SB_NET_TEST_WS_H

#include "net/test_server.h"
#include "net/ws.h"

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
    if (span_eq(x->path, SPAN("/big"))) {
        static uint8_t bytes[3000000];
        http_respond(x, 200, "text/plain", span_of(bytes, sizeof bytes));
        return;
    }
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

static UNUSED_OK int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    wire_now = &wire;
    server_start(&s, &handler, &test_limits);
    return 0;
}

static UNUSED_OK int setup_timed(void **state)
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TIMED(name) cmocka_unit_test_setup_teardown(name, setup_timed, teardown)

#endif
