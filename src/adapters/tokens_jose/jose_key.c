/*
 * See jose_key.h. For each algorithm of a key one context is prepared when the key is read; a
 * verification works on a copy of it, so threads share nothing they write to and no algorithm is
 * searched for again (OpenSSL 3 walks its providers on every fetch).
 */
#include "adapters/tokens_jose/jose_key.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <stdatomic.h>
#include <string.h>

#define EXPONENT_BITS_MAX 64 /* OpenSSL's own bound for long moduli, kept for all */
#define MAC_BYTES_MAX 64
#define ECDSA_HALF_MAX 66
/* SEQUENCE and two INTEGERs with their heads and sign bytes. */
#define ECDSA_DER_MAX (2 * (ECDSA_HALF_MAX + 1 + 3) + 4)

struct jose_key {
    atomic_uint refs;
    char *kid; /* NULL: none */
    uint32_t algs;
    size_t signature_bytes;                /* RSA: of the modulus */
    EVP_PKEY *pkey;                        /* NULL for a secret */
    EVP_MD_CTX *verifiers[JOSE_ALG_COUNT]; /* of public keys; copied, never updated */
    EVP_MAC_CTX *macs[JOSE_ALG_COUNT];     /* of secrets; likewise */
    uint8_t secret_hash[32];               /* tells secrets apart */
};

static struct jose_key *key_new(const char *kid, uint32_t algs)
{
    struct jose_key *k = mem_calloc(1, sizeof *k);
    atomic_init(&k->refs, 1);
    k->kid = kid == NULL ? NULL : mem_strndup(kid, strlen(kid));
    k->algs = algs;
    return k;
}

/* --- public keys --- */

static const char *check_rsa(const EVP_PKEY *pkey)
{
    BIGNUM *n = NULL;
    BIGNUM *e = NULL;
    const char *why = NULL;
    int bits = EVP_PKEY_get_bits(pkey);
    if (bits < JOSE_RSA_BITS_MIN || bits > JOSE_RSA_BITS_MAX) {
        why = "RSA of fewer than 2,048 or more than 8,192 bits";
    } else if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 || !BN_is_odd(n)) {
        why = "RSA with an even modulus";
    } else if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1 || !BN_is_odd(e) ||
               BN_num_bits(e) < 17 || BN_num_bits(e) > EXPONENT_BITS_MAX) {
        why = "RSA with an exponent that is even, below 65537 or above 64 bits";
    }
    BN_free(n);
    BN_free(e);
    return why;
}

/* The one algorithm of an EC key's curve, as a bit; 0 for other curves. */
static uint32_t ec_algs(const EVP_PKEY *pkey)
{
    char group[64];
    size_t len = 0;
    if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                       &len) != 1) {
        return 0;
    }
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        const char *name = jose_alg_row((enum jose_alg)i)->group;
        if (name != NULL && strcmp(name, group) == 0) {
            return 1u << i;
        }
    }
    return 0;
}

static uint32_t public_algs(const EVP_PKEY *pkey, const char **why)
{
    uint32_t algs = 0;
    *why = "neither RSA, EC on P-256, P-384 or P-521, nor Ed25519";
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_RSA:
        *why = check_rsa(pkey);
        algs = jose_family_algs(JOSE_RSA) | jose_family_algs(JOSE_PSS);
        return *why == NULL ? algs : 0;
    case EVP_PKEY_EC:
        algs = ec_algs(pkey);
        break;
    case EVP_PKEY_ED25519:
        algs = 1u << JOSE_EDDSA_ED25519;
        break;
    default:
        break;
    }
    return algs;
}

static void prepare(struct jose_key *k, enum jose_alg alg)
{
    const struct jose_alg_row *row = jose_alg_row(alg);
    EVP_PKEY_CTX *ctx = NULL;
    k->verifiers[alg] = EVP_MD_CTX_new();
    ASSERT(k->verifiers[alg] != NULL);
    ASSERT(EVP_DigestVerifyInit_ex(k->verifiers[alg], &ctx, row->digest, NULL, NULL, k->pkey,
                                   NULL) == 1);
    if (row->family == JOSE_PSS) { /* RFC 7518 3.5; MGF1 takes the same hash unless told */
        ASSERT(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
    }
}

struct jose_key *jose_key_public(EVP_PKEY *pkey, const char *kid, uint32_t algs, const char **why)
{
    uint32_t allowed = public_algs(pkey, why);
    ERR_clear_error();
    if (allowed == 0) {
        return NULL;
    }
    if ((allowed & algs) == 0) {
        *why = "an algorithm that does not fit the key";
        return NULL;
    }
    struct jose_key *k = key_new(kid, allowed & algs);
    ASSERT(EVP_PKEY_up_ref(pkey) == 1);
    k->pkey = pkey;
    k->signature_bytes = (size_t)EVP_PKEY_get_size(pkey);
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        if (k->algs & 1u << i) {
            prepare(k, (enum jose_alg)i);
        }
    }
    return k;
}

/* --- secrets --- */

