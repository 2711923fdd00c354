/* Rooms: create, get, patch, delete. What is committed is in memory at once, then on every
 * loop, then told and answered. */
#include "domain/house_internal.h"
#include "domain/identity_ops.h"

#include "base/mem.h"
#include "shape/house.h"

#include <stdio.h>

struct room_op {
    struct house_ask ask;
    int64_t id;
    struct house_room_change in; /* of a change; spans in the ask's arena */
    bool force;
    struct house_room_row row;   /* as it will be; the same */
    struct room *room;           /* which waits for this change */
    struct store_req *req;       /* owned, until its events are out */
    int64_t now_ms;
};

static void *op_new(struct home *h, void (*at_home)(struct house_ask *),
                    const struct house_who *who, house_done done, void *owner)
{
    return house_ask_new(h, sizeof(struct room_op), at_home, who, done, owner);
}

static void audit(struct room_op *o, unsigned step, const char *action)
{
    char id[24];
    int len = snprintf(id, sizeof id, "%lld", (long long)o->row.id);
    audit_step(o->ask.house->home, o->req, step,
               &(struct audit_entry){.who = &o->ask.who.actor,
                                     .action = action,
                                     .target_kind = "room",
                                     .target = span_of(id, (size_t)len)});
}

static void event(struct room_op *o, unsigned step, const char *action)
{
    struct home *h = o->ask.house->home;
    char topic[HOUSE_TOPIC_MAX];
    buf data = {0};
    house_put_room_updated(&data, o->row.id, o->row.name, action);
    journal_step(o->req, step,
                 &(struct journal_event){
                     .id = home_new_id(h),
                     .time_ms = o->now_ms,
                     .event = EVENT_ROOM_UPDATED,
                     .topic = house_events_topic(o->row.id, o->row.private, topic),
                     .data = buf_span(&data)});
    buf_deinit(&data);
}

static void begin(struct room_op *o, unsigned steps, void (*done)(struct store_req *))
{
    struct home *h = o->ask.house->home;
    o->req = store_req_new(h->index, steps, done, o);
    o->now_ms = clock_wall_ms(h->clock);
}

static void submit(struct room_op *o)
{
    struct home *h = o->ask.house->home;
    h->store->submit(h->store, o->req);
}

/* The change is on disk and known everywhere: it is told, and answered. */
static void tell(struct room_op *o)
{
    house_publish(o->ask.house, o->req);
    store_req_free(o->req);
    house_answer(&o->ask, ERR_NONE);
}

static void change_end(struct room *r)
{
    r->changing = false;
    house_asks_next(&r->changes);
}

static void set_row(struct store_req *req, const struct house_room_row *row, int64_t now_ms)
{
    store_set_int(req, 0, 0, 0, row->id);
    store_set_text(req, 0, 0, 1, row->name);
    store_set_text(req, 0, 0, 2, row->description);
    store_set_text(req, 0, 0, 3, row->icon);
    store_set_text(req, 0, 0, 4, row->floor);
    store_set_int(req, 0, 0, 5, row->sort);
    store_set_int(req, 0, 0, 6, row->private);
    store_set_int(req, 0, 0, 7, now_ms);
}

/* --- create --- */

static void created_everywhere(struct house_ask *a) { tell((struct room_op *)a); }

static void created(struct store_req *req)
{
    struct room_op *o = req->owner;
    struct house *s = o->ask.house;
    if (req->error != ERR_NONE) {
        s->room_count--;
        house_answer(&o->ask, req->error);
        store_req_free(req);
        return;
    }
    house_result_room(&o->ask, room_add(s, &o->row));
    house_spread(&o->ask,
                 &(struct house_brief_change){
                     .room = o->row.id, .there = true, .private = o->row.private},
                 created_everywhere);
}

