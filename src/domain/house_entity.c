/* Entities: get, patch (rename, move, backing), delete. */
#include "domain/house_internal.h"

#include "base/mem.h"

#include <string.h>

/* A change that nobody tied to a version is tried again when another one came first: its room was
 * deleted meanwhile. */
#define TRIES_MAX 3

struct entity_op {
    struct house_ask ask;
    span target;                   /* a name or an alias; in the arena, as all below */
    struct house_entity_change in;
    struct house_entity_row row;   /* as it will be */
    struct entity *entity;         /* held while a request is on its way */
    int64_t now_ms;
    unsigned tries;
};

static void *op_new(struct home *h, span target, void (*at_home)(struct house_ask *),
                    const struct house_who *who, house_done done, void *owner)
{
    struct entity_op *o = house_ask_new(h, sizeof *o, at_home, who, done, owner);
    o->target = house_copy(&o->ask, target);
    return o;
}

/* --- get --- */

static void at_home_get(struct house_ask *a)
{
    const struct entity *e = house_entity_for(a, ((struct entity_op *)a)->target);
    if (e != NULL) {
        house_result_entity(a, e);
        house_answer(a, ERR_NONE);
    }
}

void house_entity_get(struct home *h, span entity_id, const struct house_who *who,
                      house_done done, void *owner)
{
    house_ask_start(op_new(h, entity_id, at_home_get, who, done, owner));
}

/* --- patch --- */

static void change_end(struct house *s, struct entity *e)
{
    e->changing = false;
    house_asks_next(&e->changes);
    entity_release(s, e);
}

/* The entity, when the change may be made now; else it waits, or is answered. */
static struct entity *changeable(struct entity_op *o)
{
    struct house_ask *a = &o->ask;
    struct entity *e = house_entity_for(a, o->target);
    if (e == NULL) {
        return NULL;
    }
    if (e->changing) {
        house_ask_wait(a, &e->changes);
        return NULL;
    }
    if (o->in.version != 0 && o->in.version != e->version) {
        house_answer(a, ERR_PRECONDITION_FAILED);
        return NULL;
    }
    return e;
}

static void change_begin(struct entity_op *o, struct entity *e)
{
    o->entity = e;
    e->changing = true;
    entity_hold(e);
}

/* A failed change of either kind ends, or is tried again before others. */
static void change_failed(struct entity_op *o, struct store_req *req, bool other_version)
{
    struct house_ask *a = &o->ask;
    struct house *s = a->house;
    struct entity *e = o->entity;
    entity_fault(a, req);
    store_req_free(req);
    if (other_version && o->in.version == 0 && ++o->tries < TRIES_MAX) {
        e->changing = false;
        a->result.error = ERR_NONE;
        a->at_home(a);
        if (!e->changing) {
            house_asks_next(&e->changes);
        }
        entity_release(s, e);
        return;
    }
    house_refuse_fault(a);
    change_end(s, e);
}

/* In memory, what is on disk now: name and aliases. */
static void rename_entity(struct house *s, struct entity *e, span entity_id)
{
    alias_end(s, entity_id);
    unsigned count = 0;
    LIST_EACH(it, &e->aliases) {
        count++;
    }
    if (count >= HOUSE_ALIASES_MAX) {
        alias_drop(s, LIST_ITEM(e->aliases.next, struct alias, link));
    }
    alias_add(s, e, e->entity_id);
}

static void apply(struct entity_op *o, struct entity *e)
{
    struct house *s = o->ask.house;
    bool renamed = !span_eq(e->entity_id, o->row.entity_id);
    bool moved = entity_room(e) != o->row.room;
    if (renamed || moved) {
        entity_tell_leaves(s, e);
    }
    if (renamed) {
        rename_entity(s, e, o->row.entity_id);
    }
    entity_set(s, e, &o->row);
    entity_put_in(e, house_room_find(s, o->row.room));
    if (renamed || moved) {
        entity_tell_appears(s, e);
    }
    entity_back(s, e, o->row.device, e->capability);
}

static void patched(struct store_req *req)
{
    struct entity_op *o = req->owner;
    struct entity *e = o->entity;
    if (req->error != ERR_NONE) {
        change_failed(o, req, req->error == ERR_CONFLICT && req->failed_step == ENTITY_CHANGE);
        return;
    }
    store_req_free(req);
    apply(o, e);
    house_result_entity(&o->ask, e);
    house_answer(&o->ask, ERR_NONE);
    change_end(o->ask.house, e);
}

/* The row as it will be, all in the ask's arena. False: nothing changes. */
static bool merge(struct entity_op *o, const struct entity *e)
{
    const struct house_entity_change *in = &o->in;
    struct house_ask *a = &o->ask;
    o->row = (struct house_entity_row){
        .entity_id = in->entity_id.ptr != NULL ? in->entity_id : house_copy(a, e->entity_id),
        .name = in->name.ptr != NULL ? in->name : house_copy(a, e->name),
        .room = in->has_room ? in->room : entity_room(e),
        .device = in->has_backing ? in->device : e->device,
        .capability = in->has_backing ? in->capability : house_copy(a, e->capability),
        .version = e->version + 1,
        .created_ms = e->row_created_ms,
    };
    return !span_eq(o->row.entity_id, e->entity_id) || !span_eq(o->row.name, e->name) ||
           o->row.room != entity_room(e) || !uuid_eq(o->row.device, e->device) ||
           !span_eq(o->row.capability, e->capability);
}

