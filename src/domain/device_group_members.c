/*
 * Members of groups. Who has a role in the group is read in the transaction of the change: what
 * is bound before it is told, what is bound after it sees the members as they are by then.
 */
#include "domain/device_group_internal.h"

#include "base/buf.h"

/* Steps of a request; removing has the first four. */
enum { FIND, CHANGE, AUDIT, PRINCIPALS, BEYOND, FULL, STEPS };

void group_principals_step(struct store_req *req, unsigned step, uuid group)
{
    store_step_init(req, step, QUERY_BINDING_OF_GROUP, 1);
    group_set_uuid(req, step, 0, 0, group);
    req->row_max += SCOPE_BINDINGS_MAX;
}

struct echo {
    struct mail mail;
    struct group_op *op;
    struct home *at;
};

static void on_back(struct mail *m)
{
    struct group_op *o = CONTAINER_OF(m, struct echo, mail)->op;
    if (--o->waiting == 0) {
        group_op_end(o, &(struct group_result){.changed = o->changed});
    }
}

/* At each home, behind identity_changed: mail keeps its order. */
static void on_there(struct mail *m)
{
    struct echo *e = CONTAINER_OF(m, struct echo, mail);
    m->run = on_back;
    post_mail(e->at->post, e->op->home->index, m);
}

void group_settle(struct group_op *o, unsigned step)
{
    struct home *h = o->home;
    const struct store_req *req = o->req;
    ASSERT(!req->more); /* SCOPE_BINDINGS_MAX, kept by identity_bind */
    for (unsigned i = 0; i < req->steps[step].row_count; i++) {
        uuid principal;
        if (uuid_parse(store_text(store_cell(req, step, i, 0)), &principal)) {
            identity_changed(h, principal);
        }
    }
    struct echo *echoes = ARENA_ARRAY(&o->req->arena, struct echo, h->count);
    o->waiting = h->count;
    for (unsigned i = 0; i < h->count; i++) {
        echoes[i] = (struct echo){.mail.run = on_there, .op = o, .at = h->peers[i]};
        post_mail(h->post, i, &echoes[i].mail);
    }
}

static err error_of(const struct store_req *req, const char **why)
{
    if (req->error == ERR_STORE_CONSTRAINT) {
        return ERR_DEVICE_NOT_FOUND;
    }
    if (req->error != ERR_CONFLICT) {
        return req->error;
    }
    switch (req->failed_step) {
    case FIND:
        return ERR_NOT_FOUND;
    case BEYOND:
        *why = "somebody has a role in this group that you may not give";
        return ERR_PERMISSION_DENIED;
    default:
        *why = "a group has at most 10000 devices";
        return ERR_CONFLICT;
    }
}

static void changed(struct store_req *req)
{
    struct group_op *o = req->owner;
    const char *why = NULL;
    err error = error_of(req, &why);
    if (error != ERR_NONE) {
        group_op_fail(o, error, why);
        return;
    }
    o->changed = req->steps[CHANGE].change_count;
    if (o->changed > 0) {
        group_settle(o, PRINCIPALS);
    } else {
        group_op_end(o, &(struct group_result){0});
    }
}

/* A row a device: its id stands behind the group's. */
static void audit_devices(struct group_op *o, const struct group_devices *in,
                          const struct actor *who)
{
    audit_steps(o->req, AUDIT, in->count);
    for (unsigned i = 0; i < in->count; i++) {
        char target[2 * UUID_TEXT_LEN + 2];
        uuid_format(in->group, target);
        target[UUID_TEXT_LEN] = '/';
        uuid_format(in->devices[i], target + UUID_TEXT_LEN + 1);
        audit_set(o->home, o->req, AUDIT, i,
                  &(struct audit_entry){.who = who,
                                        .action = o->removing ? "group.remove" : "group.add",
                                        .target_kind = "group_device",
                                        .target = span_str(target)});
    }
}

static struct group_op *change(struct home *h, bool removing, const struct group_devices *in,
                               const struct actor *who, group_done done, void *owner)
{
    ASSERT(in->count >= 1 && in->count <= GROUP_BATCH_MAX);
    struct group_op *o = group_op_new(h, removing ? BEYOND : STEPS, changed, done, owner);
    o->removing = removing;
    store_step_init(o->req, FIND, QUERY_GROUP_GET, 1);
    o->req->steps[FIND].expect = STORE_SOME;
    group_set_uuid(o->req, FIND, 0, 0, in->group);
    store_step_init(o->req, CHANGE,
                    removing ? QUERY_GROUP_MEMBER_DELETE : QUERY_GROUP_MEMBER_INSERT, in->count);
    for (unsigned i = 0; i < in->count; i++) {
        group_set_uuid(o->req, CHANGE, i, 0, in->group);
        group_set_uuid(o->req, CHANGE, i, 1, in->devices[i]);
        if (!removing) {
            store_set_int(o->req, CHANGE, i, 2, clock_wall_ms(h->clock));
        }
    }
    audit_devices(o, in, who);
    group_principals_step(o->req, PRINCIPALS, in->group);
    return o;
}

/* ",operator,viewer,": what BINDING_BEYOND looks a role up in. */
static span roles_text(struct arena *arena, uint32_t roles)
{
    buf text = {0};
    buf_append_byte(&text, ',');
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        if ((roles & (1u << r)) != 0) {
            buf_append_str(&text, role_name((enum role)r));
            buf_append_byte(&text, ',');
        }
    }
    span kept = arena_dup(arena, buf_span(&text));
    buf_deinit(&text);
    return kept;
}

void group_add(struct home *h, const struct group_devices *in, const struct actor *who,
               group_done done, void *owner)
{
    struct group_op *o = change(h, false, in, who, done, owner);
    store_step_init(o->req, BEYOND, QUERY_BINDING_BEYOND, 1);
    o->req->steps[BEYOND].expect = STORE_NO_ROW;
    group_set_uuid(o->req, BEYOND, 0, 0, in->group);
    store_set_text(o->req, BEYOND, 0, 1, roles_text(&o->req->arena, in->may_give));
    store_step_init(o->req, FULL, QUERY_GROUP_MEMBER_BEYOND, 1);
    o->req->steps[FULL].expect = STORE_NO_ROW;
    group_set_uuid(o->req, FULL, 0, 0, in->group);
    store_set_int(o->req, FULL, 0, 1, GROUP_DEVICES_MAX);
    group_op_submit(o);
}

void group_remove(struct home *h, const struct group_devices *in, const struct actor *who,
                  group_done done, void *owner)
{
    group_op_submit(change(h, true, in, who, done, owner));
}
