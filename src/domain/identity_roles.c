/* Status, role bindings, and lists of users: one store request each. */
#include "domain/identity_op.h"

#include <stdio.h>
#include <string.h>

#define LIST_MAX 200

struct role_op {
    struct op op;
    bool begun;
    bool active;
    enum role role;
    struct scope scope;
    unsigned limit;
    span name;
    int missing_step;
    int scope_step; /* fails when there is no such group or home room, or it is full; -1: none */
    struct user_row users[LIST_MAX];
};

static const char *const scopes[] = {"global", "device", "device_group", "home_room", "chat_room"};

/* The answer to a change of a principal. */
static void changed(struct role_op *r)
{
    struct store_req *req = r->op.task.req;
    bool missing = (req->error == ERR_CONFLICT && (int)req->failed_step == r->missing_step) ||
                   req->error == ERR_STORE_CONSTRAINT; /* a binding of nobody */
    if (missing) {
        op_finish(&r->op, ERR_NOT_FOUND, "unknown_principal");
    } else if (req->error == ERR_CONFLICT && (int)req->failed_step == r->scope_step) {
        op_finish(&r->op, ERR_NOT_FOUND,
                  r->scope.kind == SCOPE_HOME_ROOM ? "unknown_room" : "unknown_group");
    } else if (req->error == ERR_CONFLICT) {
        op_finish(&r->op, ERR_CONFLICT, "last_admin");
    } else if (req->error != ERR_NONE) {
        op_finish_store(&r->op);
    } else {
        identity_changed(r->op.task.home, r->op.result.principal);
        op_finish_ok(&r->op);
    }
}

/* False the second time, when the request was answered. */
static bool begin(struct role_op *r)
{
    bool first = !r->begun;
    r->begun = true;
    return first;
}

/* Step 0: fails when the principal is the only active admin. */
static void put_guard(struct role_op *r)
{
    store_step_init(r->op.task.req, 0, QUERY_ADMIN_OTHER, 1);
    r->op.task.req->steps[0].expect = STORE_SOME;
    op_set_uuid(&r->op, 0, 0, r->op.result.principal);
}

static void on_set_active(struct task *t)
{
    struct role_op *r = OP_OF(t, struct role_op);
    if (!begin(r)) {
        changed(r);
        return;
    }
    unsigned at = r->active ? 0 : 1;
    struct store_req *req = task_req(t, at + 1);
    if (!r->active) {
        put_guard(r);
    }
    r->missing_step = (int)at;
    store_step_init(req, at, QUERY_PRINCIPAL_SET_STATUS, 1);
    req->steps[at].expect = STORE_SOME;
    op_set_uuid(&r->op, at, 0, r->op.result.principal);
    store_set_text(req, at, 0, 1, r->active ? SPAN("active") : SPAN("disabled"));
    store_set_int(req, at, 0, 2, clock_wall_ms(t->home->clock));
    task_store(t);
}

void identity_set_active(struct home *h, uuid principal, bool active, identity_done done,
                         void *owner)
{
    struct role_op *r = op_new(h, sizeof *r, on_set_active, done, owner);
    r->op.result.principal = principal;
    r->scope_step = -1;
    r->active = active;
}

/* A home room's id stands there as its decimal digits. */
static void set_scope_id(struct role_op *r, unsigned step, unsigned param)
{
    struct store_req *req = r->op.task.req;
    if (r->scope.kind == SCOPE_GLOBAL) {
        store_set_text(req, step, 0, param, SPAN(""));
    } else if (r->scope.kind == SCOPE_HOME_ROOM) {
        char text[24];
        int len = snprintf(text, sizeof text, "%lld", (long long)scope_room_of(r->scope));
        store_set_text(req, step, 0, param, span_of(text, (size_t)len));
    } else {
        op_set_uuid(&r->op, step, param, r->scope.id);
    }
}

static void put_binding(struct role_op *r, unsigned step)
{
    struct store_req *req = r->op.task.req;
    op_set_uuid(&r->op, step, 0, r->op.result.principal);
    store_set_text(req, step, 0, 1, span_str(role_name(r->role)));
    store_set_text(req, step, 0, 2, span_str(scopes[r->scope.kind]));
    set_scope_id(r, step, 3);
}

/* Step 0: fails unless the group or the home room is there and may have another binding. */
static void put_scope_guard(struct role_op *r)
{
    struct store_req *req = r->op.task.req;
    bool room = r->scope.kind == SCOPE_HOME_ROOM;
    store_step_init(req, 0, room ? QUERY_BINDING_HOME_FREE : QUERY_BINDING_GROUP_ROOM, 1);
    req->steps[0].expect = STORE_SOME;
    if (room) {
        store_set_int(req, 0, 0, 0, scope_room_of(r->scope));
    }
    set_scope_id(r, 0, room);
    store_set_int(req, 0, 0, room + 1u, SCOPE_BINDINGS_MAX);
    r->scope_step = 0;
}

static void on_bind(struct task *t)
{
    struct role_op *r = OP_OF(t, struct role_op);
    if (!begin(r)) {
        changed(r);
        return;
    }
    unsigned at = r->scope.kind == SCOPE_DEVICE_GROUP || r->scope.kind == SCOPE_HOME_ROOM;
    (void)task_req(t, at + 1);
    if (at == 1) {
        put_scope_guard(r);
    }
    store_step_init(t->req, at, QUERY_BINDING_INSERT, 1);
    put_binding(r, at);
    store_set_int(t->req, at, 0, 4, clock_wall_ms(t->home->clock));
    task_store(t);
}

