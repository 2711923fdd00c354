/* What hangs on a connection goes to the other loop with it: its TLS session, who its client is,
 * and what is counted of it. */
#include "net/move.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/test_certs.h"
#include "net/test_move.h"

struct secure_peer {
    struct peer raw;
    struct tls_pipe pipe;
    struct tls_session *t;
    buf in;
};

static bool secure_has(struct secure_peer *p, const char *text)
{
    static uint8_t plain[1 << 18];
    size_t len;
    (void)peer_read(&p->raw);
    (void)tls_feed(p->t, buf_span(&p->raw.in), plain, sizeof plain, &len);
    buf_clear(&p->raw.in);
    buf_append(&p->in, plain, len);
    peer_send(&p->raw, buf_span(&p->pipe.out));
    buf_clear(&p->pipe.out);
    return p->in.len > 0 && memmem(p->in.ptr, p->in.len, text, strlen(text)) != NULL;
}

static void a_tls_session_moves_along(void **state)
{
    buf why = {0};
    (void)state;
    certs_begin();
    struct test_cert cert = cert_make("box", "DNS:box.example", NULL, DAY_S);
    struct tls_server_conf conf = {.certs = cert.cert_file, .keys = cert.key_file,
                                   .client_ca = "", .clock = &test_clock};
    struct tls_server *tls = tls_server_new(&conf, NULL, &why);
    struct tls_client *client = tls_client_new(cert.cert_file, &why);
    assert_true(tls != NULL && client != NULL);
    struct net_limits limits = test_limits;
    limits.tls_handshake_ms = 10000;
    start_with(&limits, NET_LISTEN_TLS, tls, 0);
    struct secure_peer p = {.raw = peer_connect(&servers[0])};
    p.t = tls_connect(client, &p.pipe, "box.example", false);
    until_all(secure_has(&p, "x") || tls_state_of(p.t) == TLS_OPEN);
    for (unsigned i = 0; i < 30; i++) {
        char ahead[160], wanted[32];
        snprintf(ahead, sizeof ahead,
                 "GET /%u/n%u HTTP/1.1\r\nHost: a\r\n\r\nGET /%u/m%u HTTP/1.1\r\nHost: a\r\n\r\n",
                 (i + 1) % LOOPS, i, i % LOOPS, i);
        assert_true(tls_write(p.t, span_str(ahead)));
        snprintf(wanted, sizeof wanted, "%u m%u secure=1", i % LOOPS, i);
        until_all(secure_has(&p, wanted));
        snprintf(wanted, sizeof wanted, "%u n%u secure=1", (i + 1) % LOOPS, i);
        assert_true(secure_has(&p, wanted));
    }
    assert_true(tls_write(p.t, SPAN("GET /2/wait HTTP/1.1\r\nHost: a\r\n\r\n")));
    (void)secure_has(&p, "x");
    turn_all(10);
    assert_int_equal(abandoned, 0);
    tls_end(p.t);
    (void)secure_has(&p, "x");
    peer_close(&p.raw);
    until_all(abandoned == 1);
    until_all(count_all() == 0);
    tls_session_free(p.t);
    tls_pipe_deinit(&p.pipe);
    buf_deinit(&p.in);
    stop();
    tls_client_free(client);
    tls_server_unref(tls);
    cert_drop(&cert);
    certs_end();
    buf_deinit(&why);
}

static struct net_limits behind_proxy(void)
{
    struct net_limits limits = test_limits;
    span bad;
    limits.per_address_max = 2;
    limits.handshakes_per_s = 2;
    assert_true(trust_parse(SPAN("127.0.0.1"), &limits.trusted, &bad));
    return limits;
}

static void the_client_of_a_proxy_header_moves_along(void **state)
{
    struct net_limits limits = behind_proxy();
    (void)state;
    start_with(&limits, NET_LISTEN_PROXY, NULL, 0);
    struct peer p = peer_connect(&servers[0]);
    peer_send_str(&p, "PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n");
    for (unsigned i = 0; i < 10; i++) { /* a handshake of its address, once */
        ask(&p, i % 2 == 0 ? "/1/a" : "/2/a");
        next_answer(&p, i % 2 == 0 ? "1 a secure=0 client=192.0.2.7:4711"
                                   : "2 a secure=0 client=192.0.2.7:4711");
    }
    struct peer q = peer_connect(&servers[0]); /* its second place, and no third */
    struct peer r = peer_connect(&servers[0]);
    peer_send_str(&q, "PROXY TCP4 192.0.2.7 10.0.0.1 4712 443\r\n");
    ask(&q, "/0/b");
    next_answer(&q, "0 b");
    test_now_ns += 2000000000;
    peer_send_str(&r, "PROXY TCP4 192.0.2.7 10.0.0.1 4713 443\r\n");
    until_all(peer_ended(&r));
    peer_close(&p);
    peer_close(&q);
    peer_close(&r);
    until_all(count_all() == 0);
    stop();
}

static void the_client_of_header_fields_is_no_new_handshake_there(void **state)
{
    struct net_limits limits = behind_proxy();
    (void)state;
    limits.handshakes_per_s = 1;
    start_with(&limits, 0, NULL, 0);
    struct peer p = peer_connect(&servers[0]);
    for (unsigned i = 0; i < 10; i++) {
        ask(&p, i % 2 == 0 ? "/1/@192.0.2.8" : "/2/@192.0.2.8");
        next_answer(&p, i % 2 == 0 ? "1 @192.0.2.8 secure=0 client=192.0.2.8:0"
                                   : "2 @192.0.2.8 secure=0 client=192.0.2.8:0");
    }
    peer_close(&p);
    until_all(count_all() == 0);
    stop();
}

static void its_address_stays_counted(void **state)
{
    struct net_limits limits = test_limits;
    (void)state;
    limits.per_address_max = 1;
    start_with(&limits, 0, NULL, 0);
    struct peer p = peer_connect(&servers[0]);
    ask(&p, "/1/a");
    next_answer(&p, "1 a");
    struct peer q = peer_connect(&servers[2]);
    until_all(peer_ended(&q));
    peer_close(&p);
    peer_close(&q);
    until_all(count_all() == 0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tls_session_moves_along),
        cmocka_unit_test(the_client_of_a_proxy_header_moves_along),
        cmocka_unit_test(the_client_of_header_fields_is_no_new_handshake_there),
        cmocka_unit_test(its_address_stays_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
