#include "adapters/tokens_jose/jose_alg.h"

#include "base/assert.h"

#include <string.h>

static const struct jose_alg_row rows[JOSE_ALG_COUNT] = {
    [JOSE_HS256] = {"HS256", JOSE_HMAC, "SHA256", 32, NULL, NULL},
    [JOSE_HS384] = {"HS384", JOSE_HMAC, "SHA384", 48, NULL, NULL},
    [JOSE_HS512] = {"HS512", JOSE_HMAC, "SHA512", 64, NULL, NULL},
    [JOSE_RS256] = {"RS256", JOSE_RSA, "SHA256", 0, NULL, NULL},
    [JOSE_RS384] = {"RS384", JOSE_RSA, "SHA384", 0, NULL, NULL},
    [JOSE_RS512] = {"RS512", JOSE_RSA, "SHA512", 0, NULL, NULL},
    [JOSE_PS256] = {"PS256", JOSE_PSS, "SHA256", 0, NULL, NULL},
    [JOSE_PS384] = {"PS384", JOSE_PSS, "SHA384", 0, NULL, NULL},
    [JOSE_PS512] = {"PS512", JOSE_PSS, "SHA512", 0, NULL, NULL},
    [JOSE_ES256] = {"ES256", JOSE_ECDSA, "SHA256", 32, "P-256", "prime256v1"},
    [JOSE_ES384] = {"ES384", JOSE_ECDSA, "SHA384", 48, "P-384", "secp384r1"},
    [JOSE_ES512] = {"ES512", JOSE_ECDSA, "SHA512", 66, "P-521", "secp521r1"},
    [JOSE_EDDSA_ED25519] = {"EdDSA", JOSE_EDDSA, NULL, 64, "Ed25519", NULL},
};

const struct jose_alg_row *jose_alg_row(enum jose_alg alg)
{
    ASSERT(alg < JOSE_ALG_COUNT);
    return &rows[alg];
}

enum jose_alg jose_alg_find(const char *name)
{
    unsigned i = 0;
    while (i < JOSE_ALG_COUNT && strcmp(rows[i].name, name) != 0) {
        i++;
    }
    return (enum jose_alg)i;
}

uint32_t jose_family_algs(enum jose_family family)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        bits |= rows[i].family == family ? 1u << i : 0;
    }
    return bits;
}
