/*
 * The token port on our own key and the public keys of others: JWS compact with HMAC, RSA (PKCS #1
 * v1.5 and PSS), ECDSA and Ed25519. A token is ours when our own key signed it (HS256, no kid of
 * another key); every other key is an outside issuer's, whatever its token says about `iss`: its
 * claims are marked `outside`, and `iss` must not be ours. Outside keys are trusted for every
 * outside issuer alike. Tests: tokens_jose_test.c, tests/e2e/jwt.test.mjs.
 */
#ifndef SB_ADAPTERS_TOKENS_JOSE_H
#define SB_ADAPTERS_TOKENS_JOSE_H

#include "adapters/tokens_jose/key_set.h"
#include "ports/tokens.h"

/* Where keys come from while the process runs (jwks_http); told who waits. Any thread. */
struct key_source {
    bool (*await_keys)(struct key_source *self, struct tokens_wait *w);
};

struct tokens_jose_conf {
    struct tokens *own;       /* tokens_hs256; taken over */
    struct key_set *fixed;    /* keys of files; taken over; NULL: none */
    const char *issuer;       /* our own: refused from others; NULL or "": none */
    const char *outside_issuers; /* comma separated; NULL or "": any but ours */
    const char *audience;     /* as tokens_conf */
    int64_t leeway_s;
};

/* Thread-safe; texts are copied. A verification costs that of its key (jose_key.h). */
struct tokens *tokens_jose_new(const struct tokens_jose_conf *conf);
void tokens_jose_free(struct tokens *t); /* NULL is allowed; the source must have stopped */
/* Names the source; before any thread verifies. Borrowed. */
void tokens_jose_set_source(struct tokens *t, struct key_source *source);
/* Replaces the fetched keys with `fresh` (taken over). Those of before that it no longer holds
 * stay valid until grace_until_ms (epoch ms), for tokens they signed are still on their way.
 * One thread at a time. */
void tokens_jose_replace(struct tokens *t, struct key_set *fresh, int64_t grace_until_ms,
                         int64_t now_ms);

/* One token against one set, for the command line. */
enum token_fault tokens_jose_check(const struct key_set *keys, span token,
                                   const struct token_rules *rules, struct token_claims *out);

#endif
