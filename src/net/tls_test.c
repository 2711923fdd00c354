/*
 * TLS over sockets: what the layers above see must not depend on how the ciphertext arrives, and
 * whoever stalls, lies or leaves costs no more than its connection.
 */
#include "net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/test_certs.h"
#include "loop/tls_internal.h"
#include "net/test_server.h"

#define BIG_BYTES 3000000

static struct server s;
static struct sockaddr_in plain_addr;
static struct test_cert cert;
static struct tls_server *tls;
static struct tls_client *client;
static buf big;

/* /big answers with BIG_BYTES, /pieces too, but piece by piece, /pull takes a body so, /ws is an
 * echo, everything else says whether it came over TLS. */
static void on_message(struct conn *c, enum ws_opcode op, span payload) { ws_send(c, op, payload); }
static void on_close(struct conn *c, close_reason reason) { (void)c, (void)reason; }

static const struct ws_wire echo = {.name = "echo",
                                    .limits = {.message_bytes_max = 8 << 20, .fragments_max = 64},
                                    .idle_ms = 5000,
                                    .on_message = on_message,
                                    .on_close = on_close};

static size_t pulled; /* bytes of the body in hand that are as they should be */

static uint64_t streams(const struct http_exchange *x) { return (void)x, BIG_BYTES; }

static void on_piece(struct http_exchange *x, span piece, enum http_piece what)
{
    assert_int_not_equal(what, HTTP_PIECE_BROKEN);
    assert_memory_equal(piece.ptr, big.ptr + pulled, piece.len);
    pulled += piece.len;
    if (what == HTTP_PIECE_LAST) {
        http_respond(x, 200, "text/plain", SPAN("pulled"));
    } else {
        http_body_next(x);
    }
}

static void on_writable(struct http_exchange *x)
{
    enum http_sent sent = HTTP_SENT_MORE;
    while (sent == HTTP_SENT_MORE) {
        size_t at = big.len - x->left;
        size_t len = x->left < HTTP_PIECE_BYTES_MAX ? x->left : HTTP_PIECE_BYTES_MAX;
        sent = http_respond_more(x, span_of(big.ptr + at, len));
    }
}

