/* JSON Web Keys (RFC 7517, RFC 7518 6, RFC 8037 2), read. Fuzz target: key_set_fuzz.c. */
#ifndef SB_ADAPTERS_TOKENS_JOSE_JWK_H
#define SB_ADAPTERS_TOKENS_JOSE_JWK_H

#include "adapters/tokens_jose/jose_key.h"

#include <jansson.h>

/* The key in a JWK, or NULL with the reason in *why. `alg` narrows what it may be used for; `use`
 * other than "sig" and `key_ops` without "verify" refuse it. Members of private keys are ignored.
 * Numbers are strict base64url; coordinates have the curve's exact length and lie on it. `oct`
 * keys only with allow_secrets: a secret that is published is none. */
struct jose_key *jwk_read(const json_t *jwk, bool allow_secrets, const char **why);

#endif
