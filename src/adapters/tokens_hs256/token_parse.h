/*
 * The parts of a compact token and the reading of its JSON; no key and no clock of its own.
 * Fuzz target: token_parse_fuzz.c.
 */
#ifndef SB_ADAPTERS_TOKENS_HS256_TOKEN_PARSE_H
#define SB_ADAPTERS_TOKENS_HS256_TOKEN_PARSE_H

#include "base/span.h"
#include "ports/tokens.h"

#define TOKEN_MAC_BYTES 32

struct token_parts {
    span signed_text; /* header '.' payload: what the signature covers */
    span payload;     /* still base64url */
    uint8_t mac[TOKEN_MAC_BYTES];
};

/* Splits and checks the header: exactly three parts of strict base64url; a header that is one
 * JSON object without doubled members, with `alg` HS256 and without `crit` (RFC 7515 4.1.11: what
 * it would name is not understood here). TOKEN_OK, TOKEN_MALFORMED, TOKEN_BAD_ALGORITHM, or
 * TOKEN_BAD_SIGNATURE for a signature of another length. Spans point into `token`. */
enum token_fault token_split(span token, struct token_parts *out);

struct token_rules {
    const char *issuer;   /* another `iss` is refused; none is ours */
    const char *audience; /* NULL or "": a token with `aud` is refused (RFC 7519 4.1.3) */
    int64_t leeway_s;
    int64_t now_s;
};

/* Reads the payload's claims and checks them. Times are whole seconds (RFC 7519 allows fractions;
 * they are refused) from 1 to the year 9999. Unknown claims are ignored. */
enum token_fault token_read_claims(span payload, const struct token_rules *rules,
                                   struct token_claims *out);

#endif
