/* Invitations and bans of a room. */
#include "domain/chat_internal.h"
#include "domain/identity_op.h"

#include "base/mem.h"
#include "shape/chat.h"

#define SECRET_PREFIX "sbi_"
#define SECRET_MAX 64
#define INVITATIONS_MAX 200 /* of a room that are listed: the newest */
#define BANS_MAX 200        /* likewise */
#define USES_MAX 1000
#define TTL_MIN_S 60
#define TTL_MAX_S (30 * 86400)

struct inviting {
    struct chat_change change; /* first */
    struct chat_invitation_draft in;
    uuid id;                   /* of an invitation, or who is banned */
    int64_t now_ms;
    char secret[SECRET_MAX];   /* empty: it is by principal */
};

static struct inviting *inviting_new(struct home *h, uuid room,
                                     void (*at_home)(struct chat_ask *, struct chat_room *),
                                     const struct chat_who *who, chat_done done, void *owner)
{
    return chat_ask_new(h, sizeof(struct inviting), room, at_home, who, NULL, done, owner);
}

/* Whether the caller runs the room; else the ask was answered. */
static bool runs(struct chat_ask *a, struct chat_room *r)
{
    struct chat_member_of *me;
    if (!chat_sees(a, r, &me)) {
        return false;
    }
    if (!chat_moderates(a, r)) {
        chat_answer(a, ERR_PERMISSION_DENIED);
        return false;
    }
    return true;
}

void chat_invitation_hash(struct home *h, span secret, uint8_t hash[32])
{
    h->tokens->sha256(h->tokens, secret, hash);
}

/* --- make one --- */

enum { INVITE_PRINCIPAL, INVITE_ROW, INVITE_AUDIT, INVITE_STEPS };

static const char *invite_refused(const struct inviting *x, const struct chat_room *r,
                                  const struct chat_member_of *me)
{
    const struct chat_ask *a = &x->change.ask;
    bool staff = a->who.type != CHAT_GUEST && a->who.kind != PRINCIPAL_ROBOT;
    if (r->type == CHAT_DIRECT) {
        return "a direct room has its two people";
    }
    if (!staff) {
        return "guests and robots invite nobody";
    }
    return me != NULL || a->who.monitors ? NULL : "members invite";
}

static struct store_req *fill_invite(struct chat_change *c, struct chat_room *r)
{
    struct inviting *x = (struct inviting *)c;
    struct chat_ask *a = &c->ask;
    struct home *h = r->chat->home;
    struct chat_member_of *me;
    uint8_t hash[32];
    if (!chat_sees(a, r, &me)) {
        return NULL;
    }
    const char *why = invite_refused(x, r, me);
    if (why != NULL) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, why);
        return NULL;
    }
    bool named = !uuid_is_nil(x->in.principal);
    x->id = home_new_id(h);
    x->now_ms = clock_wall_ms(h->clock);
    struct store_req *req = store_req_new(h->index, INVITE_STEPS, NULL, NULL);
    req->row_max = 1;
    chat_principals_step(req, INVITE_PRINCIPAL, named ? &x->in.principal : &a->who.actor.id, 1);
    req->steps[INVITE_PRINCIPAL].expect = STORE_SOME;
    store_step_init(req, INVITE_ROW, QUERY_CHAT_INVITATION_INSERT, 1);
    chat_set_uuid(req, INVITE_ROW, 0, 0, x->id);
    chat_set_uuid(req, INVITE_ROW, 0, 1, r->id);
    store_set_text(req, INVITE_ROW, 0, 2, x->in.guest ? SPAN("guest") : SPAN("employee"));
    if (named) {
        chat_set_uuid(req, INVITE_ROW, 0, 3, x->in.principal);
    } else {
        secret_make(h, SECRET_PREFIX, x->secret, hash);
        store_set_blob(req, INVITE_ROW, 0, 4, span_of(hash, sizeof hash));
    }
    store_set_int(req, INVITE_ROW, 0, 5, x->in.uses);
    store_set_int(req, INVITE_ROW, 0, 6, x->now_ms + x->in.ttl_s * 1000);
    chat_set_uuid(req, INVITE_ROW, 0, 7, a->who.actor.id);
    store_set_int(req, INVITE_ROW, 0, 8, x->now_ms);
    chat_audit_step(r->chat, req, INVITE_AUDIT, &a->who, "chat.invitation.create", r->id);
    return req;
}