static void on_request(struct http_exchange *x)
{
    if (span_eq(x->path, SPAN("/ws"))) {
        (void)ws_upgrade(x, &echo, NULL, SPAN_NONE);
    } else if (span_eq(x->path, SPAN("/big"))) {
        http_respond(x, 200, "text/plain", buf_span(&big));
    } else if (span_eq(x->path, SPAN("/pieces"))) {
        if (http_respond_begin(x, 200, "text/plain", big.len)) {
            on_writable(x);
        }
    } else if (x->streamed) {
        pulled = 0;
        http_body_next(x);
    } else {
        http_respond(x, 200, "text/plain",
                     conn_is_secure(x->conn) ? SPAN("secure") : SPAN("plain"));
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static const struct http_handler handler = {.on_request = on_request,
                                            .on_refused = on_refused,
                                            .streams = streams,
                                            .on_piece = on_piece,
                                            .on_writable = on_writable};

static int setup(void **state)
{
    struct net_limits limits = test_limits;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage bound;
    (void)state;
    limits.tls_handshake_ms = 700;
    server_start(&s, &handler, &limits);
    plain_addr = s.addr;
    net_set_tls(s.net, tls);
    assert_int_equal(
        net_listen(s.net, (struct sockaddr *)&any, sizeof any, NET_LISTEN_TLS, &bound), 0);
    memcpy(&s.addr, &bound, sizeof s.addr);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_stop(&s);
    return 0;
}

static int begin(void **state)
{
    buf why = {0};
    (void)state;
    certs_begin();
    cert = cert_make("box", "DNS:box.example", NULL, DAY_S);
    struct tls_server_conf conf = {.certs = cert.cert_file, .keys = cert.key_file,
                                   .client_ca = "", .clock = &test_clock};
    tls = tls_server_new(&conf, NULL, &why);
    client = tls_client_new(cert.cert_file, &why);
    for (size_t i = 0; i < BIG_BYTES; i++) {
        buf_append_byte(&big, (uint8_t)(i % 251));
    }
    return tls == NULL || client == NULL;
}

static int end(void **state)
{
    (void)state;
    tls_client_free(client);
    tls_server_unref(tls);
    cert_drop(&cert);
    certs_end();
    buf_deinit(&big);
    return 0;
}

/* A peer that speaks TLS: `raw` carries ciphertext, `in` has what was decrypted. */
struct secure_peer {
    struct peer raw;
    struct tls_pipe pipe;
    struct tls_session *t;
    buf in;
};

static struct secure_peer secure_connect(int recv_bytes)
{
    return (struct secure_peer){.raw = peer_connect_small(&s, recv_bytes)};
}

/* Decrypts what has come and sends what the session answers. */
static void secure_read(struct secure_peer *p)
{
    static uint8_t plain[2 << 20];
    size_t len;
    while (peer_read_some(&p->raw, 65536) && p->raw.in.len > 0 && !p->raw.ended) {
        (void)tls_feed(p->t, buf_span(&p->raw.in), plain, sizeof plain, &len);
        buf_clear(&p->raw.in);
        buf_append(&p->in, plain, len);
    }
    peer_send(&p->raw, buf_span(&p->pipe.out));
    buf_clear(&p->pipe.out);
}

static bool secure_state(struct secure_peer *p, enum tls_state state)
{
    secure_read(p);
    return tls_state_of(p->t) == state;
}

static void secure_start(struct secure_peer *p, int version)
{
    uint8_t none[TLS_RECORD_BYTES_MAX];
    size_t len;
    p->t = tls_connect(client, &p->pipe, "box.example", false);
    assert_int_equal(SSL_set_max_proto_version(p->t->ssl, version), 1);
    (void)tls_feed(p->t, SPAN_NONE, none, sizeof none, &len);
}

static void secure_open(struct secure_peer *p, int version, int recv_bytes)
{
    *p = secure_connect(recv_bytes);
    secure_start(p, version);
    until(&s, secure_state(p, TLS_OPEN));
}

static void secure_send(struct secure_peer *p, span bytes)
{
    assert_true(tls_write(p->t, bytes));
    peer_send(&p->raw, buf_span(&p->pipe.out));
    buf_clear(&p->pipe.out);
}

static bool secure_has(struct secure_peer *p, const char *text)
{
    secure_read(p);
    return p->in.len > 0 && memmem(p->in.ptr, p->in.len, text, strlen(text)) != NULL;
}

static bool secure_has_bytes(struct secure_peer *p, size_t count)
{
    secure_read(p);
    return p->in.len >= count;
}

static void secure_close(struct secure_peer *p)
{
    peer_close(&p->raw);
    tls_session_free(p->t);
    tls_pipe_deinit(&p->pipe);
    buf_deinit(&p->in);
}

#define GET_A "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void every_cut_of_what_a_client_sends_is_the_same(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        size_t flight = 2000; /* of the client's first bytes; learned below */
        for (size_t cut = 1; cut < flight; cut += v == 0 ? 7 : 3) {
            struct secure_peer p = secure_connect(0);
            secure_start(&p, versions[v]);
            buf hello = p.pipe.out;
            p.pipe.out = (buf){0};
            flight = hello.len;
            peer_send(&p.raw, span_slice(buf_span(&hello), 0, cut));
            turn(&s, 2);
            peer_send(&p.raw, span_slice(buf_span(&hello), cut, hello.len));
            buf_deinit(&hello);
            until(&s, secure_state(&p, TLS_OPEN));
            assert_true(tls_write(p.t, SPAN(GET_A)));
            size_t at = cut % p.pipe.out.len;
            peer_send(&p.raw, span_slice(buf_span(&p.pipe.out), 0, at));
            turn(&s, 2);
            peer_send(&p.raw, span_slice(buf_span(&p.pipe.out), at, p.pipe.out.len));
            buf_clear(&p.pipe.out);
            until(&s, secure_has(&p, "\r\n\r\nsecure"));
            secure_close(&p);
        }
    }
    until(&s, net_count(s.net) == 0);
    assert_true(net_stats(s.net)->tls_handshakes[0] > 10);
    assert_true(net_stats(s.net)->tls_handshakes[1] > 10);
}

