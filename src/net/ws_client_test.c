/* WebSocket sessions, client role: against our own server role, and against servers that err. */
#include "net/ws.h"

#include "base/base64.h"
#include "loop/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/test_server.h"

static struct {
    unsigned opened, closed, messages, server_messages;
    close_reason reason;
    int status;
    int close_code;
    buf last;
    bool reconnect;
    bool close_in_open;
    struct conn_ref served;
} seen;

static struct server s;
static struct ws_client_conf conf;

static void client_message(struct conn *c, enum ws_opcode op, span payload)
{
    seen.messages++;
    buf_clear(&seen.last);
    buf_append_span(&seen.last, payload);
}

static void client_open(struct conn *c)
{
    seen.opened++;
    if (seen.close_in_open) {
        conn_close(c, CLOSE_NORMAL);
    } else {
        ws_send(c, WS_OP_TEXT, SPAN("hello"));
    }
}

static void client_close(struct conn *c, close_reason reason)
{
    seen.closed++;
    seen.reason = reason;
    seen.status = ws_client_status(c);
    seen.close_code = ws_client_close_code(c);
    if (seen.reconnect) {
        assert_null(ws_connect(conn_net(c), &conf)); /* only tried while the net is freed */
    }
}

static const struct ws_wire client_wire = {
    .name = "client",
    .limits = {.message_bytes_max = 1 << 20, .fragments_max = 10},
    .ping_ms = 2000,
    .idle_ms = 5000,
    .on_message = client_message,
    .on_close = client_close,
    .on_open = client_open,
};

static void server_message(struct conn *c, enum ws_opcode op, span payload)
{
    seen.server_messages++;
    if (span_eq(payload, SPAN("close"))) {
        conn_close(c, CLOSE_REPLACED);
    } else {
        ws_send(c, op, payload);
    }
}

static void server_close(struct conn *c, close_reason reason) {}

static const struct ws_wire server_wire = {
    .name = "server",
    .limits = {.message_bytes_max = 1 << 20, .fragments_max = 10},
    .on_message = server_message,
    .on_close = server_close,
};

static void on_request(struct http_exchange *x)
{
    if (!span_eq(http1_field(x->req, "Authorization"), SPAN("Bearer key"))) {
        http_respond(x, 401, "text/plain", SPAN("who are you"));
    } else {
        struct conn *c = ws_upgrade(x, &server_wire, NULL, SPAN_NONE);
        assert_non_null(c);
        seen.served = conn_ref_of(c);
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

static int setup(void **state)
{
    static const uint8_t entropy[16] = {1, 2, 3};
    memset(&seen, 0, sizeof seen);
    server_start(&s, &handler, &test_limits);
    conf = (struct ws_client_conf){.addr = (struct sockaddr *)&s.addr,
                                   .addr_len = sizeof s.addr,
                                   .host = SPAN("127.0.0.1"),
                                   .target = SPAN("/ws"),
                                   .authorization = SPAN("Bearer key"),
                                   .wire = &client_wire,
                                   .user = &seen,
                                   .open_ms = 3000,
                                   .entropy = entropy,
                                   .mask_seed = 42};
    return 0;
}

static int teardown(void **state)
{
    server_stop(&s);
    buf_deinit(&seen.last);
    return 0;
}

static void both_roles_speak_with_each_other(void **state)
{
    struct conn *c = ws_connect(s.net, &conf);
    until(&s, seen.messages == 1);
    assert_true(span_eq(buf_span(&seen.last), SPAN("hello")));
    assert_ptr_equal(ws_user(c), &seen);
    static uint8_t large[500000];
    memset(large, 'L', sizeof large);
    ws_send(c, WS_OP_BINARY, span_of(large, sizeof large));
    until(&s, seen.messages == 2);
    assert_int_equal(seen.last.len, sizeof large);
    assert_memory_equal(seen.last.ptr, large, sizeof large);
    ws_send(c, WS_OP_TEXT, SPAN(""));
    until(&s, seen.messages == 3);
    conn_close(c, CLOSE_NORMAL);
    assert_int_equal(seen.closed, 1);
    until(&s, net_count(s.net) == 0);
    assert_int_equal(seen.close_code, 0);
}

static void the_servers_close_code_is_told(void **state)
{
    struct conn *c = ws_connect(s.net, &conf);
    until(&s, seen.opened == 1);
    ws_send(c, WS_OP_TEXT, SPAN("close"));
    until(&s, seen.closed == 1);
    assert_int_equal(seen.reason, CLOSE_PEER_CLOSED);
    assert_int_equal(seen.close_code, 4001);
    assert_int_equal(seen.status, 101);
    until(&s, net_count(s.net) == 0);
}

static void closing_in_on_open_is_clean(void **state)
{
    seen.close_in_open = true;
    assert_non_null(ws_connect(s.net, &conf));
    until(&s, seen.closed == 1);
    until(&s, net_count(s.net) == 0);
    assert_int_equal(seen.server_messages, 0);
}

static void a_refusal_tells_its_status(void **state)
{
    conf.authorization = SPAN("Bearer wrong");
    assert_non_null(ws_connect(s.net, &conf));
    until(&s, seen.closed == 1);
    assert_int_equal(seen.status, 401);
    assert_int_equal(seen.opened, 0);
}

static void nobody_listening_is_a_lost_connection(void **state)
{
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof nobody;
    assert_int_equal(bind(fd, (struct sockaddr *)&nobody, len), 0); /* bound, not listening */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&nobody, &len), 0);
    conf.addr = (struct sockaddr *)&nobody;
    if (ws_connect(s.net, &conf) != NULL) {
        until(&s, seen.closed == 1);
        assert_int_equal(seen.reason, CLOSE_PEER_GONE);
        assert_int_equal(seen.status, 0);
    }
    close(fd);
}

