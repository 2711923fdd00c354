#include "adapters/tokens_jose/jwk.h"

#include "base/base64.h"
#include "base/mem.h"
#include "ports/tokens.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <string.h>

/* The longest member that is decoded: a modulus of 8,192 bits and a leading zero byte. */
#define MEMBER_BYTES_MAX (JOSE_RSA_BITS_MAX / 8 + 1)
#define MEMBER_TEXT_MAX ((MEMBER_BYTES_MAX + 2) / 3 * 4)
#define ED25519_BYTES 32

struct member {
    size_t len;
    uint8_t bytes[MEMBER_TEXT_MAX / 4 * 3 + 3];
};

static const char *text_of(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static bool read_member(const json_t *jwk, const char *name, struct member *out)
{
    const json_t *v = json_object_get(jwk, name);
    if (!json_is_string(v) || json_string_length(v) > MEMBER_TEXT_MAX) {
        return false;
    }
    ptrdiff_t len =
        base64url_decode(span_of(json_string_value(v), json_string_length(v)), out->bytes);
    out->len = len > 0 ? (size_t)len : 0;
    return len > 0;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    ASSERT(params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1);
    if (EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL; /* a point that is not on its curve, for one */
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    ERR_clear_error();
    return pkey;
}

static EVP_PKEY *read_rsa(const json_t *jwk, const char **why)
{
    struct member n;
    struct member e;
    *why = "RSA without n or e in base64url";
    if (!read_member(jwk, "n", &n) || !read_member(jwk, "e", &e)) {
        return NULL;
    }
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    BIGNUM *bn = BN_bin2bn(n.bytes, (int)n.len, NULL);
    BIGNUM *be = BN_bin2bn(e.bytes, (int)e.len, NULL);
    ASSERT(bld != NULL && bn != NULL && be != NULL);
    ASSERT(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
           OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) == 1);
    EVP_PKEY *pkey = from_params("RSA", bld);
    OSSL_PARAM_BLD_free(bld);
    BN_free(bn);
    BN_free(be);
    return pkey;
}

static const struct jose_alg_row *curve_row(const char *crv)
{
    for (unsigned i = 0; crv != NULL && i < JOSE_ALG_COUNT; i++) {
        const struct jose_alg_row *row = jose_alg_row((enum jose_alg)i);
        if (row->group != NULL && strcmp(row->curve, crv) == 0) {
            return row;
        }
    }
    return NULL;
}

static EVP_PKEY *read_ec(const json_t *jwk, const char **why)
{
    const struct jose_alg_row *row = curve_row(text_of(jwk, "crv"));
    struct member x;
    struct member y;
    *why = "EC on another curve than P-256, P-384 and P-521";
    if (row == NULL) {
        return NULL;
    }
    *why = "EC whose x and y are no point of the curve";
    if (!read_member(jwk, "x", &x) || !read_member(jwk, "y", &y) || x.len != row->bytes ||
        y.len != row->bytes) {
        return NULL;
    }
    uint8_t point[1 + 2 * 66] = {0x04}; /* uncompressed, SEC 1 2.3.3 */
    memcpy(point + 1, x.bytes, x.len);
    memcpy(point + 1 + x.len, y.bytes, y.len);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    ASSERT(bld != NULL);
    ASSERT(OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, row->group, 0) == 1 &&
           OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point,
                                            1 + x.len + y.len) == 1);
    EVP_PKEY *pkey = from_params("EC", bld);
    OSSL_PARAM_BLD_free(bld);
    return pkey;
}

static EVP_PKEY *read_okp(const json_t *jwk, const char **why)
{
    const char *crv = text_of(jwk, "crv");
    struct member x;
    *why = "OKP that is not Ed25519 with 32 bytes of x";
    if (crv == NULL || strcmp(crv, "Ed25519") != 0 || !read_member(jwk, "x", &x) ||
        x.len != ED25519_BYTES) {
        return NULL;
    }
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.bytes, x.len);
    ERR_clear_error();
    return pkey;
}

static bool has_verify(const json_t *ops)
{
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const char *op = json_string_value(json_array_get(ops, i));
        if (op != NULL && strcmp(op, "verify") == 0) {
            return true;
        }
    }
    return false;
}

/* The algorithms that the JWK's own members leave, as bits; 0 with *why. */
static uint32_t wanted_algs(const json_t *jwk, const char **why)
{
    const json_t *alg = json_object_get(jwk, "alg");
    const json_t *use = json_object_get(jwk, "use");
    const json_t *ops = json_object_get(jwk, "key_ops");
    *why = "not for signatures (use, key_ops)";
    if ((use != NULL && (!json_is_string(use) || strcmp(json_string_value(use), "sig") != 0)) ||
        (ops != NULL && !has_verify(ops))) {
        return 0;
    }
    if (alg == NULL) {
        return UINT32_MAX;
    }
    *why = "an alg that is none of HS, RS, PS, ES and EdDSA";
    enum jose_alg found = json_is_string(alg) ? jose_alg_find(json_string_value(alg))
                                              : JOSE_ALG_COUNT;
    return found == JOSE_ALG_COUNT ? 0 : 1u << found;
}

static struct jose_key *read_secret(const json_t *jwk, const char *kid, uint32_t algs,
                                    const char **why)
{
    struct member k;
    *why = "oct without k in base64url";
    struct jose_key *key = read_member(jwk, "k", &k)
                               ? jose_key_secret(span_of(k.bytes, k.len), kid, algs, why)
                               : NULL;
    explicit_bzero(&k, sizeof k);
    return key;
}

struct jose_key *jwk_read(const json_t *jwk, bool allow_secrets, const char **why)
{
    const json_t *kid = json_object_get(jwk, "kid");
    const char *kty = text_of(jwk, "kty");
    *why = "a kid that is no text of 1 to 128 bytes";
    if (kid != NULL && (!json_is_string(kid) || json_string_length(kid) == 0 ||
                        json_string_length(kid) > TOKEN_TEXT_MAX)) {
        return NULL;
    }
    uint32_t algs = wanted_algs(jwk, why);
    if (algs == 0) {
        return NULL;
    }
    EVP_PKEY *pkey = NULL;
    *why = "a kty that is none of RSA, EC, OKP and oct";
    if (kty == NULL) {
        return NULL;
    } else if (strcmp(kty, "oct") == 0) {
        *why = "a secret, which must not be published";
        return allow_secrets ? read_secret(jwk, json_string_value(kid), algs, why) : NULL;
    } else if (strcmp(kty, "RSA") == 0) {
        pkey = read_rsa(jwk, why);
    } else if (strcmp(kty, "EC") == 0) {
        pkey = read_ec(jwk, why);
    } else if (strcmp(kty, "OKP") == 0) {
        pkey = read_okp(jwk, why);
    }
    if (pkey == NULL) {
        return NULL;
    }
    struct jose_key *key = jose_key_public(pkey, json_string_value(kid), algs, why);
    EVP_PKEY_free(pkey);
    return key;
}
