/* Rooms: create, get. */
#include "domain/chat_internal.h"

#include "base/mem.h"
#include "shape/decode.h"
#include "shape/robot.h"

#include <string.h>

#define PAIR_LEN (2 * UUID_TEXT_LEN + 1)

struct creation {
    struct chat_change change; /* first */
    span name, settings;
    enum chat_room_type type;
    unsigned count;            /* who is in, the caller first */
    uuid *ids;                 /* in the ask's arena, as all here */
    char pair[PAIR_LEN + 1];   /* of a direct room */
    uuid robot;                /* that owns it at first; nil: none */
    bool bad_robot;
    int64_t now_ms;
    struct chat_room *room;    /* while it is being stored */
};

enum { CREATE_ROOM, CREATE_OWNED, CREATE_ROOMS, CREATE_MEMBERS, CREATE_EVENTS, CREATE_STEPS };
enum { READ_PEOPLE, READ_PAIR };

/* --- a direct room that is there --- */

static void shown(struct chat_ask *a, struct chat_room *r, struct chat_member_of *m)
{
    chat_result_room(a, r, m);
    chat_answer(a, ERR_NONE);
}

struct store_req *chat_show_fill(struct chat_change *c, struct chat_room *r)
{
    struct chat_member_of *m = chat_member(r, c->ask.who.actor.id);
    if (m == NULL || !m->hidden) {
        if (m == NULL) {
            chat_answer(&c->ask, ERR_ROOM_ACCESS_DENIED);
        } else {
            shown(&c->ask, r, m);
        }
        return NULL;
    }
    struct store_req *req = store_req_new(r->chat->home->index, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_MEMBER_HIDE, 1);
    chat_set_uuid(req, 0, 0, 0, r->id);
    chat_set_uuid(req, 0, 0, 1, m->principal);
    store_set_int(req, 0, 0, 2, 0);
    return req;
}

void chat_show_committed(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    struct chat_member_of *m = chat_member(r, c->ask.who.actor.id);
    (void)req;
    m->hidden = false;
    shown(&c->ask, r, m);
    chat_spread_in(r, m->principal);
}

static void at_home_show(struct chat_ask *a, struct chat_room *r)
{
    struct chat_change *c = (struct chat_change *)a;
    if (r == NULL) { /* deleted a moment ago */
        chat_refuse(a, ERR_CONFLICT, NULL, "the room is being deleted");
        return;
    }
    c->fill = chat_show_fill;
    c->committed = chat_show_committed;
    chat_change_run(c, r);
}

/* --- a new one --- */

static void read_people(struct creation *x);

static void stored(struct store_req *req)
{
    struct creation *x = req->owner;
    struct chat_ask *a = &x->change.ask;
    struct chat_room *r = x->room;
    bool again = req->error == ERR_STORE_CONSTRAINT && req->failed_step == CREATE_ROOM &&
                 x->pair[0] != 0;
    if (req->error == ERR_NONE) {
        chat_publish(a->chat, r, req);
        a->result.created = true;
        shown(a, r, chat_member(r, a->who.actor.id));
    } else if (again) { /* somebody has made the pair's room meanwhile */
        read_people(x);
    } else if (req->error == ERR_STORE_CONSTRAINT) {
        chat_refuse(a, ERR_INVALID_REQUEST, "members", "is nobody who chats here");
    } else if (req->error == ERR_CONFLICT) {
        chat_refuse(a, ERR_CONFLICT, NULL,
                    req->failed_step == CREATE_OWNED ? "you own as many rooms as one may"
                                                     : "somebody " CHAT_ROOMS_FULL);
    } else {
        chat_answer(a, req->error);
    }
    chat_hold(r);
    chat_room_loaded(r, ERR_NONE, req->error == ERR_NONE);
    for (unsigned i = 0; req->error == ERR_NONE && i < x->count; i++) {
        chat_spread_in(r, x->ids[i]);
    }
    store_req_free(req);
    chat_release(r);
}

static void set_optional(struct store_req *req, unsigned p, span text)
{
    if (text.len > 0) {
        store_set_text(req, CREATE_ROOM, 0, p, text);
    }
}

