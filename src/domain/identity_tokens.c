/*
 * Tokens after the sign-in: refreshing, ending, and those of devices.
 *
 * A refresh token is of one use. Its use and its successor are one transaction; a second use
 * finds the first one's mark, and then the whole family is revoked, for one of the two users is
 * a thief (RFC 9700 4.14.2). So are the access tokens that went with it: their jti is half of the
 * refresh token's hash, which is what the store has.
 */
#include "domain/identity_op.h"

#include <string.h>

/* --- refresh --- */

/* Access tokens of a family that are revoked one by one; no honest client has refreshed more often
 * within their life. Beyond, every token of the principal ends. */
#define FAMILY_TOKENS_MAX 100
/* An access token says the time at which its refresh token was stored, or a little later. */
#define COMMIT_MS 60000

struct refresh {
    struct op op;
    enum { REFRESH_BEGIN, REFRESH_READ, REFRESH_WRITTEN, REFRESH_ENDED, REFRESH_TOLD } step;
    uint8_t hash[HASH_BYTES];
    uuid family;
    struct access access;
    bool all_end;
    char next[8 + OPAQUE_LEN];
};

static void end_family(struct refresh *r)
{
    struct home *h = r->op.task.home;
    int64_t now = clock_wall_ms(h->clock);
    struct store_req *req = task_req(&r->op.task, 2);
    store_step_init(req, 0, QUERY_REFRESH_REVOKE_FAMILY, 1);
    op_set_uuid(&r->op, 0, 0, r->family);
    store_set_int(req, 0, 0, 1, now);
    store_step_init(req, 1, QUERY_REFRESH_OF_FAMILY, 1);
    op_set_uuid(&r->op, 1, 0, r->family);
    store_set_int(req, 1, 0, 1, now - h->conf->token_access_s * 1000 - COMMIT_MS);
    store_set_int(req, 1, 0, 2, FAMILY_TOKENS_MAX + 1);
    r->step = REFRESH_ENDED;
    task_store(&r->op.task);
}

/* The access tokens of the family, which is on disk as revoked: in memory at once, then stored. */
static void end_tokens(struct refresh *r)
{
    struct op *o = &r->op;
    struct home *h = o->task.home;
    int64_t now = clock_wall_ms(h->clock);
    int64_t until_ms = now + h->conf->token_access_s * 1000 + COMMIT_MS;
    uuid ended[FAMILY_TOKENS_MAX];
    unsigned count = o->task.req->steps[1].row_count;
    r->step = REFRESH_TOLD;
    r->all_end = count > FAMILY_TOKENS_MAX;
    for (unsigned i = 0; i < count && !r->all_end; i++) {
        span hash = store_text(store_cell(o->task.req, 1, i, 0));
        ASSERT(hash.len == HASH_BYTES);
        ended[i] = hash_half(hash.ptr);
        changes_tell(h, &(struct change){.principal = r->access.principal,
                                         .credential = ended[i],
                                         .revoked_until_ms = until_ms});
    }
    if (count == 0) {
        op_finish(o, ERR_AUTHENTICATION_FAILED, "reused");
        return;
    }
    struct store_req *req = task_req(&o->task, 1);
    store_step_init(req, 0, r->all_end ? QUERY_PRINCIPAL_REVOKE_TOKENS : QUERY_REVOKED_INSERT,
                    r->all_end ? 1 : count);
    if (r->all_end) {
        op_set_uuid(o, 0, 0, r->access.principal);
        store_set_int(req, 0, 0, 1, now + 1);
        store_set_int(req, 0, 0, 2, now);
    }
    for (unsigned i = 0; i < count && !r->all_end; i++) {
        char text[UUID_TEXT_LEN + 1];
        uuid_format(ended[i], text);
        store_set_text(req, 0, i, 0, span_str(text));
        store_set_int(req, 0, i, 1, until_ms);
    }
    task_store(&o->task);
}

static void rotate(struct refresh *r, int64_t now)
{
    struct home *h = r->op.task.home;
    uint8_t hash[HASH_BYTES];
    secret_make(h, "sbr_", r->next, hash);
    r->access.jti = hash_half(hash);
    r->op.result.refresh_expires_ms = now + h->conf->token_refresh_s * 1000;
    struct store_req *req = task_req(&r->op.task, 2);
    store_step_init(req, 0, QUERY_REFRESH_USE, 1);
    req->steps[0].expect = STORE_SOME;
    store_set_blob(req, 0, 0, 0, span_of(r->hash, HASH_BYTES));
    store_set_int(req, 0, 0, 1, now);
    store_step_init(req, 1, QUERY_REFRESH_INSERT, 1);
    store_set_blob(req, 1, 0, 0, span_of(hash, HASH_BYTES));
    op_set_uuid(&r->op, 1, 1, r->family);
    op_set_uuid(&r->op, 1, 2, r->access.principal);
    store_set_int(req, 1, 0, 3, now);
    store_set_int(req, 1, 0, 4, r->op.result.refresh_expires_ms);
    r->step = REFRESH_WRITTEN;
    task_store(&r->op.task);
}

