/*
 * One key that signatures are verified with, and the algorithms it may be used for. What a token
 * says about its algorithm is compared with the key's list and decides nothing.
 */
#ifndef SB_ADAPTERS_TOKENS_JOSE_JOSE_KEY_H
#define SB_ADAPTERS_TOKENS_JOSE_JOSE_KEY_H

#include <stdbool.h>

#include "base/span.h"
#include "adapters/tokens_jose/jose_alg.h"

#include <openssl/types.h>

#define JOSE_RSA_BITS_MIN 2048 /* RFC 7518 3.3 */
#define JOSE_RSA_BITS_MAX 8192 /* bounds the work of a verification, about 1 ms */
#define JOSE_SECRET_BYTES_MIN 32 /* RFC 7518 3.2: at least the hash's size */
#define JOSE_SECRET_BYTES_MAX 1024 /* longer ones add nothing: HMAC hashes them first */

struct jose_key; /* refcounted; immutable but for its end */

/* A public key (borrowed: the key takes its own reference). `algs` narrows what its kind allows
 * (bits of enum jose_alg; all: UINT32_MAX). `kid` is kept; NULL: none. Refused, with NULL and the
 * reason in *why: other kinds than RSA, EC on P-256, P-384, P-521 by name, Ed25519; RSA outside
 * 2,048-8,192 bits, or with an even exponent or one outside 65,537 to 2^64 (small ones have made
 * forgeries possible in lax verifiers; FIPS 186-5 asks for the same); no algorithm left. */
struct jose_key *jose_key_public(EVP_PKEY *pkey, const char *kid, uint32_t algs,
                                 const char **why);
/* A shared secret (copied) of 32 to 1,024 bytes, for the HMACs whose hash is not longer. */
struct jose_key *jose_key_secret(span secret, const char *kid, uint32_t algs, const char **why);
struct jose_key *jose_key_ref(struct jose_key *k);
void jose_key_unref(struct jose_key *k); /* NULL is allowed; wipes secrets */

const char *jose_key_kid(const struct jose_key *k); /* NULL: none */
/* Whether both hold the same key under the same kid. */
bool jose_key_eq(const struct jose_key *a, const struct jose_key *b);
bool jose_key_allows(const struct jose_key *k, enum jose_alg alg);
/* Whether `signature` is k's of `text`; `alg` must be allowed (asserted). Any thread. Costs about
 * (2 GHz): HMAC 2 us, RSA-2048 20 us, P-256 80 us, Ed25519 110 us, P-521 0.5 ms, P-384 0.7 ms.
 * ECDSA signatures are r || s of exact length (RFC 7518 3.4); PSS salts as long as the hash. */
bool jose_key_verify(const struct jose_key *k, enum jose_alg alg, span text, span signature);

#endif