static struct role_op *binding_op(struct home *h, void (*resume)(struct task *), uuid principal,
                                  enum role role, struct scope scope, identity_done done,
                                  void *owner)
{
    struct role_op *r = op_new(h, sizeof *r, resume, done, owner);
    r->op.result.principal = principal;
    r->role = role;
    r->scope = scope;
    r->missing_step = -1;
    r->scope_step = -1;
    return r;
}

void identity_bind(struct home *h, uuid principal, enum role role, struct scope scope,
                   identity_done done, void *owner)
{
    (void)binding_op(h, on_bind, principal, role, scope, done, owner);
}

static void on_unbind(struct task *t)
{
    struct role_op *r = OP_OF(t, struct role_op);
    if (!begin(r)) {
        changed(r);
        return;
    }
    unsigned at = r->role == ROLE_ADMIN && r->scope.kind == SCOPE_GLOBAL;
    (void)task_req(t, at + 1);
    if (at == 1) {
        put_guard(r);
    }
    store_step_init(t->req, at, QUERY_BINDING_DELETE, 1);
    put_binding(r, at);
    task_store(t);
}

void identity_unbind(struct home *h, uuid principal, enum role role, struct scope scope,
                     identity_done done, void *owner)
{
    (void)binding_op(h, on_unbind, principal, role, scope, done, owner);
}

/* --- lists --- */

static void read_user(const struct op *o, unsigned row, struct user_row *out)
{
    const struct store_req *req = o->task.req;
    (void)op_cell_uuid(o, 0, row, 0, &out->principal);
    out->username = store_text(store_cell(req, 0, row, 1));
    out->display_name = store_text(store_cell(req, 0, row, 3));
    out->active = span_eq(store_text(store_cell(req, 0, row, 4)), SPAN("active"));
    out->created_ms = store_int(store_cell(req, 0, row, 6));
    out->last_login_ms = store_int(store_cell(req, 0, row, 7));
}

/* A role as people name it: "viewer@room:7". */
static void put_role(const struct store_req *req, unsigned row, buf *out)
{
    span kind = store_text(store_cell(req, 1, row, 2));
    span id = store_text(store_cell(req, 1, row, 3));
    const char *as = span_eq(kind, SPAN("device_group")) ? "group"
                     : span_eq(kind, SPAN("home_room"))  ? "room"
                                                         : NULL;
    buf_append_str(out, out->len > 0 ? "," : "");
    buf_append_span(out, store_text(store_cell(req, 1, row, 1)));
    if (id.len > 0) {
        buf_append_byte(out, '@');
        buf_append_span(out, as == NULL ? kind : span_str(as));
        buf_append_byte(out, ':');
        buf_append_span(out, id);
    }
}

/* Both steps list the users in one order. */
static void read_roles(struct role_op *r, unsigned count)
{
    const struct store_req *req = r->op.task.req;
    unsigned row = 0, rows = req->steps[1].row_count;
    for (unsigned i = 0; i < count; i++) {
        buf roles = {0};
        uuid id;
        while (row < rows && op_cell_uuid(&r->op, 1, row, 0, &id) &&
               uuid_eq(id, r->users[i].principal)) {
            put_role(req, row++, &roles);
        }
        if (row == rows && rows == USER_LIST_ROLES_MAX) {
            buf_append_str(&roles, "...");
        }
        r->users[i].roles = arena_dup(&r->op.arena, buf_span(&roles));
        buf_deinit(&roles);
    }
}

static void on_users(struct task *t)
{
    struct role_op *r = OP_OF(t, struct role_op);
    bool list = r->limit > 0;
    if (begin(r)) {
        struct store_req *req = task_req(t, list ? 2 : 1);
        store_step_init(req, 0, list ? QUERY_USER_LIST : QUERY_USER_BY_NAME, 1);
        store_set_text(req, 0, 0, 0, r->name);
        if (list) {
            store_set_int(req, 0, 0, 1, r->limit + 1);
            store_step_init(req, 1, QUERY_USER_LIST_ROLES, 1);
            store_set_text(req, 1, 0, 0, r->name);
            store_set_int(req, 1, 0, 1, r->limit + 1);
            store_set_int(req, 1, 0, 2, USER_LIST_ROLES_MAX);
        }
        task_store(t);
        return;
    }
    if (t->req->error != ERR_NONE) {
        op_finish_store(&r->op);
        return;
    }
    unsigned rows = t->req->steps[0].row_count;
    unsigned count = list && rows > r->limit ? r->limit : rows;
    for (unsigned row = 0; row < count; row++) {
        read_user(&r->op, row, &r->users[row]);
    }
    if (list) {
        read_roles(r, count);
    }
    r->op.result.users = r->users;
    r->op.result.count = count;
    r->op.result.more = rows > count;
    if (!list && count == 1) {
        r->op.result.principal = r->users[0].principal;
        r->op.result.username = r->users[0].username;
    }
    op_finish(&r->op, !list && count == 0 ? ERR_NOT_FOUND : ERR_NONE,
              !list && count == 0 ? "unknown_user" : NULL);
}

void identity_user_get(struct home *h, span username, identity_done done, void *owner)
{
    struct role_op *r = op_new(h, sizeof *r, on_users, done, owner);
    r->name = op_lower(&r->op.arena, span_slice(username, 0, USERNAME_BYTES_MAX + 1));
}

void identity_user_list(struct home *h, span after, unsigned limit, identity_done done,
                        void *owner)
{
    struct role_op *r = op_new(h, sizeof *r, on_users, done, owner);
    r->name = op_lower(&r->op.arena, span_slice(after, 0, USERNAME_BYTES_MAX + 1));
    r->limit = limit == 0 ? 1 : limit > LIST_MAX ? LIST_MAX : limit;
}