static bool is_null(const struct op *o, unsigned column)
{
    return store_cell(o->task.req, 0, 0, column)->type == STORE_NULL;
}

static void decide(struct refresh *r)
{
    struct op *o = &r->op;
    const struct store_req *req = o->task.req;
    if (req->error != ERR_NONE) {
        op_finish_store(o);
        return;
    }
    if (req->steps[0].row_count == 0) {
        op_finish(o, ERR_AUTHENTICATION_FAILED, "unknown_token");
        return;
    }
    int64_t now = clock_wall_ms(o->task.home->clock);
    int64_t issued_ms = store_int(store_cell(req, 0, 0, 2));
    r->access.valid_after_ms = store_int(store_cell(req, 0, 0, 8));
    r->access.lifetime_s = o->task.home->conf->token_access_s;
    if (!op_cell_uuid(o, 0, 0, 0, &r->family) ||
        !op_cell_uuid(o, 0, 0, 1, &r->access.principal) ||
        !kind_parse(store_text(store_cell(req, 0, 0, 6)), &r->access.kind)) {
        op_finish(o, ERR_STORE_CORRUPT, "store");
    } else if (!is_null(o, 5)) {
        op_finish(o, ERR_AUTHENTICATION_FAILED, "revoked");
    } else if (!is_null(o, 4)) {
        end_family(r);
    } else if (store_int(store_cell(req, 0, 0, 3)) <= now) {
        op_finish(o, ERR_AUTHENTICATION_FAILED, "expired");
    } else if (!span_eq(store_text(store_cell(req, 0, 0, 7)), SPAN("active"))) {
        op_finish(o, ERR_AUTHENTICATION_FAILED, "disabled");
    } else if (issued_ms < r->access.valid_after_ms) {
        op_finish(o, ERR_AUTHENTICATION_FAILED, "superseded");
    } else {
        o->result.principal = r->access.principal;
        rotate(r, now);
    }
}

static void on_refresh(struct task *t)
{
    struct refresh *r = OP_OF(t, struct refresh);
    switch (r->step) {
    case REFRESH_BEGIN:
        r->step = REFRESH_READ;
        store_step_init(task_req(t, 1), 0, QUERY_REFRESH_BY_HASH, 1);
        store_set_blob(t->req, 0, 0, 0, span_of(r->hash, HASH_BYTES));
        task_store(t);
        return;
    case REFRESH_READ:
        decide(r);
        return;
    case REFRESH_WRITTEN:
        if (t->req->error == ERR_CONFLICT && t->req->failed_step == 0) {
            end_family(r); /* somebody used it between our reading and our writing */
        } else if (t->req->error != ERR_NONE) {
            op_finish_store(&r->op);
        } else {
            op_access(&r->op, &r->access);
            r->op.result.refresh_token = span_str(r->next);
            op_finish_ok(&r->op);
        }
        return;
    case REFRESH_ENDED:
        if (t->req->error != ERR_NONE) {
            op_finish_store(&r->op);
        } else {
            end_tokens(r);
        }
        return;
    case REFRESH_TOLD:
        if (r->all_end) {
            identity_changed(t->home, r->access.principal);
        }
        if (t->req->error != ERR_NONE) {
            op_finish_store(&r->op);
        } else {
            op_finish(&r->op, ERR_AUTHENTICATION_FAILED, "reused");
        }
        return;
    }
}

void identity_refresh(struct home *h, span refresh_token, identity_done done, void *owner)
{
    struct refresh *r = op_new(h, sizeof *r, on_refresh, done, owner);
    h->tokens->sha256(h->tokens, refresh_token, r->hash);
}

/* --- logout --- */

struct logout {
    struct op op;
    enum { LOGOUT_BEGIN, LOGOUT_DONE, LOGOUT_FORGOTTEN } step;
    bool has_jti;
    uuid principal;
    uuid jti;
    int64_t jti_ends_ms;
    bool has_refresh;
    uint8_t refresh_hash[HASH_BYTES];
    bool has_session;
    uint8_t session_hash[HASH_BYTES];
    unsigned session_step;
};

