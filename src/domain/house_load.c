/* Rows of rooms, entities and aliases in memory: read whole at the start, then as changes are
 * committed. One block of memory holds an object's texts. */
#include "domain/house_internal.h"

#include "base/mem.h"

#include <string.h>

static span keep(uint8_t **to, span s)
{
    if (s.len > 0) {
        memcpy(*to, s.ptr, s.len);
    }
    span kept = span_of(*to, s.len);
    *to += s.len;
    return kept;
}

static void count_rooms(struct house *s)
{
    atomic_store_explicit(&s->rooms_now, (unsigned)s->rooms.count, memory_order_relaxed);
    atomic_store_explicit(&s->entities_now, (unsigned)s->entities.count, memory_order_relaxed);
}

/* --- rooms --- */

void room_set(struct room *r, const struct house_room_row *row)
{
    uint8_t *text = mem_alloc(row->name.len + row->description.len + row->icon.len +
                              row->floor.len);
    uint8_t *to = text;
    struct house_room_row kept = *row;
    kept.name = keep(&to, row->name);
    kept.description = keep(&to, row->description);
    kept.icon = keep(&to, row->icon);
    kept.floor = keep(&to, row->floor);
    mem_free(r->text); /* the spans given may have pointed into it */
    r->text = text;
    r->row = kept;
}

struct room *room_add(struct house *s, const struct house_room_row *row)
{
    struct room *r = mem_calloc(1, sizeof *r);
    list_init(&r->entities);
    list_init(&r->changes);
    room_set(r, row);
    map_put(&s->rooms, house_hash(row->id), &r->node);
    count_rooms(s);
    return r;
}

void room_drop(struct house *s, struct room *r)
{
    ASSERT(list_empty(&r->entities) && list_empty(&r->changes));
    map_remove(&s->rooms, &r->node);
    count_rooms(s);
    mem_free(r->text);
    mem_free(r);
}

/* --- entities --- */

void entity_set(struct house *s, struct entity *e, const struct house_entity_row *row)
{
    bool renamed = !span_eq(e->entity_id, row->entity_id);
    uint8_t *text = mem_alloc(row->entity_id.len + row->name.len + row->capability.len);
    uint8_t *to = text;
    if (renamed && e->text != NULL) {
        map_remove(&s->entities, &e->node);
    }
    e->entity_id = keep(&to, row->entity_id);
    e->name = keep(&to, row->name);
    e->capability = keep(&to, row->capability);
    mem_free(e->text); /* the spans given may have pointed into it */
    e->text = text;
    e->version = row->version;
    e->row_created_ms = row->created_ms;
    e->row_updated_ms = row->updated_ms;
    house_snapshots_outdate(s, entity_room(e));
    if (renamed) {
        map_put(&s->entities, hash_bytes(e->entity_id), &e->node);
    }
}

struct entity *entity_add(struct house *s, int64_t number, const struct house_entity_row *row)
{
    struct entity *e = mem_calloc(1, sizeof *e);
    list_init(&e->aliases);
    list_init(&e->in_room);
    list_init(&e->changes);
    list_init(&e->write.link);
    list_init(&e->unwritten);
    list_init(&e->waiting);
    e->number = number;
    e->available = true;
    e->changed_ms = e->updated_ms = row->created_ms;
    entity_say(e, SPAN(HOUSE_UNKNOWN), SPAN("{}"));
    entity_set(s, e, row);
    count_rooms(s);
    return e;
}

void entity_put_in(struct entity *e, struct room *r)
{
    if (e->room != NULL) {
        e->room->entity_count--;
        list_remove(&e->in_room);
    }
    e->room = r;
    if (r != NULL) {
        r->entity_count++;
        list_push(&r->entities, &e->in_room);
    }
}

void entity_say(struct entity *e, span state, span attributes)
{
    uint8_t *said = mem_alloc(state.len + attributes.len);
    uint8_t *to = said;
    e->state = keep(&to, state);
    e->attributes = keep(&to, attributes);
    mem_free(e->said); /* the spans given may have pointed into it */
    e->said = said;
}

