/* The attack table, for every family, on the port as the server uses it: keys are made when the
 * test starts, forgeries are right but for the one thing that is meant. */
#include "adapters/tokens_jose/tokens_jose.h"

#include "adapters/tokens_hs256/tokens_hs256.h"
#include "adapters/tokens_jose/jose_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define NOW_S INT64_C(1800000000)
#define NOW_MS (NOW_S * 1000)
#define OWN_SECRET "our own secret of thirty-two byte"
#define GOOD "{\"iss\":\"https://idp.example\",\"sub\":\"ann\",\"exp\":1800000900}"

static EVP_PKEY *keys[JOSE_ALG_COUNT];
static EVP_PKEY *strangers[JOSE_ALG_COUNT]; /* same kinds, not in the set */
static struct tokens *port;                 /* every key, kid = name of its algorithm */
static buf token;

static struct tokens *port_of(struct key_set *set, const char *outside, const char *audience)
{
    struct tokens_conf own = {.secret = SPAN(OWN_SECRET), .issuer = "signalbox", .leeway_s = 30};
    struct tokens_jose_conf conf = {.own = tokens_hs256_new(&own),
                                    .fixed = set,
                                    .issuer = "signalbox",
                                    .outside_issuers = outside,
                                    .audience = audience,
                                    .leeway_s = 30};
    return tokens_jose_new(&conf);
}

static void read_ok(struct key_set *set, const buf *text)
{
    const char *why = "";
    if (!key_set_read(set, buf_span(text), true, &why)) {
        fail_msg("%s: %.*s", why, SPAN_FMT(buf_span(text)));
    }
}

static void append_keys(buf *text)
{
    buf_append_str(text, "{\"keys\":[");
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        const char *name = jose_alg_row((enum jose_alg)i)->name;
        char extra[128];
        snprintf(extra, sizeof extra,
                 ",\"kid\":\"%s\",\"alg\":\"%s\",\"use\":\"sig\"", name, name);
        buf_append_str(text, i > 0 ? "," : "");
        test_jwk(text, keys[i], (enum jose_alg)i, extra);
    }
    buf_append_str(text, "]}");
}

static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        const struct jose_alg_row *row = jose_alg_row((enum jose_alg)i);
        bool rsa = row->family == JOSE_RSA || row->family == JOSE_PSS;
        keys[i] = rsa && i > JOSE_RS256 ? keys[JOSE_RS256] : test_key((enum jose_alg)i);
        strangers[i] = rsa && i > JOSE_RS256 ? strangers[JOSE_RS256] : test_key((enum jose_alg)i);
    }
    buf text = {0};
    append_keys(&text);
    struct key_set *set = key_set_new();
    read_ok(set, &text);
    assert_int_equal(key_set_count(set), JOSE_ALG_COUNT);
    port = port_of(set, NULL, NULL);
    buf_deinit(&text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        if (i <= JOSE_RS256 || i > JOSE_PS512) {
            EVP_PKEY_free(keys[i]);
            EVP_PKEY_free(strangers[i]);
        }
    }
    tokens_jose_free(port);
    buf_deinit(&token);
    return 0;
}

static enum token_fault verify_on(struct tokens *t)
{
    struct token_claims c;
    enum token_fault fault = t->verify(t, buf_span(&token), NOW_MS, &c);
    assert_true(ERR_peek_error() == 0); /* nothing is left for the next user of OpenSSL */
    return fault;
}

static void assert_fault(enum token_fault got, enum token_fault wanted, const char *what)
{
    if (got != wanted) {
        fail_msg("%s: %s, not %s", what, token_fault_name(got), token_fault_name(wanted));
    }
}

static const char *header_of(const char *alg, const char *kid)
{
    static char text[128];
    snprintf(text, sizeof text, "{\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kid);
    return text;
}

/* A right token of an algorithm under its own kid. */
static void make(enum jose_alg alg)
{
    const char *name = jose_alg_row(alg)->name;
    test_token(&token, keys[alg], alg, header_of(name, name), GOOD);
}

static void every_family_verifies_and_is_marked_outside(void **state)
{
    (void)state;
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        struct token_claims c;
        make((enum jose_alg)i);
        assert_fault(port->verify(port, buf_span(&token), NOW_MS, &c), TOKEN_OK,
                     jose_alg_row((enum jose_alg)i)->name);
        assert_true(c.outside);
        assert_string_equal(c.iss, "https://idp.example");
        assert_string_equal(c.sub, "ann");
    }
}

