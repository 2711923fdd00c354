/*
 * One authentication: loop -> (proof's home) -> principal's home -> loop. What changes meanwhile
 * is session_open's matter (identity_internal.h); a request without a session is as if it had
 * come before the change.
 */
#include "domain/identity_internal.h"

#include "base/base64.h"
#include "base/mem.h"

#include <string.h>

#define SESSION_COOKIE_LEN 43 /* base64url of 32 bytes */

struct check {
    struct task task;
    enum { CHECK_REVOKED, CHECK_PROOF, CHECK_PRINCIPAL, CHECK_END } step;
    struct home *origin;
    struct auth *auth;
    uint32_t seen;
    enum proof_kind kind;
    uuid principal;
    uuid credential;
    int64_t issued_ms;
    int64_t expires_ms;
    struct proof_wait proof_wait;
    struct principal_wait principal_wait;
    struct revoked_wait revoked_wait;
    err error;
    const char *reason;
    struct grant *grant;
};

static void go(struct check *c, int step, unsigned home, bool waited)
{
    c->step = step;
    if (waited && home == c->task.home->index) {
        task_later(&c->task);
    } else {
        task_go(&c->task, home);
    }
}

static void refuse(struct check *c, err e, const char *reason, bool waited)
{
    c->error = e;
    c->reason = reason;
    go(c, CHECK_END, c->origin->index, waited);
}

static void on_principal(struct principal_wait *w, const struct principal_state *p, uint32_t live,
                         bool waited)
{
    struct check *c = CONTAINER_OF(w, struct check, principal_wait);
    if (p == NULL) {
        refuse(c, ERR_SERVER_ERROR, "store", waited);
        return;
    }
    const char *reason = principal_refusal(p, c->kind, c->issued_ms);
    if (reason != NULL) {
        refuse(c, ERR_AUTHENTICATION_FAILED, reason, waited);
        return;
    }
    c->grant = principal_grant(p);
    c->grant->proof = c->kind;
    c->grant->credential = c->credential;
    c->grant->expires_ms = c->expires_ms;
    c->grant->issued_ms = c->issued_ms;
    c->grant->seen = c->seen;
    c->grant->live = live;
    go(c, CHECK_END, c->origin->index, waited);
}

static void on_proof(struct proof_wait *w, const struct proof *p, bool waited)
{
    struct check *c = CONTAINER_OF(w, struct check, proof_wait);
    struct home *h = c->task.home;
    if (p == NULL) {
        refuse(c, ERR_SERVER_ERROR, waited ? "store" : "busy", waited);
    } else if (p->kind != c->kind) {
        refuse(c, ERR_AUTHENTICATION_FAILED,
               c->kind == PROOF_KEY ? "unknown_key" : "unknown_session", waited);
    } else if (p->revoked) {
        refuse(c, ERR_AUTHENTICATION_FAILED, "revoked", waited);
    } else if (p->expires_ms != 0 && p->expires_ms <= clock_wall_ms(h->clock)) {
        refuse(c, ERR_AUTHENTICATION_FAILED, "expired", waited);
    } else {
        c->principal = p->principal;
        c->credential = p->credential;
        c->issued_ms = p->created_ms;
        c->expires_ms = p->expires_ms;
        go(c, CHECK_PRINCIPAL, home_of(h, p->principal), waited);
    }
}

static void finish(struct check *c)
{
    struct auth *a = c->auth;
    a->error = c->error;
    a->reason = c->reason;
    a->grant = c->grant;
    task_deinit(&c->task);
    mem_free(c);
    a->done(a);
}

static void begin(struct check *c)
{
    c->seen = changes_seen(c->origin->identity);
    if (c->kind == PROOF_TOKEN) {
        c->step = CHECK_REVOKED;
        if (revoked_ready(c->origin->identity, &c->revoked_wait, &c->task)) {
            c->task.resume(&c->task);
        }
    } else {
        go(c, CHECK_PROOF, proof_home(c->origin, c->proof_wait.hash), false);
    }
}

static void resume(struct task *t)
{
    struct check *c = CONTAINER_OF(t, struct check, task);
    struct identity *id = t->home->identity;
    switch (c->step) {
    case CHECK_REVOKED:
        if (!id->revoked.ready) {
            refuse(c, ERR_SERVER_ERROR, "store", false);
        } else if (revoked_has(id, c->credential)) {
            refuse(c, ERR_AUTHENTICATION_FAILED, "revoked", false);
        } else {
            go(c, CHECK_PRINCIPAL, home_of(t->home, c->principal), false);
        }
        return;
    case CHECK_PROOF:
        proof_want(id, &c->proof_wait);
        return;
    case CHECK_PRINCIPAL:
        principal_want(id, c->principal, &c->principal_wait);
        return;
    case CHECK_END:
        finish(c);
        return;
    }
}

static bool is_key(span text) { return span_starts(text, SPAN("sbk_")); }

/* A token's claims are the caller's to trust once verify said so; our own principals are UUIDs. */
static const char *read_token(struct home *h, struct check *c, span text)
{
    struct token_claims claims;
    int64_t now = clock_wall_ms(h->clock);
    enum token_fault fault = h->tokens->verify(h->tokens, text, now, &claims);
    if (fault != TOKEN_OK) {
        return token_fault_name(fault);
    }
    if (!uuid_parse(span_str(claims.sub), &c->principal)) {
        return "unknown_principal";
    }
    c->kind = PROOF_TOKEN;
    c->credential = claims.jti[0] == '\0' ? UUID_NIL : jti_id(h, span_str(claims.jti));
    c->issued_ms = claims.iat_s * 1000;
    c->expires_ms = claims.exp_s * 1000;
    return NULL;
}

static const char *read_opaque(struct home *h, struct check *c, span text, enum proof_kind kind)
{
    span secret = kind == PROOF_KEY ? span_slice(text, 4, text.len) : text;
    uint8_t bytes[SESSION_COOKIE_LEN];
    if (secret.len != SESSION_COOKIE_LEN || base64url_decode(secret, bytes) != HASH_BYTES) {
        return "malformed";
    }
    c->kind = kind;
    c->proof_wait.kind = kind;
    h->tokens->sha256(h->tokens, text, c->proof_wait.hash);
    return NULL;
}

void auth_start(struct home *h, struct auth *a)
{
    ASSERT(a->done != NULL);
    struct check *c = mem_calloc(1, sizeof *c);
    a->home = h;
    a->error = ERR_NONE;
    a->reason = NULL;
    a->grant = NULL;
    c->task = (struct task){.home = h, .resume = resume};
    c->origin = h;
    c->auth = a;
    c->proof_wait.ready = on_proof;
    c->principal_wait.ready = on_principal;
    const char *reason = a->is_session          ? read_opaque(h, c, a->credential, PROOF_SESSION)
                         : is_key(a->credential) ? read_opaque(h, c, a->credential, PROOF_KEY)
                                                 : read_token(h, c, a->credential);
    a->credential = SPAN_NONE;
    if (reason != NULL) {
        c->error = ERR_AUTHENTICATION_FAILED;
        c->reason = reason;
        finish(c);
        return;
    }
    begin(c);
}