static void store_room(struct creation *x, struct store_req *req)
{
    struct chat_room *r = x->room;
    store_step_init(req, CREATE_ROOM, QUERY_CHAT_ROOM_INSERT, 1);
    chat_set_uuid(req, CREATE_ROOM, 0, 0, r->id);
    store_set_text(req, CREATE_ROOM, 0, 1, span_str(chat_room_type_name(r->type)));
    store_set_text(req, CREATE_ROOM, 0, 2, x->name);
    store_set_text(req, CREATE_ROOM, 0, 3, x->settings);
    chat_set_uuid(req, CREATE_ROOM, 0, 4, r->created_by);
    set_optional(req, 5, span_str(x->pair));
    if (!uuid_is_nil(x->robot)) {
        chat_set_uuid(req, CREATE_ROOM, 0, 6, x->robot);
    }
    store_set_int(req, CREATE_ROOM, 0, 7, x->now_ms);
}

/* In the transaction itself, so that rooms made at the same time count each other. */
static void store_limits(struct creation *x, struct store_req *req)
{
    struct chat *c = x->change.ask.chat;
    bool counts = x->type != CHAT_SUPPORT;
    store_step_init(req, CREATE_OWNED, QUERY_CHAT_ROOMS_OWNED_FULL, 1);
    req->steps[CREATE_OWNED].expect = STORE_NO_ROW;
    chat_set_uuid(req, CREATE_OWNED, 0, 0, counts ? x->ids[0] : UUID_NIL);
    store_set_int(req, CREATE_OWNED, 0, 1, c->home->conf->chat_rooms_owned_max);
    chat_rooms_step(c, req, CREATE_ROOMS, x->type, x->ids, x->count);
}

static void store_members(struct creation *x, struct store_req *req)
{
    struct chat_room *r = x->room;
    buf data = {0};
    chat_room_json_of(r, NULL, NULL, CHAT_EVENT_MEMBERS_SHOWN, &data);
    store_step_init(req, CREATE_MEMBERS, QUERY_CHAT_MEMBER_INSERT, x->count);
    journal_steps(req, CREATE_EVENTS, x->count);
    for (unsigned i = 0; i < x->count; i++) {
        char topic[CHAT_TOPIC_MAX];
        chat_set_member(req, CREATE_MEMBERS, i, r, chat_member(r, x->ids[i]));
        chat_event_set(r->chat, req, CREATE_EVENTS, i, EVENT_CHAT_ROOM_CREATED,
                       chat_user_topic(x->ids[i], topic), buf_span(&data),
                       i == 0 ? &x->change.ask.origin : NULL);
    }
    buf_deinit(&data);
}

static void make_room(struct creation *x, const struct chat_principal *people)
{
    struct chat_ask *a = &x->change.ask;
    struct chat_room *r = chat_room_put(a->chat, a->id, CHAT_ROOM_LOADING);
    x->room = r;
    x->now_ms = clock_wall_ms(a->chat->home->clock);
    r->type = x->type;
    r->created_by = a->who.actor.id;
    r->owner_robot = x->robot;
    r->version = 1;
    r->created_ms = r->updated_ms = r->last_ms = x->now_ms;
    chat_room_texts(r, x->name, x->settings);
    for (unsigned i = 0; i < x->count; i++) {
        struct chat_member_of *m = chat_member_put(r, &people[i]);
        m->role = i == 0 ? CHAT_OWNER : CHAT_MEMBER;
        m->joined_ms = x->now_ms;
    }
}

