/*
 * Signing in with a password. The address's bucket is taken at the home its hash chooses, the
 * account's likewise; there the account is read, the password checked on a worker, and what was
 * asked for is made and stored.
 */
#include "domain/identity_op.h"

#include "domain/audit.h"

#include <string.h>

#define AGENT_BYTES_MAX 300
#define ADDRESS_BYTES_MAX 64

struct login {
    struct op op;
    enum { LOGIN_ADDRESS, LOGIN_ACCOUNT, LOGIN_READ, LOGIN_CHECKED, LOGIN_WRITTEN } step;
    unsigned wants;
    span username; /* in the arena, lower case */
    span address;
    span user_agent;
    char password[PASSWORD_BYTES_MAX];
    size_t password_len;
    bool known;
    bool match;
    char encoded[PASSWORD_HASH_MAX];
    uint8_t salt[PASSWORD_SALT_BYTES];
    char refresh[8 + OPAQUE_LEN];
    char session[OPAQUE_LEN + 1];
};

/* An unknown name costs what a known one costs: its password is hashed and the hash dropped. */
static void check_password(struct task *t)
{
    struct login *l = OP_OF(t, struct login);
    struct password *pw = t->home->password;
    span secret = span_of(l->password, l->password_len);
    if (l->known) {
        l->match = pw->verify(pw, secret, l->encoded);
    } else {
        (void)pw->hash(pw, secret, l->salt, l->encoded);
    }
}

static void read_account(struct login *l)
{
    struct home *h = l->op.task.home;
    if (!op_limit(&l->op, h->identity->by_account, l->username, "account_limit")) {
        return;
    }
    l->step = LOGIN_READ;
    struct store_req *req = task_req(&l->op.task, 1);
    store_step_init(req, 0, QUERY_USER_BY_NAME, 1);
    store_set_text(req, 0, 0, 0, l->username);
    task_store(&l->op.task);
}

static void check(struct login *l)
{
    struct home *h = l->op.task.home;
    struct store_req *req = l->op.task.req;
    if (req->error != ERR_NONE) {
        op_finish_store(&l->op);
        return;
    }
    if (req->steps[0].row_count == 1) {
        span hash = store_text(store_cell(req, 0, 0, 2));
        l->known = hash.len > 0 && hash.len < sizeof l->encoded;
        memcpy(l->encoded, hash.ptr, l->known ? hash.len : 0);
    }
    entropy_fill(h->entropy, l->salt, sizeof l->salt);
    l->step = LOGIN_CHECKED;
    task_offload(&l->op.task, check_password);
}

/* Returns the jti of the access token that goes with it. */
static uuid put_refresh(struct login *l, unsigned step, int64_t now)
{
    struct home *h = l->op.task.home;
    struct store_req *req = l->op.task.req;
    uint8_t hash[HASH_BYTES];
    secret_make(h, "sbr_", l->refresh, hash);
    l->op.result.refresh_token = span_str(l->refresh);
    l->op.result.refresh_expires_ms = now + h->conf->token_refresh_s * 1000;
    store_step_init(req, step, QUERY_REFRESH_INSERT, 1);
    store_set_blob(req, step, 0, 0, span_of(hash, sizeof hash));
    op_set_uuid(&l->op, step, 1, home_new_id(h));
    op_set_uuid(&l->op, step, 2, l->op.result.principal);
    store_set_int(req, step, 0, 3, now);
    store_set_int(req, step, 0, 4, l->op.result.refresh_expires_ms);
    return hash_half(hash);
}

static void put_session(struct login *l, unsigned step, int64_t now)
{
    struct home *h = l->op.task.home;
    struct store_req *req = l->op.task.req;
    uint8_t hash[HASH_BYTES];
    secret_make(h, "", l->session, hash);
    l->op.result.session = span_str(l->session);
    l->op.result.session_expires_ms = now + h->conf->session_s * 1000;
    store_step_init(req, step, QUERY_SESSION_INSERT, 1);
    store_set_blob(req, step, 0, 0, span_of(hash, sizeof hash));
    op_set_uuid(&l->op, step, 1, l->op.result.principal);
    store_set_int(req, step, 0, 2, now);
    store_set_int(req, step, 0, 3, l->op.result.session_expires_ms);
    store_set_text(req, step, 0, 4, l->user_agent);
    store_set_text(req, step, 0, 5, l->address);
}

/* What is handed out and the trail of it are one transaction. */
static void note_sign_in(struct login *l, unsigned step)
{
    char id[UUID_TEXT_LEN + 1];
    const struct actor who = {
        .id = l->op.result.principal, .name = l->username, .address = l->address};
    uuid_format(l->op.result.principal, id);
    audit_step(l->op.task.home, l->op.task.req, step,
               &(struct audit_entry){.who = &who,
                                     .action = "auth.login",
                                     .target_kind = "user",
                                     .target = span_of(id, UUID_TEXT_LEN)});
}

