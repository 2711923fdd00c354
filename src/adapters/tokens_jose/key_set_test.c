/* What is taken for a key, what is not, and what a key is then good for. */
#include "adapters/tokens_jose/key_set.h"

#include "adapters/tokens_jose/jose_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>

static EVP_PKEY *key; /* on P-256 */

static int setup(void **state)
{
    (void)state;
    key = test_key(JOSE_ES256);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

static bool reads(const char *text, bool secrets)
{
    struct key_set *set = key_set_new();
    const char *why = NULL;
    bool ok = key_set_read(set, span_str(text), secrets, &why);
    assert_true(ok || why != NULL);
    assert_true(ERR_peek_error() == 0);
    key_set_free(set);
    return ok;
}

static void weak_and_odd_keys_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "{}", "[]", "null", "x", "{\"keys\":[]}", "{\"keys\":7}", "{\"keys\":[{}]}",
        "{\"kty\":\"RSA\"}", "{\"kty\":7}", "{\"kty\":\"DSA\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}", "{\"kty\":\"oct\",\"k\":\"!\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\","
        "\"x\":\"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        /* right lengths, not on the curve */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
        "\"y\":\"5Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n",
        "-----BEGIN GARDEN-----\nAAAA\n-----END GARDEN-----\n",
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (reads(bad[i], true)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    struct {
        size_t bits;
        unsigned exponent;
        bool taken;
    } rsa[] = {{1024, 65537, false}, {2040, 65537, false}, {2048, 3, false}, {2048, 65539, true}};
    for (unsigned i = 0; i < sizeof rsa / sizeof rsa[0]; i++) {
        EVP_PKEY *k = NULL;
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
        OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t("bits", &rsa[i].bits),
                               OSSL_PARAM_construct_uint("e", &rsa[i].exponent),
                               OSSL_PARAM_construct_end()};
        assert_true(EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_params(ctx, params) == 1 &&
                    EVP_PKEY_generate(ctx, &k) == 1);
        buf text = {0};
        test_jwk(&text, k, JOSE_RS256, "");
        buf_append_byte(&text, 0);
        assert_int_equal(reads((const char *)text.ptr, false), rsa[i].taken);
        buf_deinit(&text);
        EVP_PKEY_free(k);
        EVP_PKEY_CTX_free(ctx);
    }
}

static void members_decide_what_a_jwk_is_for(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        bool taken;
    } rows[] = {
        {",\"use\":\"sig\"", true},
        {",\"use\":\"enc\"", false},
        {",\"use\":null", false},
        {",\"key_ops\":[\"verify\"]", true},
        {",\"key_ops\":[\"sign\",\"verify\"]", true},
        {",\"key_ops\":[\"sign\"]", false},
        {",\"key_ops\":\"verify\"", false},
        {",\"alg\":\"ES256\"", true},
        {",\"alg\":\"ES384\"", false},
        {",\"alg\":\"HS256\"", false},
        {",\"alg\":\"none\"", false},
        {",\"alg\":\"ECDH-ES\"", false},
        {",\"alg\":1", false},
        {",\"kid\":\"\"", false},
        {",\"kid\":4", false},
        {",\"kid\":\"a\",\"kid\":\"b\"", false},
        {",\"x5c\":[\"ignored\"],\"d\":\"ignored\"", true},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf text = {0};
        test_jwk(&text, key, JOSE_ES256, rows[i].members);
        buf_append_byte(&text, 0);
        if (reads((const char *)text.ptr, false) != rows[i].taken) {
            fail_msg("%s", rows[i].members);
        }
        buf_deinit(&text);
    }
}

static void secrets_are_not_taken_from_what_is_published(void **state)
{
    (void)state;
    buf text = {0};
    test_jwk(&text, NULL, JOSE_HS256, "");
    buf_append_byte(&text, 0);
    assert_true(reads((const char *)text.ptr, true));
    assert_false(reads((const char *)text.ptr, false));
    buf_deinit(&text);
}

static void private_keys_in_pem_are_refused(void **state)
{
    (void)state;
    BIO *pem = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL), 1);
    char *text;
    long len = BIO_get_mem_data(pem, &text);
    struct key_set *set = key_set_new();
    const char *why = "";
    assert_false(key_set_read(set, span_of(text, (size_t)len), true, &why));
    assert_non_null(strstr(why, "private"));
    key_set_free(set);
    BIO_free(pem);
}

static void a_set_is_bounded_and_skips_what_it_does_not_know(void **state)
{
    (void)state;
    for (unsigned count = KEY_SET_MAX; count <= KEY_SET_MAX + 1; count++) {
        buf text = {0};
        buf_append_str(&text, " {\"keys\":[{\"kty\":\"future\"},7,");
        for (unsigned i = 0; i < count; i++) {
            char extra[32];
            snprintf(extra, sizeof extra, ",\"kid\":\"%u\"", i);
            buf_append_str(&text, i > 0 ? "," : "");
            test_jwk(&text, key, JOSE_ES256, extra);
        }
        buf_append_str(&text, "]}");
        buf_append_byte(&text, 0);
        assert_int_equal(reads((const char *)text.ptr, false), count == KEY_SET_MAX);
        buf_deinit(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weak_and_odd_keys_are_refused),
        cmocka_unit_test(members_decide_what_a_jwk_is_for),
        cmocka_unit_test(secrets_are_not_taken_from_what_is_published),
        cmocka_unit_test(private_keys_in_pem_are_refused),
        cmocka_unit_test(a_set_is_bounded_and_skips_what_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
