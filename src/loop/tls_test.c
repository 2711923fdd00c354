/*
 * Sessions against each other in memory: every cut of the bytes, every way a handshake fails,
 * certificates by name, tickets over reloads, and what a resting session costs.
 */
#include "loop/tls.h"

#include "base/mem.h"
#include "loop/tls_internal.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/test_certs.h"

#define ROOM (3 * TLS_RECORD_BYTES_MAX)

static uint64_t now_ns = 1000000000;
static int64_t wall_ms(struct clock *c) { return 1700000000000; }
static uint64_t mono_ns(struct clock *c) { return now_ns; }
static struct clock test_clock = {.wall_ms = wall_ms, .mono_ns = mono_ns};

static struct test_cert ca, other_ca, leaf, wild, expired, stranger;

static int begin(void **state)
{
    (void)state;
    certs_begin();
    ca = cert_make("ca", NULL, NULL, DAY_S);
    other_ca = cert_make("other-ca", NULL, NULL, DAY_S);
    leaf = cert_make("leaf", "DNS:a.example,DNS:b.example,IP:127.0.0.1", &ca, DAY_S);
    wild = cert_make("wild", "DNS:*.wild.example", &ca, DAY_S);
    expired = cert_make("expired", "DNS:old.example", &ca, -DAY_S);
    stranger = cert_make("stranger", "DNS:a.example", &other_ca, DAY_S);
    return 0;
}

static int end(void **state)
{
    (void)state;
    struct test_cert *all[] = {&ca, &other_ca, &leaf, &wild, &expired, &stranger};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        cert_drop(all[i]);
    }
    certs_end();
    return 0;
}

static struct tls_server *server_of(const struct test_cert *c)
{
    buf why = {0};
    struct tls_server_conf conf = {.certs = c->cert_file, .keys = c->key_file, .client_ca = "",
                                   .clock = &test_clock};
    struct tls_server *s = tls_server_new(&conf, NULL, &why);
    assert_non_null(s);
    return s;
}

static struct tls_client *client_of(const struct test_cert *c)
{
    buf why = {0};
    struct tls_client *client = tls_client_new(c->cert_file, &why);
    assert_non_null(client);
    return client;
}

/* Two ends and what they have said. */
struct pair {
    struct tls_pipe pipes[2]; /* what the client says, what the server says */
    struct tls_session *client, *server;
    buf heard[2]; /* plaintext at the client, at the server */
};

/* Hands everything over in pieces of `step` bytes until nobody says anything more. */
static void carry(struct pair *p, size_t step)
{
    static uint8_t plain[ROOM];
    bool more = true;
    while (more) {
        more = false;
        for (unsigned to = 0; to < 2; to++) {
            buf in = p->pipes[1 - to].out;
            p->pipes[1 - to].out = (buf){0};
            for (size_t at = 0; at < in.len; at += step) {
                size_t len = 0;
                struct tls_session *t = to == 0 ? p->client : p->server;
                span piece = span_slice(buf_span(&in), at, step);
                (void)tls_feed(t, piece, plain, ROOM, &len);
                buf_append(&p->heard[to], plain, len);
                more = true;
            }
            buf_deinit(&in);
        }
    }
}

static void pair_open(struct pair *p, struct tls_client *client, struct tls_server *server,
                      const char *host, size_t step)
{
    size_t len;
    uint8_t none[TLS_RECORD_BYTES_MAX];
    *p = (struct pair){0};
    p->client = tls_connect(client, &p->pipes[0], host, false);
    p->server = tls_accept(server, &p->pipes[1]);
    (void)tls_feed(p->client, SPAN_NONE, none, sizeof none, &len);
    carry(p, step);
}

static void pair_drop(struct pair *p)
{
    tls_session_free(p->client);
    tls_session_free(p->server);
    for (unsigned i = 0; i < 2; i++) {
        tls_pipe_deinit(&p->pipes[i]);
        buf_deinit(&p->heard[i]);
    }
}

