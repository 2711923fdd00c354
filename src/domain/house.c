/* The house and its copies on every loop; rights; asks between loops. */
#include "domain/house.h"
#include "domain/house_internal.h"

#include "base/mem.h"

#include <stdio.h>

struct brief {
    struct map_node node;
    struct house_room_brief brief;
};

struct house *house_new(struct home *h)
{
    struct house *s = mem_calloc(1, sizeof *s);
    s->home = h;
    list_init(&s->partings);
    h->house = s;
    if (h->index == HOUSE_HOME) {
        house_states_start(s);
        house_writer_start(s);
        house_deeds_start(s);
        house_devices_start(s);
        house_scenes_start(s);
    }
    return s;
}

void house_stop(struct house *s)
{
    ASSERT(s->home->house == s);
    if (s->writer != NULL) {
        house_writer_stop(s);
    }
}

static void briefs_free(struct house *s)
{
    for (struct map_node *n; (n = map_pop(&s->briefs)) != NULL;) {
        mem_free(CONTAINER_OF(n, struct brief, node));
    }
    map_deinit(&s->briefs);
}

static void rows_free(struct house *s)
{
    for (struct map_node *n; (n = map_next(&s->entities, NULL)) != NULL;) {
        entity_drop(s, CONTAINER_OF(n, struct entity, node));
    }
    for (struct map_node *n; (n = map_next(&s->rooms, NULL)) != NULL;) {
        room_drop(s, CONTAINER_OF(n, struct room, node));
    }
    map_deinit(&s->entities);
    map_deinit(&s->aliases);
    map_deinit(&s->rooms);
}

void house_free(struct house *s)
{
    if (s->devices != NULL) {
        house_scenes_free(s);
        house_deeds_free(s);
        house_devices_free(s);
    }
    house_writer_free(s);
    house_states_end(s);
    house_partings_drop(s);
    rows_free(s);
    briefs_free(s);
    s->home->house = NULL;
    mem_free(s);
}

void house_stats(const struct home *h, struct house_stats *out)
{
    const struct house *s = h->peers[HOUSE_HOME]->house;
    *out = (struct house_stats){
        .rooms = atomic_load_explicit(&s->rooms_now, memory_order_relaxed),
        .entities = atomic_load_explicit(&s->entities_now, memory_order_relaxed),
        .changes = atomic_load_explicit(&s->changes, memory_order_relaxed),
        .merged = atomic_load_explicit(&s->merged, memory_order_relaxed),
        .unwritten = atomic_load_explicit(&s->unwritten_now, memory_order_relaxed),
    };
}

unsigned house_asks(const struct house *s) { return s->asks; }

/* --- rights --- */

void house_rights_of(const struct grant *g, enum permission p, struct house_rights *out)
{
    *out = (struct house_rights){.all = can(g, p, SCOPE_ALL),
                                 .open_only = g->kind == PRINCIPAL_ANONYMOUS};
    for (unsigned i = 0; !out->all && i < g->binding_count; i++) {
        struct scope s = g->bindings[i].scope;
        if (s.kind != SCOPE_HOME_ROOM || out->count == HOUSE_RIGHTS_ROOMS_MAX || !can(g, p, s)) {
            continue;
        }
        int64_t room = scope_room_of(s);
        if (!house_may(out, room, false)) {
            out->rooms[out->count++] = room;
        }
    }
}

bool house_may(const struct house_rights *r, int64_t room, bool private)
{
    if (r->all) {
        return !(r->open_only && private);
    }
    for (unsigned i = 0; room != 0 && i < r->count; i++) {
        if (r->rooms[i] == room) {
            return true;
        }
    }
    return false;
}

struct house_who house_who_of(const struct grant *g, enum permission p, span address)
{
    struct house_who who = {.actor = {.id = g->principal, .address = address}};
    house_rights_of(g, PERM_HOME_READ, &who.see);
    house_rights_of(g, p, &who.may);
    return who;
}