static void committed_invite(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    struct inviting *x = (struct inviting *)c;
    buf json = {0};
    (void)req;
    chat_put_invitation(&json, &(struct chat_invitation_shape){
                                   .id = x->id,
                                   .room = r->id,
                                   .guest = x->in.guest,
                                   .principal = x->in.principal,
                                   .uses_left = x->in.uses,
                                   .expires_ms = x->now_ms + x->in.ttl_s * 1000,
                                   .created_by = c->ask.who.actor.id,
                                   .created_ms = x->now_ms,
                                   .secret = span_str(x->secret)});
    c->ask.result.json = chat_copy(&c->ask, buf_span(&json));
    c->ask.result.id = x->id;
    c->ask.result.created = true;
    buf_deinit(&json);
    chat_answer(&c->ask, ERR_NONE);
}

static void failed_invite(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    (void)r;
    if (req->error == ERR_CONFLICT) {
        chat_refuse(&c->ask, ERR_INVALID_REQUEST, "userId", "is nobody who chats here");
    } else {
        chat_answer(&c->ask, req->error);
    }
}

static void at_home_invite(struct chat_ask *a, struct chat_room *r)
{
    struct inviting *x = (struct inviting *)a;
    if (x->in.uses < 1 || x->in.uses > USES_MAX) { /* the same for a room that is not there */
        chat_refuse(a, ERR_INVALID_REQUEST, "uses", "is from 1 to 1,000");
    } else if (x->in.ttl_s < TTL_MIN_S || x->in.ttl_s > TTL_MAX_S) {
        chat_refuse(a, ERR_INVALID_REQUEST, "ttlS", "is from 60 s to 30 days");
    } else if (r == NULL) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
    } else {
        x->change.fill = fill_invite;
        x->change.committed = committed_invite;
        x->change.failed = failed_invite;
        chat_change_run(&x->change, r);
    }
}

void chat_invite(struct home *h, uuid room, const struct chat_invitation_draft *in,
                 const struct chat_who *who, chat_done done, void *owner)
{
    struct inviting *x = inviting_new(h, room, at_home_invite, who, done, owner);
    x->in = *in;
    chat_ask_start(&x->change.ask);
}

/* --- lists --- */

static void put_invitation(buf *out, const struct chat_room *r, const struct store_value *c)
{
    struct chat_invitation_shape s = {.room = r->id,
                                      .guest = span_eq(store_text(&c[1]), SPAN("guest")),
                                      .uses_left = store_int(&c[3]),
                                      .expires_ms = store_int(&c[4]),
                                      .revoked_ms = store_int(&c[5]),
                                      .created_ms = store_int(&c[7])};
    (void)chat_cell_uuid(&c[0], &s.id);
    (void)chat_cell_uuid(&c[2], &s.principal);
    (void)chat_cell_uuid(&c[6], &s.created_by);
    chat_put_invitation(out, &s);
}

static void put_ban(buf *out, const struct chat_room *r, const struct store_value *c)
{
    struct chat_ban_shape s = {.name = store_text(&c[1]),
                               .until_ms = store_int(&c[2]),
                               .reason = store_text(&c[3]),
                               .created_ms = store_int(&c[5])};
    (void)r;
    (void)chat_cell_uuid(&c[0], &s.user);
    (void)chat_cell_uuid(&c[4], &s.created_by);
    chat_put_ban(out, &s);
}

static void rows_read(struct store_req *req)
{
    struct chat_ask *a = req->owner;
    struct chat_room *r = a->room;
    buf json = {0};
    buf_append_byte(&json, '[');
    for (unsigned i = 0; req->error == ERR_NONE && i < req->steps[0].row_count; i++) {
        const struct store_value *c = store_cell(req, 0, i, 0);
        buf_append_str(&json, i == 0 ? "" : ",");
        if (req->steps[0].query == QUERY_CHAT_BAN_LIST) {
            put_ban(&json, r, c);
        } else {
            put_invitation(&json, r, c);
        }
    }
    buf_append_byte(&json, ']');
    a->result.json = chat_copy(a, buf_span(&json));
    buf_deinit(&json);
    chat_answer(a, req->error);
    store_req_free(req);
    chat_release(r);
}