static void long_bodies_go_both_ways_in_pieces(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        struct secure_peer p;
        secure_open(&p, versions[v], 4096);
        secure_send(&p, SPAN("PUT /pull HTTP/1.1\r\nHost: a\r\n"
                             "Content-Length: 3000000\r\n\r\n"));
        secure_send(&p, buf_span(&big));
        until(&s, secure_has(&p, "\r\n\r\npulled"));
        assert_int_equal(pulled, BIG_BYTES);
        buf_clear(&p.in);
        secure_send(&p, SPAN("GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n"));
        until(&s, secure_has_bytes(&p, BIG_BYTES + 100));
        const uint8_t *end = memmem(p.in.ptr, p.in.len, "\r\n\r\n", 4);
        until(&s, secure_has_bytes(&p, (size_t)(end - p.in.ptr) + 4 + BIG_BYTES));
        end = memmem(p.in.ptr, p.in.len, "\r\n\r\n", 4);
        assert_memory_equal(end + 4, big.ptr, BIG_BYTES);
        secure_close(&p);
    }
}

static void a_large_answer_waits_for_a_slow_reader(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        struct secure_peer p;
        secure_open(&p, versions[v], 4096);
        secure_send(&p, SPAN("GET /big HTTP/1.1\r\nHost: a\r\n\r\n" GET_A));
        until(&s, secure_has_bytes(&p, BIG_BYTES) && secure_has(&p, "\r\n\r\nsecure"));
        const uint8_t *body = memmem(p.in.ptr, p.in.len, "\r\n\r\n", 4);
        assert_memory_equal(body + 4, big.ptr, BIG_BYTES);
        secure_close(&p);
    }
}

static void messages_of_every_size_come_back(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 16383, 16384, 16385, 65535, 65536, 1000000};
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        struct secure_peer p;
        secure_open(&p, versions[v], 0);
        secure_send(&p, SPAN(UPGRADE_REQUEST));
        until(&s, secure_has(&p, "\r\n\r\n"));
        buf_clear(&p.in);
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            buf frame = {0};
            size_t head = sizes[i] < 126 ? 2 : sizes[i] < 65536 ? 4 : 10;
            frame_append(&frame, 0x82, span_of(big.ptr, sizes[i]));
            secure_send(&p, buf_span(&frame));
            until(&s, secure_has_bytes(&p, head + sizes[i]));
            assert_int_equal(p.in.len, head + sizes[i]);
            assert_int_equal(memcmp(p.in.ptr + head, big.ptr, sizes[i]), 0);
            buf_clear(&p.in);
            buf_deinit(&frame);
        }
        /* Both close frames, then close_notify, then the end. */
        buf frame = {0};
        frame_append(&frame, 0x88, SPAN("\x03\xe8"));
        secure_send(&p, buf_span(&frame));
        until(&s, secure_state(&p, TLS_ENDED));
        assert_int_equal(p.in.len, 4);
        until(&s, peer_ended(&p.raw));
        buf_deinit(&frame);
        secure_close(&p);
        until(&s, net_count(s.net) == 0);
    }
}

static void a_peer_that_stops_in_the_middle_of_a_record_stops_nobody(void **state)
{
    struct secure_peer p, other;
    (void)state;
    secure_open(&p, TLS1_3_VERSION, 0);
    assert_true(tls_write(p.t, SPAN(GET_A)));
    peer_send(&p.raw, span_slice(buf_span(&p.pipe.out), 0, 20));
    secure_open(&other, TLS1_3_VERSION, 0);
    secure_send(&other, SPAN(GET_A));
    until(&s, secure_has(&other, "secure"));
    secure_close(&p); /* without close_notify, in the middle */
    secure_close(&other);
    until(&s, net_count(s.net) == 0);
}