static void at_home_create(struct house_ask *a)
{
    struct room_op *o = (struct room_op *)a;
    struct house *s = a->house;
    if (!a->who.may.all) {
        house_answer(a, ERR_PERMISSION_DENIED);
        return;
    }
    if (s->room_count >= s->home->conf->home_rooms_max) {
        house_refuse(a, ERR_RATE_LIMIT_EXCEEDED, NULL, "the house has home_rooms_max rooms");
        return;
    }
    s->room_count++;
    begin(o, 4, created);
    o->row.id = ++s->room_last;
    o->row.version = 1;
    o->row.created_ms = o->row.updated_ms = o->now_ms;
    store_step_init(o->req, 0, QUERY_HOME_ROOM_INSERT, 1);
    set_row(o->req, &o->row, o->now_ms);
    char last[24];
    int len = snprintf(last, sizeof last, "%lld", (long long)o->row.id);
    store_step_init(o->req, 1, QUERY_META_PUT, 1);
    store_set_text(o->req, 1, 0, 0, SPAN(HOUSE_META_ROOM_LAST));
    store_set_text(o->req, 1, 0, 1, span_of(last, (size_t)len));
    audit(o, 2, "room.create");
    event(o, 3, "created");
    submit(o);
}

static span text_of(struct house_ask *a, span s)
{
    return s.len == 0 ? SPAN("") : house_copy(a, s);
}

void house_room_create(struct home *h, const struct house_room_draft *in,
                       const struct house_who *who, house_done done, void *owner)
{
    struct room_op *o = op_new(h, at_home_create, who, done, owner);
    o->row = (struct house_room_row){.name = text_of(&o->ask, in->name),
                                     .description = text_of(&o->ask, in->description),
                                     .icon = text_of(&o->ask, in->icon),
                                     .floor = text_of(&o->ask, in->floor),
                                     .sort = in->sort,
                                     .private = in->private};
    house_ask_start(&o->ask);
}

/* --- get --- */

static void at_home_get(struct house_ask *a)
{
    struct room *r = house_room_for(a, ((struct room_op *)a)->id);
    if (r != NULL) {
        house_result_room(a, r);
        house_answer(a, ERR_NONE);
    }
}

void house_room_get(struct home *h, int64_t id, const struct house_who *who, house_done done,
                    void *owner)
{
    struct room_op *o = op_new(h, at_home_get, who, done, owner);
    o->id = id;
    house_ask_start(&o->ask);
}

/* --- patch --- */

static void patched_everywhere(struct house_ask *a)
{
    struct room_op *o = (struct room_op *)a;
    struct room *r = o->room;
    tell(o);
    change_end(r);
}

static void patched(struct store_req *req)
{
    struct room_op *o = req->owner;
    struct room *r = o->room;
    if (req->error != ERR_NONE) {
        house_answer(&o->ask, req->error == ERR_CONFLICT ? ERR_PRECONDITION_FAILED : req->error);
        store_req_free(req);
        change_end(r);
        return;
    }
    bool same = r->row.private == o->row.private;
    room_set(r, &o->row);
    house_result_room(&o->ask, r);
    if (same) {
        patched_everywhere(&o->ask);
        return;
    }
    house_spread(&o->ask,
                 &(struct house_brief_change){
                     .room = o->row.id, .there = true, .private = o->row.private},
                 patched_everywhere);
}

/* The row as it will be, all in the ask's arena. False: nothing changes. */
static bool merge(struct room_op *o, const struct room *r)
{
    const struct house_room_change *in = &o->in;
    const struct house_room_row *was = &r->row;
    struct house_ask *a = &o->ask;
    o->row = *was;
    o->row.name = in->name.ptr != NULL ? in->name : house_copy(a, was->name);
    o->row.description =
        in->description.ptr != NULL ? in->description : house_copy(a, was->description);
    o->row.icon = in->icon.ptr != NULL ? in->icon : house_copy(a, was->icon);
    o->row.floor = in->floor.ptr != NULL ? in->floor : house_copy(a, was->floor);
    o->row.sort = in->has_sort ? in->sort : was->sort;
    o->row.private = in->has_private ? in->private : was->private;
    return !span_eq(o->row.name, was->name) || !span_eq(o->row.description, was->description) ||
           !span_eq(o->row.icon, was->icon) || !span_eq(o->row.floor, was->floor) ||
           o->row.sort != was->sort || o->row.private != was->private;
}

