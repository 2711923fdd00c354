/*
 * Users, their passwords, roles and status. Each operation is at most one read, one hash on a
 * worker and one transaction; then the principal's home is told.
 */
#include "domain/identity_op.h"

#include "base/base64.h"

#include <stdio.h>
#include <string.h>

#define MADE_PASSWORD_BYTES 18 /* 24 characters, 144 bits */
#define FIRST_NAMES_MAX 9      /* admin, admin2 ... admin9, when users of other roles have them */

struct user_op {
    struct op op;
    enum { USER_BEGIN, USER_READ, USER_HASHED, USER_WRITTEN } step;
    char username[USERNAME_BYTES_MAX + 1];
    char password[PASSWORD_BYTES_MAX];
    size_t password_len;
    bool made; /* the password goes into the result */
    char encoded[PASSWORD_HASH_MAX];
    uint8_t salt[PASSWORD_SALT_BYTES];
    bool hashed;
    uint32_t roles;
    unsigned tries; /* names of a first admin that were taken */
    int missing_step; /* whose failed expectation means ERR_NOT_FOUND; -1: none */
};

static bool username_fits(span name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  (c != '\0' && strchr("._-@+", c) != NULL);
        if (!ok) {
            return false;
        }
    }
    return name.len > 0 && name.len <= USERNAME_BYTES_MAX;
}

static bool password_fits(span password)
{
    return password.len >= PASSWORD_BYTES_MIN && password.len <= PASSWORD_BYTES_MAX;
}

static void set_username(struct user_op *u, span name)
{
    for (size_t i = 0; i < name.len; i++) {
        bool upper = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z';
        u->username[i] = (char)(upper ? name.ptr[i] | 0x20 : name.ptr[i]);
    }
    u->op.result.username = span_str(u->username);
}

static void set_password(struct user_op *u, span password)
{
    if (password.len > 0) {
        memcpy(u->password, password.ptr, password.len);
    }
    u->password_len = password.len;
}

static void make_password(struct user_op *u)
{
    uint8_t bytes[MADE_PASSWORD_BYTES];
    entropy_fill(u->op.task.home->entropy, bytes, sizeof bytes);
    u->password_len = base64url_encode(span_of(bytes, sizeof bytes), u->password);
    u->made = true;
    explicit_bzero(bytes, sizeof bytes);
}

static void hash_password(struct task *t)
{
    struct user_op *u = OP_OF(t, struct user_op);
    u->hashed = t->home->password->hash(t->home->password, span_of(u->password, u->password_len),
                                        u->salt, u->encoded);
}

static void hash(struct user_op *u)
{
    entropy_fill(u->op.task.home->entropy, u->salt, sizeof u->salt);
    u->step = USER_HASHED;
    task_offload(&u->op.task, hash_password);
}

/* False when the operation was answered. */
static bool hash_done(struct user_op *u)
{
    if (u->op.task.job_refused || !u->hashed) {
        op_finish(&u->op, ERR_SERVER_ERROR, "busy");
        return false;
    }
    return true;
}

/* After the last transaction of any of these. */
static void written(struct user_op *u)
{
    struct store_req *req = u->op.task.req;
    if (req->error == ERR_CONFLICT && (int)req->failed_step == u->missing_step) {
        op_finish(&u->op, ERR_NOT_FOUND, "unknown_principal");
        return;
    }
    if (req->error != ERR_NONE) {
        op_finish_store(&u->op);
        return;
    }
    identity_changed(u->op.task.home, u->op.result.principal);
    if (u->made) {
        u->op.result.secret = span_of(u->password, u->password_len);
    }
    op_finish_ok(&u->op);
}

static struct store_req *write_begin(struct user_op *u, unsigned steps, int missing_step)
{
    u->step = USER_WRITTEN;
    u->missing_step = missing_step;
    return task_req(&u->op.task, steps);
}

/* --- user_add, first_admin --- */

static void put_roles(struct user_op *u, unsigned step, int64_t now)
{
    struct store_req *req = u->op.task.req;
    store_step_init(req, step, QUERY_BINDING_INSERT, (unsigned)__builtin_popcount(u->roles));
    char id[UUID_TEXT_LEN + 1];
    uuid_format(u->op.result.principal, id);
    unsigned set = 0;
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        if ((u->roles & (1u << r)) != 0) {
            store_set_text(req, step, set, 0, span_str(id));
            store_set_text(req, step, set, 1, span_str(role_name((enum role)r)));
            store_set_text(req, step, set, 2, SPAN("global"));
            store_set_text(req, step, set, 3, SPAN(""));
            store_set_int(req, step, set++, 4, now);
        }
    }
}

static void insert_user(struct user_op *u)
{
    struct home *h = u->op.task.home;
    int64_t now = clock_wall_ms(h->clock);
    uuid id = home_new_id(h);
    u->op.result.principal = id;
    struct store_req *req = write_begin(u, u->roles == 0 ? 2 : 3, -1);
    store_step_init(req, 0, QUERY_PRINCIPAL_INSERT, 1);
    op_set_uuid(&u->op, 0, 0, id);
    store_set_text(req, 0, 0, 1, SPAN(""));
    op_set_uuid(&u->op, 0, 2, id);
    store_set_text(req, 0, 0, 3, SPAN("user"));
    store_set_text(req, 0, 0, 4, span_str(u->username));
    store_set_text(req, 0, 0, 5, SPAN("active"));
    store_set_int(req, 0, 0, 6, now);
    store_step_init(req, 1, QUERY_USER_INSERT, 1);
    op_set_uuid(&u->op, 1, 0, id);
    store_set_text(req, 1, 0, 1, span_str(u->username));
    store_set_text(req, 1, 0, 2, span_str(u->encoded));
    store_set_int(req, 1, 0, 3, now);
    if (u->roles != 0) {
        put_roles(u, 2, now);
    }
    task_store(&u->op.task);
}