static void every_changed_signature_byte_is_noticed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        const char *name = jose_alg_row((enum jose_alg)i)->name;
        uint8_t signature[1100];
        test_signed_text(&token, header_of(name, name), GOOD);
        size_t text_len = token.len;
        size_t len = test_sign(keys[i], (enum jose_alg)i, buf_span(&token), signature);
        for (size_t at = 0; at < len; at += 7) {
            signature[at] ^= 0x20;
            token.len = text_len;
            test_add_signature(&token, signature, len);
            assert_fault(verify_on(port), TOKEN_BAD_SIGNATURE, name);
            signature[at] ^= 0x20;
        }
    }
}

static void changed_claims_are_noticed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        const char *name = jose_alg_row((enum jose_alg)i)->name;
        uint8_t signature[1100];
        test_signed_text(&token, header_of(name, name), GOOD);
        size_t len = test_sign(keys[i], (enum jose_alg)i, buf_span(&token), signature);
        test_signed_text(&token, header_of(name, name),
                         "{\"iss\":\"https://idp.example\",\"sub\":\"root\",\"exp\":1800000900}");
        test_add_signature(&token, signature, len);
        assert_fault(verify_on(port), TOKEN_BAD_SIGNATURE, name);
    }
}

static void keys_of_strangers_do_not_verify(void **state)
{
    (void)state;
    for (unsigned i = JOSE_RS256; i < JOSE_ALG_COUNT; i++) {
        const char *name = jose_alg_row((enum jose_alg)i)->name;
        test_token(&token, strangers[i], (enum jose_alg)i, header_of(name, name), GOOD);
        assert_fault(verify_on(port), TOKEN_BAD_SIGNATURE, name);
    }
}

static void a_key_takes_its_own_algorithm_only(void **state)
{
    (void)state;
    for (unsigned kid = 0; kid < JOSE_ALG_COUNT; kid++) {
        for (unsigned alg = 0; alg < JOSE_ALG_COUNT; alg++) {
            if (kid == alg) {
                continue;
            }
            const char *name = jose_alg_row((enum jose_alg)alg)->name;
            const char *wrong = jose_alg_row((enum jose_alg)kid)->name;
            test_token(&token, keys[alg], (enum jose_alg)alg, header_of(name, wrong), GOOD);
            assert_fault(verify_on(port), TOKEN_BAD_ALGORITHM, name);
        }
    }
}

static void none_in_any_spelling_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "None", "NONE", "nOnE", "", "HS256 ", "rs256",
                                        "ES256K", "Ed25519", "RSA-OAEP", "A256GCM"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        test_token(&token, keys[JOSE_RS256], JOSE_RS256, header_of(names[i], "RS256"), GOOD);
        assert_fault(verify_on(port), TOKEN_BAD_ALGORITHM, names[i]);
        test_signed_text(&token, header_of(names[i], "RS256"), GOOD);
        buf_append_byte(&token, '.');
        assert_fault(verify_on(port), TOKEN_MALFORMED, names[i]);
    }
}