static void write_logout(struct logout *l)
{
    struct op *o = &l->op;
    int64_t now = clock_wall_ms(o->task.home->clock);
    unsigned n = 0;
    struct store_req *req =
        task_req(&o->task, (unsigned)l->has_jti + l->has_refresh + l->has_session);
    if (l->has_jti) {
        store_step_init(req, n, QUERY_REVOKED_INSERT, 1);
        op_set_uuid(o, n, 0, l->jti);
        store_set_int(req, n++, 0, 1, l->jti_ends_ms);
    }
    if (l->has_refresh) {
        store_step_init(req, n, QUERY_REFRESH_REVOKE_OF, 1);
        store_set_blob(req, n, 0, 0, span_of(l->refresh_hash, HASH_BYTES));
        store_set_int(req, n++, 0, 1, now);
    }
    if (l->has_session) {
        l->session_step = n;
        store_step_init(req, n, QUERY_SESSION_END, 1);
        store_set_blob(req, n, 0, 0, span_of(l->session_hash, HASH_BYTES));
    }
    l->step = LOGOUT_DONE;
    task_store(&o->task);
}

static void on_logout(struct task *t)
{
    struct logout *l = OP_OF(t, struct logout);
    if (l->step == LOGOUT_FORGOTTEN) {
        op_finish_ok(&l->op);
        return;
    }
    if (l->step == LOGOUT_BEGIN) {
        if (l->has_jti || l->has_refresh || l->has_session) {
            write_logout(l);
        } else {
            op_finish_ok(&l->op);
        }
        return;
    }
    if (t->req->error != ERR_NONE) {
        op_finish_store(&l->op);
        return;
    }
    if (l->has_jti) {
        changes_tell(t->home, &(struct change){.principal = l->principal,
                                               .credential = l->jti,
                                               .revoked_until_ms = l->jti_ends_ms});
    }
    uuid owner;
    if (l->has_session && t->req->steps[l->session_step].row_count > 0 &&
        op_cell_uuid(&l->op, l->session_step, 0, 0, &owner)) {
        proof_revoked(t->home, l->session_hash, owner, hash_half(l->session_hash));
        l->step = LOGOUT_FORGOTTEN; /* behind that: who is answered finds the cookie ended */
        task_go(t, proof_home(t->home, l->session_hash));
        return;
    }
    op_finish_ok(&l->op);
}

void identity_logout(struct home *h, const struct logout_args *in, identity_done done, void *owner)
{
    struct logout *l = op_new(h, sizeof *l, on_logout, done, owner);
    const struct grant *g = in->grant;
    if (g != NULL && g->proof == PROOF_TOKEN && !uuid_is_nil(g->credential)) {
        l->has_jti = true;
        l->principal = g->principal;
        l->jti = g->credential;
        l->jti_ends_ms = g->expires_ms;
    }
    l->has_refresh = in->refresh_token.len > 0;
    h->tokens->sha256(h->tokens, in->refresh_token, l->refresh_hash);
    l->has_session = in->session.len > 0;
    h->tokens->sha256(h->tokens, in->session, l->session_hash);
}

/* --- tokens for a key, and without proof --- */

struct issue {
    struct op op;
    enum { ISSUE_KEY, ISSUE_CHECK, ISSUE_ACCOUNT, ISSUE_READ, ISSUE_GO } step;
    span key; /* in the arena, wiped after the check */
    span address;
    struct auth auth;
    struct principal_wait wait;
    struct access access;
    err error;
    const char *reason;
};

static void resume_issue(struct issue *i, int step, unsigned home, bool waited)
{
    i->step = step;
    if (waited && home == i->op.task.home->index) {
        task_later(&i->op.task);
    } else {
        task_go(&i->op.task, home);
    }
}

static void on_checked(struct auth *a)
{
    struct issue *i = a->owner;
    explicit_bzero((void *)i->key.ptr, i->key.len);
    i->error = a->error;
    i->reason = a->reason;
    if (a->grant != NULL) {
        i->access.principal = a->grant->principal;
        if (a->grant->kind != PRINCIPAL_DEVICE) {
            i->error = ERR_AUTHENTICATION_FAILED;
            i->reason = "not_a_device";
        }
        grant_free(a->grant);
    }
    if (i->error != ERR_NONE) {
        op_finish(&i->op, i->error, i->reason);
        return;
    }
    i->step = ISSUE_ACCOUNT;
    task_go(&i->op.task, home_of(i->op.task.home, i->access.principal));
}