static void a_stalled_handshake_is_ended_and_counted(void **state)
{
    (void)state;
    struct peer quiet = peer_connect(&s), half = peer_connect(&s);
    peer_send(&half, SPAN("\x16\x03\x01\x02\x00\x01\x00"));
    until(&s, net_count(s.net) == 2);
    advance(&s, 500);
    assert_int_equal(net_count(s.net), 2);
    advance(&s, 400);
    until(&s, net_count(s.net) == 0 && peer_ended(&quiet) && peer_ended(&half));
    assert_int_equal(net_stats(s.net)->tls_faults[TLS_FAULT_TIMEOUT], 2);
    assert_int_equal(net_stats(s.net)->closed[CLOSE_TLS_TIMEOUT], 2);
    peer_close(&quiet);
    peer_close(&half);
    struct secure_peer p; /* once it is done, the request's head has its own time */
    secure_open(&p, TLS1_3_VERSION, 0);
    turn(&s, 2);
    advance(&s, 800);
    assert_int_equal(net_count(s.net), 1);
    advance(&s, 400);
    until(&s, net_count(s.net) == 0);
    assert_int_equal(net_stats(s.net)->closed[CLOSE_HEADER_TIMEOUT], 1);
    until(&s, secure_state(&p, TLS_ENDED));
    secure_close(&p);
}

static void who_leaves_before_the_end_of_the_handshake_is_counted(void **state)
{
    (void)state;
    struct peer a = peer_connect(&s), b = peer_connect(&s);
    peer_send(&a, SPAN("\x16\x03\x01"));
    until(&s, net_count(s.net) == 2);
    turn(&s, 2);
    peer_close(&a);
    peer_reset(&b);
    until(&s, net_count(s.net) == 0);
    assert_int_equal(net_stats(s.net)->tls_faults[TLS_FAULT_GONE], 2);
}