/* The classic: HMAC with the text of the public key as the secret. */
static void a_public_key_is_no_secret(void **state)
{
    (void)state;
    static const enum jose_alg kinds[] = {JOSE_RS256, JOSE_PS256, JOSE_ES256, JOSE_ES512,
                                          JOSE_EDDSA_ED25519};
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        BIO *pem = BIO_new(BIO_s_mem());
        char *text;
        assert_int_equal(PEM_write_bio_PUBKEY(pem, keys[kinds[i]]), 1);
        long pem_len = BIO_get_mem_data(pem, &text);
        struct key_set *set = key_set_new();
        const char *why = "";
        assert_true(key_set_read(set, span_of(text, (size_t)pem_len), true, &why));
        struct tokens *only = port_of(set, NULL, NULL);
        static const char *const algs[] = {"HS256", "HS384", "HS512"};
        for (unsigned a = 0; a < 3; a++) {
            for (unsigned with_kid = 0; with_kid < 2; with_kid++) {
                uint8_t mac[64];
                unsigned mac_len = sizeof mac;
                const char *kid = jose_alg_row(kinds[i])->name;
                char plain[64];
                snprintf(plain, sizeof plain, "{\"alg\":\"%s\"}", algs[a]);
                test_signed_text(&token, with_kid ? header_of(algs[a], kid) : plain, GOOD);
                HMAC(EVP_get_digestbyname(a == 0 ? "SHA256" : a == 1 ? "SHA384" : "SHA512"), text,
                     (int)pem_len, token.ptr, token.len, mac, &mac_len);
                test_add_signature(&token, mac, mac_len);
                assert_int_not_equal(verify_on(only), TOKEN_OK);
                assert_int_not_equal(verify_on(port), TOKEN_OK);
            }
        }
        tokens_jose_free(only);
        BIO_free(pem);
    }
}

static void signatures_of_other_shape_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        const struct jose_alg_row *row = jose_alg_row((enum jose_alg)i);
        uint8_t signature[1100] = {0};
        test_signed_text(&token, header_of(row->name, row->name), GOOD);
        size_t text_len = token.len;
        size_t len = test_sign(keys[i], (enum jose_alg)i, buf_span(&token), signature);
        const size_t lens[] = {1, len - 1, len + 1, len / 2, 2 * len, 1024, 1025};
        for (unsigned l = 0; l < sizeof lens / sizeof lens[0]; l++) {
            token.len = text_len;
            test_add_signature(&token, signature, lens[l]);
            assert_fault(verify_on(port), TOKEN_BAD_SIGNATURE, row->name);
        }
        static const uint8_t zeros[1100];
        uint8_t ones[1100];
        memset(ones, 0xff, sizeof ones);
        token.len = text_len;
        test_add_signature(&token, zeros, len);
        assert_fault(verify_on(port), TOKEN_BAD_SIGNATURE, row->name);
        token.len = text_len;
        test_add_signature(&token, ones, len);
        assert_fault(verify_on(port), TOKEN_BAD_SIGNATURE, row->name);
    }
}

static void ecdsa_in_der_or_with_zero_halves_is_refused(void **state)
{
    (void)state;
    for (unsigned i = JOSE_ES256; i <= JOSE_ES512; i++) {
        const struct jose_alg_row *row = jose_alg_row((enum jose_alg)i);
        uint8_t signature[1100];
        test_signed_text(&token, header_of(row->name, row->name), GOOD);
        size_t text_len = token.len;
        size_t len = test_sign_der(keys[i], (enum jose_alg)i, buf_span(&token), signature);
        test_add_signature(&token, signature, len);
        assert_fault(verify_on(port), TOKEN_BAD_SIGNATURE, "DER");
        for (unsigned half = 0; half < 2; half++) {
            token.len = text_len;
            len = test_sign(keys[i], (enum jose_alg)i, buf_span(&token), signature);
            memset(signature + half * row->bytes, 0, row->bytes);
            test_add_signature(&token, signature, len);
            assert_fault(verify_on(port), TOKEN_BAD_SIGNATURE, half == 0 ? "r = 0" : "s = 0");
        }
    }
}

static void pss_with_another_salt_is_refused(void **state)
{
    (void)state;
    uint8_t signature[1100];
    size_t len = sizeof signature;
    test_signed_text(&token, header_of("PS256", "PS256"), GOOD);
    EVP_PKEY_CTX *pctx = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx, "SHA256", NULL, NULL, keys[JOSE_PS256],
                                           NULL), 1);
    EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 0);
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, token.ptr, token.len), 1);
    EVP_MD_CTX_free(ctx);
    test_add_signature(&token, signature, len);
    assert_int_equal(verify_on(port), TOKEN_BAD_SIGNATURE);
}

