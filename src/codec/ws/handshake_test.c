#include "codec/ws/handshake.h"

#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Stands in for SHA-1: knows the digest of the one example of RFC 6455 1.3, and is otherwise a
 * sum, which is all that these tests need. */
static void fake_sha1(const void *data, size_t len, uint8_t digest[20])
{
    static const char example[] = "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    static const uint8_t known[20] = {0xb3, 0x7a, 0x4f, 0x2c, 0xc0, 0x62, 0x4f, 0x16, 0x90, 0xf6,
                                      0x46, 0x06, 0xcf, 0x38, 0x59, 0x45, 0xb2, 0xbe, 0xc4, 0xea};
    memset(digest, 0, 20);
    if (len == sizeof example - 1 && memcmp(data, example, len) == 0) {
        memcpy(digest, known, 20);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        digest[i % 20] ^= ((const uint8_t *)data)[i];
    }
}

static const struct ws_handshake good = {
    .upgrade = SPAN("websocket"),
    .connection = SPAN("Upgrade"),
    .key = SPAN("dGhlIHNhbXBsZSBub25jZQ=="),
    .version = SPAN("13"),
};

static void accept_of_the_example(void **state)
{
    char accept[WS_ACCEPT_LEN];
    ws_accept_make(good.key, fake_sha1, accept);
    assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WS_ACCEPT_LEN);
    assert_true(ws_accept_check(SPAN(" s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "), good.key, fake_sha1));
    assert_false(ws_accept_check(SPAN("s3pPLMBiTxaQ9kYGzzhZRbK+xOo"), good.key, fake_sha1));
    assert_false(ws_accept_check(SPAN("S3pPLMBiTxaQ9kYGzzhZRbK+xOo="), good.key, fake_sha1));
    assert_false(ws_accept_check(SPAN_NONE, good.key, fake_sha1));
}

static void a_client_key_passes_the_servers_check(void **state)
{
    struct ws_handshake h = good;
    char key[WS_KEY_LEN];
    ws_key_make((const uint8_t *)"the sample nonce", key);
    assert_memory_equal(key, "dGhlIHNhbXBsZSBub25jZQ==", WS_KEY_LEN);
    h.key = span_of(key, sizeof key);
    assert_int_equal(ws_handshake_check(&h), 0);
}

static void requests(void **state)
{
    static const struct {
        const char *upgrade, *connection, *key, *version;
        int result;
    } rows[] = {
        {"WebSocket", "keep-alive, UPGRADE", "AAAAAAAAAAAAAAAAAAAAAA==", "13", 0},
        {"h2c , websocket", " Upgrade ", "AAAAAAAAAAAAAAAAAAAAAA==", " 13 ", 0},
        {NULL, "Upgrade", "AAAAAAAAAAAAAAAAAAAAAA==", "13", WS_HANDSHAKE_E_UPGRADE},
        {"websockets", "Upgrade", "AAAAAAAAAAAAAAAAAAAAAA==", "13", WS_HANDSHAKE_E_UPGRADE},
        {"websocket", NULL, "AAAAAAAAAAAAAAAAAAAAAA==", "13", WS_HANDSHAKE_E_UPGRADE},
        {"websocket", "keep-alive", "AAAAAAAAAAAAAAAAAAAAAA==", "13", WS_HANDSHAKE_E_UPGRADE},
        {"websocket", "Upgrade", "AAAAAAAAAAAAAAAAAAAAAA==", NULL, WS_HANDSHAKE_E_VERSION},
        {"websocket", "Upgrade", "AAAAAAAAAAAAAAAAAAAAAA==", "8", WS_HANDSHAKE_E_VERSION},
        {"websocket", "Upgrade", "AAAAAAAAAAAAAAAAAAAAAA==", "013", WS_HANDSHAKE_E_VERSION},
        {"websocket", "Upgrade", "AAAAAAAAAAAAAAAAAAAAAA==", "13, 13", WS_HANDSHAKE_E_VERSION},
        {"websocket", "Upgrade", NULL, "13", WS_HANDSHAKE_E_KEY},
        {"websocket", "Upgrade", "", "13", WS_HANDSHAKE_E_KEY},
        {"websocket", "Upgrade", "AAAAAAAAAAAAAAAAAAAAAA", "13", WS_HANDSHAKE_E_KEY},
        {"websocket", "Upgrade", "AAAAAAAAAAAAAAAAAAAAAAA=", "13", WS_HANDSHAKE_E_KEY},
        {"websocket", "Upgrade", "AAAAAAAAAAAAAAAAAAAAAAAA", "13", WS_HANDSHAKE_E_KEY},
        {"websocket", "Upgrade", "AAAAAAAAAAAAAAAAAAAA!A==", "13", WS_HANDSHAKE_E_KEY},
        {"websocket", "Upgrade", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "13", WS_HANDSHAKE_E_KEY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ws_handshake h = {span_str(rows[i].upgrade), span_str(rows[i].connection),
                                 span_str(rows[i].key), span_str(rows[i].version)};
        assert_int_equal(ws_handshake_check(&h), rows[i].result);
    }
}

static void bearer_token_in_the_subprotocols(void **state)
{
    static const struct {
        const char *list, *token; /* token NULL: none */
    } rows[] = {
        {"bearer, abc.def.ghi", "abc.def.ghi"},
        {"bearer,abc", "abc"},
        {" chat ,\tbearer ,  abc , more", "abc"},
        {"bearer", NULL},
        {"bearer,", NULL},
        {"bearer, , abc", NULL},
        {"Bearer, abc", NULL},
        {"abc, bearer", NULL},
        {"bearerx, abc", NULL},
        {"", NULL},
        {NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        span token;
        bool found = ws_subprotocol_bearer(span_str(rows[i].list), &token);
        assert_int_equal(found, rows[i].token != NULL);
        assert_true(span_eq(token, span_str(rows[i].token)));
    }
    assert_true(ws_subprotocol_offered(SPAN("a, b ,c"), SPAN("b")));
    assert_false(ws_subprotocol_offered(SPAN("a, B ,c"), SPAN("b")));
    assert_false(ws_subprotocol_offered(SPAN_NONE, SPAN("b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_of_the_example),
        cmocka_unit_test(a_client_key_passes_the_servers_check),
        cmocka_unit_test(requests),
        cmocka_unit_test(bearer_token_in_the_subprotocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