static bool merged_ok(struct entity_op *o, const struct entity *e)
{
    struct house_ask *a = &o->ask;
    if (uuid_is_nil(o->row.device) != (o->row.capability.len == 0)) {
        house_fault(a, ERR_INVALID_REQUEST, "capability", "device_id and capability go together");
        return false;
    }
    return (o->row.room == entity_room(e) || entity_room_ok(a, o->row.room)) &&
           entity_name_ok(a, o->row.entity_id, e);
}

static void alias_steps(struct entity_op *o, struct store_req *req, const struct entity *e)
{
    store_step_init(req, ENTITY_STEPS, QUERY_ENTITY_ALIAS_INSERT, 1);
    store_set_text(req, ENTITY_STEPS, 0, 0, e->entity_id);
    store_set_int(req, ENTITY_STEPS, 0, 1, e->number);
    store_set_int(req, ENTITY_STEPS, 0, 2, o->now_ms);
    store_step_init(req, ENTITY_STEPS + 1, QUERY_ENTITY_ALIAS_TRIM, 1);
    store_set_int(req, ENTITY_STEPS + 1, 0, 0, e->number);
    store_set_int(req, ENTITY_STEPS + 1, 0, 1, HOUSE_ALIASES_MAX);
}

static void submit_patch(struct entity_op *o, struct entity *e)
{
    struct home *h = o->ask.house->home;
    bool renamed = !span_eq(o->row.entity_id, e->entity_id);
    struct store_req *req = store_req_new(h->index, ENTITY_STEPS + (renamed ? 2 : 0), patched, o);
    o->now_ms = o->row.updated_ms = clock_wall_ms(h->clock);
    entity_guards(req, &o->row, e->number);
    house_expect(req, ENTITY_CHANGE, QUERY_ENTITY_UPDATE, STORE_SOME);
    entity_set_row(req, e->number, &o->row, 1);
    store_set_int(req, ENTITY_CHANGE, 0, 7, e->version);
    entity_audit(&o->ask, req, ENTITY_AUDIT, renamed ? "entity.rename" : "entity.update",
                 e->entity_id);
    if (renamed) {
        alias_steps(o, req, e);
    }
    change_begin(o, e);
    h->store->submit(h->store, req);
}

static void at_home_patch(struct house_ask *a)
{
    struct entity_op *o = (struct entity_op *)a;
    struct entity *e = changeable(o);
    if (e == NULL) {
        return;
    }
    if (!merge(o, e)) {
        house_result_entity(a, e);
        house_answer(a, ERR_NONE);
    } else if (merged_ok(o, e)) {
        submit_patch(o, e);
    } else {
        house_refuse_fault(a);
    }
}

void house_entity_patch(struct home *h, span entity_id, const struct house_entity_change *in,
                        const struct house_who *who, house_done done, void *owner)
{
    struct entity_op *o = op_new(h, entity_id, at_home_patch, who, done, owner);
    o->in = *in;
    o->in.entity_id = house_copy(&o->ask, in->entity_id);
    o->in.name = house_copy(&o->ask, in->name);
    o->in.capability = house_copy(&o->ask, in->capability);
    house_ask_start(&o->ask);
}

/* --- delete --- */

static void deleted(struct store_req *req)
{
    struct entity_op *o = req->owner;
    struct house *s = o->ask.house;
    struct entity *e = o->entity;
    struct list waiting;
    if (req->error != ERR_NONE) {
        change_failed(o, req, req->error == ERR_CONFLICT);
        return;
    }
    store_req_free(req);
    list_init(&waiting);
    list_splice(&waiting, &e->changes);
    entity_tell_leaves(s, e);
    entity_write_forget(s, e);
    entity_drop(s, e);
    entity_back(s, e, UUID_NIL, SPAN_NONE);
    house_scenes_forget(s, e);
    s->entity_count--;
    house_answer(&o->ask, ERR_NONE);
    house_asks_next(&waiting);
    entity_release(s, e);
}

static void at_home_delete(struct house_ask *a)
{
    struct entity_op *o = (struct entity_op *)a;
    struct entity *e = changeable(o);
    if (e == NULL) {
        return;
    }
    struct home *h = a->house->home;
    struct store_req *req = store_req_new(h->index, 3, deleted, o);
    house_expect(req, 0, QUERY_ENTITY_DELETE, STORE_SOME);
    store_set_int(req, 0, 0, 0, e->number);
    store_set_int(req, 0, 0, 1, e->version);
    store_step_init(req, 1, QUERY_ENTITY_GONE_INSERT, 1);
    store_set_int(req, 1, 0, 0, e->number);
    entity_audit(a, req, 2, "entity.delete", e->entity_id);
    change_begin(o, e);
    h->store->submit(h->store, req);
}

void house_entity_delete(struct home *h, span entity_id, int64_t version,
                         const struct house_who *who, house_done done, void *owner)
{
    struct entity_op *o = op_new(h, entity_id, at_home_delete, who, done, owner);
    o->in.version = version;
    house_ask_start(&o->ask);
}