static const struct {
    const char *header;
    enum token_fault fault;
} header_rows[] = {
    {"{\"alg\":\"ES256\"}", TOKEN_OK}, /* every key is tried */
    {"{\"alg\":\"ES256\",\"kid\":\"ES256\",\"typ\":\"at+jwt\"}", TOKEN_OK},
    {"{\"alg\":\"ES256\",\"kid\":\"es256\"}", TOKEN_UNKNOWN_KEY},
    {"{\"alg\":\"ES256\",\"kid\":\"ES256 \"}", TOKEN_UNKNOWN_KEY},
    {"{\"alg\":\"ES256\",\"kid\":\"\"}", TOKEN_UNKNOWN_KEY},
    {"{\"alg\":\"ES256\",\"kid\":\"../../../../dev/null\"}", TOKEN_UNKNOWN_KEY},
    {"{\"alg\":\"ES256\",\"kid\":\"x' OR '1'='1\"}", TOKEN_UNKNOWN_KEY},
    {"{\"alg\":\"ES256\",\"kid\":\"ES384\"}", TOKEN_BAD_ALGORITHM},
    {"{\"alg\":\"ES256\",\"kid\":\"HS256\"}", TOKEN_BAD_ALGORITHM},
    {"{\"alg\":\"ES256\",\"kid\":7}", TOKEN_MALFORMED},
    {"{\"alg\":\"ES256\",\"kid\":null}", TOKEN_MALFORMED},
    {"{\"alg\":\"ES256\",\"kid\":[\"ES256\"]}", TOKEN_MALFORMED},
    {"{\"alg\":\"ES256\",\"kid\":\"ES256\",\"kid\":\"ES256\"}", TOKEN_MALFORMED},
    {"{\"alg\":\"ES256\",\"kid\":\"ES256\\u0000\"}", TOKEN_MALFORMED},
    {"{\"alg\":\"ES256\",\"kid\":\"ES256\",\"crit\":[\"exp\"]}", TOKEN_BAD_ALGORITHM},
    {"{\"alg\":\"ES256\",\"kid\":\"ES256\",\"crit\":[]}", TOKEN_BAD_ALGORITHM},
    {"{\"alg\":\"ES256\",\"kid\":\"ES256\",\"crit\":null}", TOKEN_BAD_ALGORITHM},
    {"{\"alg\":\"ES256\",\"b64\":false,\"crit\":[\"b64\"]}", TOKEN_BAD_ALGORITHM},
    {"{\"alg\":[\"ES256\"],\"kid\":\"ES256\"}", TOKEN_BAD_ALGORITHM},
    {"{\"alg\":\"ES256\",\"alg\":\"none\"}", TOKEN_MALFORMED},
    {"{\"kid\":\"ES256\"}", TOKEN_BAD_ALGORITHM},
};

static void headers_choose_a_key_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof header_rows / sizeof header_rows[0]; i++) {
        test_token(&token, keys[JOSE_ES256], JOSE_ES256, header_rows[i].header, GOOD);
        assert_fault(verify_on(port), header_rows[i].fault, header_rows[i].header);
    }
}

/* The token brings its own key, or says where to get it. */
static void keys_that_a_token_brings_are_ignored(void **state)
{
    (void)state;
    buf header = {0};
    EVP_PKEY *evil = strangers[JOSE_ES256];
    buf_append_str(&header, "{\"alg\":\"ES256\",\"kid\":\"ES256\",\"jwk\":");
    test_jwk(&header, evil, JOSE_ES256, "");
    buf_append_str(&header, ",\"jku\":\"http://127.0.0.1:1/\",\"x5u\":\"http://127.0.0.1:1/\","
                            "\"x5c\":[\"AAAA\"]}");
    buf_append_byte(&header, 0);
    test_token(&token, evil, JOSE_ES256, (const char *)header.ptr, GOOD);
    assert_int_equal(verify_on(port), TOKEN_BAD_SIGNATURE);
    test_token(&token, keys[JOSE_ES256], JOSE_ES256, (const char *)header.ptr, GOOD);
    assert_int_equal(verify_on(port), TOKEN_OK);
    buf_deinit(&header);
}

