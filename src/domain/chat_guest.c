#include "domain/chat_guest.h"

#include "base/mem.h"
#include "domain/chat_desk_internal.h"
#include "domain/identity_ops.h"
#include "shape/chat.h"
#include "shape/chat_desk.h"

#include <stdio.h>

struct guest_op {
    struct chat_turn turn; /* first */
    span name;
    span secret;           /* of an invitation; a copy */
    int64_t ttl_ms;
    uuid invitation;       /* that is used; nil: none */
    struct chat_guest_row row;
    struct chat_member_of member; /* what is stored; no name, in no map */
    span after;
    unsigned limit;
};

/* Somebody of the room who is no guest, or who monitors; else the ask was answered `error`. */
static bool hosts(struct chat_ask *a, struct chat_room *r, err error)
{
    const struct chat_member_of *m = r == NULL ? NULL : chat_member(r, a->who.actor.id);
    bool ok = r != NULL && chat_desk_has(&a->who) && (m != NULL || a->who.monitors);
    if (!ok) {
        chat_answer(a, error);
    }
    return ok;
}

static void row_read(const struct store_value *c, struct chat_guest_row *out)
{
    *out = (struct chat_guest_row){.name = store_text(&c[2]),
                                   .expires_ms = store_int(&c[3]),
                                   .revoked = store_int(&c[4]) != 0,
                                   .created_ms = store_int(&c[6])};
    (void)chat_cell_uuid(&c[0], &out->id);
    (void)chat_cell_uuid(&c[1], &out->room);
    (void)chat_cell_uuid(&c[5], &out->created_by);
}

/* --- making --- */

static struct store_req *make_look(struct chat_turn *t, struct chat_room *r)
{
    struct home *h = r->chat->home;
    struct store_req *req = store_req_new(h->index, 1, NULL, NULL);
    (void)t;
    store_step_init(req, 0, QUERY_CHAT_GUEST_COUNT, 1);
    chat_set_uuid(req, 0, 0, 0, r->id);
    store_set_int(req, 0, 0, 1, clock_wall_ms(h->clock));
    return req;
}

static void principal_step(struct store_req *req, unsigned step, const struct chat_guest_row *g)
{
    store_step_init(req, step, QUERY_PRINCIPAL_INSERT, 1);
    chat_set_uuid(req, step, 0, 0, g->id);
    store_set_text(req, step, 0, 1, SPAN(""));
    chat_set_uuid(req, step, 0, 2, g->id);
    store_set_text(req, step, 0, 3, span_str(principal_kind_name(PRINCIPAL_GUEST)));
    store_set_text(req, step, 0, 4, g->name);
    store_set_text(req, step, 0, 5, SPAN("active"));
    store_set_int(req, step, 0, 6, g->created_ms);
}

static void guest_step(struct store_req *req, unsigned step, const struct chat_guest_row *g)
{
    store_step_init(req, step, QUERY_CHAT_GUEST_INSERT, 1);
    chat_set_uuid(req, step, 0, 0, g->id);
    chat_set_uuid(req, step, 0, 1, g->room);
    store_set_int(req, step, 0, 2, g->expires_ms);
    if (!uuid_is_nil(g->created_by)) {
        chat_set_uuid(req, step, 0, 3, g->created_by);
    }
    store_set_int(req, step, 0, 4, g->created_ms);
}

/* It is in the room from now on, and sees what comes after. */
static void member_steps(struct guest_op *o, struct chat_room *r, struct store_req *req,
                         unsigned step)
{
    char topic[CHAT_TOPIC_MAX];
    buf data = {0};
    o->member = (struct chat_member_of){.principal = o->row.id,
                                        .type = CHAT_GUEST,
                                        .kind = PRINCIPAL_GUEST,
                                        .first_seq = r->last_seq,
                                        .read_seq = r->last_seq,
                                        .delivered_seq = r->last_seq,
                                        .joined_ms = o->row.created_ms};
    store_step_init(req, step, QUERY_CHAT_MEMBER_INSERT, 1);
    chat_set_member(req, step, 0, r, &o->member);
    chat_put_joined(&data, &(struct chat_joined_shape){
                               .room = r->id, .user = o->row.id, .type = CHAT_GUEST});
    chat_event_step(r->chat, req, step + 1, EVENT_CHAT_ROOM_JOINED, chat_room_topic(r->id, topic),
                    buf_span(&data), NULL);
    buf_deinit(&data);
}

static void audit(struct chat_turn *t, struct chat_room *r, struct store_req *req, unsigned step,
                  const char *action, uuid guest)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(guest, id);
    audit_step(r->chat->home, req, step,
               &(struct audit_entry){.who = &t->ask.who.actor,
                                     .action = action,
                                     .target_kind = "guest",
                                     .target = span_of(id, UUID_TEXT_LEN)});
}

