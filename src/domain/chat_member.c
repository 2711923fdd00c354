/* Membership: who is in a room and comes in. */
#include "domain/chat_internal.h"

#include "shape/decode.h"

/* --- rows --- */

void chat_set_member(struct store_req *req, unsigned step, unsigned set, const struct chat_room *r,
                     const struct chat_member_of *m)
{
    chat_set_uuid(req, step, set, 0, r->id);
    chat_set_uuid(req, step, set, 1, m->principal);
    store_set_text(req, step, set, 2, span_str(chat_user_type_name(m->type)));
    store_set_text(req, step, set, 3, span_str(chat_role_name(m->role)));
    store_set_int(req, step, set, 4, m->first_seq);
    store_set_int(req, step, set, 5, m->read_seq);
    store_set_int(req, step, set, 6, m->joined_ms);
}

struct chat_member_of *chat_member_made(struct chat_room *r, const struct chat_principal *who,
                                        const struct chat_member_of *row)
{
    struct chat_member_of *m = chat_member_put(r, who);
    m->role = row->role;
    m->first_seq = row->first_seq;
    m->read_seq = row->read_seq;
    m->delivered_seq = row->delivered_seq;
    m->joined_ms = row->joined_ms;
    chat_guests_check(r);
    return m;
}

void chat_principals_step(struct store_req *req, unsigned step, const uuid *ids, unsigned count)
{
    buf all = {0};
    for (unsigned i = 0; i < count; i++) {
        char text[UUID_TEXT_LEN + 1];
        uuid_format(ids[i], text);
        buf_append(&all, text, UUID_TEXT_LEN);
    }
    store_step_init(req, step, QUERY_CHAT_PRINCIPALS, 1);
    store_set_text(req, step, 0, 0, buf_span(&all));
    store_set_int(req, step, 0, 1, count);
    buf_deinit(&all);
}

void chat_rooms_step(struct chat *c, struct store_req *req, unsigned step, enum chat_room_type type,
                     const uuid *ids, unsigned count)
{
    buf all = {0};
    for (unsigned i = 0; type != CHAT_SUPPORT && i < count; i++) {
        char text[UUID_TEXT_LEN + 1];
        uuid_format(ids[i], text);
        buf_append(&all, text, UUID_TEXT_LEN);
    }
    store_step_init(req, step, QUERY_CHAT_ROOMS_FULL, 1);
    req->steps[step].expect = STORE_NO_ROW;
    store_set_text(req, step, 0, 0, all.len == 0 ? SPAN("") : buf_span(&all));
    store_set_int(req, step, 0, 1, count);
    store_set_int(req, step, 0, 2, c->home->conf->chat_rooms_max);
    buf_deinit(&all);
}

bool chat_principal_row(const struct store_req *req, unsigned step, uuid id,
                        struct chat_principal *out)
{
    *out = (struct chat_principal){.id = id};
    for (unsigned i = 0; i < req->steps[step].row_count; i++) {
        const struct store_value *c = store_cell(req, step, i, 0);
        uuid here;
        if (chat_cell_uuid(&c[0], &here) && uuid_eq(here, id)) {
            int type = shape_chat_user_type_of(store_text(&c[4]));
            out->kind = chat_kind_of(store_text(&c[1]));
            out->name = store_text(&c[2]);
            out->type = type < 0 ? CHAT_EMPLOYEE : (enum chat_user_type)type;
            return type >= 0 && store_int(&c[3]) != 0;
        }
    }
    return false;
}

/* --- join --- */

struct joining {
    struct chat_change change; /* first */
    bool watch;
    span invitation;
    struct chat_member_of made; /* what is stored; no name, in no map */
};

/* Who may not come in at all learns nothing of limits: they are asked for last but the row. */
enum { JOIN_BAN, JOIN_PRINCIPAL, JOIN_INVITATION, JOIN_ROOMS, JOIN_MEMBER, JOIN_EVENT, JOIN_STEPS };

static void result_member(struct chat_ask *a, struct chat_room *r, struct chat_member_of *m)
{
    buf text = {0};
    buf_printf(&text, "\"lastSeq\":%lld,\"unread\":%lld,\"member\":", (long long)r->last_seq,
               (long long)chat_unread_of(r, m));
    chat_member_json(r, m, &a->who, &text);
    a->result.members = chat_copy(a, buf_span(&text));
    buf_deinit(&text);
    chat_result_room(a, r, m);
    chat_answer(a, ERR_NONE);
}

/* Who monitors sees it from now on, which is noted. */
static struct store_req *fill_watch(struct chat_change *c, struct chat_room *r)
{
    struct store_req *req = store_req_new(r->chat->home->index, 1, NULL, NULL);
    chat_audit_step(r->chat, req, 0, &c->ask.who, "chat.room.read", r->id);
    return req;
}

static void committed_watch(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    buf text = {0};
    (void)req;
    buf_printf(&text, "\"lastSeq\":%lld,\"unread\":0,\"watching\":true", (long long)r->last_seq);
    c->ask.result.members = chat_copy(&c->ask, buf_span(&text));
    buf_deinit(&text);
    chat_result_room(&c->ask, r, NULL);
    chat_answer(&c->ask, ERR_NONE);
}

static struct store_req *watch_now(struct chat_change *c, struct chat_room *r)
{
    c->fill = fill_watch;
    c->committed = committed_watch;
    c->failed = NULL;
    return fill_watch(c, r);
}