static void read_rows(struct chat_ask *a, struct chat_room *r, enum query q, unsigned max)
{
    struct home *h = r->chat->home;
    struct store_req *req = store_req_new(h->index, 1, rows_read, a);
    req->row_max = max;
    store_step_init(req, 0, q, 1);
    chat_set_uuid(req, 0, 0, 0, r->id);
    store_set_int(req, 0, 0, 1, q == QUERY_CHAT_BAN_LIST ? clock_wall_ms(h->clock) : max);
    if (q == QUERY_CHAT_BAN_LIST) {
        store_set_int(req, 0, 0, 2, max);
    }
    a->room = r;
    chat_hold(r);
    h->store->submit(h->store, req);
}

static void at_home_invitations(struct chat_ask *a, struct chat_room *r)
{
    struct chat_member_of *me;
    if (!chat_sees(a, r, &me)) {
        return;
    }
    if (a->who.type == CHAT_GUEST || a->who.kind == PRINCIPAL_ROBOT) {
        chat_answer(a, ERR_PERMISSION_DENIED);
        return;
    }
    read_rows(a, r, QUERY_CHAT_INVITATION_LIST, INVITATIONS_MAX);
}

void chat_invitation_list(struct home *h, uuid room, const struct chat_who *who, chat_done done,
                          void *owner)
{
    chat_ask_start(
        &inviting_new(h, room, at_home_invitations, who, done, owner)->change.ask);
}

static void at_home_bans(struct chat_ask *a, struct chat_room *r)
{
    if (runs(a, r)) {
        read_rows(a, r, QUERY_CHAT_BAN_LIST, BANS_MAX);
    }
}

void chat_ban_list(struct home *h, uuid room, const struct chat_who *who, chat_done done,
                   void *owner)
{
    chat_ask_start(&inviting_new(h, room, at_home_bans, who, done, owner)->change.ask);
}

/* --- the end of either --- */

static void committed_end(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    (void)r;
    (void)req;
    chat_answer(&c->ask, ERR_NONE);
}

static void failed_end(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    (void)r;
    chat_answer(&c->ask, req->error == ERR_CONFLICT ? ERR_NOT_FOUND : req->error);
}

static struct store_req *fill_revoke(struct chat_change *c, struct chat_room *r)
{
    struct inviting *x = (struct inviting *)c;
    struct home *h = r->chat->home;
    struct chat_member_of *me;
    if (!chat_sees(&c->ask, r, &me)) {
        return NULL;
    }
    if (c->ask.who.type == CHAT_GUEST || c->ask.who.kind == PRINCIPAL_ROBOT) {
        chat_answer(&c->ask, ERR_PERMISSION_DENIED);
        return NULL;
    }
    struct store_req *req = store_req_new(h->index, 2, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_INVITATION_REVOKE, 1);
    req->steps[0].expect = STORE_SOME;
    chat_set_uuid(req, 0, 0, 0, x->id);
    chat_set_uuid(req, 0, 0, 1, r->id);
    store_set_int(req, 0, 0, 2, clock_wall_ms(h->clock));
    if (!chat_moderates(&c->ask, r)) { /* others take back their own */
        chat_set_uuid(req, 0, 0, 3, c->ask.who.actor.id);
    }
    chat_audit_step(r->chat, req, 1, &c->ask.who, "chat.invitation.revoke", r->id);
    return req;
}

static struct store_req *fill_unban(struct chat_change *c, struct chat_room *r)
{
    struct inviting *x = (struct inviting *)c;
    if (!runs(&c->ask, r)) {
        return NULL;
    }
    struct store_req *req = store_req_new(r->chat->home->index, 2, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_BAN_DELETE, 1);
    req->steps[0].expect = STORE_SOME;
    chat_set_uuid(req, 0, 0, 0, r->id);
    chat_set_uuid(req, 0, 0, 1, x->id);
    chat_audit_member_step(r, req, 1, &c->ask.who, "chat.member.unban", x->id,
                           SPAN_NONE);
    return req;
}

static void end(struct inviting *x, uuid id,
                struct store_req *(*fill)(struct chat_change *, struct chat_room *))
{
    x->id = id;
    x->change.fill = fill;
    x->change.committed = committed_end;
    x->change.failed = failed_end;
    chat_ask_start(&x->change.ask);
}

void chat_invitation_revoke(struct home *h, uuid room, uuid invitation,
                            const struct chat_who *who, chat_done done, void *owner)
{
    end(inviting_new(h, room, chat_change_at_home, who, done, owner), invitation, fill_revoke);
}

void chat_ban_delete(struct home *h, uuid room, uuid principal, const struct chat_who *who,
                     chat_done done, void *owner)
{
    end(inviting_new(h, room, chat_change_at_home, who, done, owner), principal, fill_unban);
}