static const struct {
    const char *payload;
    enum token_fault fault;
} claim_rows[] = {
    {"{\"sub\":\"a\",\"exp\":1800000900}", TOKEN_OK},
    {"{\"iss\":\"signalbox\",\"sub\":\"a\",\"exp\":1800000900}", TOKEN_BAD_ISSUER},
    {"{\"iss\":\"i\",\"sub\":\"a\",\"exp\":1799999971}", TOKEN_OK},
    {"{\"iss\":\"i\",\"sub\":\"a\",\"exp\":1799999970}", TOKEN_EXPIRED},
    {"{\"iss\":\"i\",\"sub\":\"a\",\"exp\":1800000900,\"nbf\":1800000031}", TOKEN_NOT_YET_VALID},
    {"{\"iss\":\"i\",\"sub\":\"a\",\"exp\":1800000900,\"iat\":1800000031}", TOKEN_NOT_YET_VALID},
    {"{\"iss\":\"i\",\"sub\":\"a\",\"exp\":-1}", TOKEN_BAD_CLAIM},
    {"{\"iss\":\"i\",\"sub\":\"a\",\"exp\":1e300}", TOKEN_BAD_CLAIM},
    {"{\"iss\":\"i\",\"sub\":\"a\",\"exp\":99999999999999999999}", TOKEN_MALFORMED},
    {"{\"iss\":\"i\",\"sub\":\"a\",\"exp\":\"1800000900\"}", TOKEN_BAD_CLAIM},
    {"{\"iss\":\"i\",\"sub\":\"a\",\"exp\":1800000900,\"exp\":1800000900}", TOKEN_MALFORMED},
    {"{\"iss\":\"i\",\"sub\":\"a\"}", TOKEN_BAD_CLAIM},
    {"{\"iss\":\"i\",\"exp\":1800000900}", TOKEN_BAD_CLAIM},
    {"{\"iss\":\"i\",\"sub\":{\"a\":1},\"exp\":1800000900}", TOKEN_BAD_CLAIM},
    {"{\"iss\":[\"i\"],\"sub\":\"a\",\"exp\":1800000900}", TOKEN_BAD_CLAIM},
    {"{\"iss\":\"i\",\"sub\":\"a\",\"exp\":1800000900,\"aud\":\"other\"}", TOKEN_BAD_AUDIENCE},
    {"[1]", TOKEN_MALFORMED},
    {"\"x\"", TOKEN_MALFORMED},
};

static void claims_of_others_are_checked(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof claim_rows / sizeof claim_rows[0]; i++) {
        test_token(&token, keys[JOSE_EDDSA_ED25519], JOSE_EDDSA_ED25519,
                   header_of("EdDSA", "EdDSA"), claim_rows[i].payload);
        assert_fault(verify_on(port), claim_rows[i].fault, claim_rows[i].payload);
    }
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    char payload[TOKEN_BYTES_MAX];
    for (unsigned fill = 5600; fill < 6200; fill += 50) {
        memset(payload, ' ', fill);
        memcpy(payload, GOOD, strlen(GOOD));
        payload[fill] = '\0';
        test_token(&token, keys[JOSE_ES256], JOSE_ES256, header_of("ES256", "ES256"), payload);
        assert_int_equal(verify_on(port),
                         token.len <= TOKEN_BYTES_MAX ? TOKEN_OK : TOKEN_MALFORMED);
    }
}

static void our_own_tokens_stay_ours(void **state)
{
    (void)state;
    struct token_claims in = {.sub = "01900000-0000-7000-8000-000000000001",
                              .kind = "user",
                              .exp_s = NOW_S + 900};
    struct token_claims out;
    uint8_t hash[32];
    buf_clear(&token);
    port->issue(port, &in, &token);
    assert_int_equal(port->verify(port, buf_span(&token), NOW_MS, &out), TOKEN_OK);
    assert_false(out.outside);
    assert_string_equal(out.iss, "signalbox");
    port->sha256(port, SPAN("abc"), hash);
    assert_int_equal(hash[0], 0xba);
    struct tokens_wait w = {0};
    assert_false(tokens_await(port, &w)); /* files do not change */
}

static void without_other_keys_only_ours_counts(void **state)
{
    (void)state;
    struct tokens *alone = port_of(NULL, NULL, NULL);
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        make((enum jose_alg)i);
        assert_int_equal(verify_on(alone),
                         i == JOSE_HS256 ? TOKEN_BAD_SIGNATURE : TOKEN_BAD_ALGORITHM);
    }
    tokens_jose_free(alone);
}