/* The people of the request, in the order of the ids; NULL: answered. */
static struct chat_principal *people_of(struct creation *x, const struct store_req *req)
{
    struct chat_ask *a = &x->change.ask;
    struct chat_principal *all = ARENA_ARRAY(&a->arena, struct chat_principal, x->count);
    for (unsigned i = 0; i < x->count; i++) {
        bool ok = chat_principal_row(req, READ_PEOPLE, x->ids[i], &all[i]);
        all[i].name = chat_copy(a, all[i].name);
        if (i == 0) {
            all[i].type = a->who.type;
            ok = all[i].name.ptr != NULL;
        }
        if (!ok || all[i].type == CHAT_GUEST) {
            chat_refuse(a, ERR_INVALID_REQUEST, "members",
                        all[i].type == CHAT_GUEST ? "is a guest, who is invited"
                                                  : "is nobody who chats here");
            return NULL;
        }
        if (uuid_eq(x->ids[i], x->robot) && all[i].kind != PRINCIPAL_ROBOT) {
            chat_refuse(a, ERR_INVALID_REQUEST, "settings.robotId", "is no robot");
            return NULL;
        }
    }
    return all;
}

static void people_read(struct store_req *req)
{
    struct creation *x = req->owner;
    struct chat_ask *a = &x->change.ask;
    struct home *h = a->chat->home;
    struct chat_principal *people = NULL;
    if (req->error != ERR_NONE) {
        chat_answer(a, req->error);
    } else if (x->pair[0] != '\0' && req->steps[READ_PAIR].row_count == 1) {
        (void)chat_cell_uuid(store_cell(req, READ_PAIR, 0, 0), &a->id);
        a->result.room = a->id;
        a->unloaded = false;
        a->at_home = at_home_show;
        chat_ask_start(a);
    } else {
        people = people_of(x, req);
    }
    store_req_free(req);
    if (people != NULL) {
        make_room(x, people);
        req = store_req_new(h->index, CREATE_STEPS, stored, x);
        req->row_max = x->count + 2; /* the numbers of the events */
        store_room(x, req);
        store_limits(x, req);
        store_members(x, req);
        h->store->submit(h->store, req);
    }
}

static void read_people(struct creation *x)
{
    struct home *h = x->change.ask.chat->home;
    bool direct = x->pair[0] != '\0';
    struct store_req *req = store_req_new(h->index, direct ? 2 : 1, people_read, x);
    req->row_max = x->count + 1;
    chat_principals_step(req, READ_PEOPLE, x->ids, x->count);
    if (direct) {
        store_step_init(req, READ_PAIR, QUERY_CHAT_ROOM_BY_PAIR, 1);
        store_set_text(req, READ_PAIR, 0, 0, span_str(x->pair));
    }
    h->store->submit(h->store, req);
}

static void set_pair(struct creation *x)
{
    bool first = memcmp(&x->ids[0], &x->ids[1], sizeof(uuid)) < 0;
    uuid_format(x->ids[first ? 0 : 1], x->pair);
    x->pair[UUID_TEXT_LEN] = ':';
    uuid_format(x->ids[first ? 1 : 0], x->pair + UUID_TEXT_LEN + 1);
}

static void at_home_create(struct chat_ask *a, struct chat_room *r)
{
    struct creation *x = (struct creation *)a;
    size_t chars = chat_chars(x->name);
    (void)r;
    if (a->who.type == CHAT_GUEST || a->who.kind == PRINCIPAL_ROBOT) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, "guests and robots make no rooms");
    } else if (x->type == CHAT_DIRECT && x->count != 2) {
        chat_refuse(a, ERR_INVALID_REQUEST, "members", "names one other person");
    } else if (chars > CHAT_NAME_MAX || (chars == 0 && x->type != CHAT_DIRECT)) {
        chat_refuse(a, ERR_INVALID_REQUEST, "name", "has 1 to 100 characters");
    } else if (x->settings.len > CHAT_SETTINGS_MAX) {
        chat_refuse(a, ERR_INVALID_REQUEST, "settings", "is longer than 4,096 bytes");
    } else if (x->bad_robot) {
        chat_refuse(a, ERR_INVALID_REQUEST, "settings.robotId", "is no UUID");
    } else {
        if (x->type == CHAT_DIRECT) {
            set_pair(x);
        }
        read_people(x);
    }
}

static bool has(const struct creation *x, uuid id)
{
    for (unsigned i = 0; i < x->count; i++) {
        if (uuid_eq(x->ids[i], id)) {
            return true;
        }
    }
    return false;
}