static void on_add(struct task *t)
{
    struct user_op *u = OP_OF(t, struct user_op);
    if (u->step == USER_WRITTEN) {
        written(u);
    } else if (u->step == USER_HASHED) {
        if (hash_done(u)) {
            insert_user(u);
        }
    } else if (u->op.result.error != ERR_NONE) {
        op_finish(&u->op, u->op.result.error, u->op.result.reason);
    } else {
        if (u->password_len == 0) {
            make_password(u);
        }
        hash(u);
    }
}

static void reject(struct user_op *u, const char *reason)
{
    u->op.result.error = ERR_INVALID_REQUEST;
    u->op.result.reason = reason;
}

void identity_user_add(struct home *h, span username, span password, const enum role *roles,
                       unsigned role_count, identity_done done, void *owner)
{
    struct user_op *u = op_new(h, sizeof *u, on_add, done, owner);
    for (unsigned i = 0; i < role_count; i++) {
        u->roles |= 1u << roles[i];
    }
    if (!username_fits(username)) {
        reject(u, "username");
    } else if (password.len > 0 && !password_fits(password)) {
        reject(u, "password_length");
    } else {
        set_username(u, username);
        set_password(u, password);
    }
}

static void on_first(struct task *t)
{
    struct user_op *u = OP_OF(t, struct user_op);
    switch (u->step) {
    case USER_BEGIN:
        u->step = USER_READ;
        store_step_init(task_req(t, 1), 0, QUERY_USER_COUNT_ADMINS, 1);
        task_store(t);
        return;
    case USER_READ:
        if (t->req->error != ERR_NONE) {
            op_finish_store(&u->op);
        } else if (store_int(store_cell(t->req, 0, 0, 0)) > 0) {
            op_finish_ok(&u->op);
        } else {
            make_password(u);
            hash(u);
        }
        return;
    case USER_HASHED:
        if (hash_done(u)) {
            insert_user(u);
        }
        return;
    case USER_WRITTEN:
        if (t->req->error == ERR_STORE_CONSTRAINT && ++u->tries < FIRST_NAMES_MAX) {
            char name[16];
            int len = snprintf(name, sizeof name, "admin%u", u->tries + 1);
            set_username(u, span_of(name, (size_t)len));
            insert_user(u);
        } else {
            written(u);
        }
        return;
    }
}

void identity_first_admin(struct home *h, identity_done done, void *owner)
{
    struct user_op *u = op_new(h, sizeof *u, on_first, done, owner);
    set_username(u, SPAN("admin"));
    u->roles = 1u << ROLE_ADMIN;
}

/* --- set_password, revoke_tokens --- */

/* Steps from `at` on: what was made before now ends. A millisecond more, so that what was made in
 * this very one ends too. */
static void put_revoke(struct user_op *u, unsigned at, int64_t now)
{
    struct store_req *req = u->op.task.req;
    store_step_init(req, at, QUERY_PRINCIPAL_REVOKE_TOKENS, 1);
    op_set_uuid(&u->op, at, 0, u->op.result.principal);
    store_set_int(req, at, 0, 1, now + 1);
    store_set_int(req, at, 0, 2, now);
    store_step_init(req, at + 1, QUERY_REFRESH_REVOKE_ALL, 1);
    op_set_uuid(&u->op, at + 1, 0, u->op.result.principal);
    store_set_int(req, at + 1, 0, 1, now);
    store_step_init(req, at + 2, QUERY_SESSION_DELETE_ALL, 1);
    op_set_uuid(&u->op, at + 2, 0, u->op.result.principal);
}

static void on_set_password(struct task *t)
{
    struct user_op *u = OP_OF(t, struct user_op);
    if (u->step == USER_WRITTEN) {
        written(u);
        return;
    }
    if (u->step == USER_BEGIN) {
        if (u->op.result.error != ERR_NONE) {
            op_finish(&u->op, u->op.result.error, u->op.result.reason);
        } else {
            hash(u);
        }
        return;
    }
    if (!hash_done(u)) {
        return;
    }
    int64_t now = clock_wall_ms(t->home->clock);
    struct store_req *req = write_begin(u, 4, 0);
    store_step_init(req, 0, QUERY_USER_SET_PASSWORD, 1);
    req->steps[0].expect = STORE_SOME;
    op_set_uuid(&u->op, 0, 0, u->op.result.principal);
    store_set_text(req, 0, 0, 1, span_str(u->encoded));
    store_set_int(req, 0, 0, 2, now);
    put_revoke(u, 1, now);
    task_store(t);
}

void identity_set_password(struct home *h, uuid principal, span password, identity_done done,
                           void *owner)
{
    struct user_op *u = op_new(h, sizeof *u, on_set_password, done, owner);
    u->op.result.principal = principal;
    if (password_fits(password)) {
        set_password(u, password);
    } else {
        reject(u, "password_length");
    }
}

static void on_revoke(struct task *t)
{
    struct user_op *u = OP_OF(t, struct user_op);
    if (u->step == USER_WRITTEN) {
        written(u);
        return;
    }
    struct store_req *req = write_begin(u, 4, 0);
    store_step_init(req, 0, QUERY_PRINCIPAL_GET, 1);
    req->steps[0].expect = STORE_SOME;
    op_set_uuid(&u->op, 0, 0, u->op.result.principal);
    put_revoke(u, 1, clock_wall_ms(t->home->clock));
    task_store(t);
}

void identity_revoke_tokens(struct home *h, uuid principal, identity_done done, void *owner)
{
    struct user_op *u = op_new(h, sizeof *u, on_revoke, done, owner);
    u->op.result.principal = principal;
}
