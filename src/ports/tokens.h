/*
 * Port: signed tokens (JWT, RFC 7519) and SHA-256. Verification says only that the signature,
 * algorithm and times are right; whether the principal may still act is the domain's question.
 * The algorithm comes from the key, never from the token. CPU only; thread-safe.
 */
#ifndef SB_PORTS_TOKENS_H
#define SB_PORTS_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mail.h"
#include "base/span.h"

#define TOKEN_BYTES_MAX 8192 /* longer ones are refused before they are decoded */
#define TOKEN_TEXT_MAX 128   /* longest sub, jti, iss, kind kept from a token */
#define TOKEN_ROLES_MAX 8

/* Why a token is refused; `auth_failures_total{reason}` carries the name in lower case. */
enum token_fault {
    TOKEN_OK = 0,
    TOKEN_MALFORMED,
    TOKEN_BAD_ALGORITHM, /* none, another than the key's, crit present */
    TOKEN_UNKNOWN_KEY,   /* its kid names no key that we have; see tokens_await */
    TOKEN_BAD_SIGNATURE,
    TOKEN_EXPIRED,
    TOKEN_NOT_YET_VALID,
    TOKEN_BAD_ISSUER,
    TOKEN_BAD_AUDIENCE,
    TOKEN_BAD_CLAIM, /* a claim of the wrong type or length, exp or sub missing */
    TOKEN_FAULT_COUNT
};

struct token_claims {
    bool outside; /* signed by another issuer's key: (iss, sub) is theirs, no id of ours */
    char sub[TOKEN_TEXT_MAX + 1];
    char iss[TOKEN_TEXT_MAX + 1]; /* empty when absent */
    char jti[TOKEN_TEXT_MAX + 1]; /* empty when absent */
    char kind[16];                /* user, device, guest, robot, service; default user */
    char device_id[40];           /* empty when absent */
    char room_id[40];             /* empty when absent */
    char roles[TOKEN_ROLES_MAX][24];
    unsigned role_count;
    int64_t exp_s; /* epoch seconds, required */
    int64_t iat_s; /* 0 when absent */
};

/* Who waits for keys; the caller's from tokens_await until the mail runs. */
struct tokens_wait {
    struct mail mail; /* run is the caller's */
    unsigned loop;    /* where it runs */
    struct list link; /* the port's */
};

struct tokens {
    enum token_fault (*verify)(struct tokens *self, span token, int64_t now_ms,
                               struct token_claims *out);
    /* Appends a compact JWT signed with our own key (HS256); iss and aud from the settings. */
    void (*issue)(struct tokens *self, const struct token_claims *claims, buf *out);
    void (*sha256)(struct tokens *self, span data, uint8_t out[32]);
    /* See tokens_await; NULL where keys never change. */
    bool (*await_keys)(struct tokens *self, struct tokens_wait *w);
};

/* After TOKEN_UNKNOWN_KEY: true when the issuer's keys are being fetched; then w->mail runs on
 * w->loop once they are there or cannot be had, and the token is verified again. False when they
 * were fetched too recently, or too many wait: the token is refused. */
static inline bool MUST_CHECK tokens_await(struct tokens *t, struct tokens_wait *w)
{
    return t->await_keys != NULL && t->await_keys(t, w);
}

const char *token_fault_name(enum token_fault f); /* "bad_signature" */

#endif
