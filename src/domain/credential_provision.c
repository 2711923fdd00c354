/* Provisioning keys: made, listed, revoked. Each pays for so many new devices (device_ops.c) and
 * may do nothing else; the key is in the answer only, SHA-256 is kept. */
#include "domain/identity_op.h"

#include "base/mem.h"

#define NAME_BYTES_MAX 100
#define ROWS_MAX 200 /* of a page */

struct provision_op {
    struct op op;
    bool begun;
    struct actor who;
    span name;
    int64_t uses;
    int64_t expires_ms;
    uuid after;
    unsigned limit;
    char key[DEVICE_KEY_LEN + 1];
    struct key_row rows[ROWS_MAX];
};

struct grant *provision_grant(uuid key, int64_t issued_ms, int64_t expires_ms)
{
    struct grant *g = mem_calloc(1, sizeof *g);
    g->principal = key;
    g->kind = PRINCIPAL_PROVISIONER;
    g->proof = PROOF_PROVISION;
    g->credential = key;
    g->issued_ms = issued_ms;
    g->expires_ms = expires_ms;
    return g;
}

static struct provision_op *start(struct home *h, void (*resume)(struct task *t),
                                  const struct actor *who, identity_done done, void *owner)
{
    struct provision_op *p = op_new(h, sizeof *p, resume, done, owner);
    if (who != NULL) {
        p->who = op_actor(&p->op, who);
    }
    return p;
}

static bool begin(struct provision_op *p)
{
    bool first = !p->begun;
    p->begun = true;
    return first;
}

static void audit(struct provision_op *p, unsigned step, const char *action, uuid key)
{
    op_audit(&p->op, step, &p->who, action, "provisioning_key", key);
}

/* --- make --- */

static void insert(struct provision_op *p)
{
    struct op *o = &p->op;
    struct home *h = o->task.home;
    uint8_t hash[HASH_BYTES];
    secret_make(h, KEY_PREFIX_PROVISION, p->key, hash);
    o->result.credential = home_new_id(h);
    struct store_req *req = task_req(&o->task, 2);
    store_step_init(req, 0, QUERY_CREDENTIAL_INSERT, 1);
    op_set_uuid(o, 0, 0, o->result.credential);
    op_set_uuid(o, 0, 1, p->who.id);
    store_set_text(req, 0, 0, 2, SPAN("provisioning_key"));
    store_set_blob(req, 0, 0, 3, span_of(hash, sizeof hash));
    store_set_text(req, 0, 0, 4, p->name);
    store_set_int(req, 0, 0, 6, p->uses);
    store_set_int(req, 0, 0, 7, p->expires_ms);
    store_set_int(req, 0, 0, 8, clock_wall_ms(h->clock));
    audit(p, 1, "provisioning_key.create", o->result.credential);
    task_store(&o->task);
}

static void on_make(struct task *t)
{
    struct provision_op *p = OP_OF(t, struct provision_op);
    if (begin(p)) {
        if (p->name.len > NAME_BYTES_MAX) {
            op_finish(&p->op, ERR_INVALID_REQUEST, "name");
        } else if (p->uses < 1 || p->uses > PROVISION_USES_MAX) {
            op_finish(&p->op, ERR_INVALID_REQUEST, "uses");
        } else if (p->expires_ms <= clock_wall_ms(t->home->clock)) {
            op_finish(&p->op, ERR_INVALID_REQUEST, "expires_at");
        } else {
            insert(p);
        }
    } else if (t->req->error == ERR_STORE_CONSTRAINT) {
        op_finish(&p->op, ERR_NOT_FOUND, "unknown_principal");
    } else if (t->req->error != ERR_NONE) {
        op_finish_store(&p->op);
    } else {
        p->op.result.secret = span_str(p->key);
        op_finish_ok(&p->op);
    }
}

void identity_provision_make(struct home *h, const struct provision_args *in,
                             const struct actor *who, identity_done done, void *owner)
{
    struct provision_op *p = start(h, on_make, who, done, owner);
    p->name = arena_dup(&p->op.arena, span_slice(in->name, 0, NAME_BYTES_MAX + 1));
    p->uses = in->uses;
    p->expires_ms = in->expires_ms;
}

/* --- list --- */

static void take_row(struct provision_op *p, unsigned row)
{
    const struct store_req *req = p->op.task.req;
    struct key_row *out = &p->rows[p->op.result.count];
    if (!op_cell_uuid(&p->op, 0, row, 0, &out->id)) {
        return;
    }
    out->name = store_text(store_cell(req, 0, row, 1));
    out->uses_left = store_int(store_cell(req, 0, row, 2));
    out->expires_ms = store_int(store_cell(req, 0, row, 3));
    out->revoked_ms = store_int(store_cell(req, 0, row, 4));
    out->created_ms = store_int(store_cell(req, 0, row, 5));
    out->used_ms = store_int(store_cell(req, 0, row, 6));
    p->op.result.count++;
}

static void on_list(struct task *t)
{
    struct provision_op *p = OP_OF(t, struct provision_op);
    if (begin(p)) {
        struct store_req *req = task_req(t, 1);
        store_step_init(req, 0, QUERY_PROVISION_LIST, 1);
        op_set_uuid(&p->op, 0, 0, p->after);
        store_set_int(req, 0, 0, 1, (int64_t)p->limit + 1);
        task_store(t);
        return;
    }
    if (t->req->error != ERR_NONE) {
        op_finish_store(&p->op);
        return;
    }
    unsigned rows = t->req->steps[0].row_count;
    for (unsigned row = 0; row < rows && row < p->limit; row++) {
        take_row(p, row);
    }
    p->op.result.keys = p->rows;
    p->op.result.more = rows > p->limit;
    op_finish_ok(&p->op);
}

void identity_provision_list(struct home *h, uuid after, unsigned limit, identity_done done,
                             void *owner)
{
    struct provision_op *p = start(h, on_list, NULL, done, owner);
    p->after = after;
    p->limit = limit < ROWS_MAX ? limit : ROWS_MAX;
}

/* --- revoke --- */

static void on_revoke(struct task *t)
{
    struct provision_op *p = OP_OF(t, struct provision_op);
    uuid key = p->op.result.credential;
    if (begin(p)) {
        struct store_req *req = task_req(t, 2);
        store_step_init(req, 0, QUERY_PROVISION_END, 1);
        req->steps[0].expect = STORE_SOME;
        op_set_uuid(&p->op, 0, 0, key);
        store_set_int(req, 0, 0, 1, clock_wall_ms(t->home->clock));
        audit(p, 1, "provisioning_key.revoke", key);
        task_store(t);
    } else if (t->req->error == ERR_CONFLICT) {
        op_finish(&p->op, ERR_NOT_FOUND, "unknown_key");
    } else if (t->req->error != ERR_NONE) {
        op_finish_store(&p->op);
    } else {
        span hash = store_text(store_cell(t->req, 0, 0, 0));
        ASSERT(hash.len == HASH_BYTES);
        proof_revoked(t->home, hash.ptr, key, key);
        op_finish_ok(&p->op);
    }
}

void identity_provision_revoke(struct home *h, uuid key, const struct actor *who,
                               identity_done done, void *owner)
{
    struct provision_op *p = start(h, on_revoke, who, done, owner);
    p->op.result.credential = key;
}