span house_events_topic(int64_t room, bool private, char out[HOUSE_TOPIC_MAX])
{
    int len = snprintf(out, HOUSE_TOPIC_MAX, "home/%s/%lld", private ? "private" : "event",
                       (long long)room);
    return span_of(out, (size_t)len);
}

/* --- asks --- */

span house_copy(struct house_ask *a, span s)
{
    return s.ptr == NULL ? SPAN_NONE : arena_dup(&a->arena, s);
}

void *house_ask_new(struct home *h, size_t bytes, void (*at_home)(struct house_ask *),
                    const struct house_who *who, house_done done, void *owner)
{
    ASSERT(bytes >= sizeof(struct house_ask));
    struct house_ask *a = mem_calloc(1, bytes);
    list_init(&a->link);
    a->from = h;
    a->at_home = at_home;
    a->done = done;
    a->owner = owner;
    if (who != NULL) {
        a->who = *who;
        a->who.actor.name = house_copy(a, who->actor.name);
        a->who.actor.address = house_copy(a, who->actor.address);
    }
    h->house->asks++;
    return a;
}

static void ask_arrive(struct mail *m)
{
    struct house_ask *a = CONTAINER_OF(m, struct house_ask, mail);
    a->house = house_of(a->from);
    a->at_home(a);
}

void house_ask_start(struct house_ask *a)
{
    a->mail.run = ask_arrive;
    post_mail(a->from->post, HOUSE_HOME, &a->mail);
}

static void ask_return(struct mail *m)
{
    struct house_ask *a = CONTAINER_OF(m, struct house_ask, mail);
    struct house *s = a->from->house;
    if (a->done != NULL) {
        a->done(a->owner, &a->result);
    }
    arena_reset(&a->arena);
    mem_free(a);
    s->asks--;
}

void house_refuse(struct house_ask *a, err error, const char *member, const char *why)
{
    ASSERT(!list_linked(&a->link));
    a->result.error = error;
    a->result.member = member;
    a->result.why = why;
    a->mail.run = ask_return;
    post_mail(a->from->post, a->from->index, &a->mail);
}

void house_answer(struct house_ask *a, err error) { house_refuse(a, error, NULL, NULL); }

void house_ask_wait(struct house_ask *a, struct list *changes) { list_push(changes, &a->link); }

void house_asks_next(struct list *changes)
{
    struct list waiting;
    list_init(&waiting);
    list_splice(&waiting, changes);
    while (!list_empty(&waiting)) {
        struct house_ask *a = LIST_ITEM(waiting.next, struct house_ask, link);
        list_remove(&a->link);
        a->at_home(a);
    }
}

/* --- what is there, and for whom --- */

static bool same_room(const struct map_node *n, const void *key)
{
    return CONTAINER_OF(n, struct room, node)->row.id == *(const int64_t *)key;
}

struct room *house_room_find(struct house *s, int64_t id)
{
    struct map_node *n = map_get(&s->rooms, house_hash(id), same_room, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct room, node);
}

static bool same_entity(const struct map_node *n, const void *key)
{
    return span_eq(CONTAINER_OF(n, struct entity, node)->entity_id, *(const span *)key);
}

struct entity *house_entity_find(struct house *s, span entity_id)
{
    struct map_node *n = map_get(&s->entities, hash_bytes(entity_id), same_entity, &entity_id);
    if (n != NULL) {
        return CONTAINER_OF(n, struct entity, node);
    }
    struct alias *x = alias_find(s, entity_id);
    return x == NULL ? NULL : x->entity;
}

/* False: answered. */
static bool allowed(struct house_ask *a, int64_t room, bool private)
{
    if (!house_may(&a->who.see, room, private)) {
        house_answer(a, ERR_NOT_FOUND);
        return false;
    }
    if (!house_may(&a->who.may, room, private)) {
        house_answer(a, ERR_PERMISSION_DENIED);
        return false;
    }
    return true;
}