/* The password was right: what follows is made for the account as it was read. */
static void grant_login(struct login *l, int64_t valid_after_ms)
{
    struct home *h = l->op.task.home;
    int64_t now = clock_wall_ms(h->clock);
    if (now < valid_after_ms) { /* signing in again in the millisecond of a revocation */
        now = valid_after_ms;
    }
    bool tokens = (l->wants & LOGIN_TOKENS) != 0;
    bool session = (l->wants & LOGIN_SESSION) != 0;
    struct store_req *req = task_req(&l->op.task, 2 + tokens + session);
    store_step_init(req, 0, QUERY_USER_SET_LOGIN, 1);
    op_set_uuid(&l->op, 0, 0, l->op.result.principal);
    store_set_int(req, 0, 0, 1, now);
    if (tokens) {
        op_access(&l->op, &(struct access){.principal = l->op.result.principal,
                                           .kind = PRINCIPAL_USER,
                                           .valid_after_ms = valid_after_ms,
                                           .lifetime_s = h->conf->token_access_s,
                                           .jti = put_refresh(l, 1, now)});
    }
    if (session) {
        put_session(l, 1 + tokens, now);
    }
    note_sign_in(l, 1 + tokens + session);
    l->step = LOGIN_WRITTEN;
    task_store(&l->op.task);
}

static void decide(struct login *l)
{
    struct op *o = &l->op;
    explicit_bzero(l->password, sizeof l->password);
    if (o->task.job_refused) {
        op_finish(o, ERR_SERVER_ERROR, "busy");
    } else if (!l->known) {
        op_finish(o, ERR_AUTHENTICATION_FAILED, "unknown_user");
    } else if (!l->match) {
        op_finish(o, ERR_AUTHENTICATION_FAILED, "wrong_password");
    } else if (!span_eq(store_text(store_cell(o->task.req, 0, 0, 4)), SPAN("active"))) {
        op_finish(o, ERR_AUTHENTICATION_FAILED, "disabled");
    } else if (!op_cell_uuid(o, 0, 0, 0, &o->result.principal)) {
        op_finish(o, ERR_STORE_CORRUPT, "store");
    } else {
        grant_login(l, store_int(store_cell(o->task.req, 0, 0, 5)));
    }
}

static void resume(struct task *t)
{
    struct login *l = OP_OF(t, struct login);
    struct home *h = t->home;
    switch (l->step) {
    case LOGIN_ADDRESS:
        if (l->address.len > 0 &&
            !op_limit(&l->op, h->identity->by_address, l->address, "address_limit")) {
            return;
        }
        l->step = LOGIN_ACCOUNT;
        task_go(t, op_home_by(h, l->username));
        return;
    case LOGIN_ACCOUNT:
        read_account(l);
        return;
    case LOGIN_READ:
        check(l);
        return;
    case LOGIN_CHECKED:
        decide(l);
        return;
    case LOGIN_WRITTEN:
        if (t->req->error != ERR_NONE) {
            op_finish_store(&l->op);
        } else {
            op_finish_ok(&l->op);
        }
        return;
    }
}

/* Begins where the address's bucket is. */
static void start(struct task *t)
{
    struct login *l = OP_OF(t, struct login);
    t->resume = resume;
    if (l->username.len == 0 || l->password_len == 0) {
        op_finish(&l->op, ERR_AUTHENTICATION_FAILED, "malformed");
        return;
    }
    task_go(t, op_home_by(t->home, l->address));
}

/* The header field is any bytes; what is kept is shown in lists. */
static span printable(struct arena *a, span text)
{
    uint8_t *out = arena_alloc(a, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f ? text.ptr[i] : '?';
    }
    return span_of(out, text.len);
}

void identity_login(struct home *h, const struct login_args *in, identity_done done, void *owner)
{
    ASSERT((in->wants & (LOGIN_TOKENS | LOGIN_SESSION)) != 0);
    struct login *l = op_new(h, sizeof *l, start, done, owner);
    l->wants = in->wants;
    /* What no account can have is refused as any wrong name or password is. */
    bool fits = in->username.len <= USERNAME_BYTES_MAX && in->password.len <= PASSWORD_BYTES_MAX;
    if (fits && in->password.len > 0) {
        l->username = op_lower(&l->op.arena, in->username);
        l->password_len = in->password.len;
        memcpy(l->password, in->password.ptr, in->password.len);
    }
    l->op.result.username = l->username;
    l->address = arena_dup(&l->op.arena, span_slice(in->address, 0, ADDRESS_BYTES_MAX));
    l->user_agent = printable(&l->op.arena, span_slice(in->user_agent, 0, AGENT_BYTES_MAX));
}
