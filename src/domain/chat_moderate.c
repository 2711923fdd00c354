/* Members that others bring in or remove. */
#include "domain/chat_internal.h"

#include "base/mem.h"
#include "shape/chat.h"

struct moderation {
    struct chat_change change; /* first */
    uuid principal;
    enum chat_role role;
    int64_t ban_s;
    span reason;
    struct chat_principal who; /* who comes in; the name in the ask's arena */
    struct chat_member_of made; /* as it will be; no name, in no map */
    uuid heir;                 /* who owns the room then; nil: nobody else */
    bool member;               /* it is one; else it is banned only */
};

static struct moderation *moderation_new(struct home *h, uuid room, uuid principal,
                                         void (*at_home)(struct chat_ask *, struct chat_room *),
                                         const struct chat_who *who, chat_done done, void *owner)
{
    struct moderation *x =
        chat_ask_new(h, sizeof(struct moderation), room, at_home, who, NULL, done, owner);
    x->principal = principal;
    x->change.ask.result.id = principal;
    return x;
}

static bool by_server(const struct chat_ask *a) { return uuid_is_nil(a->who.actor.id); }

static void result_member(struct chat_ask *a, struct chat_room *r, struct chat_member_of *m)
{
    buf json = {0};
    chat_member_json(r, m, &a->who, &json);
    a->result.json = chat_copy(a, buf_span(&json));
    buf_deinit(&json);
    chat_answer(a, ERR_NONE);
}

/* --- add --- */

enum { ADD_BAN, ADD_ROOMS, ADD_MEMBER, ADD_EVENT, ADD_AUDIT, ADD_STEPS };

static const char *add_refused(struct moderation *x, struct chat_room *r)
{
    struct chat_ask *a = &x->change.ask;
    const struct chat_member_of *me = chat_member(r, a->who.actor.id);
    bool moderates = by_server(a) || chat_moderates(a, r);
    bool staff = me != NULL && a->who.type != CHAT_GUEST && a->who.kind != PRINCIPAL_ROBOT;
    if (r->type == CHAT_DIRECT) {
        return "a direct room has its two people";
    }
    if (!moderates && !(staff && r->type != CHAT_PUBLIC)) {
        return "members bring people into group and support rooms, moderators into any";
    }
    if (x->role == CHAT_OWNER && !by_server(a) && !a->who.monitors) {
        return "a new member owns nothing";
    }
    return x->role == CHAT_MODERATOR && !moderates ? "moderators are made by moderators" : NULL;
}

static struct store_req *fill_add(struct chat_change *c, struct chat_room *r)
{
    struct moderation *x = (struct moderation *)c;
    struct chat_ask *a = &c->ask;
    struct home *h = r->chat->home;
    struct chat_member_of *m = chat_member(r, x->principal);
    const char *why = add_refused(x, r);
    bool moderates = by_server(a) || chat_moderates(a, r);
    if (why != NULL) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, why);
        return NULL;
    }
    if (m != NULL) {
        result_member(a, r, m);
        return NULL;
    }
    if (r->member_count >= h->conf->chat_room_members_max) {
        chat_refuse(a, ERR_CONFLICT, NULL, "the room is full");
        return NULL;
    }
    x->made = (struct chat_member_of){.principal = x->principal,
                                      .type = x->who.type,
                                      .role = x->role,
                                      .read_seq = r->last_seq,
                                      .delivered_seq = r->last_seq,
                                      .joined_ms = clock_wall_ms(h->clock)};
    struct store_req *req = store_req_new(h->index, ADD_STEPS, NULL, NULL);
    req->row_max = 2;
    if (moderates) { /* who may ban may think better of it */
        store_step_init(req, ADD_BAN, QUERY_CHAT_BAN_DELETE, 1);
    } else {
        store_step_init(req, ADD_BAN, QUERY_CHAT_BAN_HOLDS, 1);
        req->steps[ADD_BAN].expect = STORE_NO_ROW;
        store_set_int(req, ADD_BAN, 0, 2, x->made.joined_ms);
    }
    chat_set_uuid(req, ADD_BAN, 0, 0, r->id);
    chat_set_uuid(req, ADD_BAN, 0, 1, x->principal);
    chat_rooms_step(r->chat, req, ADD_ROOMS, r->type, &x->principal, 1);
    store_step_init(req, ADD_MEMBER, QUERY_CHAT_MEMBER_INSERT, 1);
    chat_set_member(req, ADD_MEMBER, 0, r, &x->made);
    chat_joined_step(r, req, ADD_EVENT, &x->made, &a->origin);
    chat_audit_step(r->chat, req, ADD_AUDIT, &a->who, "chat.member.add", r->id);
    return req;
}

