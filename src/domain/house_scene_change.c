/* Changes of scenes, one at a time: the row and its items in one transaction with its audit entry,
 * then memory. */
#include "domain/house_scene.h"

#include "shape/scene.h"

enum change_kind { CREATE, PATCH, DELETE };

struct change {
    struct house_ask ask;
    enum change_kind kind;
    int64_t version;
    struct house_scene_draft in;
    struct house_scene_item *said; /* in.items, read */
    unsigned count;
    struct house_scene_row row;    /* as it will be */
    struct scene_item *items;      /* entities held while it is on its way */
};

static void change_over(struct change *x)
{
    struct house *s = x->ask.house;
    for (unsigned i = 0; i < x->count; i++) {
        entity_release(s, x->items[i].entity);
    }
    s->scenes->changing = false;
    house_asks_next(&s->scenes->changes);
}

static void apply(struct change *x)
{
    struct house *s = x->ask.house;
    struct scene *c = scene_find(s, x->row.id);
    switch (x->kind) {
    case CREATE:
        scene_add(s, &x->row, x->items, x->count);
        scene_answer(&x->ask, scene_find(s, x->row.id));
        break;
    case PATCH:
        if (x->in.items.ptr != NULL) {
            scene_set(c, &x->row, x->items, x->count);
        } else {
            scene_set(c, &x->row, c->items, c->count);
        }
        scene_answer(&x->ask, c);
        break;
    case DELETE:
        scene_drop(s, c);
        house_answer(&x->ask, ERR_NONE);
        break;
    }
}

static void stored(struct store_req *req)
{
    struct change *x = req->owner;
    err error = req->error;
    store_req_free(req);
    if (error == ERR_NONE) {
        apply(x);
    } else if (error == ERR_STORE_CONSTRAINT) {
        house_refuse(&x->ask, ERR_CONFLICT, "items", "an entity was deleted meanwhile");
    } else {
        house_answer(&x->ask, error);
    }
    change_over(x);
}

static span text_of(uuid id, char text[UUID_TEXT_LEN + 1])
{
    uuid_format(id, text);
    return span_of(text, UUID_TEXT_LEN);
}

static void set_text(struct store_req *req, unsigned step, unsigned set, unsigned p, span text)
{
    if (text.ptr != NULL) {
        store_set_text(req, step, set, p, text);
    }
}

static void set_items(struct store_req *req, unsigned step, const struct change *x, span id)
{
    store_step_init(req, step, QUERY_SCENE_ITEM_INSERT, x->count);
    for (unsigned i = 0; i < x->count; i++) {
        const struct house_scene_item *w = &x->items[i].what;
        store_set_text(req, step, i, 0, id);
        store_set_int(req, step, i, 1, i);
        store_set_int(req, step, i, 2, x->items[i].entity->number);
        set_text(req, step, i, 3, w->action);
        set_text(req, step, i, 4, w->parameters);
        set_text(req, step, i, 5, w->state);
        set_text(req, step, i, 6, w->attributes);
    }
}

static void set_row(struct store_req *req, const struct change *x, span id)
{
    const struct house_scene_row *r = &x->row;
    store_step_init(req, 0, x->kind == CREATE ? QUERY_SCENE_INSERT : QUERY_SCENE_UPDATE, 1);
    store_set_text(req, 0, 0, 0, id);
    store_set_text(req, 0, 0, 1, r->name);
    store_set_text(req, 0, 0, 2, r->description);
    store_set_text(req, 0, 0, 3, r->icon);
    store_set_int(req, 0, 0, 4, r->updated_ms);
}

static void submit(struct change *x)
{
    static const char *const actions[] = {
        [CREATE] = "scene.create", [PATCH] = "scene.update", [DELETE] = "scene.delete"};
    struct home *h = x->ask.house->home;
    bool clears = x->kind == PATCH && x->in.items.ptr != NULL;
    struct store_req *req = store_req_new(h->index, 2u + clears + (x->count > 0), stored, x);
    char text[UUID_TEXT_LEN + 1];
    span id = text_of(x->row.id, text);
    unsigned step = 1;
    if (x->kind == DELETE) {
        store_step_init(req, 0, QUERY_SCENE_DELETE, 1);
        store_set_text(req, 0, 0, 0, id);
    } else {
        set_row(req, x, id);
    }
    req->steps[0].expect = STORE_SOME;
    if (clears) {
        store_step_init(req, step, QUERY_SCENE_ITEM_CLEAR, 1);
        store_set_text(req, step++, 0, 0, id);
    }
    if (x->count > 0) {
        set_items(req, step++, x, id);
    }
    audit_step(h, req, step,
               &(struct audit_entry){.who = &x->ask.who.actor,
                                     .action = actions[x->kind],
                                     .target_kind = "scene",
                                     .target = id});
    h->store->submit(h->store, req);
}