static struct store_req *make_act(struct chat_turn *t, struct chat_room *r,
                                  const struct store_req *seen)
{
    struct guest_op *o = (struct guest_op *)t;
    struct home *h = r->chat->home;
    int64_t now = clock_wall_ms(h->clock);
    bool used = !uuid_is_nil(o->invitation);
    if (store_int(store_cell(seen, 0, 0, 0)) >= (int64_t)h->conf->chat_guests_max) {
        chat_refuse(&t->ask, ERR_CONFLICT, NULL, "the room has as many guests as may be");
        return NULL;
    }
    o->row = (struct chat_guest_row){.id = home_new_id(h),
                                     .room = r->id,
                                     .name = o->name,
                                     .expires_ms = now + o->ttl_ms,
                                     .created_by = t->ask.who.actor.id,
                                     .created_ms = now};
    struct store_req *req = store_req_new(h->index, 5u + used, NULL, NULL);
    principal_step(req, 0, &o->row);
    guest_step(req, 1, &o->row);
    member_steps(o, r, req, 2);
    audit(t, r, req, 4, used ? "chat.guest.redeem" : "chat.guest.create", o->row.id);
    if (used) {
        store_step_init(req, 5, QUERY_CHAT_GUEST_INVITATION_USE, 1);
        req->steps[5].expect = STORE_SOME;
        chat_set_uuid(req, 5, 0, 0, o->invitation);
        store_set_int(req, 5, 0, 1, now);
    }
    return req;
}

static void token(struct home *h, const struct chat_guest_row *g, buf *out)
{
    struct token_claims c = {.iat_s = g->created_ms / 1000, .exp_s = g->expires_ms / 1000};
    uuid_format(g->id, c.sub);
    uuid_format(home_new_id(h), c.jti);
    uuid_format(g->room, c.room_id);
    snprintf(c.kind, sizeof c.kind, "%s", principal_kind_name(PRINCIPAL_GUEST));
    h->tokens->issue(h->tokens, &c, out);
}

static void make_done(struct chat_turn *t, struct chat_room *r, struct store_req *req)
{
    struct guest_op *o = (struct guest_op *)t;
    buf text = {0}, json = {0};
    struct chat_member_of *m = chat_member_put(
        r, &(struct chat_principal){.id = o->row.id, .kind = PRINCIPAL_GUEST, .type = CHAT_GUEST,
                                    .name = o->name});
    m->first_seq = o->member.first_seq;
    m->read_seq = o->member.read_seq;
    m->delivered_seq = o->member.delivered_seq;
    m->joined_ms = o->member.joined_ms;
    chat_publish(r->chat, r, req);
    token(r->chat->home, &o->row, &text);
    chat_put_guest(&json, &o->row, buf_span(&text));
    t->ask.result.id = o->row.id;
    t->ask.result.created = true;
    t->ask.result.json = chat_copy(&t->ask, buf_span(&json));
    buf_deinit(&json);
    buf_deinit(&text);
    chat_answer(&t->ask, ERR_NONE);
    chat_spread_in(r, o->row.id);
}

static struct guest_op *op_new(struct home *h, uuid room,
                               void (*at_home)(struct chat_ask *, struct chat_room *),
                               const struct chat_who *who, chat_done done, void *owner)
{
    return chat_ask_new(h, sizeof(struct guest_op), room, at_home, who, NULL, done, owner);
}

static void make_start(struct guest_op *o, struct home *h, span name, int64_t ttl_ms)
{
    o->name = chat_copy(&o->turn.ask, name);
    o->ttl_ms = ttl_ms > 0 ? ttl_ms : h->conf->chat_guest_ms;
    o->turn.look = make_look;
    o->turn.act = make_act;
    o->turn.done = make_done;
}

static void at_home_make(struct chat_ask *a, struct chat_room *r)
{
    if (!hosts(a, r, ERR_ROOM_ACCESS_DENIED)) {
        return;
    }
    if (r->type == CHAT_DIRECT) {
        chat_refuse(a, ERR_CONFLICT, NULL, "a direct room is of two");
    } else {
        chat_turn_run((struct chat_turn *)a, r);
    }
}

void chat_guest_make(struct home *h, uuid room, span name, int64_t ttl_ms,
                     const struct chat_who *who, chat_done done, void *owner)
{
    struct guest_op *o = op_new(h, room, at_home_make, who, done, owner);
    make_start(o, h, name, ttl_ms);
    chat_ask_start(&o->turn.ask);
}

/* --- by an invitation --- */

/* Anything that is wrong says the same. */
static void unknown(struct chat_ask *a) { chat_answer(a, ERR_AUTHENTICATION_FAILED); }

static void redeemed(struct chat_ask *a)
{
    struct chat_result *r = &a->result;
    if (r->error == ERR_ROOM_ACCESS_DENIED ||
        (r->error == ERR_CONFLICT && r->why == NULL)) { /* gone, or used up meanwhile */
        r->error = ERR_AUTHENTICATION_FAILED;
    }
    a->done(a->owner, r);
}