/* One use of the invitation that is shown, or of one that names the caller. */
static void use_step(struct joining *x, struct chat_room *r, struct store_req *req)
{
    const struct chat_who *who = &x->change.ask.who;
    struct home *h = r->chat->home;
    uint8_t hash[32];
    store_step_init(req, JOIN_INVITATION, QUERY_CHAT_INVITATION_USE, 1);
    req->steps[JOIN_INVITATION].expect = STORE_SOME;
    chat_set_uuid(req, JOIN_INVITATION, 0, 0, r->id);
    store_set_text(req, JOIN_INVITATION, 0, 1,
                   who->type == CHAT_GUEST ? SPAN("guest") : SPAN("employee"));
    chat_set_uuid(req, JOIN_INVITATION, 0, 2, who->actor.id);
    if (x->invitation.len > 0) {
        chat_invitation_hash(h, x->invitation, hash);
        store_set_blob(req, JOIN_INVITATION, 0, 3, span_of(hash, sizeof hash));
    }
    store_set_int(req, JOIN_INVITATION, 0, 4, x->made.joined_ms);
}

static struct store_req *fill_new(struct joining *x, struct chat_room *r, bool invited)
{
    struct chat_ask *a = &x->change.ask;
    struct home *h = r->chat->home;
    int64_t now_ms = clock_wall_ms(h->clock);
    struct store_req *req =
        store_req_new(h->index, JOIN_STEPS, NULL, NULL);
    req->row_max = JOIN_STEPS;
    x->made = (struct chat_member_of){.principal = a->who.actor.id,
                                      .type = a->who.type,
                                      .kind = a->who.kind,
                                      .first_seq = a->who.type == CHAT_GUEST ? r->last_seq : 0,
                                      .read_seq = r->last_seq,
                                      .delivered_seq = r->last_seq,
                                      .joined_ms = now_ms};
    store_step_init(req, JOIN_BAN, QUERY_CHAT_BAN_HOLDS, 1);
    req->steps[JOIN_BAN].expect = STORE_NO_ROW;
    chat_set_uuid(req, JOIN_BAN, 0, 0, r->id);
    chat_set_uuid(req, JOIN_BAN, 0, 1, a->who.actor.id);
    store_set_int(req, JOIN_BAN, 0, 2, now_ms);
    chat_principals_step(req, JOIN_PRINCIPAL, &a->who.actor.id, 1);
    req->steps[JOIN_PRINCIPAL].expect = STORE_SOME;
    if (invited) {
        use_step(x, r, req);
    } else { /* a step that asks nothing */
        chat_principals_step(req, JOIN_INVITATION, NULL, 0);
    }
    chat_rooms_step(r->chat, req, JOIN_ROOMS, r->type, &a->who.actor.id, 1);
    store_step_init(req, JOIN_MEMBER, QUERY_CHAT_MEMBER_INSERT, 1);
    chat_set_member(req, JOIN_MEMBER, 0, r, &x->made);
    chat_joined_step(r, req, JOIN_EVENT, &x->made, &a->origin);
    return req;
}

static struct store_req *fill_join(struct chat_change *c, struct chat_room *r)
{
    struct joining *x = (struct joining *)c;
    struct chat_ask *a = &c->ask;
    struct chat_member_of *m = chat_member(r, a->who.actor.id);
    bool open = r->type == CHAT_PUBLIC && a->who.type != CHAT_GUEST &&
                a->who.kind != PRINCIPAL_ROBOT;
    if (m != NULL && m->hidden) {
        c->committed = chat_show_committed;
        c->failed = NULL;
        return chat_show_fill(c, r);
    }
    if (m != NULL) {
        result_member(a, r, m);
        return NULL;
    }
    bool may = open || r->type != CHAT_DIRECT; /* by an invitation, which the store knows */
    if (may && !x->watch && r->member_count >= r->chat->home->conf->chat_room_members_max) {
        chat_refuse(a, ERR_CONFLICT, NULL, "the room is full");
        return NULL;
    }
    if (may && !x->watch) {
        return fill_new(x, r, !open);
    }
    if (a->who.monitors) {
        return watch_now(c, r);
    }
    chat_answer(a, ERR_ROOM_ACCESS_DENIED);
    return NULL;
}

static void committed_join(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    struct joining *x = (struct joining *)c;
    struct chat_principal who;
    (void)chat_principal_row(req, JOIN_PRINCIPAL, x->made.principal, &who);
    who.kind = x->made.kind;
    who.type = x->made.type;
    struct chat_member_of *m = chat_member_made(r, &who, &x->made);
    chat_publish(r->chat, r, req);
    c->ask.result.created = true;
    result_member(&c->ask, r, m);
    chat_spread_in(r, m->principal);
}

static void failed_join(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    if (req->error != ERR_CONFLICT) {
        chat_answer(&c->ask, req->error);
    } else if (req->failed_step == JOIN_ROOMS) {
        chat_refuse(&c->ask, ERR_CONFLICT, NULL, CHAT_ROOMS_FULL);
    } else if (c->ask.who.monitors) {
        c->fill = fill_watch;
        c->committed = committed_watch;
        c->failed = NULL;
        chat_change_run(c, r);
    } else {
        chat_answer(&c->ask, ERR_ROOM_ACCESS_DENIED);
    }
}

void chat_join(struct home *h, uuid room, const struct chat_join *in, const struct chat_who *who,
               const struct chat_origin *origin, chat_done done, void *owner)
{
    struct joining *x =
        chat_ask_new(h, sizeof *x, room, chat_change_at_home, who, origin, done, owner);
    x->change.fill = fill_join;
    x->change.committed = committed_join;
    x->change.failed = failed_join;
    x->watch = in->watch && who->monitors;
    x->invitation = chat_copy(&x->change.ask, in->invitation);
    chat_ask_start(&x->change.ask);
}