static void entity_free(struct entity *e)
{
    mem_free(e->text);
    mem_free(e->said);
    mem_free(e);
}

void entity_drop(struct house *s, struct entity *e)
{
    ASSERT(!e->gone && list_empty(&e->changes));
    entity_put_in(e, NULL);
    while (!list_empty(&e->aliases)) {
        alias_drop(s, LIST_ITEM(e->aliases.next, struct alias, link));
    }
    map_remove(&s->entities, &e->node);
    count_rooms(s);
    e->gone = true;
    if (e->holds == 0) {
        entity_free(e);
    }
}

void entity_hold(struct entity *e) { e->holds++; }

void entity_release(struct house *s, struct entity *e)
{
    (void)s;
    ASSERT(e->holds > 0);
    if (--e->holds == 0 && e->gone) {
        entity_free(e);
    }
}

/* --- aliases --- */

static bool same_alias(const struct map_node *n, const void *key)
{
    return span_eq(CONTAINER_OF(n, struct alias, node)->entity_id, *(const span *)key);
}

struct alias *alias_find(struct house *s, span entity_id)
{
    struct map_node *n = map_get(&s->aliases, hash_bytes(entity_id), same_alias, &entity_id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct alias, node);
}

void alias_add(struct house *s, struct entity *e, span entity_id)
{
    struct alias *x = mem_calloc(1, sizeof *x + entity_id.len);
    uint8_t *to = (uint8_t *)(x + 1);
    x->entity_id = keep(&to, entity_id);
    x->entity = e;
    list_push(&e->aliases, &x->link);
    map_put(&s->aliases, hash_bytes(entity_id), &x->node);
}

void alias_drop(struct house *s, struct alias *x)
{
    map_remove(&s->aliases, &x->node);
    list_remove(&x->link);
    mem_free(x);
}

/* --- the start --- */

#define LOAD_ROWS 1000 /* a request: some megabytes with the largest attributes */

struct loading {
    struct home *first;
    struct house *house;
    struct map numbers; /* struct numbered of every entity */
};

struct numbered {
    struct map_node node;
    struct entity *entity;
};

static bool same_number(const struct map_node *n, const void *key)
{
    return CONTAINER_OF(n, struct numbered, node)->entity->number == *(const int64_t *)key;
}

static struct entity *by_number(struct loading *l, int64_t number)
{
    struct map_node *n = map_get(&l->numbers, house_hash(number), same_number, &number);
    return n == NULL ? NULL : CONTAINER_OF(n, struct numbered, node)->entity;
}

static void take_room(struct loading *l, const struct store_value *cells)
{
    struct house_room_row row = {
        .id = store_int(&cells[0]),
        .name = store_text(&cells[1]),
        .description = store_text(&cells[2]),
        .icon = store_text(&cells[3]),
        .floor = store_text(&cells[4]),
        .sort = store_int(&cells[5]),
        .private = store_int(&cells[6]) != 0,
        .version = store_int(&cells[7]),
        .created_ms = store_int(&cells[8]),
        .updated_ms = store_int(&cells[9]),
    };
    (void)room_add(l->house, &row);
    for (unsigned i = 0; i < l->first->count; i++) {
        house_brief_put(l->first->peers[i]->house, row.id, row.private);
    }
    if (row.id > l->house->room_last) {
        l->house->room_last = row.id;
    }
}

static void take_entity(struct loading *l, const struct store_value *cells)
{
    uuid device = UUID_NIL;
    bool backed = uuid_parse(store_text(&cells[4]), &device); /* NULL: none, or it was deleted */
    struct house_entity_row row = {
        .entity_id = store_text(&cells[1]),
        .name = store_text(&cells[2]),
        .capability = backed ? store_text(&cells[5]) : SPAN_NONE,
        .version = store_int(&cells[6]),
        .created_ms = store_int(&cells[7]),
        .updated_ms = store_int(&cells[8]),
    };
    struct entity *e = entity_add(l->house, store_int(&cells[0]), &row);
    struct numbered *n = mem_calloc(1, sizeof *n);
    n->entity = e;
    map_put(&l->numbers, house_hash(e->number), &n->node);
    entity_put_in(e, house_room_find(l->house, store_int(&cells[3])));
    e->device = device;
}

