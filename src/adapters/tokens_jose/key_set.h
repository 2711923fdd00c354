/*
 * The keys that tokens of others are verified with, as one immutable set: read from a JWK, a JWK
 * set or PEM, replaced as a whole. Fuzz target: key_set_fuzz.c.
 */
#ifndef SB_ADAPTERS_TOKENS_JOSE_KEY_SET_H
#define SB_ADAPTERS_TOKENS_JOSE_KEY_SET_H

#include "adapters/tokens_hs256/token_parse.h"
#include "adapters/tokens_jose/jose_key.h"

#define KEY_SET_MAX 64 /* keys; a longer set is refused: issuers publish two or three */
/* Keys that one token is tried with when no kid decides: bounds the work a stranger can cause. */
#define KEY_TRIES_MAX 8

struct key_set;

struct key_set *key_set_new(void); /* empty */
void key_set_free(struct key_set *s); /* NULL is allowed */
/* Adds the keys of a text; false with *why, and the set unchanged or partly extended. PEM: see
 * pem_keys.h, any bad block refuses. JSON: an object with `keys` or one key; keys that cannot be
 * used are skipped (RFC 7517 5), but one must be left. */
bool key_set_read(struct key_set *s, span text, bool allow_secrets, const char **why);
/* Adds the keys of `from`, each until `until_ms` (epoch ms; 0: for good); a key that has an end
 * keeps its own. Left out: those that are in the set already, those whose end has come, and what
 * no longer fits. */
void key_set_add(struct key_set *s, const struct key_set *from, int64_t until_ms, int64_t now_ms);
unsigned key_set_count(const struct key_set *s);
bool key_set_has_kid(const struct key_set *s, const char *kid, int64_t now_ms);

/* The algorithm is the key's: the token's `alg` must be among those its key allows. With a kid
 * the keys of that kid count, else those without one (PEM) are tried; without a kid all are.
 * TOKEN_OK, TOKEN_BAD_ALGORITHM, TOKEN_UNKNOWN_KEY, TOKEN_BAD_SIGNATURE. */
enum token_fault key_set_verify(const struct key_set *s, const struct token_parts *parts,
                                int64_t now_ms);

#endif