/* The entities of its items, held; false: one is not there for who asks, and none is held. */
static bool find_items(struct change *x)
{
    x->items = ARENA_ARRAY(&x->ask.arena, struct scene_item, x->count + 1);
    for (unsigned i = 0; i < x->count; i++) {
        struct entity *e = house_entity_find(x->ask.house, x->said[i].entity_id);
        if (e == NULL || !scene_sees(&x->ask, e)) {
            return false;
        }
        x->items[i] = (struct scene_item){.entity = e, .what = x->said[i]};
    }
    for (unsigned i = 0; i < x->count; i++) {
        entity_hold(x->items[i].entity);
    }
    return true;
}

static bool name_is_taken(struct house *s, const struct house_scene_row *row)
{
    for (struct scene *c = NULL; (c = scene_next(s, c)) != NULL;) {
        if (!uuid_eq(c->row.id, row->id) && span_eq(c->row.name, row->name)) {
            return true;
        }
    }
    return false;
}

static span or(span given, span else_this) { return given.ptr != NULL ? given : else_this; }

static bool same_row(const struct house_scene_row *a, const struct house_scene_row *b)
{
    return span_eq(a->name, b->name) && span_eq(a->description, b->description) &&
           span_eq(a->icon, b->icon);
}

/* The row as it will be; false: answered. */
static bool draw_up(struct change *x)
{
    struct house *s = x->ask.house;
    struct scene *c = x->kind == CREATE ? NULL : scene_find(s, x->row.id);
    const struct house_scene_row *was = c == NULL ? NULL : &c->row;
    if (x->kind != CREATE && c == NULL) {
        house_answer(&x->ask, ERR_NOT_FOUND);
        return false;
    }
    if (c != NULL && x->version != 0 && x->version != was->version) {
        house_answer(&x->ask, ERR_PRECONDITION_FAILED);
        return false;
    }
    if (c == NULL && s->scenes->map.count >= s->home->conf->home_scenes_max) {
        house_refuse(&x->ask, ERR_RATE_LIMIT_EXCEEDED, NULL,
                     "there are as many scenes as home_scenes_max allows");
        return false;
    }
    int64_t now = clock_wall_ms(s->home->clock);
    x->row = (struct house_scene_row){
        .id = c == NULL ? home_new_id(s->home) : was->id,
        .name = or(x->in.name, c == NULL ? SPAN("") : was->name),
        .description = or(x->in.description, c == NULL ? SPAN("") : was->description),
        .icon = or(x->in.icon, c == NULL ? SPAN("") : was->icon),
        .version = c == NULL ? 1 : was->version + 1,
        .created_ms = c == NULL ? now : was->created_ms,
        .updated_ms = now,
    };
    if (x->kind == PATCH && x->in.items.ptr == NULL && same_row(was, &x->row)) {
        scene_answer(&x->ask, c);
        return false;
    }
    return true;
}

static void at_home_change(struct house_ask *a)
{
    struct change *x = (struct change *)a;
    struct house_scenes *ss = a->house->scenes;
    if (!a->who.may.all) {
        house_answer(a, ERR_PERMISSION_DENIED);
    } else if (ss->changing) {
        house_ask_wait(a, &ss->changes);
    } else if (!draw_up(x)) {
        return;
    } else if (x->kind != DELETE && name_is_taken(a->house, &x->row)) {
        house_refuse(a, ERR_CONFLICT, "name", "a scene of that name exists already");
    } else if (!find_items(x)) {
        house_refuse(a, ERR_INVALID_REQUEST, "items", "names an entity that does not exist");
    } else {
        ss->changing = true;
        submit(x);
    }
}

static struct change *change_new(struct home *h, enum change_kind kind, const struct house_who *who,
                                 house_done done, void *owner)
{
    struct change *x = house_ask_new(h, sizeof *x, at_home_change, who, done, owner);
    x->kind = kind;
    return x;
}

static void change_start(struct change *x, const struct house_scene_draft *in)
{
    struct shape_ctx ctx = {.arena = &x->ask.arena};
    x->in = (struct house_scene_draft){.name = house_copy(&x->ask, in->name),
                                       .description = house_copy(&x->ask, in->description),
                                       .icon = house_copy(&x->ask, in->icon),
                                       .items = house_copy(&x->ask, in->items)};
    if (x->in.items.ptr != NULL &&
        !scene_items_read(x->in.items, &ctx, &x->said, &x->count)) {
        house_refuse(&x->ask, ERR_INVALID_REQUEST, "items", ctx.why);
    } else {
        house_ask_start(&x->ask);
    }
}

void house_scene_create(struct home *h, const struct house_scene_draft *in,
                        const struct house_who *who, house_done done, void *owner)
{
    change_start(change_new(h, CREATE, who, done, owner), in);
}

void house_scene_patch(struct home *h, uuid id, int64_t version, const struct house_scene_draft *in,
                       const struct house_who *who, house_done done, void *owner)
{
    struct change *x = change_new(h, PATCH, who, done, owner);
    x->row.id = id;
    x->version = version;
    change_start(x, in);
}

void house_scene_delete(struct home *h, uuid id, int64_t version, const struct house_who *who,
                        house_done done, void *owner)
{
    struct change *x = change_new(h, DELETE, who, done, owner);
    x->row.id = id;
    x->version = version;
    house_ask_start(&x->ask);
}
