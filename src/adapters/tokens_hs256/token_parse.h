/*
 * The parts of a compact token (JWS, RFC 7515 7.1) and the reading of its JSON; no key and no
 * clock of its own. Shared by every adapter that verifies. Fuzz target: token_parse_fuzz.c.
 */
#ifndef SB_ADAPTERS_TOKENS_HS256_TOKEN_PARSE_H
#define SB_ADAPTERS_TOKENS_HS256_TOKEN_PARSE_H

#include "base/span.h"
#include "ports/tokens.h"

#define TOKEN_ALG_MAX 15               /* the longest name of RFC 7518 has 13 */
#define TOKEN_SIGNATURE_BYTES_MAX 1024 /* RSA of 8,192 bits; no key makes longer ones */

struct token_parts {
    span signed_text; /* header '.' payload: what the signature covers */
    span payload;     /* still base64url */
    bool has_kid;
    char alg[TOKEN_ALG_MAX + 1];
    char kid[TOKEN_TEXT_MAX + 1]; /* empty without has_kid */
    size_t signature_len;
    uint8_t signature[TOKEN_SIGNATURE_BYTES_MAX];
};

/* Splits and checks the header: exactly three parts of strict base64url; a header that is one
 * JSON object without doubled members, with a text `alg` and without `crit` (RFC 7515 4.1.11: what
 * it would name is not understood here). `jku`, `jwk`, `x5u` and `x5c` are ignored: a token does
 * not choose its key's origin. TOKEN_OK, TOKEN_MALFORMED, TOKEN_BAD_ALGORITHM, or
 * TOKEN_BAD_SIGNATURE for one longer than any key makes. Spans point into `token`. */
enum token_fault token_split(span token, struct token_parts *out);

struct token_rules {
    const char *issuer;   /* our own; another `iss` is refused; none is ours */
    /* The key is another issuer's: then `iss` must not be `issuer`, and if `outside_issuers`
     * (comma separated) names any, must be one of them. */
    bool outside;
    const char *outside_issuers; /* NULL or "": any */
    const char *audience; /* NULL or "": a token with `aud` is refused (RFC 7519 4.1.3) */
    int64_t leeway_s;
    int64_t now_s;
};

/* Reads the payload's claims and checks them. Times are whole seconds (RFC 7519 allows fractions;
 * they are refused) from 1 to the year 9999. Unknown claims are ignored. */
enum token_fault token_read_claims(span payload, const struct token_rules *rules,
                                   struct token_claims *out);

#endif