static void bytes_pass_whatever_the_cuts(void **state)
{
    static const size_t steps[] = {1, 2, 5, 7, 100, 1400, 16384};
    (void)state;
    struct tls_server *server = server_of(&leaf);
    struct tls_client *client = client_of(&ca);
    buf text = {0};
    for (size_t i = 0; i < 40000; i++) {
        buf_append_byte(&text, (uint8_t)(i * 7));
    }
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct pair p;
        pair_open(&p, client, server, "a.example", steps[i]);
        assert_int_equal(tls_state_of(p.client), TLS_OPEN);
        assert_int_equal(tls_state_of(p.server), TLS_OPEN);
        assert_true(tls_is_13(p.server));
        assert_true(tls_write(p.client, buf_span(&text)));
        assert_true(tls_write(p.server, SPAN("an answer")));
        carry(&p, steps[i]);
        assert_true(span_eq(buf_span(&p.heard[1]), buf_span(&text)));
        assert_true(span_eq(buf_span(&p.heard[0]), SPAN("an answer")));
        tls_end(p.client);
        carry(&p, steps[i]);
        assert_int_equal(tls_state_of(p.server), TLS_ENDED);
        assert_false(tls_write(p.client, SPAN("late")));
        assert_true(tls_write(p.server, SPAN("!"))); /* the other direction is still open */
        tls_end(p.server);
        tls_end(p.server);
        carry(&p, steps[i]);
        assert_int_equal(tls_state_of(p.client), TLS_ENDED);
        assert_int_equal(p.heard[0].len, 10);
        pair_drop(&p);
    }
    buf_deinit(&text);
    tls_client_free(client);
    tls_server_unref(server);
}

/* Damages each byte of the first flight in turn: it must end in words, not in an abort. */
static void a_damaged_handshake_fails(void **state)
{
    (void)state;
    struct tls_server *server = server_of(&leaf);
    struct tls_client *client = client_of(&ca);
    uint8_t *plain = mem_alloc(ROOM);
    size_t len;
    unsigned failed = 0;
    struct tls_pipe out = {0}, in = {0};
    struct tls_session *c = tls_connect(client, &out, "a.example", false);
    (void)tls_feed(c, SPAN_NONE, plain, ROOM, &len);
    for (size_t i = 0; i < out.out.len; i++) {
        struct tls_session *s = tls_accept(server, &in);
        out.out.ptr[i] ^= 0x55;
        if (tls_feed(s, buf_span(&out.out), plain, ROOM, &len) == TLS_FAILED) {
            assert_int_not_equal(tls_fault_of(s), TLS_FAULT_NONE);
            assert_int_not_equal(strlen(tls_fault_detail(s)), 0);
            failed++;
        }
        out.out.ptr[i] ^= 0x55;
        assert_int_equal(len, 0);
        buf_clear(&in.out);
        tls_session_free(s);
    }
    assert_true(failed > 20);
    tls_session_free(c);
    tls_pipe_deinit(&in);
    tls_pipe_deinit(&out);
    tls_client_free(client);
    tls_server_unref(server);
    mem_free(plain);
}

static enum tls_fault fault_of_bytes(struct tls_server *server, span bytes)
{
    uint8_t plain[2 * TLS_RECORD_BYTES_MAX];
    size_t len;
    struct tls_pipe pipe = {0};
    struct tls_session *s = tls_accept(server, &pipe);
    (void)tls_feed(s, bytes, plain, sizeof plain, &len);
    enum tls_fault f = tls_fault_of(s);
    tls_session_free(s);
    tls_pipe_deinit(&pipe);
    return f;
}