void chat_room_create(struct home *h, const struct chat_room_draft *in, const struct chat_who *who,
                      const struct chat_origin *origin, chat_done done, void *owner)
{
    struct creation *x = chat_ask_new(h, sizeof *x, home_new_id(h), at_home_create, who, origin,
                                      done, owner);
    struct chat_ask *a = &x->change.ask;
    ASSERT(in->member_count <= CHAT_MEMBERS_SHOWN);
    a->unloaded = true;
    x->name = in->name.len == 0 ? SPAN("") : chat_copy(a, in->name);
    x->settings = in->settings.len == 0 ? SPAN("{}") : chat_copy(a, in->settings);
    x->type = in->type;
    x->ids = ARENA_ARRAY(&a->arena, uuid, in->member_count + 2);
    x->ids[x->count++] = who->actor.id;
    for (unsigned i = 0; i < in->member_count; i++) {
        if (!has(x, in->members[i])) {
            x->ids[x->count++] = in->members[i];
        }
    }
    if (in->type == CHAT_SUPPORT) {
        x->bad_robot = !robot_of_settings(x->settings, &x->robot);
    }
    if (!uuid_is_nil(x->robot) && !has(x, x->robot)) {
        x->ids[x->count++] = x->robot;
    }
    chat_ask_start(a);
}

/* --- get --- */

struct reading {
    struct chat_ask ask; /* first */
    struct chat_room *room;
};

static void read_noted(struct store_req *req)
{
    struct reading *x = req->owner;
    struct chat_room *r = x->room;
    if (req->error != ERR_NONE) {
        chat_answer(&x->ask, req->error);
    } else {
        shown(&x->ask, r, NULL);
    }
    store_req_free(req);
    chat_release(r);
}

static void ban_read(struct store_req *req)
{
    struct reading *x = req->owner;
    struct chat_room *r = x->room;
    if (req->error != ERR_NONE) {
        chat_answer(&x->ask, req->error);
    } else if (req->steps[0].row_count > 0) {
        chat_answer(&x->ask, ERR_ROOM_ACCESS_DENIED);
    } else {
        shown(&x->ask, r, chat_member(r, x->ask.who.actor.id));
    }
    store_req_free(req);
    chat_release(r);
}

/* A public room is everybody's but theirs who are banned from it. */
static void read_ban(struct reading *x, struct chat_room *r)
{
    struct home *h = r->chat->home;
    struct store_req *req = store_req_new(h->index, 1, ban_read, x);
    x->room = r;
    chat_hold(r);
    req->row_max = 1;
    store_step_init(req, 0, QUERY_CHAT_BAN_HOLDS, 1);
    chat_set_uuid(req, 0, 0, 0, r->id);
    chat_set_uuid(req, 0, 0, 1, x->ask.who.actor.id);
    store_set_int(req, 0, 0, 2, clock_wall_ms(h->clock));
    h->store->submit(h->store, req);
}

static void at_home_get(struct chat_ask *a, struct chat_room *r)
{
    struct reading *x = (struct reading *)a;
    struct chat_member_of *m = r == NULL ? NULL : chat_member(r, a->who.actor.id);
    bool open = r != NULL && r->type == CHAT_PUBLIC && a->who.type != CHAT_GUEST &&
                a->who.kind != PRINCIPAL_ROBOT;
    if (m != NULL || (open && a->who.monitors)) {
        shown(a, r, m);
    } else if (open) {
        read_ban(x, r);
    } else if (r == NULL || !a->who.monitors) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
    } else { /* what a supervisor reads of others is noted first */
        struct home *h = a->chat->home;
        struct store_req *req = store_req_new(h->index, 1, read_noted, x);
        x->room = r;
        chat_hold(r);
        chat_audit_step(a->chat, req, 0, &a->who, "chat.room.read", r->id);
        h->store->submit(h->store, req);
    }
}

void chat_room_get(struct home *h, uuid room, const struct chat_who *who, chat_done done,
                   void *owner)
{
    struct reading *x =
        chat_ask_new(h, sizeof *x, room, at_home_get, who, NULL, done, owner);
    chat_ask_start(&x->ask);
}