struct room *house_room_for(struct house_ask *a, int64_t id)
{
    struct room *r = house_room_find(a->house, id);
    if (r == NULL) {
        house_answer(a, ERR_NOT_FOUND);
        return NULL;
    }
    return allowed(a, id, r->row.private) ? r : NULL;
}

struct entity *house_entity_for(struct house_ask *a, span entity_id)
{
    struct entity *e = house_entity_find(a->house, entity_id);
    if (e == NULL) {
        house_answer(a, ERR_NOT_FOUND);
        return NULL;
    }
    return allowed(a, entity_room(e), entity_private(e)) ? e : NULL;
}

span entity_shown(const struct entity *e)
{
    return e->available ? e->state : SPAN(HOUSE_UNAVAILABLE);
}

/* --- copies of rooms --- */

static bool same_brief(const struct map_node *n, const void *key)
{
    return CONTAINER_OF(n, struct brief, node)->brief.id == *(const int64_t *)key;
}

static struct brief *brief_find(const struct house *s, int64_t id)
{
    struct map_node *n = map_get(&s->briefs, house_hash(id), same_brief, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct brief, node);
}

const struct house_room_brief *house_room(const struct home *h, int64_t id)
{
    const struct brief *b = brief_find(h->house, id);
    return b == NULL ? NULL : &b->brief;
}

void house_brief_put(struct house *s, int64_t room, bool private)
{
    struct brief *b = mem_calloc(1, sizeof *b);
    b->brief = (struct house_room_brief){.id = room, .private = private};
    map_put(&s->briefs, house_hash(room), &b->node);
}

static void brief_drop(struct house *s, struct brief *b)
{
    map_remove(&s->briefs, &b->node);
    mem_free(b);
}

/* On one of the loops; what its subscribers must know. */
static void brief_take(struct home *h, const struct house_brief_change *c)
{
    struct brief *b = brief_find(h->house, c->room);
    if (b == NULL && c->there) {
        house_brief_put(h->house, c->room, c->private);
        return;
    }
    ASSERT(b != NULL); /* a room's changes come one after the other */
    enum house_room_event event = !c->there    ? HOUSE_ROOM_GONE
                                  : c->private ? HOUSE_ROOM_PRIVATE
                                               : HOUSE_ROOM_OPEN;
    bool same = c->there && b->brief.private == c->private;
    if (!c->there) {
        brief_drop(h->house, b);
    } else {
        b->brief.private = c->private;
    }
    if (!same && h->on_room != NULL) {
        h->on_room(h->on_room_arg, c->room, event);
    }
}

struct spread {
    struct mail mail;
    struct house_ask *ask;
    struct home *at;
    struct house_brief_change change;
};

static void spread_back(struct mail *m)
{
    struct house_ask *a = CONTAINER_OF(m, struct spread, mail)->ask;
    if (--a->loops == 0) {
        a->spread(a);
    }
}

static void spread_there(struct mail *m)
{
    struct spread *x = CONTAINER_OF(m, struct spread, mail);
    brief_take(x->at, &x->change);
    m->run = spread_back;
    post_mail(x->at->post, HOUSE_HOME, m);
}

void house_spread(struct house_ask *a, const struct house_brief_change *change,
                  void (*then)(struct house_ask *a))
{
    struct home *h = a->house->home;
    struct spread *to = ARENA_ARRAY(&a->arena, struct spread, h->count);
    a->loops = h->count;
    a->spread = then;
    for (unsigned i = 0; i < h->count; i++) {
        to[i] = (struct spread){
            .mail.run = spread_there, .ask = a, .at = h->peers[i], .change = *change};
        post_mail(h->post, i, &to[i].mail);
    }
}

void house_publish(struct house *s, const struct store_req *req)
{
    struct journal *j = s->home->journal;
    for (unsigned i = 0; req->error == ERR_NONE && j != NULL && i < req->step_count; i++) {
        if (req->steps[i].query == QUERY_EVENT_INSERT) {
            journal_publish(j, req, i);
        }
    }
}
