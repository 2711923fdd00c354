/*
 * The token port on our own key: JWS compact (RFC 7515 7.1) with HS256 (RFC 7518 3.2) and nothing
 * else. The algorithm comes from the key: a token that names any other is refused before its
 * signature is looked at. Parsing is strict; claims are read only after the signature matched.
 * Fuzz target: token_parse_fuzz.c.
 */
#ifndef SB_ADAPTERS_TOKENS_HS256_H
#define SB_ADAPTERS_TOKENS_HS256_H

#include "base/span.h"
#include "ports/tokens.h"
#include "adapters/tokens_hs256/token_parse.h"

#define TOKENS_SECRET_BYTES_MIN 32 /* RFC 7518 3.2: at least the hash's size */

struct tokens_conf {
    span secret;          /* at least TOKENS_SECRET_BYTES_MIN (asserted); copied */
    const char *issuer;   /* put in tokens and required of them; NULL or "": no iss */
    const char *audience; /* likewise */
    int64_t leeway_s;     /* of exp, nbf and iat, between machines' clocks: 30 */
};

/* Thread-safe; costs about 2 us a token. Aborts if OpenSSL lacks HMAC. */
struct tokens *tokens_hs256_new(const struct tokens_conf *conf);
void tokens_hs256_free(struct tokens *t); /* wipes the secret */
/* The port's verify for a token that is split already; its own algorithm check included. */
enum token_fault tokens_hs256_verify(struct tokens *t, const struct token_parts *parts,
                                     int64_t now_ms, struct token_claims *out);

#endif
