/* Entities: create, and what must hold of any change. The store decides in the transaction of the
 * change what it alone can know: that room and device are there, that nobody else has the name or
 * the capability. */
#include "domain/house_internal.h"

#include "base/mem.h"

static void set_uuid(struct store_req *req, unsigned step, unsigned p, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    if (!uuid_is_nil(id)) { /* else NULL */
        uuid_format(id, text);
        store_set_text(req, step, 0, p, span_of(text, UUID_TEXT_LEN));
    }
}

static void set_room(struct store_req *req, unsigned step, unsigned p, int64_t room)
{
    if (room != 0) { /* else NULL */
        store_set_int(req, step, 0, p, room);
    }
}

void entity_audit(struct house_ask *a, struct store_req *req, unsigned step, const char *action,
                  span entity_id)
{
    audit_step(a->house->home, req, step,
               &(struct audit_entry){.who = &a->who.actor,
                                     .action = action,
                                     .target_kind = "entity",
                                     .target = entity_id});
}

/* --- what must hold --- */

void house_expect(struct store_req *req, unsigned step, enum query q, enum store_expect e)
{
    store_step_init(req, step, q, 1);
    req->steps[step].expect = e;
}

void entity_guards(struct store_req *req, const struct house_entity_row *row, int64_t number)
{
    house_expect(req, ENTITY_ROOM, QUERY_HOME_ROOM_THERE, STORE_SOME);
    set_room(req, ENTITY_ROOM, 0, row->room);
    house_expect(req, ENTITY_DEVICE, QUERY_DEVICE_THERE, STORE_SOME);
    set_uuid(req, ENTITY_DEVICE, 0, row->device);
    house_expect(req, ENTITY_BACKED, QUERY_ENTITY_BACKED, STORE_NO_ROW);
    set_uuid(req, ENTITY_BACKED, 0, row->device);
    store_set_text(req, ENTITY_BACKED, 0, 1, row->capability);
    store_set_int(req, ENTITY_BACKED, 0, 2, number);
    house_expect(req, ENTITY_TAKEN, QUERY_ENTITY_TAKEN, STORE_NO_ROW);
    store_set_text(req, ENTITY_TAKEN, 0, 0, row->entity_id);
    store_set_int(req, ENTITY_TAKEN, 0, 1, number);
    store_step_init(req, ENTITY_ALIAS, QUERY_ENTITY_ALIAS_DELETE, 1);
    store_set_text(req, ENTITY_ALIAS, 0, 0, row->entity_id);
}

void entity_set_row(struct store_req *req, int64_t number, const struct house_entity_row *row,
                    unsigned first)
{
    if (number != 0) {
        store_set_int(req, ENTITY_CHANGE, 0, 0, number);
    }
    store_set_text(req, ENTITY_CHANGE, 0, first, row->entity_id);
    store_set_text(req, ENTITY_CHANGE, 0, first + 1, row->name);
    set_room(req, ENTITY_CHANGE, first + 2, row->room);
    set_uuid(req, ENTITY_CHANGE, first + 3, row->device);
    if (!uuid_is_nil(row->device)) {
        store_set_text(req, ENTITY_CHANGE, 0, first + 4, row->capability);
    }
    store_set_int(req, ENTITY_CHANGE, 0, first + 5, row->updated_ms);
}

void house_fault(struct house_ask *a, err error, const char *member, const char *why)
{
    a->result.error = error;
    a->result.member = member;
    a->result.why = why;
}

void entity_fault(struct house_ask *a, const struct store_req *req)
{
    if (req->error != ERR_CONFLICT) {
        house_fault(a, req->error, NULL, NULL);
        return;
    }
    switch (req->failed_step) {
    case ENTITY_ROOM:
        house_fault(a, ERR_INVALID_REQUEST, "room_id", "there is no such room");
        return;
    case ENTITY_DEVICE:
        house_fault(a, ERR_DEVICE_NOT_FOUND, "device_id", NULL);
        return;
    case ENTITY_BACKED:
        house_fault(a, ERR_CONFLICT, "capability",
                    "another entity has that capability of the device");
        return;
    case ENTITY_TAKEN:
        house_fault(a, ERR_CONFLICT, "entity_id", "another entity has that name");
        return;
    default:
        house_fault(a, ERR_PRECONDITION_FAILED, NULL, NULL);
    }
}

bool entity_room_ok(struct house_ask *a, int64_t room)
{
    const struct room *r = house_room_find(a->house, room);
    bool private = r != NULL && r->row.private;
    if (room != 0 && (r == NULL || !house_may(&a->who.see, room, private))) {
        house_fault(a, ERR_INVALID_REQUEST, "room_id", "there is no such room");
        return false;
    }
    if (!house_may(&a->who.may, room, private)) {
        house_fault(a, ERR_PERMISSION_DENIED, NULL, NULL);
        return false;
    }
    return true;
}

bool entity_name_ok(struct house_ask *a, span entity_id, const struct entity *e)
{
    if (!house_entity_id_ok(entity_id)) {
        house_fault(a, ERR_INVALID_REQUEST, "entity_id",
                    "must be domain.object of a-z, 0-9 and _, up to 128 characters");
        return false;
    }
    const struct entity *other = house_entity_find(a->house, entity_id);
    if (other == NULL || other == e) {
        return true;
    }
    bool live = span_eq(other->entity_id, entity_id);
    if (live || !house_may(&a->who.may, entity_room(other), entity_private(other))) {
        house_fault(a, ERR_CONFLICT, "entity_id",
                    live ? "another entity has that name" : "another entity had that name before");
        return false;
    }
    return true;
}

void house_refuse_fault(struct house_ask *a)
{
    house_refuse(a, a->result.error, a->result.member, a->result.why);
}

