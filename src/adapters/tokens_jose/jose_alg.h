/* The signature algorithms of JWS that are known here (RFC 7518 3.1, RFC 8037 3.1), as a table. */
#ifndef SB_ADAPTERS_TOKENS_JOSE_JOSE_ALG_H
#define SB_ADAPTERS_TOKENS_JOSE_JOSE_ALG_H

#include <stddef.h>
#include <stdint.h>

enum jose_family { JOSE_HMAC, JOSE_RSA, JOSE_PSS, JOSE_ECDSA, JOSE_EDDSA };

enum jose_alg {
    JOSE_HS256,
    JOSE_HS384,
    JOSE_HS512,
    JOSE_RS256,
    JOSE_RS384,
    JOSE_RS512,
    JOSE_PS256,
    JOSE_PS384,
    JOSE_PS512,
    JOSE_ES256,
    JOSE_ES384,
    JOSE_ES512,
    JOSE_EDDSA_ED25519,
    JOSE_ALG_COUNT /* also: none of them */
};

struct jose_alg_row {
    const char *name; /* of `alg`; case matters */
    enum jose_family family;
    const char *digest; /* OpenSSL's name; NULL: the algorithm hashes by itself */
    size_t bytes;       /* HMAC: of the MAC; ECDSA: of r and of s; EdDSA: of the signature */
    const char *curve;  /* `crv`; NULL without */
    const char *group;  /* OpenSSL's name of the curve; NULL unless ECDSA */
};

/* The row of an algorithm; JOSE_ALG_COUNT has none (asserted). */
const struct jose_alg_row *jose_alg_row(enum jose_alg alg);
/* JOSE_ALG_COUNT when unknown; "none" is. */
enum jose_alg jose_alg_find(const char *name);
/* The algorithms of a family, as bits 1 << alg. */
uint32_t jose_family_algs(enum jose_family family);

#endif