static void only_listed_issuers_count_when_there_is_a_list(void **state)
{
    (void)state;
    buf text = {0};
    struct key_set *set = key_set_new();
    test_jwk(&text, keys[JOSE_ES384], JOSE_ES384, "");
    read_ok(set, &text);
    struct tokens *t = port_of(set, "https://a.example, https://b.example", "box");
    static const struct {
        const char *iss;
        enum token_fault fault;
    } rows[] = {{"\"iss\":\"https://a.example\",", TOKEN_OK},
                {"\"iss\":\"https://b.example\",", TOKEN_OK},
                {"\"iss\":\"https://c.example\",", TOKEN_BAD_ISSUER},
                {"\"iss\":\"\",", TOKEN_BAD_ISSUER},
                {"", TOKEN_BAD_ISSUER}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char payload[200];
        snprintf(payload, sizeof payload,
                 "{%s\"sub\":\"a\",\"exp\":1800000900,\"aud\":[\"x\",\"box\"]}", rows[i].iss);
        test_token(&token, keys[JOSE_ES384], JOSE_ES384, header_of("ES384", "any"), payload);
        assert_fault(verify_on(t), rows[i].fault, payload);
    }
    tokens_jose_free(t);
    buf_deinit(&text);
}

/* --- reading keys --- */

static void keys_without_alg_take_what_their_kind_can(void **state)
{
    (void)state;
    static const enum jose_alg kinds[] = {JOSE_HS256, JOSE_RS256, JOSE_ES256, JOSE_ES384,
                                          JOSE_ES512, JOSE_EDDSA_ED25519};
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        buf text = {0};
        struct key_set *set = key_set_new();
        test_jwk(&text, keys[kinds[i]], kinds[i], ",\"kid\":\"k\"");
        read_ok(set, &text);
        struct tokens *t = port_of(set, NULL, NULL);
        for (unsigned a = 0; a < JOSE_ALG_COUNT; a++) {
            const struct jose_alg_row *row = jose_alg_row((enum jose_alg)a);
            bool fits = row->family == JOSE_PSS ? kinds[i] == JOSE_RS256
                        : row->family == JOSE_RSA || row->family == JOSE_HMAC
                            ? row->family == jose_alg_row(kinds[i])->family
                            : a == kinds[i];
            test_token(&token, keys[a], (enum jose_alg)a, header_of(row->name, "k"), GOOD);
            assert_fault(verify_on(t), fits ? TOKEN_OK : TOKEN_BAD_ALGORITHM, row->name);
        }
        tokens_jose_free(t);
        buf_deinit(&text);
    }
}

static void pem_keys_and_certificates_verify_under_any_kid(void **state)
{
    (void)state;
    BIO *pem = BIO_new(BIO_s_mem());
    X509 *cert = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(cert), -100);
    X509_gmtime_adj(X509_getm_notAfter(cert), 100);
    assert_int_equal(X509_set_pubkey(cert, keys[JOSE_ES256]), 1);
    assert_true(X509_sign(cert, keys[JOSE_ES256], EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_PUBKEY(pem, keys[JOSE_RS256]), 1);
    BIO_puts(pem, "a comment between the blocks\n");
    assert_int_equal(PEM_write_bio_X509(pem, cert), 1);
    assert_int_equal(PEM_write_bio_PUBKEY(pem, keys[JOSE_EDDSA_ED25519]), 1);
    char *text;
    long len = BIO_get_mem_data(pem, &text);
    struct key_set *set = key_set_new();
    const char *why = "";
    assert_true(key_set_read(set, span_of(text, (size_t)len), false, &why));
    assert_int_equal(key_set_count(set), 3);
    struct tokens *t = port_of(set, NULL, NULL);
    static const enum jose_alg good[] = {JOSE_RS256, JOSE_RS512, JOSE_PS384, JOSE_ES256,
                                         JOSE_EDDSA_ED25519};
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *name = jose_alg_row(good[i])->name;
        test_token(&token, keys[good[i]], good[i], header_of(name, "whatever"), GOOD);
        assert_fault(verify_on(t), TOKEN_OK, name);
        test_token(&token, strangers[good[i]], good[i], header_of(name, "whatever"), GOOD);
        assert_fault(verify_on(t), TOKEN_BAD_SIGNATURE, name);
    }
    test_token(&token, keys[JOSE_ES384], JOSE_ES384, "{\"alg\":\"ES384\"}", GOOD);
    assert_int_equal(verify_on(t), TOKEN_BAD_ALGORITHM);
    tokens_jose_free(t);
    X509_free(cert);
    BIO_free(pem);
}