/* The room, when the change may be made now; else it waits, or is answered. */
static struct room *changeable(struct room_op *o)
{
    struct house_ask *a = &o->ask;
    struct room *r = house_room_for(a, o->id);
    if (r == NULL) {
        return NULL;
    }
    if (r->changing) {
        house_ask_wait(a, &r->changes);
        return NULL;
    }
    if (o->in.version != 0 && o->in.version != r->row.version) {
        house_answer(a, ERR_PRECONDITION_FAILED);
        return NULL;
    }
    return r;
}

static void at_home_patch(struct house_ask *a)
{
    struct room_op *o = (struct room_op *)a;
    struct room *r = changeable(o);
    if (r == NULL) {
        return;
    }
    if (!merge(o, r)) {
        house_result_room(a, r);
        house_answer(a, ERR_NONE);
        return;
    }
    r->changing = true;
    o->room = r;
    begin(o, 3, patched);
    o->row.version++;
    o->row.updated_ms = o->now_ms;
    store_step_init(o->req, 0, QUERY_HOME_ROOM_UPDATE, 1);
    o->req->steps[0].expect = STORE_SOME;
    set_row(o->req, &o->row, o->now_ms);
    store_set_int(o->req, 0, 0, 8, r->row.version);
    audit(o, 1, "room.update");
    event(o, 2, "updated");
    submit(o);
}

void house_room_patch(struct home *h, int64_t id, const struct house_room_change *in,
                      const struct house_who *who, house_done done, void *owner)
{
    struct room_op *o = op_new(h, at_home_patch, who, done, owner);
    o->id = id;
    o->in = *in;
    o->in.name = house_copy(&o->ask, in->name);
    o->in.description = house_copy(&o->ask, in->description);
    o->in.icon = house_copy(&o->ask, in->icon);
    o->in.floor = house_copy(&o->ask, in->floor);
    house_ask_start(&o->ask);
}

/* --- delete --- */

/* Steps of the request. */
enum { PRINCIPALS, LEAVE, DELETE, UNBIND, AUDIT, EVENT, DELETE_STEPS };

/* Who had a role in the room is told when they have heard that it is deleted, which is on its way:
 * half of what a change of rights may take. The room's number is nobody else's meanwhile. */
#define PARTING_MS 500
struct room_parting {
    struct list link; /* in house->partings */
    struct deadline deadline;
    struct home *home;
    unsigned count;
    uuid principals[];
};

static void parting_free(struct room_parting *p)
{
    deadline_clear(&p->deadline);
    list_remove(&p->link);
    mem_free(p);
}

static void on_parted(struct deadline *d)
{
    struct room_parting *p = CONTAINER_OF(d, struct room_parting, deadline);
    for (unsigned i = 0; i < p->count; i++) {
        identity_changed(p->home, p->principals[i]);
    }
    parting_free(p);
}

static void part(struct house *s, const struct store_req *req)
{
    ASSERT(!req->more); /* SCOPE_BINDINGS_MAX, kept by identity_bind */
    unsigned rows = req->steps[PRINCIPALS].row_count;
    if (rows == 0) {
        return;
    }
    struct room_parting *p = mem_calloc(1, sizeof *p + rows * sizeof p->principals[0]);
    p->home = s->home;
    p->deadline.fire = on_parted;
    for (unsigned i = 0; i < rows; i++) {
        p->count +=
            uuid_parse(store_text(store_cell(req, PRINCIPALS, i, 0)), &p->principals[p->count]);
    }
    list_push(&s->partings, &p->link);
    deadline_set(s->home, &p->deadline, PARTING_MS);
}

