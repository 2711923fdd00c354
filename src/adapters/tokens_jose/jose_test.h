/*
 * Another issuer, for tests: keys of every family made when the test starts, their JWKs, and
 * tokens signed with any header, so that a forgery is wrong in the one way that is meant.
 */
#ifndef SB_ADAPTERS_TOKENS_JOSE_JOSE_TEST_H
#define SB_ADAPTERS_TOKENS_JOSE_JOSE_TEST_H

#include "adapters/tokens_jose/jose_alg.h"
#include "base/assert.h"
#include "base/base64.h"
#include "base/buf.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include <string.h>

#define TEST_SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static inline EVP_PKEY *test_key(enum jose_alg alg)
{
    const struct jose_alg_row *row = jose_alg_row(alg);
    switch (row->family) {
    case JOSE_RSA:
    case JOSE_PSS:
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    case JOSE_ECDSA:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", row->group);
    case JOSE_EDDSA:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case JOSE_HMAC:
        break;
    }
    return NULL; /* TEST_SECRET */
}

static inline void test_base64url(buf *out, const void *bytes, size_t len)
{
    char *at = (char *)buf_reserve(out, BASE64_SIZE(len));
    out->len += base64url_encode(span_of(bytes, len), at);
}

static inline void test_number(buf *out, const EVP_PKEY *k, const char *param, size_t len)
{
    BIGNUM *n = NULL;
    uint8_t bytes[1100];
    ASSERT(EVP_PKEY_get_bn_param(k, param, &n) == 1);
    len = len == 0 ? (size_t)BN_num_bytes(n) : len;
    ASSERT(BN_bn2binpad(n, bytes, (int)len) == (int)len);
    test_base64url(out, bytes, len);
    BN_free(n);
}

/* Appends {"kty":...<extra>}; `extra` begins with a comma or is empty. */
static inline void test_jwk(buf *out, const EVP_PKEY *k, enum jose_alg alg, const char *extra)
{
    const struct jose_alg_row *row = jose_alg_row(alg);
    uint8_t raw[32];
    size_t len = sizeof raw;
    switch (row->family) {
    case JOSE_RSA:
    case JOSE_PSS:
        buf_append_str(out, "{\"kty\":\"RSA\",\"n\":\"");
        test_number(out, k, OSSL_PKEY_PARAM_RSA_N, 0);
        buf_append_str(out, "\",\"e\":\"");
        test_number(out, k, OSSL_PKEY_PARAM_RSA_E, 0);
        break;
    case JOSE_ECDSA:
        buf_printf(out, "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"", row->curve);
        test_number(out, k, OSSL_PKEY_PARAM_EC_PUB_X, row->bytes);
        buf_append_str(out, "\",\"y\":\"");
        test_number(out, k, OSSL_PKEY_PARAM_EC_PUB_Y, row->bytes);
        break;
    case JOSE_EDDSA:
        ASSERT(EVP_PKEY_get_raw_public_key(k, raw, &len) == 1);
        buf_append_str(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
        test_base64url(out, raw, len);
        break;
    case JOSE_HMAC:
        buf_append_str(out, "{\"kty\":\"oct\",\"k\":\"");
        test_base64url(out, TEST_SECRET, strlen(TEST_SECRET));
        break;
    }
    buf_printf(out, "\"%s}", extra);
}

/* The signature of `text`; ECDSA in DER, as OpenSSL makes it. */
static inline size_t test_sign_der(EVP_PKEY *k, enum jose_alg alg, span text, uint8_t out[1100])
{
    const struct jose_alg_row *row = jose_alg_row(alg);
    size_t len = 1100;
    if (row->family == JOSE_HMAC) {
        unsigned mac_len = 64;
        ASSERT(HMAC(EVP_get_digestbyname(row->digest), TEST_SECRET, (int)strlen(TEST_SECRET),
                    text.ptr, text.len, out, &mac_len) != NULL);
        return mac_len;
    }
    EVP_PKEY_CTX *pctx = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ASSERT(EVP_DigestSignInit_ex(ctx, &pctx, row->digest, NULL, NULL, k, NULL) == 1);
    if (row->family == JOSE_PSS) {
        ASSERT(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1);
    }
    ASSERT(EVP_DigestSign(ctx, out, &len, text.ptr, text.len) == 1);
    EVP_MD_CTX_free(ctx);
    return len;
}

static inline size_t test_sign(EVP_PKEY *k, enum jose_alg alg, span text, uint8_t out[1100])
{
    const struct jose_alg_row *row = jose_alg_row(alg);
    size_t len = test_sign_der(k, alg, text, out);
    if (row->family == JOSE_ECDSA) {
        const uint8_t *at = out;
        ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
        ASSERT(sig != NULL);
        ASSERT(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)row->bytes) > 0 &&
               BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + row->bytes, (int)row->bytes) > 0);
        ECDSA_SIG_free(sig);
        len = 2 * row->bytes;
    }
    return len;
}

/* Replaces `out` with header '.' payload, both in base64url. */
static inline void test_signed_text(buf *out, const char *header, const char *payload)
{
    buf_clear(out);
    test_base64url(out, header, strlen(header));
    buf_append_byte(out, '.');
    test_base64url(out, payload, strlen(payload));
}

static inline void test_add_signature(buf *out, const uint8_t *signature, size_t len)
{
    buf_append_byte(out, '.');
    test_base64url(out, signature, len);
}

/* Replaces `out` with a token. */
static inline void test_token(buf *out, EVP_PKEY *k, enum jose_alg alg, const char *header,
                              const char *payload)
{
    uint8_t signature[1100];
    test_signed_text(out, header, payload);
    test_add_signature(out, signature, test_sign(k, alg, buf_span(out), signature));
}

#endif
