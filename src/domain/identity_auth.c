/*
 * One authentication: loop -> (proof's home) -> principal's home -> loop. What changes meanwhile
 * is session_open's matter (identity_internal.h); a request without a session is as if it had
 * come before the change. A token whose key is not known yet waits for its issuer's keys, once;
 * an outside issuer's principal is made when it first comes (identity_outside.c).
 */
#include "domain/identity_internal.h"

#include "base/base64.h"
#include "base/mem.h"

#include <string.h>

#define SESSION_COOKIE_LEN 43 /* base64url of 32 bytes */

struct check {
    struct task task;
    enum { CHECK_REVOKED, CHECK_PROOF, CHECK_PRINCIPAL, CHECK_MAKE, CHECK_MADE, CHECK_END } step;
    struct home *origin;
    struct auth *auth;
    uint32_t seen;
    enum proof_kind kind;
    uuid principal;
    uuid credential;
    bool guest; /* the token says so, */
    uuid room;  /* and for which room */
    int64_t issued_ms;
    int64_t expires_ms;
    struct proof_wait proof_wait;
    struct principal_wait principal_wait;
    struct revoked_wait revoked_wait;
    struct tokens_wait keys_wait;
    char *token;               /* owned, while keys are awaited */
    struct outsider *outsider; /* owned; NULL: our own principal */
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
    if (!p->known && c->outsider != NULL && outsider_may_be_made(c->outsider)) {
        go(c, CHECK_MAKE, c->task.home->index, waited);
        return;
    }
    const char *reason = principal_refusal(p, c->kind, c->issued_ms);
    if (reason != NULL) {
        refuse(c, ERR_AUTHENTICATION_FAILED, reason, waited);
        return;
    }
    if ((p->kind == PRINCIPAL_GUEST) != c->guest) {
        refuse(c, ERR_AUTHENTICATION_FAILED, token_fault_name(TOKEN_BAD_CLAIM), waited);
        return;
    }
    c->grant = principal_grant(p);
    c->grant->room = c->room;
    c->grant->claim_roles = c->outsider == NULL ? 0 : c->outsider->roles;
    c->grant->global_roles |= c->grant->claim_roles;
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
               c->kind == PROOF_SESSION ? "unknown_session" : "unknown_key", waited);
    } else if (p->revoked) {
        refuse(c, ERR_AUTHENTICATION_FAILED, "revoked", waited);
    } else if (p->expires_ms != 0 && p->expires_ms <= clock_wall_ms(h->clock)) {
        refuse(c, ERR_AUTHENTICATION_FAILED, "expired", waited);
    } else {
        c->principal = p->principal;
        c->credential = p->credential;
        c->issued_ms = p->created_ms;
        c->expires_ms = p->expires_ms;
        if (p->kind == PROOF_PROVISION) {
            c->grant = provision_grant(c->credential, c->issued_ms, c->expires_ms);
            c->grant->seen = c->seen;
            go(c, CHECK_END, c->origin->index, waited);
            return;
        }
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
    mem_free(c->outsider);
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
    case CHECK_MAKE:
        c->step = CHECK_MADE;
        outsider_make(t, c->outsider, c->principal);
        return;
    case CHECK_MADE:
        if (t->req->error != ERR_NONE) {
            refuse(c, ERR_SERVER_ERROR, "store", false);
            return;
        }
        identity_changed(t->home, c->principal); /* what was cached says that there is none */
        c->step = CHECK_PRINCIPAL;
        principal_want(id, c->principal, &c->principal_wait);
        return;
    case CHECK_END:
        finish(c);
        return;
    }
}

/* A key of that kind, by its beginning. */
static bool is_key(span text, const char *prefix) { return span_starts(text, span_str(prefix)); }

/* Our own principals are UUIDs; another issuer's `sub` means nothing here without its `iss`. */
static const char *read_claims(struct home *h, struct check *c, const struct token_claims *claims)
{
    if (claims->outside) {
        c->outsider = outsider_new(h, claims, &c->principal, &c->credential);
        if (c->outsider == NULL) {
            return "unknown_principal";
        }
    } else if (!uuid_parse(span_str(claims->sub), &c->principal)) {
        return "unknown_principal";
    } else {
        c->credential = claims->jti[0] == '\0' ? UUID_NIL : jti_id(h, span_str(claims->jti));
        c->guest = strcmp(claims->kind, principal_kind_name(PRINCIPAL_GUEST)) == 0;
        if (c->guest && !uuid_parse(span_str(claims->room_id), &c->room)) {
            return token_fault_name(TOKEN_BAD_CLAIM);
        }
    }
    c->kind = PROOF_TOKEN;
    c->issued_ms = claims->iat_s * 1000;
    c->expires_ms = claims->exp_s * 1000;
    return NULL;
}

static void proceed(struct check *c, const char *refusal)
{
    if (refusal != NULL) {
        c->error = ERR_AUTHENTICATION_FAILED;
        c->reason = refusal;
        finish(c);
    } else {
        begin(c);
    }
}

static void on_keys(struct mail *m);

static void check_token(struct home *h, struct check *c, span text, bool may_wait)
{
    struct token_claims claims;
    enum token_fault fault =
        h->tokens->verify(h->tokens, text, clock_wall_ms(h->clock), &claims);
    if (fault == TOKEN_UNKNOWN_KEY && may_wait) {
        c->keys_wait.mail.run = on_keys;
        c->keys_wait.loop = h->index;
        if (tokens_await(h->tokens, &c->keys_wait)) {
            c->token = mem_strndup(text.ptr, text.len);
            return;
        }
    }
    proceed(c, fault != TOKEN_OK ? token_fault_name(fault) : read_claims(h, c, &claims));
}

static void on_keys(struct mail *m)
{
    struct check *c = CONTAINER_OF(m, struct check, keys_wait.mail);
    char *text = c->token;
    size_t len = strlen(text);
    c->token = NULL;
    check_token(c->origin, c, span_of(text, len), false);
    explicit_bzero(text, len);
    mem_free(text);
}

static const char *read_opaque(struct home *h, struct check *c, span text, enum proof_kind kind)
{
    span secret = kind == PROOF_SESSION ? text : span_slice(text, KEY_PREFIX_LEN, text.len);
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
    span credential = a->credential;
    a->credential = SPAN_NONE;
    if (a->is_session) {
        proceed(c, read_opaque(h, c, credential, PROOF_SESSION));
    } else if (is_key(credential, KEY_PREFIX_DEVICE)) {
        proceed(c, read_opaque(h, c, credential, PROOF_KEY));
    } else if (is_key(credential, KEY_PREFIX_PROVISION)) {
        proceed(c, read_opaque(h, c, credential, PROOF_PROVISION));
    } else {
        check_token(h, c, credential, true);
    }
}