void house_partings_drop(struct house *s)
{
    while (!list_empty(&s->partings)) {
        parting_free(LIST_ITEM(s->partings.next, struct room_parting, link));
    }
}

static void deleted_everywhere(struct house_ask *a)
{
    struct room_op *o = (struct room_op *)a;
    part(a->house, o->req);
    tell(o);
}

/* Its entities are in none from now on, as their rows are. */
static void empty(struct room_op *o, struct room *r)
{
    struct house *s = o->ask.house;
    while (!list_empty(&r->entities)) {
        struct entity *e = LIST_ITEM(r->entities.next, struct entity, in_room);
        entity_tell_leaves(s, e);
        entity_put_in(e, NULL);
        e->version++;
        e->row_updated_ms = o->now_ms;
        entity_tell_appears(s, e);
    }
}

static void deleted(struct store_req *req)
{
    struct room_op *o = req->owner;
    struct house *s = o->ask.house;
    struct room *r = o->room;
    struct list waiting;
    if (req->error != ERR_NONE) {
        bool full = req->error == ERR_CONFLICT; /* somebody came in meanwhile */
        house_refuse(&o->ask, req->error, NULL, full ? "entities are in the room" : NULL);
        store_req_free(req);
        change_end(r);
        return;
    }
    list_init(&waiting);
    list_splice(&waiting, &r->changes);
    empty(o, r);
    room_drop(s, r);
    s->room_count--;
    house_spread(&o->ask, &(struct house_brief_change){.room = o->row.id}, deleted_everywhere);
    house_asks_next(&waiting);
}

static void delete_steps(struct room_op *o)
{
    char id[24];
    int len = snprintf(id, sizeof id, "%lld", (long long)o->row.id);
    span text = span_of(id, (size_t)len);
    begin(o, DELETE_STEPS, deleted);
    o->req->row_max = SCOPE_BINDINGS_MAX + 1; /* the event's number is a row too */
    store_step_init(o->req, PRINCIPALS, QUERY_BINDING_OF_SCOPE, 1);
    store_set_text(o->req, PRINCIPALS, 0, 0, SPAN("home_room"));
    store_set_text(o->req, PRINCIPALS, 0, 1, text);
    store_step_init(o->req, LEAVE, QUERY_ENTITY_LEAVE_ROOM, 1);
    store_set_int(o->req, LEAVE, 0, 0, o->row.id);
    store_set_int(o->req, LEAVE, 0, 1, o->now_ms);
    store_set_int(o->req, LEAVE, 0, 2, o->force);
    store_step_init(o->req, DELETE, QUERY_HOME_ROOM_DELETE, 1);
    o->req->steps[DELETE].expect = STORE_SOME;
    store_set_int(o->req, DELETE, 0, 0, o->row.id);
    store_step_init(o->req, UNBIND, QUERY_BINDING_DELETE_SCOPE, 1);
    store_set_text(o->req, UNBIND, 0, 0, SPAN("home_room"));
    store_set_text(o->req, UNBIND, 0, 1, text);
    audit(o, AUDIT, "room.delete");
    event(o, EVENT, "deleted");
}

static void at_home_delete(struct house_ask *a)
{
    struct room_op *o = (struct room_op *)a;
    struct room *r = changeable(o);
    if (r == NULL) {
        return;
    }
    if (r->entity_count > 0 && !o->force) {
        house_refuse(a, ERR_CONFLICT, NULL, "entities are in the room");
        return;
    }
    r->changing = true;
    o->room = r;
    o->row = r->row;
    delete_steps(o);
    submit(o);
}

void house_room_delete(struct home *h, int64_t id, int64_t version, bool force,
                       const struct house_who *who, house_done done, void *owner)
{
    struct room_op *o = op_new(h, at_home_delete, who, done, owner);
    o->id = id;
    o->in.version = version;
    o->force = force;
    house_ask_start(&o->ask);
}