static void take_alias(struct loading *l, const struct store_value *cells)
{
    struct entity *e = by_number(l, store_int(&cells[1]));
    if (e != NULL) {
        alias_add(l->house, e, store_text(&cells[2]));
    }
}

static void take_state(struct loading *l, const struct store_value *cells)
{
    struct entity *e = by_number(l, store_int(&cells[0]));
    if (e != NULL) {
        entity_say(e, store_text(&cells[1]), store_text(&cells[2]));
        e->available = store_int(&cells[3]) != 0;
        e->changed_ms = store_int(&cells[4]);
        e->updated_ms = store_int(&cells[5]);
        e->stored = true;
    }
}

/* Every row of a query of (number after which, limit), a page at a time; the first column is that
 * number. */
static err each(struct loading *l, enum query q,
                void (*take)(struct loading *l, const struct store_value *cells))
{
    int64_t after = 0;
    err error = ERR_NONE;
    for (unsigned count = LOAD_ROWS; error == ERR_NONE && count == LOAD_ROWS;) {
        struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
        req->row_max = LOAD_ROWS;
        store_step_init(req, 0, q, 1);
        store_set_int(req, 0, 0, 0, after);
        store_set_int(req, 0, 0, 1, LOAD_ROWS);
        error = store_run(l->first->store, req);
        count = error == ERR_NONE ? req->steps[0].row_count : 0;
        for (unsigned i = 0; i < count; i++) {
            take(l, store_cell(req, 0, i, 0));
            after = store_int(store_cell(req, 0, i, 0));
        }
        store_req_free(req);
    }
    return error;
}

/* No id is given twice, although the room that had it is gone. */
static err load_last(struct loading *l)
{
    uint64_t last = 0;
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_META_GET, 1);
    store_set_text(req, 0, 0, 0, SPAN(HOUSE_META_ROOM_LAST));
    err error = store_run(l->first->store, req);
    if (error == ERR_NONE && req->steps[0].row_count > 0 &&
        span_u64(store_text(store_cell(req, 0, 0, 0)), INT64_MAX, &last) &&
        (int64_t)last > l->house->room_last) {
        l->house->room_last = (int64_t)last;
    }
    store_req_free(req);
    return error;
}

static void back_entities(struct house *s)
{
    struct map_node *n = NULL;
    while ((n = map_next(&s->entities, n)) != NULL) {
        struct entity *e = CONTAINER_OF(n, struct entity, node);
        entity_back(s, e, e->device, e->capability);
    }
}

err house_load(struct home *first)
{
    static const struct {
        enum query query;
        void (*take)(struct loading *l, const struct store_value *cells);
    } tables[] = {
        {QUERY_HOME_ROOM_LIST, take_room},
        {QUERY_ENTITY_LIST, take_entity},
        {QUERY_ENTITY_ALIAS_LIST, take_alias},
        {QUERY_ENTITY_STATE_LIST, take_state},
    };
    struct loading l = {.first = first, .house = house_of(first)};
    err error = load_last(&l);
    for (unsigned i = 0; error == ERR_NONE && i < ARRAY_LEN(tables); i++) {
        error = each(&l, tables[i].query, tables[i].take);
    }
    if (error == ERR_NONE) {
        back_entities(l.house);
        error = house_scenes_load(l.house);
    }
    for (struct map_node *n; (n = map_pop(&l.numbers)) != NULL;) {
        mem_free(CONTAINER_OF(n, struct numbered, node));
    }
    map_deinit(&l.numbers);
    l.house->room_count = (unsigned)l.house->rooms.count;
    l.house->entity_count = (unsigned)l.house->entities.count;
    return error;
}
