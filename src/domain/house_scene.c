/*
 * Scenes: what some entities are to do at once. They are few and changed by people, so all are in
 * memory. Items point at their entities, so a rename needs nothing here, and leave with them (the
 * store's reference does the same to the rows).
 */
#include "domain/house_scene.h"

#include "domain/name_cursor.h"

#include "base/mem.h"
#include "shape/scene.h"

#include <stdlib.h>
#include <string.h>

#define LIST_MAX 200
#define SCENES_MAX 100000 /* what home_scenes_max may be at most */

static bool same_scene(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct scene, node)->row.id, *(const uuid *)key);
}

struct scene *scene_find(struct house *s, uuid id)
{
    struct map_node *n = map_get(&s->scenes->map, uuid_hash(id), same_scene, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct scene, node);
}

struct scene *scene_next(struct house *s, struct scene *before)
{
    struct map_node *n = map_next(&s->scenes->map, before == NULL ? NULL : &before->node);
    return n == NULL ? NULL : CONTAINER_OF(n, struct scene, node);
}

/* --- in memory --- */

static span keep(uint8_t **to, span s)
{
    if (s.len > 0) {
        memcpy(*to, s.ptr, s.len);
    }
    *to += s.len;
    return s.ptr == NULL ? SPAN_NONE : span_of(*to - s.len, s.len);
}

static size_t text_bytes(const struct house_scene_row *row, const struct scene_item *items,
                         unsigned count)
{
    size_t bytes = row->name.len + row->description.len + row->icon.len + 1;
    for (unsigned i = 0; i < count; i++) {
        const struct house_scene_item *w = &items[i].what;
        bytes += w->action.len + w->parameters.len + w->state.len + w->attributes.len;
    }
    return bytes;
}

void scene_set(struct scene *c, const struct house_scene_row *row, const struct scene_item *items,
               unsigned count)
{
    uint8_t *text = mem_alloc(text_bytes(row, items, count)), *to = text;
    struct scene_item *kept = mem_calloc(count + 1, sizeof *kept);
    struct house_scene_row r = *row;
    unsigned n = 0;
    r.name = keep(&to, row->name);
    r.description = keep(&to, row->description);
    r.icon = keep(&to, row->icon);
    for (unsigned i = 0; i < count; i++) {
        const struct house_scene_item *w = &items[i].what;
        if (!items[i].entity->gone) {
            kept[n].entity = items[i].entity;
            kept[n++].what = (struct house_scene_item){.action = keep(&to, w->action),
                                                       .parameters = keep(&to, w->parameters),
                                                       .state = keep(&to, w->state),
                                                       .attributes = keep(&to, w->attributes)};
        }
    }
    mem_free(c->text);
    mem_free(c->items);
    c->row = r;
    c->text = text;
    c->items = kept;
    c->count = n;
}

void scene_add(struct house *s, const struct house_scene_row *row, const struct scene_item *items,
               unsigned count)
{
    struct scene *c = mem_calloc(1, sizeof *c);
    scene_set(c, row, items, count);
    map_put(&s->scenes->map, uuid_hash(row->id), &c->node);
}

void scene_drop(struct house *s, struct scene *c)
{
    map_remove(&s->scenes->map, &c->node);
    mem_free(c->text);
    mem_free(c->items);
    mem_free(c);
}

void house_scenes_forget(struct house *s, const struct entity *e)
{
    for (struct scene *c = NULL; (c = scene_next(s, c)) != NULL;) {
        unsigned n = 0;
        for (unsigned i = 0; i < c->count; i++) {
            if (c->items[i].entity != e) {
                c->items[n++] = c->items[i];
            }
        }
        c->count = n;
    }
}

/* --- shown --- */

bool scene_sees(const struct house_ask *a, const struct entity *e)
{
    return house_may(&a->who.see, entity_room(e), entity_private(e));
}

static void put_scene(const struct house_ask *a, const struct scene *c, buf *json)
{
    struct house_scene_item items[HOUSE_SCENE_ITEMS_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < c->count; i++) {
        if (scene_sees(a, c->items[i].entity)) {
            items[n] = c->items[i].what;
            items[n++].entity_id = c->items[i].entity->entity_id;
        }
    }
    scene_put(json, &c->row, items, n);
}

void scene_answer(struct house_ask *a, const struct scene *c)
{
    buf json = {0};
    put_scene(a, c, &json);
    a->result.json = arena_dup(&a->arena, buf_span(&json));
    a->result.version = c->row.version;
    buf_deinit(&json);
    house_answer(a, ERR_NONE);
}

struct one {
    struct house_ask ask;
    uuid id;
};

static void at_home_get(struct house_ask *a)
{
    struct scene *c = scene_find(a->house, ((struct one *)a)->id);
    if (c == NULL) {
        house_answer(a, ERR_NOT_FOUND);
    } else {
        scene_answer(a, c);
    }
}

void house_scene_get(struct home *h, uuid id, const struct house_who *who, house_done done,
                     void *owner)
{
    struct one *x = house_ask_new(h, sizeof *x, at_home_get, who, done, owner);
    x->id = id;
    house_ask_start(&x->ask);
}

/* --- list --- */

struct listing {
    struct house_ask ask;
    span text;
    span after;
    unsigned limit;
};

