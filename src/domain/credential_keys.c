/* Device keys: made, rotated, revoked, listed. The key is in the answer only; SHA-256 is kept.
 * Each change and its audit row are one transaction. */
#include "domain/identity_op.h"

#include <string.h>

#define NAME_BYTES_MAX 100
#define KEY_ROWS_MAX 100 /* of a list; the revoked ones of years are not worth more */

struct key_op {
    struct op op;
    bool begun;
    bool rotate;
    bool too_long;
    struct actor who;
    span name;
    uuid key_id;
    char key[DEVICE_KEY_LEN + 1];
    struct key_row rows[KEY_ROWS_MAX];
};

static bool begin(struct key_op *k)
{
    bool first = !k->begun;
    k->begun = true;
    return first;
}

/* Tells of every key that a step ended: rows of id and hash. */
static void tell_ended(struct key_op *k, unsigned step)
{
    const struct store_req *req = k->op.task.req;
    for (unsigned row = 0; row < req->steps[step].row_count; row++) {
        span hash = store_text(store_cell(req, step, row, 1));
        uuid id;
        if (hash.len == HASH_BYTES && op_cell_uuid(&k->op, step, row, 0, &id)) {
            proof_revoked(k->op.task.home, hash.ptr, k->op.result.principal, id);
        }
    }
}

static void insert_key(struct key_op *k)
{
    struct op *o = &k->op;
    struct home *h = o->task.home;
    int64_t now = clock_wall_ms(h->clock);
    uint8_t hash[HASH_BYTES];
    identity_key_generate(h, k->key, hash);
    o->result.credential = home_new_id(h);
    struct store_req *req = task_req(&o->task, 3);
    if (k->rotate) {
        store_step_init(req, 0, QUERY_CREDENTIAL_END_OLD, 1);
        op_set_uuid(o, 0, 0, o->result.principal);
        store_set_int(req, 0, 0, 1, now);
    } else {
        store_step_init(req, 0, QUERY_CREDENTIAL_SECOND, 1);
        req->steps[0].expect = STORE_NO_ROW;
        op_set_uuid(o, 0, 0, o->result.principal);
    }
    store_step_init(req, 1, QUERY_CREDENTIAL_INSERT, 1);
    op_set_uuid(o, 1, 0, o->result.credential);
    op_set_uuid(o, 1, 1, o->result.principal);
    store_set_text(req, 1, 0, 2, SPAN("device_key"));
    store_set_blob(req, 1, 0, 3, span_of(hash, sizeof hash));
    store_set_text(req, 1, 0, 4, k->name);
    store_set_int(req, 1, 0, 8, now);
    op_audit(o, 2, &k->who, k->rotate ? "device.key.rotate" : "device.key.create", "device",
             o->result.principal);
    task_store(&o->task);
}

static void on_make(struct task *t)
{
    struct key_op *k = OP_OF(t, struct key_op);
    if (k->too_long) {
        op_finish(&k->op, ERR_INVALID_REQUEST, "name");
    } else if (begin(k)) {
        insert_key(k);
    } else if (t->req->error == ERR_STORE_CONSTRAINT) {
        op_finish(&k->op, ERR_NOT_FOUND, "unknown_principal");
    } else if (t->req->error != ERR_NONE) {
        op_finish_store(&k->op);
    } else {
        if (k->rotate) {
            tell_ended(k, 0);
        }
        k->op.result.secret = span_str(k->key);
        op_finish_ok(&k->op);
    }
}

static void make(struct home *h, uuid device, span name, bool rotate, const struct actor *who,
                 identity_done done, void *owner)
{
    struct key_op *k = op_new(h, sizeof *k, on_make, done, owner);
    k->op.result.principal = device;
    k->too_long = name.len > NAME_BYTES_MAX;
    k->name = arena_dup(&k->op.arena, span_slice(name, 0, NAME_BYTES_MAX));
    k->rotate = rotate;
    k->who = op_actor(&k->op, who);
}

void identity_key_make(struct home *h, uuid device, span name, const struct actor *who,
                       identity_done done, void *owner)
{
    make(h, device, name, false, who, done, owner);
}

void identity_key_rotate(struct home *h, uuid device, span name, const struct actor *who,
                         identity_done done, void *owner)
{
    make(h, device, name, true, who, done, owner);
}

static void on_revoke(struct task *t)
{
    struct key_op *k = OP_OF(t, struct key_op);
    if (begin(k)) {
        struct store_req *req = task_req(t, 2);
        store_step_init(req, 0, QUERY_CREDENTIAL_END, 1);
        req->steps[0].expect = STORE_SOME;
        op_set_uuid(&k->op, 0, 0, k->key_id);
        op_set_uuid(&k->op, 0, 1, k->op.result.principal);
        store_set_int(req, 0, 0, 2, clock_wall_ms(t->home->clock));
        op_audit(&k->op, 1, &k->who, "device.key.revoke", "device", k->op.result.principal);
        task_store(t);
    } else if (t->req->error == ERR_CONFLICT) {
        op_finish(&k->op, ERR_NOT_FOUND, "unknown_key");
    } else if (t->req->error != ERR_NONE) {
        op_finish_store(&k->op);
    } else {
        tell_ended(k, 0);
        op_finish_ok(&k->op);
    }
}

void identity_key_revoke(struct home *h, uuid device, uuid key, const struct actor *who,
                         identity_done done, void *owner)
{
    struct key_op *k = op_new(h, sizeof *k, on_revoke, done, owner);
    k->op.result.principal = device;
    k->op.result.credential = key;
    k->key_id = key;
    k->who = op_actor(&k->op, who);
}

static void on_list(struct task *t)
{
    struct key_op *k = OP_OF(t, struct key_op);
    if (begin(k)) {
        struct store_req *req = task_req(t, 1);
        store_step_init(req, 0, QUERY_CREDENTIAL_LIST, 1);
        op_set_uuid(&k->op, 0, 0, k->op.result.principal);
        task_store(t);
        return;
    }
    struct store_req *req = t->req;
    if (req->error != ERR_NONE) {
        op_finish_store(&k->op);
        return;
    }
    unsigned rows = req->steps[0].row_count;
    unsigned first = rows > KEY_ROWS_MAX ? rows - KEY_ROWS_MAX : 0;
    for (unsigned row = first; row < rows; row++) {
        struct key_row *out = &k->rows[k->op.result.count];
        if (!span_eq(store_text(store_cell(req, 0, row, 2)), SPAN("device_key")) ||
            !op_cell_uuid(&k->op, 0, row, 0, &out->id)) {
            continue;
        }
        out->name = store_text(store_cell(req, 0, row, 3));
        out->revoked_ms = store_int(store_cell(req, 0, row, 7));
        out->created_ms = store_int(store_cell(req, 0, row, 8));
        k->op.result.count++;
    }
    k->op.result.keys = k->rows;
    k->op.result.more = first > 0;
    op_finish_ok(&k->op);
}

void identity_key_list(struct home *h, uuid device, identity_done done, void *owner)
{
    struct key_op *k = op_new(h, sizeof *k, on_list, done, owner);
    k->op.result.principal = device;
}