struct jose_key *jose_key_secret(span secret, const char *kid, uint32_t algs, const char **why)
{
    if (secret.len < JOSE_SECRET_BYTES_MIN || secret.len > JOSE_SECRET_BYTES_MAX) {
        *why = "a secret of fewer than 32 or more than 1,024 bytes";
        return NULL;
    }
    uint32_t allowed = 0;
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        const struct jose_alg_row *row = jose_alg_row((enum jose_alg)i);
        allowed |= row->family == JOSE_HMAC && row->bytes <= secret.len ? 1u << i : 0;
    }
    if ((allowed & algs) == 0) {
        *why = "an algorithm that does not fit the key";
        return NULL;
    }
    struct jose_key *k = key_new(kid, allowed & algs);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    ASSERT(hmac != NULL);
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        if (k->algs & 1u << i) {
            char *digest = (char *)jose_alg_row((enum jose_alg)i)->digest; /* only read */
            const OSSL_PARAM params[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                OSSL_PARAM_construct_end()};
            k->macs[i] = EVP_MAC_CTX_new(hmac);
            ASSERT(k->macs[i] != NULL &&
                   EVP_MAC_init(k->macs[i], secret.ptr, secret.len, params) == 1);
        }
    }
    EVP_MAC_free(hmac); /* the contexts hold it */
    ASSERT(EVP_Digest(secret.ptr, secret.len, k->secret_hash, NULL, EVP_sha256(), NULL) == 1);
    return k;
}

struct jose_key *jose_key_ref(struct jose_key *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void jose_key_unref(struct jose_key *k)
{
    if (k == NULL || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        EVP_MD_CTX_free(k->verifiers[i]);
        EVP_MAC_CTX_free(k->macs[i]); /* OpenSSL wipes its copy of the secret */
    }
    EVP_PKEY_free(k->pkey);
    mem_free(k->kid);
    mem_free(k);
}

const char *jose_key_kid(const struct jose_key *k) { return k->kid; }

bool jose_key_eq(const struct jose_key *a, const struct jose_key *b)
{
    if ((a->kid == NULL) != (b->kid == NULL) || (a->pkey == NULL) != (b->pkey == NULL) ||
        (a->kid != NULL && strcmp(a->kid, b->kid) != 0)) {
        return false;
    }
    return a->pkey != NULL ? EVP_PKEY_eq(a->pkey, b->pkey) == 1
                           : memcmp(a->secret_hash, b->secret_hash, sizeof a->secret_hash) == 0;
}

bool jose_key_allows(const struct jose_key *k, enum jose_alg alg)
{
    return alg < JOSE_ALG_COUNT && (k->algs & 1u << alg) != 0;
}

/* --- verification --- */

static bool verify_mac(const struct jose_key *k, enum jose_alg alg, span text, span signature)
{
    uint8_t mac[MAC_BYTES_MAX];
    size_t len = 0;
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(k->macs[alg]);
    ASSERT(ctx != NULL && EVP_MAC_update(ctx, text.ptr, text.len) == 1);
    ASSERT(EVP_MAC_final(ctx, mac, &len, sizeof mac) == 1 && len == jose_alg_row(alg)->bytes);
    EVP_MAC_CTX_free(ctx);
    return span_eq_secret(span_of(mac, len), signature);
}

/* r || s as OpenSSL wants it. Zero and too large numbers are refused by its verification. */
static size_t ecdsa_der(span raw, uint8_t der[ECDSA_DER_MAX])
{
    size_t half = raw.len / 2;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.ptr, (int)half, NULL);
    BIGNUM *s = BN_bin2bn(raw.ptr + half, (int)half, NULL);
    ASSERT(sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1);
    int len = i2d_ECDSA_SIG(sig, NULL);
    ASSERT(len > 0 && len <= ECDSA_DER_MAX);
    uint8_t *at = der;
    len = i2d_ECDSA_SIG(sig, &at);
    ECDSA_SIG_free(sig);
    return (size_t)len;
}

static bool verify_public(const struct jose_key *k, enum jose_alg alg, span text, span signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ASSERT(ctx != NULL && EVP_MD_CTX_copy_ex(ctx, k->verifiers[alg]) == 1);
    int rc = EVP_DigestVerify(ctx, signature.ptr, signature.len, text.ptr, text.len);
    EVP_MD_CTX_free(ctx);
    ERR_clear_error(); /* a refusal leaves errors that a later caller would take for its own */
    return rc == 1;
}

bool jose_key_verify(const struct jose_key *k, enum jose_alg alg, span text, span signature)
{
    ASSERT(jose_key_allows(k, alg));
    const struct jose_alg_row *row = jose_alg_row(alg);
    uint8_t der[ECDSA_DER_MAX];
    switch (row->family) {
    case JOSE_HMAC:
        return verify_mac(k, alg, text, signature);
    case JOSE_RSA:
    case JOSE_PSS:
        return signature.len == k->signature_bytes && verify_public(k, alg, text, signature);
    case JOSE_ECDSA:
        return signature.len == 2 * row->bytes &&
               verify_public(k, alg, text, span_of(der, ecdsa_der(signature, der)));
    case JOSE_EDDSA:
        return signature.len == row->bytes && verify_public(k, alg, text, signature);
    }
    return false;
}