static void what_is_not_tls_is_named(void **state)
{
    (void)state;
    struct tls_server *server = server_of(&leaf);
    assert_int_equal(fault_of_bytes(server, SPAN("GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
                     TLS_FAULT_PLAIN_HTTP);
    assert_int_equal(fault_of_bytes(server, SPAN("SSH-2.0-OpenSSH_9.2p1\r\n")),
                     TLS_FAULT_NOT_TLS);
    assert_int_equal(fault_of_bytes(server, SPAN("\x16\x03\x01\xff\xff\x01 too long a record")),
                     TLS_FAULT_PROTOCOL);
    assert_int_equal(fault_of_bytes(server, SPAN("\x15\x03\x01\x00\x02\x02\x30")), /* an alert */
                     TLS_FAULT_NOT_TLS);
    assert_int_equal(fault_of_bytes(server, SPAN("")), TLS_FAULT_NONE);
    assert_int_equal(fault_of_bytes(server, SPAN("\x16\x03\x01")), TLS_FAULT_NONE);
    tls_server_unref(server);
}

static void the_client_holds_the_server_to_its_name(void **state)
{
    static const struct {
        const struct test_cert *cert, *trusted;
        const char *host;
        const char *detail; /* NULL: good */
    } rows[] = {
        {&leaf, &ca, "a.example", NULL},
        {&leaf, &ca, "B.Example", NULL},
        {&leaf, &ca, "c.example", "hostname mismatch"},
        {&wild, &ca, "x.wild.example", NULL},
        {&wild, &ca, "x.y.wild.example", "hostname mismatch"},
        {&wild, &ca, "wild.example", "hostname mismatch"},
        {&leaf, &other_ca, "a.example", "unable to get local issuer certificate"},
        {&stranger, &ca, "a.example", "unable to get local issuer certificate"},
        {&expired, &ca, "old.example", "certificate has expired"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_server *server = server_of(rows[i].cert);
        struct tls_client *client = client_of(rows[i].trusted);
        struct pair p;
        pair_open(&p, client, server, rows[i].host, ROOM - TLS_RECORD_BYTES_MAX);
        if (rows[i].detail == NULL) {
            assert_int_equal(tls_state_of(p.client), TLS_OPEN);
        } else {
            assert_int_equal(tls_fault_of(p.client), TLS_FAULT_CERTIFICATE);
            assert_string_equal(tls_fault_detail(p.client), rows[i].detail);
            assert_int_equal(tls_fault_of(p.server), TLS_FAULT_ALERT);
        }
        pair_drop(&p);
        tls_client_free(client);
        tls_server_unref(server);
    }
}

static void an_address_is_checked_as_one(void **state)
{
    (void)state;
    struct tls_server *server = server_of(&leaf);
    struct tls_client *client = client_of(&ca);
    static const struct {
        const char *host;
        enum tls_state ends;
    } rows[] = {{"127.0.0.1", TLS_OPEN}, {"127.0.0.2", TLS_FAILED}, {"a.example", TLS_FAILED}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pair p = {0};
        uint8_t none[TLS_RECORD_BYTES_MAX];
        size_t len;
        p.client = tls_connect(client, &p.pipes[0], rows[i].host, true);
        p.server = tls_accept(server, &p.pipes[1]);
        (void)tls_feed(p.client, SPAN_NONE, none, sizeof none, &len);
        carry(&p, 4096);
        assert_int_equal(tls_state_of(p.client), rows[i].ends);
        pair_drop(&p);
    }
    tls_client_free(client);
    tls_server_unref(server);
}

static struct tls_server *server_of_lists(const char *certs, const char *keys, buf *why)
{
    struct tls_server_conf conf = {.certs = certs, .keys = keys, .client_ca = "",
                                   .clock = &test_clock};
    return tls_server_new(&conf, NULL, why);
}

static void certificates_are_chosen_by_name(void **state)
{
    (void)state;
    char certs[4 * CERT_PATH_MAX], keys[4 * CERT_PATH_MAX];
    buf why = {0};
    snprintf(certs, sizeof certs, "%s, %s,%s", leaf.cert_file, wild.cert_file, expired.cert_file);
    snprintf(keys, sizeof keys, "%s,%s , %s", leaf.key_file, wild.key_file, expired.key_file);
    struct tls_server *s = server_of_lists(certs, keys, &why);
    assert_non_null(s);
    assert_int_equal(tls_server_cert_count(s), 3);
    assert_string_equal(tls_server_cert(s, 0)->names, "a.example,b.example");
    assert_string_equal(tls_server_cert(s, 1)->file, wild.cert_file);
    assert_true(tls_server_cert(s, 0)->ends_s - tls_server_cert(s, 0)->begins_s == DAY_S + 3600);
    assert_int_equal(tls_server_find(s, "a.example"), 0);
    assert_int_equal(tls_server_find(s, "X.WILD.example"), 1);
    assert_int_equal(tls_server_find(s, "x.y.wild.example"), 0);
    assert_int_equal(tls_server_find(s, ".wild.example"), 0);
    assert_int_equal(tls_server_find(s, "old.example"), 2);
    assert_int_equal(tls_server_find(s, ""), 0);
    struct tls_client *client = client_of(&ca);
    struct pair p;
    pair_open(&p, client, s, "x.wild.example", 100);
    assert_int_equal(tls_state_of(p.client), TLS_OPEN);
    pair_drop(&p);
    tls_client_free(client);
    tls_server_unref(s);
}

static void bad_files_are_refused_in_words(void **state)
{
    static const struct {
        const char *certs, *keys, *why;
    } rows[] = {
        {"/none.pem", "", "tls_cert /none.pem: No such file or directory"},
        {"LEAF", "/none.key", "No such file or directory"},
        {"LEAF", "WILDKEY", "key values mismatch"},
        {"LEAF", "", "no key of "},
        {"LEAFKEY", "LEAFKEY", "no start line"},
        {"LEAF,WILD", "LEAFKEY", "as many files"},
        {"LEAF", "LEAFKEY,WILDKEY", "as many files"},
        {"LEAF,,WILD", "LEAFKEY,,WILDKEY", "as many files"},
        {"", "", "no certificate is named"},
    };
    static const struct {
        const char *word;
        const char *file;
    } words[] = {{"LEAFKEY", leaf.key_file},
                 {"WILDKEY", wild.key_file},
                 {"LEAF", leaf.cert_file},
                 {"WILD", wild.cert_file}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf texts[2] = {{0}, {0}}, why = {0};
        for (unsigned k = 0; k < 2; k++) {
            span rest = span_str(k == 0 ? rows[i].certs : rows[i].keys);
            for (bool first = true; rest.ptr != NULL && rest.len > 0; first = false) {
                span one = span_cut(&rest, ',');
                buf_append_str(&texts[k], first ? "" : ",");
                size_t w = 0;
                while (w < ARRAY_LEN(words) && !span_eq(one, span_str(words[w].word))) {
                    w++;
                }
                buf_append_span(&texts[k], w < ARRAY_LEN(words) ? span_str(words[w].file) : one);
            }
            buf_append_byte(&texts[k], 0);
        }
        struct tls_server *s =
            server_of_lists((char *)texts[0].ptr, (char *)texts[1].ptr, &why);
        buf_append_byte(&why, 0);
        assert_null(s);
        if (strstr((char *)why.ptr, rows[i].why) == NULL) {
            fail_msg("row %zu says \"%s\"", i, (char *)why.ptr);
        }
        buf_deinit(&texts[0]);
        buf_deinit(&texts[1]);
        buf_deinit(&why);
    }
    buf why = {0};
    assert_null(tls_client_new("/none.pem", &why));
    assert_true(why.len > 0);
    buf_deinit(&why);
}

static void both_versions_carry_bytes(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    struct tls_server *server = server_of(&leaf);
    struct tls_client *client = client_of(&ca);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct pair p = {0};
        uint8_t none[TLS_RECORD_BYTES_MAX];
        size_t len;
        p.client = tls_connect(client, &p.pipes[0], "a.example", false);
        p.server = tls_accept(server, &p.pipes[1]);
        assert_int_equal(SSL_set_max_proto_version(p.client->ssl, versions[i]), 1);
        (void)tls_feed(p.client, SPAN_NONE, none, sizeof none, &len);
        carry(&p, 3);
        assert_int_equal(tls_is_13(p.server), versions[i] == TLS1_3_VERSION);
        assert_true(tls_write(p.client, SPAN("hello")));
        carry(&p, 3);
        assert_true(span_eq(buf_span(&p.heard[1]), SPAN("hello")));
        if (versions[i] == TLS1_2_VERSION) { /* renegotiation is refused, and harms nothing */
            (void)SSL_renegotiate(p.client->ssl);
            (void)SSL_do_handshake(p.client->ssl);
            carry(&p, 100);
            assert_int_equal(tls_state_of(p.server), TLS_OPEN);
        }
        pair_drop(&p);
    }
    tls_client_free(client);
    tls_server_unref(server);
}

static void keys_may_be_updated_but_not_without_end(void **state)
{
    (void)state;
    struct tls_server *server = server_of(&leaf);
    struct tls_client *client = client_of(&ca);
    struct pair p;
    pair_open(&p, client, server, "a.example", 4096);
    for (unsigned i = 0; i < TLS_KEY_UPDATES_MAX; i++) {
        assert_int_equal(SSL_key_update(p.client->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_true(tls_write(p.client, SPAN("x")));
        carry(&p, 4096);
    }
    assert_int_equal(tls_state_of(p.server), TLS_OPEN);
    assert_int_equal(p.heard[1].len, TLS_KEY_UPDATES_MAX);
    assert_int_equal(SSL_key_update(p.client->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    assert_true(tls_write(p.client, SPAN("x")));
    carry(&p, 4096);
    assert_int_equal(tls_state_of(p.server), TLS_FAILED);
    assert_string_equal(tls_fault_detail(p.server), "too many key updates");
    pair_drop(&p);
    tls_client_free(client);
    tls_server_unref(server);
}

/* Opens a session with an earlier one's ticket; says whether the server took it up. */
static bool resumes(struct tls_client *client, struct tls_server *server, SSL_SESSION *ticket)
{
    struct pair p = {0};
    uint8_t none[TLS_RECORD_BYTES_MAX];
    size_t len;
    p.client = tls_connect(client, &p.pipes[0], "a.example", false);
    p.server = tls_accept(server, &p.pipes[1]);
    assert_int_equal(SSL_set_session(p.client->ssl, ticket), 1);
    (void)tls_feed(p.client, SPAN_NONE, none, sizeof none, &len);
    carry(&p, 4096);
    assert_int_equal(tls_state_of(p.server), TLS_OPEN);
    bool resumed = tls_is_resumed(p.server);
    tls_end(p.client);
    pair_drop(&p);
    return resumed;
}

static void tickets_hold_as_long_as_their_keys_and_rules(void **state)
{
    (void)state;
    buf why = {0};
    struct tls_server_conf conf = {.certs = leaf.cert_file, .keys = leaf.key_file,
                                   .client_ca = "", .clock = &test_clock};
    struct tls_server *server = tls_server_new(&conf, NULL, &why);
    struct tls_server *stranger_server = tls_server_new(&conf, NULL, &why);
    struct tls_server *reloaded = tls_server_new(&conf, server, &why);
    conf.client_ca = ca.cert_file;
    conf.client_auth = TLS_CLIENT_OPTIONAL;
    struct tls_server *stricter = tls_server_new(&conf, server, &why);
    struct tls_client *client = client_of(&ca);
    struct pair p;
    pair_open(&p, client, server, "a.example", 4096);
    SSL_SESSION *ticket = SSL_get1_session(p.client->ssl);
    assert_int_equal(SSL_SESSION_has_ticket(ticket), 1);
    tls_end(p.client); /* or OpenSSL takes the session for a broken one */
    pair_drop(&p);
    assert_true(resumes(client, server, ticket));
    assert_true(resumes(client, reloaded, ticket));
    assert_false(resumes(client, stranger_server, ticket));
    assert_false(resumes(client, stricter, ticket));
    now_ns += TLS_TICKET_S * UINT64_C(1000000000); /* another key seals, this one still opens */
    assert_true(resumes(client, server, ticket));
    now_ns += TLS_TICKET_S * UINT64_C(1000000000);
    assert_false(resumes(client, server, ticket));
    SSL_SESSION_free(ticket);
    tls_client_free(client);
    tls_server_unref(stricter);
    tls_server_unref(reloaded);
    tls_server_unref(stranger_server);
    tls_server_unref(server);
}

static void a_resting_session_is_small(void **state)
{
    enum { COUNT = 200, WARM = 8 };
    (void)state;
    struct tls_server *server = server_of(&leaf);
    struct tls_client *client = client_of(&ca);
    static struct pair pairs[COUNT];
    size_t used = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        struct pair *p = &pairs[i];
        if (i == WARM) {
            used = mallinfo2().uordblks; /* what is made once has been made */
        }
        pair_open(p, client, server, "a.example", 4096);
        tls_pipe_deinit(&p->pipes[0]);
        tls_pipe_deinit(&p->pipes[1]);
        tls_session_free(p->client);
        p->client = NULL;
        assert_int_equal(tls_state_of(p->server), TLS_OPEN);
    }
    size_t each = (mallinfo2().uordblks - used) / (COUNT - WARM);
    print_message("a resting TLS 1.3 session: %zu bytes\n", each);
    assert_true(each < 20000);
    for (unsigned i = 0; i < COUNT; i++) {
        tls_session_free(pairs[i].server);
    }
    tls_client_free(client);
    tls_server_unref(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_pass_whatever_the_cuts),
        cmocka_unit_test(a_damaged_handshake_fails),
        cmocka_unit_test(what_is_not_tls_is_named),
        cmocka_unit_test(the_client_holds_the_server_to_its_name),
        cmocka_unit_test(an_address_is_checked_as_one),
        cmocka_unit_test(certificates_are_chosen_by_name),
        cmocka_unit_test(bad_files_are_refused_in_words),
        cmocka_unit_test(both_versions_carry_bytes),
        cmocka_unit_test(keys_may_be_updated_but_not_without_end),
        cmocka_unit_test(tickets_hold_as_long_as_their_keys_and_rules),
        cmocka_unit_test(a_resting_session_is_small),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