static void committed_add(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    struct moderation *x = (struct moderation *)c;
    struct chat_member_of *m = chat_member_made(r, &x->who, &x->made);
    chat_publish(r->chat, r, req);
    c->ask.result.created = true;
    result_member(&c->ask, r, m);
    chat_spread_in(r, m->principal);
}

static void failed_add(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    (void)r;
    if (req->error == ERR_CONFLICT && req->failed_step == ADD_BAN) {
        chat_refuse(&c->ask, ERR_CONFLICT, NULL, "is banned from the room");
    } else if (req->error == ERR_CONFLICT && req->failed_step == ADD_ROOMS) {
        chat_refuse(&c->ask, ERR_CONFLICT, NULL, CHAT_ROOMS_FULL);
    } else if (req->error == ERR_STORE_CONSTRAINT) { /* deleted a moment ago */
        chat_refuse(&c->ask, ERR_INVALID_REQUEST, "userId", "is nobody who chats here");
    } else {
        chat_answer(&c->ask, req->error);
    }
}

static void principal_read(struct store_req *req)
{
    struct moderation *x = req->owner;
    struct chat_ask *a = &x->change.ask;
    struct chat_room *r = a->room;
    bool ok = req->error == ERR_NONE && chat_principal_row(req, 0, x->principal, &x->who);
    x->who.name = ok ? chat_copy(a, x->who.name) : SPAN_NONE;
    bool me = ok && uuid_eq(a->who.actor.id, x->principal);
    if (me) {
        x->who.type = a->who.type;
    }
    if (req->error != ERR_NONE) {
        chat_answer(a, req->error);
    } else if (!ok || x->who.type == CHAT_GUEST) {
        chat_refuse(a, ERR_INVALID_REQUEST, "userId",
                    ok ? "is a guest, who is invited" : "is nobody who chats here");
    } else {
        x->change.fill = fill_add;
        x->change.committed = committed_add;
        x->change.failed = failed_add;
        chat_change_run(&x->change, r);
    }
    store_req_free(req);
    chat_release(r);
}

static void at_home_add(struct chat_ask *a, struct chat_room *r)
{
    struct moderation *x = (struct moderation *)a;
    struct chat_member_of *me;
    if (by_server(a) && r == NULL) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
        return;
    }
    if (!by_server(a) && !chat_sees(a, r, &me)) {
        return;
    }
    struct home *h = r->chat->home;
    struct store_req *req = store_req_new(h->index, 1, principal_read, x);
    req->row_max = 1;
    chat_principals_step(req, 0, &x->principal, 1);
    a->room = r;
    chat_hold(r);
    h->store->submit(h->store, req);
}

void chat_member_add(struct home *h, uuid room, uuid principal, enum chat_role role,
                     const struct chat_who *who, chat_done done, void *owner)
{
    struct moderation *x = moderation_new(h, room, principal, at_home_add, who, done, owner);
    x->role = role;
    chat_ask_start(&x->change.ask);
}

/* --- remove --- */

enum { REMOVE_MEMBER, REMOVE_INVITATIONS, REMOVE_EVENT, REMOVE_AUDIT, REMOVE_BAN, REMOVE_HEIR };

/* NULL: it may be; else the ask was answered with why not. */
static bool removable(struct moderation *x, struct chat_room *r, const struct chat_member_of *m)
{
    struct chat_ask *a = &x->change.ask;
    struct chat_member_of *me;
    if (!by_server(a) && !chat_sees(a, r, &me)) {
        return false;
    }
    if (!by_server(a) && !chat_moderates(a, r)) {
        chat_answer(a, ERR_PERMISSION_DENIED);
    } else if (r->type == CHAT_DIRECT && !by_server(a)) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, "a direct room has its two people");
    } else if (m == NULL && x->ban_s == 0) {
        chat_answer(a, ERR_NOT_FOUND);
    } else if (m != NULL && m->role == CHAT_OWNER && !by_server(a) && !a->who.monitors) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, "the owner is removed by supervisors only");
    } else {
        return true;
    }
    return false;
}