static struct key_set *set_of(enum jose_alg alg, const char *kid)
{
    buf text = {0};
    char extra[64];
    struct key_set *set = key_set_new();
    snprintf(extra, sizeof extra, ",\"kid\":\"%s\"", kid);
    test_jwk(&text, keys[alg], alg, extra);
    read_ok(set, &text);
    buf_deinit(&text);
    return set;
}

static enum token_fault at(struct tokens *t, int64_t now_ms)
{
    struct token_claims c;
    return t->verify(t, buf_span(&token), now_ms, &c);
}

static void a_replaced_key_stays_valid_for_the_grace(void **state)
{
    (void)state;
    struct tokens *t = port_of(NULL, NULL, NULL);
    tokens_jose_replace(t, set_of(JOSE_ES256, "old"), NOW_MS + 5000, NOW_MS);
    test_token(&token, keys[JOSE_ES256], JOSE_ES256, header_of("ES256", "old"), GOOD);
    assert_int_equal(at(t, NOW_MS), TOKEN_OK);
    assert_int_equal(at(t, NOW_MS + 9000), TOKEN_OK); /* it is current: no end */
    tokens_jose_replace(t, set_of(JOSE_ES384, "new"), NOW_MS + 5000, NOW_MS);
    assert_int_equal(at(t, NOW_MS + 4999), TOKEN_OK);
    assert_int_equal(at(t, NOW_MS + 5000), TOKEN_UNKNOWN_KEY);
    /* Another fetch does not prolong it; its return makes it current again. */
    tokens_jose_replace(t, set_of(JOSE_ES384, "new"), NOW_MS + 8000, NOW_MS + 3000);
    assert_int_equal(at(t, NOW_MS + 4999), TOKEN_OK);
    assert_int_equal(at(t, NOW_MS + 5000), TOKEN_UNKNOWN_KEY);
    tokens_jose_replace(t, set_of(JOSE_ES256, "old"), NOW_MS + 8000, NOW_MS + 4000);
    assert_int_equal(at(t, NOW_MS + 9000), TOKEN_OK);
    test_token(&token, keys[JOSE_ES384], JOSE_ES384, header_of("ES384", "new"), GOOD);
    assert_int_equal(at(t, NOW_MS + 7999), TOKEN_OK);
    assert_int_equal(at(t, NOW_MS + 8000), TOKEN_UNKNOWN_KEY);
    tokens_jose_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_verifies_and_is_marked_outside),
        cmocka_unit_test(every_changed_signature_byte_is_noticed),
        cmocka_unit_test(changed_claims_are_noticed),
        cmocka_unit_test(keys_of_strangers_do_not_verify),
        cmocka_unit_test(a_key_takes_its_own_algorithm_only),
        cmocka_unit_test(none_in_any_spelling_is_refused),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(signatures_of_other_shape_are_refused),
        cmocka_unit_test(ecdsa_in_der_or_with_zero_halves_is_refused),
        cmocka_unit_test(pss_with_another_salt_is_refused),
        cmocka_unit_test(headers_choose_a_key_and_nothing_else),
        cmocka_unit_test(keys_that_a_token_brings_are_ignored),
        cmocka_unit_test(claims_of_others_are_checked),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(our_own_tokens_stay_ours),
        cmocka_unit_test(without_other_keys_only_ours_counts),
        cmocka_unit_test(only_listed_issuers_count_when_there_is_a_list),
        cmocka_unit_test(keys_without_alg_take_what_their_kind_can),
        cmocka_unit_test(pem_keys_and_certificates_verify_under_any_kid),
        cmocka_unit_test(a_replaced_key_stays_valid_for_the_grace),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