static void pings_are_sent_masked_and_silence_ends_it(void **state)
{
    assert_non_null(ws_connect(s.net, &conf));
    until(&s, seen.messages == 1);
    for (int i = 0; i < 6; i++) { /* each ping is answered by the server role */
        advance(&s, 2000);
        turn(&s, 10);
    }
    assert_int_equal(seen.closed, 0);
    assert_int_equal(net_count(s.net), 2);
}

static void a_net_that_is_freed_takes_no_new_connections(void **state)
{
    seen.reconnect = true;
    assert_non_null(ws_connect(s.net, &conf));
    until(&s, seen.opened == 1);
    net_free(s.net);
    s.net = NULL;
    assert_int_equal(seen.closed, 1);
}

/* ---- servers that err: a plain listening socket ---- */

static int listener;

static struct peer accept_client(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(listener, 5), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    conf.addr = (struct sockaddr *)&addr;
    assert_non_null(ws_connect(s.net, &conf));
    struct peer p = {.server = &s, .fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)};
    assert_true(p.fd >= 0);
    until(&s, peer_has(&p, "\r\n\r\n"));
    assert_true(peer_has(&p, "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
    assert_true(peer_has(&p, "Authorization: Bearer key\r\n"));
    return p;
}

static void end(struct peer *p)
{
    peer_close(p);
    close(listener);
}

/* The right answer to the key that `p` has received. */
static void answer_good(struct peer *p, const char *more)
{
    const char *field = memmem(p->in.ptr, p->in.len, "Sec-WebSocket-Key: ", 19);
    assert_non_null(field);
    char joined[128];
    snprintf(joined, sizeof joined, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", field + 19);
    uint8_t digest[20];
    digest_sha1(joined, strlen(joined), digest);
    char accept[32];
    size_t len = base64_encode(span_of(digest, 20), accept);
    buf out = {0};
    buf_printf(&out, "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %.*s\r\n%s\r\n", (int)len, accept, more);
    peer_send(p, buf_span(&out));
    buf_deinit(&out);
    buf_clear(&p->in);
}

static void wrong_answers_are_refused(void **state)
{
    static const char *const answers[] = {
        ("HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"),
        "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        seen.closed = 0;
        struct peer p = accept_client();
        peer_send_str(&p, answers[i]);
        until(&s, seen.closed == 1);
        assert_int_equal(seen.reason, CLOSE_BAD_REQUEST);
        end(&p);
    }
    seen.closed = 0;
    struct peer p = accept_client();
    answer_good(&p, "Sec-WebSocket-Extensions: permessage-deflate\r\n"); /* not asked for */
    until(&s, seen.closed == 1);
    assert_int_equal(seen.opened, 0);
    end(&p);
}

static void a_refusal_before_a_reset_is_still_read(void **state)
{
    struct peer p = accept_client();
    peer_send_str(&p, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    peer_reset(&p);
    until(&s, seen.closed == 1);
    assert_int_equal(seen.status, 503);
    close(listener);
}

static void silent_servers_are_given_up(void **state)
{
    struct peer p = accept_client();
    peer_send_str(&p, "HTTP/1.1 101 ");
    turn(&s, 3);
    advance(&s, 2800);
    assert_int_equal(seen.closed, 0);
    advance(&s, 400);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.reason, CLOSE_TIMEOUT);
    end(&p);
}

static void frames_behind_the_answer_are_read_and_ours_are_masked(void **state)
{
    struct peer p = accept_client();
    const char *field = memmem(p.in.ptr, p.in.len, "Sec-WebSocket-Key: ", 19);
    assert_non_null(field);
    answer_good(&p, "");
    peer_send(&p, SPAN("\x81\x05" "first"));
    until(&s, seen.messages == 1);
    assert_true(span_eq(buf_span(&seen.last), SPAN("first")));
    until(&s, ((void)peer_read(&p), p.in.len >= 11));
    assert_int_equal(p.in.ptr[0], 0x81);
    assert_int_equal(p.in.ptr[1], 0x80 | 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(p.in.ptr[6 + i] ^ p.in.ptr[2 + i % 4], "hello"[i]);
    }
    buf_clear(&p.in);
    peer_send(&p, SPAN("\x89\x02pi"));
    until(&s, ((void)peer_read(&p), p.in.len >= 8));
    assert_int_equal(p.in.ptr[0], 0x8a);
    assert_int_equal(p.in.ptr[1], 0x82);
    end(&p);
    until(&s, seen.closed == 1);
    assert_int_equal(seen.reason, CLOSE_PEER_GONE);
}

static void masked_frames_of_a_server_are_a_violation(void **state)
{
    struct peer p = accept_client();
    answer_good(&p, "");
    send_frame(&p, 0x81, SPAN("masked"));
    until(&s, seen.closed == 1);
    assert_int_equal(seen.reason, CLOSE_PROTOCOL);
    until(&s, peer_ended(&p)); /* failed: the client need not wait for the server (7.1.7) */
    end(&p);
    until(&s, net_count(s.net) == 0);
}

static void a_server_that_does_not_end_after_its_close_is_cut(void **state)
{
    struct peer p = accept_client();
    answer_good(&p, "");
    peer_send(&p, SPAN("\x88\x02\x03\xe8"));
    until(&s, seen.closed == 1);
    assert_int_equal(seen.close_code, 1000);
    assert_false(peer_ended(&p));
    advance(&s, 1200);
    assert_int_equal(net_count(s.net), 0);
    until(&s, peer_ended(&p));
    end(&p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(both_roles_speak_with_each_other),
        T(the_servers_close_code_is_told),
        T(closing_in_on_open_is_clean),
        T(a_refusal_tells_its_status),
        T(nobody_listening_is_a_lost_connection),
        T(pings_are_sent_masked_and_silence_ends_it),
        T(a_net_that_is_freed_takes_no_new_connections),
        T(wrong_answers_are_refused),
        T(a_refusal_before_a_reset_is_still_read),
        T(silent_servers_are_given_up),
        T(frames_behind_the_answer_are_read_and_ours_are_masked),
        T(masked_frames_of_a_server_are_a_violation),
        T(a_server_that_does_not_end_after_its_close_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