static int compare(span a, span b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name(const void *a, const void *b)
{
    return compare((*(struct scene *const *)a)->row.name, (*(struct scene *const *)b)->row.name);
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

static bool holds(span text, span part)
{
    for (size_t at = 0; at + part.len <= text.len; at++) {
        size_t i = 0;
        while (i < part.len && lower(text.ptr[at + i]) == lower(part.ptr[i])) {
            i++;
        }
        if (i == part.len) {
            return true;
        }
    }
    return false;
}

static void put_page(struct listing *l, struct scene **all, unsigned count)
{
    char id[UUID_TEXT_LEN + 1];
    buf json = {0};
    unsigned shown = count < l->limit ? count : l->limit;
    buf_append_byte(&json, '[');
    for (unsigned i = 0; i < shown; i++) {
        if (i > 0) {
            buf_append_byte(&json, ',');
        }
        put_scene(&l->ask, all[i], &json);
    }
    buf_append_byte(&json, ']');
    if (count > shown) {
        const struct house_scene_row *last = &all[shown - 1]->row;
        uuid_format(last->id, id);
        l->ask.result.next = name_cursor(&l->ask.arena, span_of(id, UUID_TEXT_LEN), last->name);
    }
    l->ask.result.json = arena_dup(&l->ask.arena, buf_span(&json));
    buf_deinit(&json);
    house_answer(&l->ask, ERR_NONE);
}

static void at_home_list(struct house_ask *a)
{
    struct listing *l = (struct listing *)a;
    span id, name;
    unsigned n = 0;
    if (!name_cursor_read(&a->arena, l->after, &id, &name)) {
        house_refuse(a, ERR_INVALID_REQUEST, "cursor", "is not one of ours");
        return;
    }
    struct scene **all = ARENA_ARRAY(&a->arena, struct scene *, a->house->scenes->map.count + 1);
    for (struct scene *c = NULL; (c = scene_next(a->house, c)) != NULL;) {
        if (holds(c->row.name, l->text) &&
            (l->after.len == 0 || compare(c->row.name, name) > 0)) { /* names are unique */
            all[n++] = c;
        }
    }
    qsort(all, n, sizeof all[0], by_name);
    put_page(l, all, n);
}

void house_scene_list(struct home *h, span text, span after, unsigned limit,
                      const struct house_who *who, house_done done, void *owner)
{
    ASSERT(limit >= 1 && limit <= LIST_MAX);
    struct listing *l = house_ask_new(h, sizeof *l, at_home_list, who, done, owner);
    l->text = house_copy(&l->ask, text);
    l->after = house_copy(&l->ask, after);
    l->limit = limit;
    house_ask_start(&l->ask);
}

/* --- the house's --- */

void house_scenes_start(struct house *s)
{
    s->scenes = mem_calloc(1, sizeof *s->scenes);
    list_init(&s->scenes->changes);
}

void house_scenes_free(struct house *s)
{
    for (struct scene *c; (c = scene_next(s, NULL)) != NULL;) {
        scene_drop(s, c);
    }
    map_deinit(&s->scenes->map);
    mem_free(s->scenes);
    s->scenes = NULL;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = (*(struct entity *const *)a)->number, y = (*(struct entity *const *)b)->number;
    return (x > y) - (x < y);
}

struct numbers {
    struct entity **sorted;
    unsigned count;
};

static struct entity *entity_of(const struct numbers *all, int64_t number)
{
    struct entity key = {.number = number}, *k = &key;
    struct entity **found =
        bsearch(&k, all->sorted, all->count, sizeof all->sorted[0], by_number);
    return found == NULL ? NULL : *found;
}

static err load_one(struct house *s, const struct store_value *cells, const struct numbers *all)
{
    struct scene_item items[HOUSE_SCENE_ITEMS_MAX];
    struct house_scene_row row = {.name = store_text(&cells[1]),
                                  .description = store_text(&cells[2]),
                                  .icon = store_text(&cells[3]),
                                  .version = store_int(&cells[4]),
                                  .created_ms = store_int(&cells[5]),
                                  .updated_ms = store_int(&cells[6])};
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    unsigned n = 0;
    bool ok = uuid_parse(store_text(&cells[0]), &row.id);
    ASSERT(ok); /* only we write it */
    req->row_max = HOUSE_SCENE_ITEMS_MAX;
    store_step_init(req, 0, QUERY_SCENE_ITEM_LIST, 1);
    store_set_text(req, 0, 0, 0, store_text(&cells[0]));
    err error = store_run(s->home->store, req);
    for (unsigned i = 0; error == ERR_NONE && i < req->steps[0].row_count; i++) {
        const struct store_value *v = store_cell(req, 0, i, 0);
        items[n].entity = entity_of(all, store_int(&v[0]));
        items[n].what = (struct house_scene_item){.action = store_text(&v[1]),
                                                  .parameters = store_text(&v[2]),
                                                  .state = store_text(&v[3]),
                                                  .attributes = store_text(&v[4])};
        n += items[n].entity != NULL;
    }
    if (error == ERR_NONE) {
        scene_add(s, &row, items, n);
    }
    store_req_free(req);
    return error;
}

static err load_all(struct house *s, const struct numbers *all)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    req->row_max = SCENES_MAX;
    store_step_init(req, 0, QUERY_SCENE_LIST, 1);
    err error = store_run(s->home->store, req);
    for (unsigned i = 0; error == ERR_NONE && i < req->steps[0].row_count; i++) {
        error = load_one(s, store_cell(req, 0, i, 0), all);
    }
    store_req_free(req);
    return error;
}

err house_scenes_load(struct house *s)
{
    struct numbers all = {.sorted = mem_calloc(s->entities.count + 1, sizeof *all.sorted)};
    struct map_node *n = NULL;
    while ((n = map_next(&s->entities, n)) != NULL) {
        all.sorted[all.count++] = CONTAINER_OF(n, struct entity, node);
    }
    qsort(all.sorted, all.count, sizeof all.sorted[0], by_number);
    err error = load_all(s, &all);
    mem_free(all.sorted);
    return error;
}