static void at_home_redeem(struct chat_ask *a, struct chat_room *r)
{
    if (r == NULL || r->type == CHAT_DIRECT) {
        unknown(a);
    } else {
        chat_turn_run((struct chat_turn *)a, r);
    }
}

static void invitation_found(struct store_req *req)
{
    struct guest_op *o = req->owner;
    struct chat_ask *a = &o->turn.ask;
    if (req->error != ERR_NONE) {
        chat_answer(a, req->error);
    } else if (req->steps[0].row_count == 0 ||
               !chat_cell_uuid(store_cell(req, 0, 0, 0), &o->invitation) ||
               !chat_cell_uuid(store_cell(req, 0, 0, 1), &a->id)) {
        unknown(a);
    } else {
        a->result.room = a->id;
        chat_ask_start(a);
    }
    store_req_free(req);
}

static void may_try(void *owner, const struct identity_result *r)
{
    struct guest_op *o = owner;
    struct home *h = o->turn.ask.from;
    uint8_t hash[32];
    if (r->error != ERR_NONE) {
        o->turn.ask.result.retry_after_ms = r->retry_after_ms;
        chat_answer(&o->turn.ask, r->error);
        return;
    }
    h->tokens->sha256(h->tokens, o->secret, hash);
    struct store_req *req = store_req_new(h->index, 1, invitation_found, o);
    store_step_init(req, 0, QUERY_CHAT_GUEST_INVITATION, 1);
    store_set_blob(req, 0, 0, 0, span_of(hash, sizeof hash));
    store_set_int(req, 0, 0, 1, clock_wall_ms(h->clock));
    h->store->submit(h->store, req);
}

void chat_guest_redeem(struct home *h, span secret, span name, span address, chat_done done,
                       void *owner)
{
    const struct chat_who nobody = {.actor = {.name = name, .address = address},
                                    .kind = PRINCIPAL_GUEST,
                                    .type = CHAT_GUEST};
    struct guest_op *o = op_new(h, UUID_NIL, at_home_redeem, &nobody, done, owner);
    make_start(o, h, name, 0);
    o->secret = chat_copy(&o->turn.ask, secret);
    o->turn.ask.at_caller = redeemed;
    identity_take_try(h, address, may_try, o);
}

/* --- lists --- */

static void listed(struct store_req *req)
{
    struct guest_op *o = req->owner;
    struct chat_ask *a = &o->turn.ask;
    unsigned rows = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    buf json = {0};
    buf_append_byte(&json, '[');
    for (unsigned i = 0; i < rows && i < o->limit; i++) {
        struct chat_guest_row row;
        row_read(store_cell(req, 0, i, 0), &row);
        if (i > 0) {
            buf_append_byte(&json, ',');
        }
        chat_put_guest(&json, &row, SPAN_NONE);
    }
    buf_append_byte(&json, ']');
    if (rows > o->limit) {
        a->result.next = chat_copy(a, store_text(store_cell(req, 0, o->limit - 1, 0)));
    }
    a->result.json = chat_copy(a, buf_span(&json));
    buf_deinit(&json);
    chat_answer(a, req->error);
    store_req_free(req);
}

static void at_home_list(struct chat_ask *a, struct chat_room *r)
{
    struct guest_op *o = (struct guest_op *)a;
    struct home *h = a->chat->home;
    bool all = uuid_is_nil(a->id);
    if (all ? !a->who.monitors : !hosts(a, r, ERR_ROOM_ACCESS_DENIED)) {
        if (all) {
            chat_refuse(a, ERR_INVALID_REQUEST, "room_id", "must name a room that you are in");
        }
        return;
    }
    struct store_req *req = store_req_new(h->index, 1, listed, o);
    req->row_max = o->limit + 1;
    store_step_init(req, 0, QUERY_CHAT_GUEST_LIST, 1);
    if (!all) {
        chat_set_uuid(req, 0, 0, 0, a->id);
    }
    store_set_text(req, 0, 0, 1, o->after);
    store_set_int(req, 0, 0, 2, o->limit + 1);
    h->store->submit(h->store, req);
}

void chat_guest_list(struct home *h, uuid room, span after, unsigned limit,
                     const struct chat_who *who, chat_done done, void *owner)
{
    struct guest_op *o = op_new(h, room, at_home_list, who, done, owner);
    uuid id;
    o->limit = limit;
    o->after = chat_copy(&o->turn.ask, after.len == 0 ? SPAN("") : after);
    o->turn.ask.unloaded = uuid_is_nil(room);
    if (after.len > 0 && !uuid_parse(after, &id)) {
        chat_refuse(&o->turn.ask, ERR_INVALID_REQUEST, "cursor", "is not one of ours");
    } else {
        chat_ask_start(&o->turn.ask);
    }
}