static void store_ban(struct moderation *x, struct chat_room *r, struct store_req *req)
{
    struct chat_ask *a = &x->change.ask;
    int64_t now_ms = clock_wall_ms(r->chat->home->clock);
    store_step_init(req, REMOVE_BAN, QUERY_CHAT_BAN_PUT, 1);
    chat_set_uuid(req, REMOVE_BAN, 0, 0, r->id);
    chat_set_uuid(req, REMOVE_BAN, 0, 1, x->principal);
    if (x->ban_s > 0) {
        store_set_int(req, REMOVE_BAN, 0, 2, now_ms + x->ban_s * 1000);
    }
    store_set_text(req, REMOVE_BAN, 0, 3, x->reason);
    if (!by_server(a)) {
        chat_set_uuid(req, REMOVE_BAN, 0, 4, a->who.actor.id);
    }
    store_set_int(req, REMOVE_BAN, 0, 5, now_ms);
}

static struct store_req *fill_remove(struct chat_change *c, struct chat_room *r)
{
    struct moderation *x = (struct moderation *)c;
    struct chat_member_of *m = chat_member(r, x->principal);
    if (!removable(x, r, m)) {
        return NULL;
    }
    x->member = m != NULL;
    x->heir = m == NULL ? UUID_NIL : chat_heir(r, m);
    bool heir = !uuid_is_nil(x->heir);
    unsigned ban = REMOVE_BAN, heir_step = x->ban_s != 0 ? REMOVE_HEIR : REMOVE_BAN;
    struct store_req *req =
        store_req_new(r->chat->home->index, heir_step + (heir ? 1 : 0), NULL, NULL);
    req->row_max = 2;
    store_step_init(req, REMOVE_MEMBER, QUERY_CHAT_MEMBER_DELETE, 1);
    chat_set_uuid(req, REMOVE_MEMBER, 0, 0, r->id);
    chat_set_uuid(req, REMOVE_MEMBER, 0, 1, x->principal);
    store_step_init(req, REMOVE_INVITATIONS, QUERY_CHAT_INVITATION_END_OF, 1);
    chat_set_uuid(req, REMOVE_INVITATIONS, 0, 0, r->id);
    chat_set_uuid(req, REMOVE_INVITATIONS, 0, 1, x->principal);
    store_set_int(req, REMOVE_INVITATIONS, 0, 2, clock_wall_ms(r->chat->home->clock));
    if (m != NULL) {
        chat_left_step(r, req, REMOVE_EVENT, m, NULL);
    } else { /* nobody left: the step is a read that finds nothing */
        store_step_init(req, REMOVE_EVENT, QUERY_CHAT_BAN_HOLDS, 1);
        chat_set_uuid(req, REMOVE_EVENT, 0, 0, r->id);
        chat_set_uuid(req, REMOVE_EVENT, 0, 1, x->principal);
        store_set_int(req, REMOVE_EVENT, 0, 2, 0);
    }
    buf detail = {0};
    chat_put_reason(&detail, x->reason);
    chat_audit_member_step(r, req, REMOVE_AUDIT, &c->ask.who,
                           x->ban_s != 0 ? "chat.member.ban" : "chat.member.remove", x->principal,
                           x->reason.len > 0 ? buf_span(&detail) : SPAN_NONE);
    buf_deinit(&detail);
    if (x->ban_s != 0) {
        ASSERT(ban < heir_step);
        store_ban(x, r, req);
    }
    if (heir) {
        chat_heir_step(r, req, heir_step, x->heir);
    }
    return req;
}

static void committed_remove(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    struct moderation *x = (struct moderation *)c;
    (void)req;
    if (!x->member) {
        chat_answer(&c->ask, ERR_NONE);
        return;
    }
    chat_member_parts(c, r, x->principal, x->heir, CHAT_OUT_REMOVED);
}

void chat_member_remove(struct home *h, uuid room, uuid principal, int64_t ban_s, span reason,
                        const struct chat_who *who, chat_done done, void *owner)
{
    struct moderation *x =
        moderation_new(h, room, principal, chat_change_at_home, who, done, owner);
    x->change.fill = fill_remove;
    x->change.committed = committed_remove;
    x->ban_s = ban_s;
    x->reason = reason.len == 0 ? SPAN("") : chat_copy(&x->change.ask, reason);
    chat_ask_start(&x->change.ask);
}

void chat_principal_gone(struct home *h, uuid principal)
{
    struct map_node *n = NULL;
    while ((n = map_next(&h->chat->rooms, n)) != NULL) { /* mail runs behind this */
        struct chat_room *r = CONTAINER_OF(n, struct chat_room, node);
        if (r->state == CHAT_ROOM_READY && chat_member(r, principal) != NULL) {
            chat_member_remove(h, r->id, principal, 0, SPAN_NONE, NULL, NULL, NULL);
        }
    }
}