void alias_end(struct house *s, span entity_id)
{
    struct alias *x = alias_find(s, entity_id);
    if (x != NULL) {
        alias_drop(s, x);
    }
}

/* --- create --- */

struct making {
    struct house_ask *ask;
    struct house_entity_row row; /* spans in the ask's arena */
    void (*made)(struct house_ask *a, struct entity *e);
};

static void made(struct store_req *req)
{
    struct making *m = req->owner;
    struct house_ask *a = m->ask;
    struct house *s = a->house;
    if (req->error != ERR_NONE) {
        s->entity_count--;
        entity_fault(a, req);
        store_req_free(req);
        m->made(a, NULL);
        return;
    }
    alias_end(s, m->row.entity_id);
    struct entity *e = entity_add(s, store_int(store_cell(req, ENTITY_CHANGE, 0, 0)), &m->row);
    store_req_free(req);
    entity_hold(e);
    entity_say(e, m->row.state, m->row.attributes);
    e->device = m->row.device;
    e->available = uuid_is_nil(e->device); /* else its device will say so */
    e->by = a->who.actor.id;
    entity_put_in(e, house_room_find(s, m->row.room));
    entity_tell_appears(s, e);
    entity_back(s, e, e->device, e->capability);
    m->made(a, e);
    entity_release(s, e);
}

/* "living_room" is "Living room". */
static span name_of(struct house_ask *a, span entity_id)
{
    span object = entity_id;
    (void)span_cut(&object, '.');
    uint8_t *name = arena_alloc(&a->arena, object.len + 1);
    for (size_t i = 0; i < object.len; i++) {
        name[i] = object.ptr[i] == '_' ? ' ' : object.ptr[i];
    }
    if (name[0] >= 'a' && name[0] <= 'z') {
        name[0] = (uint8_t)(name[0] - 32);
    }
    return span_of(name, object.len > 100 ? 100 : object.len);
}

static bool draft_ok(struct house_ask *a, const struct house_entity_draft *in)
{
    bool backed = !uuid_is_nil(in->device);
    if (!entity_room_ok(a, in->room) || !entity_name_ok(a, in->entity_id, NULL)) {
        return false;
    }
    if (backed != (in->capability.len > 0)) {
        house_fault(a, ERR_INVALID_REQUEST, backed ? "capability" : "device_id",
              "device_id and capability go together");
        return false;
    }
    if (backed && in->state.ptr != NULL) {
        house_fault(a, ERR_INVALID_REQUEST, "state", "the device says the state");
        return false;
    }
    if (a->house->entity_count >= a->house->home->conf->home_entities_max) {
        house_fault(a, ERR_RATE_LIMIT_EXCEEDED, NULL, "the house has home_entities_max entities");
        return false;
    }
    return true;
}

void entity_make(struct house_ask *a, const struct house_entity_draft *in,
                 void (*on_made)(struct house_ask *a, struct entity *e))
{
    struct house *s = a->house;
    struct home *h = s->home;
    if (!draft_ok(a, in)) {
        on_made(a, NULL);
        return;
    }
    struct making *m = ARENA_NEW(&a->arena, struct making);
    struct store_req *req = store_req_new(h->index, ENTITY_STEPS, made, m);
    int64_t now = clock_wall_ms(h->clock);
    *m = (struct making){.ask = a, .made = on_made};
    m->row = (struct house_entity_row){
        .entity_id = in->entity_id,
        .name = in->name.len > 0 ? in->name : name_of(a, in->entity_id),
        .room = in->room,
        .device = in->device,
        .capability = in->capability,
        .state = in->state.ptr != NULL ? house_state_cut(in->state) : SPAN(HOUSE_UNKNOWN),
        .attributes = in->attributes.len > 0 ? in->attributes : SPAN("{}"),
        .version = 1,
        .created_ms = now,
        .updated_ms = now,
    };
    s->entity_count++;
    entity_guards(req, &m->row, 0);
    store_step_init(req, ENTITY_CHANGE, QUERY_ENTITY_INSERT, 1);
    entity_set_row(req, 0, &m->row, 0);
    entity_audit(a, req, ENTITY_AUDIT, "entity.create", m->row.entity_id);
    h->store->submit(h->store, req);
}

struct creation {
    struct house_ask ask;
    struct house_entity_draft in; /* spans in the ask's arena */
    struct house_wait wait;
    struct entity *entity; /* held, until its state is on disk */
};

static void on_disk(struct house_wait *w, err error)
{
    struct creation *c = CONTAINER_OF(w, struct creation, wait);
    entity_release(c->ask.house, c->entity);
    house_answer(&c->ask, error);
}

static void created(struct house_ask *a, struct entity *e)
{
    struct creation *c = (struct creation *)a;
    if (e == NULL) {
        house_refuse_fault(a);
        return;
    }
    c->entity = e;
    entity_hold(e);
    a->result.created = true;
    house_result_entity(a, e);
    house_written(a->house, e, &c->wait);
}

static void at_home_create(struct house_ask *a)
{
    entity_make(a, &((struct creation *)a)->in, created);
}

void house_entity_create(struct home *h, const struct house_entity_draft *in,
                         const struct house_who *who, house_done done, void *owner)
{
    struct creation *c = house_ask_new(h, sizeof *c, at_home_create, who, done, owner);
    c->wait.ready = on_disk;
    list_init(&c->wait.link);
    c->in = *in;
    c->in.entity_id = house_copy(&c->ask, in->entity_id);
    c->in.name = house_copy(&c->ask, in->name);
    c->in.capability = house_copy(&c->ask, in->capability);
    c->in.state = house_copy(&c->ask, in->state);
    c->in.attributes = house_copy(&c->ask, in->attributes);
    house_ask_start(&c->ask);
}
