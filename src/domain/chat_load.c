/* A room and its members, read from the store: one request, and one more for each further page of
 * members. */
#include "domain/chat_internal.h"

#include "shape/decode.h"

/* A room's members come in pages, for a request is no longer than a page. */
#define LOAD_MEMBERS 1000

enum load_step { LOAD_MEMBERS_STEP, LOAD_ROOM, LOAD_STEPS };

static void load_room(struct chat_room *r, const struct store_value *c)
{
    r->type = (enum chat_room_type)shape_chat_room_type_of(store_text(&c[0]));
    chat_room_texts(r, store_text(&c[1]), store_text(&c[2]));
    r->last_seq = store_int(&c[3]);
    r->last_ms = store_int(&c[4]);
    (void)chat_cell_uuid(&c[5], &r->created_by);
    (void)chat_cell_uuid(&c[6], &r->owner_robot);
    r->alone = c[7].type != STORE_NULL;
    r->version = store_int(&c[8]);
    r->created_ms = store_int(&c[9]);
    r->updated_ms = store_int(&c[10]);
}

enum principal_kind chat_kind_of(span name)
{
    for (int k = PRINCIPAL_USER; k <= PRINCIPAL_SERVICE; k++) {
        if (span_eq(name, span_str(principal_kind_name((enum principal_kind)k)))) {
            return (enum principal_kind)k;
        }
    }
    return PRINCIPAL_USER;
}

static void load_member(struct chat_room *r, const struct store_value *c)
{
    struct chat_principal who = {
        .kind = chat_kind_of(store_text(&c[1])),
        .type = (enum chat_user_type)shape_chat_user_type_of(store_text(&c[3])),
        .name = store_text(&c[2])};
    if (!chat_cell_uuid(&c[0], &who.id)) {
        return;
    }
    struct chat_member_of *m = chat_member_put(r, &who);
    r->loaded_to = who.id;
    m->role = (enum chat_role)shape_chat_role_of(store_text(&c[4]));
    m->first_seq = store_int(&c[5]);
    m->read_seq = store_int(&c[6]);
    m->delivered_seq = store_int(&c[7]);
    m->hidden = store_int(&c[8]) != 0;
    m->muted_until_ms = store_int(&c[9]);
    m->joined_ms = store_int(&c[10]);
    chat_member_mute_reason(m, store_text(&c[11]));
}

static void loaded(struct store_req *req)
{
    struct chat_room *r = req->owner;
    const struct store_step *members = &req->steps[LOAD_MEMBERS_STEP];
    bool first = uuid_is_nil(r->loaded_to) && req->step_count == LOAD_STEPS;
    bool there = req->error == ERR_NONE && (!first || req->steps[LOAD_ROOM].row_count == 1);
    if (there && first) {
        load_room(r, store_cell(req, LOAD_ROOM, 0, 0));
    }
    for (unsigned i = 0; there && i < members->row_count; i++) {
        load_member(r, store_cell(req, LOAD_MEMBERS_STEP, i, 0));
    }
    if (there && members->row_count == LOAD_MEMBERS) {
        chat_room_load(r);
    } else {
        chat_room_loaded(r, req->error, there);
    }
    store_req_free(req);
}

/* Of the room's members behind `after`, and if that is nil of the room. */
static struct store_req *load_req(struct home *h, uuid room, uuid after,
                                  void (*done)(struct store_req *), void *owner)
{
    bool first = uuid_is_nil(after);
    struct store_req *req = store_req_new(h->index, first ? LOAD_STEPS : 1, done, owner);
    req->row_max = LOAD_MEMBERS + 1;
    store_step_init(req, LOAD_MEMBERS_STEP, QUERY_CHAT_MEMBER_LOAD, 1);
    chat_set_uuid(req, LOAD_MEMBERS_STEP, 0, 0, room);
    chat_set_uuid(req, LOAD_MEMBERS_STEP, 0, 1, after);
    store_set_int(req, LOAD_MEMBERS_STEP, 0, 2, LOAD_MEMBERS);
    if (first) {
        store_step_init(req, LOAD_ROOM, QUERY_CHAT_ROOM_GET, 1);
        chat_set_uuid(req, LOAD_ROOM, 0, 0, room);
    }
    return req;
}

void chat_room_load(struct chat_room *r)
{
    struct home *h = r->chat->home;
    h->store->submit(h->store, load_req(h, r->id, r->loaded_to, loaded, r));
}

void chat_room_load_none(struct home *h, void (*done)(struct store_req *), void *owner)
{
    h->store->submit(h->store, load_req(h, UUID_NIL, UUID_NIL, done, owner));
}