static void on_row(struct principal_wait *w, const struct principal_state *p, uint32_t live,
                   bool waited)
{
    struct issue *i = CONTAINER_OF(w, struct issue, wait);
    (void)live;
    if (p == NULL) {
        i->error = ERR_SERVER_ERROR;
        i->reason = "store";
    } else if (!p->known) {
        i->error = ERR_NOT_FOUND;
        i->reason = "unknown_principal";
    } else if (!p->active) {
        i->error = ERR_PERMISSION_DENIED;
        i->reason = "disabled";
    } else if ((p->kind == PRINCIPAL_GUEST) == uuid_is_nil(i->access.room)) {
        i->error = ERR_INVALID_REQUEST;
        i->reason = "room";
    } else {
        i->access.kind = p->kind;
        i->access.valid_after_ms = p->valid_after_ms;
    }
    resume_issue(i, ISSUE_GO, i->op.task.home->index, waited);
}

static void on_issue(struct task *t)
{
    struct issue *i = OP_OF(t, struct issue);
    struct identity *id = t->home->identity;
    switch (i->step) {
    case ISSUE_KEY: /* at the address's home */
        if (i->address.len > 0 && !op_limit(&i->op, id->by_address, i->address, "address_limit")) {
            return;
        }
        i->step = ISSUE_CHECK;
        task_go(t, i->op.origin->index);
        return;
    case ISSUE_CHECK:
        i->auth = (struct auth){.credential = i->key, .done = on_checked, .owner = i};
        auth_start(t->home, &i->auth);
        return;
    case ISSUE_ACCOUNT:
        if (!op_limit(&i->op, id->by_account,
                      span_of(i->access.principal.bytes, sizeof(uuid)), "account_limit")) {
            return;
        }
        resume_issue(i, ISSUE_READ, t->home->index, false);
        return;
    case ISSUE_READ: /* at the principal's home */
        principal_want(id, i->access.principal, &i->wait);
        return;
    case ISSUE_GO:
        if (i->error == ERR_NONE) {
            i->op.result.principal = i->access.principal;
            op_access(&i->op, &i->access);
        }
        op_finish(&i->op, i->error, i->reason);
        return;
    }
}

static void start_device(struct task *t)
{
    struct issue *i = OP_OF(t, struct issue);
    t->resume = on_issue;
    if (!span_starts(i->key, SPAN("sbk_")) || i->key.len != DEVICE_KEY_LEN) {
        op_finish(&i->op, ERR_AUTHENTICATION_FAILED, "malformed");
        return;
    }
    resume_issue(i, ISSUE_KEY, op_home_by(t->home, i->address), false);
}

void identity_device_token(struct home *h, span key, span address, identity_done done, void *owner)
{
    struct issue *i = op_new(h, sizeof *i, start_device, done, owner);
    i->key = arena_dup(&i->op.arena, span_slice(key, 0, DEVICE_KEY_LEN + 1));
    i->address = arena_dup(&i->op.arena, address);
    i->access.lifetime_s = h->conf->token_access_s;
    i->wait.ready = on_row;
}

static void start_plain(struct task *t)
{
    struct issue *i = OP_OF(t, struct issue);
    t->resume = on_issue;
    resume_issue(i, ISSUE_READ, home_of(t->home, i->access.principal), false);
}

static void issue_plain(struct home *h, uuid principal, uuid room, int64_t lifetime_s,
                        identity_done done, void *owner)
{
    struct issue *i = op_new(h, sizeof *i, start_plain, done, owner);
    i->access.principal = principal;
    i->access.room = room;
    i->access.lifetime_s = lifetime_s > 0 ? lifetime_s : h->conf->token_access_s;
    i->wait.ready = on_row;
}

void identity_issue(struct home *h, uuid principal, int64_t lifetime_s, identity_done done,
                    void *owner)
{
    issue_plain(h, principal, UUID_NIL, lifetime_s, done, owner);
}

void identity_issue_guest(struct home *h, uuid principal, uuid room, int64_t lifetime_s,
                          identity_done done, void *owner)
{
    ASSERT(!uuid_is_nil(room));
    issue_plain(h, principal, room, lifetime_s, done, owner);
}

/* --- the address's bucket alone --- */

struct toll {
    struct op op;
    bool arrived;
    span address;
};

static void on_toll(struct task *t)
{
    struct toll *x = OP_OF(t, struct toll);
    if (x->address.len == 0) {
        op_finish_ok(&x->op);
    } else if (!x->arrived) {
        x->arrived = true;
        task_go(t, op_home_by(t->home, x->address));
    } else if (op_limit(&x->op, t->home->identity->by_address, x->address, "address_limit")) {
        op_finish_ok(&x->op);
    }
}

void identity_take_try(struct home *h, span address, identity_done done, void *owner)
{
    struct toll *x = op_new(h, sizeof *x, on_toll, done, owner);
    x->address = arena_dup(&x->op.arena, address);
}