static void garbage_gets_an_alert_and_the_end(void **state)
{
    static const struct {
        span bytes;
        enum tls_fault fault;
    } rows[] = {
        {{(const uint8_t *)"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a", 11}, TLS_FAULT_NOT_TLS},
        {{(const uint8_t *)"SSH-2.0-OpenSSH_9.2\r\n", 21}, TLS_FAULT_NOT_TLS},
        {{(const uint8_t *)"\x16\x03\x01\xff\xff\x01\x00\x00\x00\x00\x00", 11}, TLS_FAULT_PROTOCOL},
        {{(const uint8_t *)"\x16\x03\x01\x00\x04\x01\x00\x00\x00\x00\x00", 11}, TLS_FAULT_PROTOCOL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t before = net_stats(s.net)->tls_faults[rows[i].fault];
        struct peer p = peer_connect(&s);
        peer_send(&p, rows[i].bytes);
        until(&s, peer_ended(&p));
        assert_true(p.in.len == 0 || p.in.ptr[0] == 0x15);
        assert_int_equal(net_stats(s.net)->tls_faults[rows[i].fault], before + 1);
        peer_close(&p);
        until(&s, net_count(s.net) == 0);
    }
    assert_memory_equal(test_log.last, "tls.failed", 10);
}

static void plain_http_is_told_to_use_tls(void **state)
{
    (void)state;
    struct peer p = peer_connect(&s);
    peer_send_str(&p, GET_A);
    assert_true(expect_status(&p, 400).close);
    until(&s, peer_ended(&p));
    peer_close(&p);
    assert_int_equal(net_stats(s.net)->tls_faults[TLS_FAULT_PLAIN_HTTP], 1);
    s.addr = plain_addr; /* the plain listener beside it is one still */
    p = peer_connect(&s);
    peer_send_str(&p, GET_A);
    until(&s, peer_has(&p, "\r\n\r\nplain"));
    peer_close(&p);
}

static void a_damaged_record_ends_the_session(void **state)
{
    struct secure_peer p;
    (void)state;
    secure_open(&p, TLS1_3_VERSION, 0);
    secure_send(&p, SPAN(UPGRADE_REQUEST));
    until(&s, secure_has(&p, "\r\n\r\n"));
    peer_send(&p.raw, SPAN("\x17\x03\x03\x00\x20 not encrypted by anybody at all "));
    until(&s, net_count(s.net) == 0);
    assert_int_equal(net_stats(s.net)->closed[CLOSE_TLS_FAILED], 1);
    until(&s, secure_state(&p, TLS_FAILED)); /* by the alert bad_record_mac */
    assert_int_equal(tls_fault_of(p.t), TLS_FAULT_ALERT);
    secure_close(&p);
}

static void other_certificates_are_for_new_connections(void **state)
{
    struct secure_peer p;
    buf why = {0};
    (void)state;
    secure_open(&p, TLS1_3_VERSION, 0);
    struct test_cert next = cert_make("next", "DNS:next.example", NULL, DAY_S);
    struct tls_server_conf conf = {.certs = next.cert_file, .keys = next.key_file,
                                   .client_ca = "", .clock = &test_clock};
    struct tls_server *other = tls_server_new(&conf, tls, &why);
    assert_non_null(other);
    net_set_tls(s.net, other);
    tls_server_unref(other);
    secure_send(&p, SPAN(GET_A));
    until(&s, secure_has(&p, "secure"));
    struct secure_peer refused = secure_connect(0);
    secure_start(&refused, TLS1_3_VERSION);
    until(&s, secure_state(&refused, TLS_FAILED));
    assert_int_equal(tls_fault_of(refused.t), TLS_FAULT_CERTIFICATE);
    secure_close(&refused);
    secure_close(&p);
    net_set_tls(s.net, NULL); /* nothing leaks when it is taken away again */
    cert_drop(&next);
}

/* ---- the client role ---- */

static struct {
    unsigned opens, closes;
    close_reason reason;
    buf heard;
} own;

static void own_message(struct conn *c, enum ws_opcode op, span payload)
{
    (void)c, (void)op;
    buf_append_span(&own.heard, payload);
}
static void own_open(struct conn *c)
{
    own.opens++;
    assert_true(conn_is_secure(c));
    ws_send(c, WS_OP_TEXT, SPAN("from our own"));
}
static void own_close(struct conn *c, close_reason reason)
{
    (void)c;
    own.closes++;
    own.reason = reason;
}

static const struct ws_wire own_wire = {.name = "own",
                                        .limits = {.message_bytes_max = 65536,
                                                   .fragments_max = 64},
                                        .on_message = own_message,
                                        .on_close = own_close,
                                        .on_open = own_open};

static struct conn *own_connect(const char *host)
{
    static const uint8_t entropy[16] = {1};
    return ws_connect(s.net, &(struct ws_client_conf){.addr = (struct sockaddr *)&s.addr,
                                                      .addr_len = sizeof s.addr,
                                                      .host = span_str(host),
                                                      .target = SPAN("/ws"),
                                                      .wire = &own_wire,
                                                      .tls = client,
                                                      .tls_host = host,
                                                      .open_ms = 700,
                                                      .entropy = entropy});
}

static void our_own_client_speaks_it(void **state)
{
    (void)state;
    struct conn *c = own_connect("box.example");
    until(&s, own.heard.len == 12);
    conn_close(c, CLOSE_NORMAL);
    until(&s, own.closes == 1 && net_count(s.net) == 0);
    assert_non_null(own_connect("other.example"));
    until(&s, own.closes == 2 && net_count(s.net) == 0);
    assert_int_equal(own.reason, CLOSE_TLS_FAILED);
    assert_int_equal(own.opens, 1);
    s.addr = plain_addr; /* a server that does not speak it */
    assert_non_null(own_connect("box.example"));
    until(&s, own.closes == 3 && net_count(s.net) == 0);
    assert_int_equal(own.reason, CLOSE_TLS_FAILED);
    buf_deinit(&own.heard);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_cut_of_what_a_client_sends_is_the_same),
        T(long_bodies_go_both_ways_in_pieces),
        T(a_large_answer_waits_for_a_slow_reader),
        T(messages_of_every_size_come_back),
        T(a_peer_that_stops_in_the_middle_of_a_record_stops_nobody),
        T(a_stalled_handshake_is_ended_and_counted),
        T(who_leaves_before_the_end_of_the_handshake_is_counted),
        T(garbage_gets_an_alert_and_the_end),
        T(plain_http_is_told_to_use_tls),
        T(a_damaged_record_ends_the_session),
        T(other_certificates_are_for_new_connections),
        T(our_own_client_speaks_it),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
