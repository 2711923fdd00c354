/*
 * The devices behind entities. Each capability of a device is one entity's at most; its device's
 * home is asked to watch it (device_watch.h), and what comes from there moves the entity.
 *
 * A device is not there until its home says so: what was stored as available by an earlier process
 * is shown as unavailable from the first turn on.
 */
#include "domain/house_internal.h"

#include "domain/device_watch.h"

#include "base/hash.h"
#include "base/mem.h"
#include "shape/device_states.h"

#include <string.h>

/* A device that some entities have. */
struct backer {
    struct map_node node;
    uuid id;
    struct list backings;
};

struct house_backing {
    struct map_node node; /* by device and capability */
    struct list link;     /* in backer.backings */
    struct list fresh;    /* in house_devices.fresh, until it is watched */
    struct backer *backer;
    struct entity *entity;
    bool loaded;          /* from the store, before the first turn */
    span capability;      /* behind the struct */
};

struct house_devices {
    struct house *house;
    struct turn_work work;
    struct map backers;
    struct map backings;
    struct list fresh;
    bool running;
};

struct key {
    uuid device;
    span capability;
};

static uint64_t hash_of(const struct key *k)
{
    return hash_bytes(k->capability) * 31 + uuid_hash(k->device);
}

static bool same_backing(const struct map_node *n, const void *key)
{
    const struct house_backing *b = CONTAINER_OF(n, struct house_backing, node);
    const struct key *k = key;
    return uuid_eq(b->backer->id, k->device) && span_eq(b->capability, k->capability);
}

static struct house_backing *backing_find(struct house_devices *hd, uuid device, span capability)
{
    struct key k = {device, capability};
    struct map_node *n = map_get(&hd->backings, hash_of(&k), same_backing, &k);
    return n == NULL ? NULL : CONTAINER_OF(n, struct house_backing, node);
}

static bool same_backer(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct backer, node)->id, *(const uuid *)key);
}

static struct backer *backer_find(struct house_devices *hd, uuid device)
{
    struct map_node *n = map_get(&hd->backers, uuid_hash(device), same_backer, &device);
    return n == NULL ? NULL : CONTAINER_OF(n, struct backer, node);
}

/* --- backing --- */

static void backing_free(struct house_devices *hd, struct house_backing *b)
{
    struct backer *o = b->backer;
    map_remove(&hd->backings, &b->node);
    list_remove(&b->link);
    list_remove(&b->fresh);
    if (list_empty(&o->backings)) {
        map_remove(&hd->backers, &o->node);
        mem_free(o);
    }
    mem_free(b);
}

static struct house_backing *backing_new(struct house_devices *hd, struct entity *e, uuid device,
                                         span capability)
{
    struct house_backing *b = mem_calloc(1, sizeof *b + capability.len);
    struct key k = {device, capability};
    b->backer = backer_find(hd, device);
    if (b->backer == NULL) {
        b->backer = mem_calloc(1, sizeof *b->backer);
        b->backer->id = device;
        list_init(&b->backer->backings);
        map_put(&hd->backers, uuid_hash(device), &b->backer->node);
    }
    memcpy(b + 1, capability.ptr, capability.len);
    b->capability = span_of(b + 1, capability.len);
    b->entity = e;
    b->loaded = !hd->running;
    list_init(&b->link);
    list_init(&b->fresh);
    list_push(&b->backer->backings, &b->link);
    list_push(&hd->fresh, &b->fresh);
    map_put(&hd->backings, hash_of(&k), &b->node);
    home_at_turn_end(hd->house->home, &hd->work);
    return b;
}

static void watch_fresh(struct turn_work *w)
{
    struct house_devices *hd = CONTAINER_OF(w, struct house_devices, work);
    hd->running = true;
    while (!list_empty(&hd->fresh)) {
        struct house_backing *b = LIST_ITEM(hd->fresh.next, struct house_backing, fresh);
        list_remove(&b->fresh);
        device_watch(hd->house->home, b->backer->id, b->capability);
        if (b->loaded) {
            entity_set_available(hd->house, b->entity, false);
        }
    }
}

static void unback(struct house *s, struct entity *e)
{
    struct house_backing *b = e->backing;
    if (!list_linked(&b->fresh)) {
        device_unwatch(s->home, b->backer->id, b->capability);
    }
    backing_free(s->devices, b);
    e->backing = NULL;
}

/* Its device is no more. */
static void lose(struct house *s, struct house_backing *b)
{
    struct entity *e = b->entity;
    backing_free(s->devices, b);
    e->backing = NULL;
    e->device = UUID_NIL;
    e->capability = SPAN_NONE;
    entity_set_available(s, e, false);
}

void entity_back(struct house *s, struct entity *e, uuid device, span capability)
{
    const struct house_backing *b = e->backing;
    bool wanted = !uuid_is_nil(device);
    e->device = device;
    if (b != NULL && wanted && uuid_eq(b->backer->id, device) &&
        span_eq(b->capability, capability)) {
        return;
    }
    if (b != NULL) {
        unback(s, e);
        if (!wanted && !e->gone) {
            entity_set_available(s, e, true); /* it is what it was said to be, until it is set */
        }
    }
    if (wanted) {
        struct house_backing *other = backing_find(s->devices, device, capability);
        if (other != NULL) {
            lose(s, other); /* the store has one at most: its device was deleted and made again */
        }
        e->backing = backing_new(s->devices, e, device, capability);
    }
}

/* --- what devices say --- */

static void set_available(struct house *s, uuid device, bool available)
{
    struct backer *o = backer_find(s->devices, device);
    if (o != NULL) {
        LIST_EACH(it, &o->backings) {
            struct house_backing *b = LIST_ITEM(it, struct house_backing, link);
            entity_set_available(s, b->entity, available);
        }
    }
}

static void take_value(struct house *s, const struct device_news *n)
{
    struct house_backing *b = backing_find(s->devices, n->device, n->capability);
    struct arena arena = {0};
    span state, attributes;
    if (b == NULL) {
        return; /* it is not watched any more */
    }
    struct entity *e = b->entity;
    device_sample_state(n->value, n->unit, e->attributes, &arena, &state, &attributes);
    (void)entity_move(s, e, state, attributes, n->at_ms, UUID_NIL);
    arena_reset(&arena);
}

/* A report whose device waits until it is on disk. */
struct said {
    struct device_says *report;
    unsigned left; /* entities, and one while it is being taken */
    unsigned moved;
    err error;
    struct said_wait {
        struct house_wait wait;
        struct said *said;
    } waits[];
};

static void said_one(struct said *x, err error)
{
    x->error = x->error == ERR_NONE ? error : x->error;
    if (--x->left == 0) {
        device_says_done(x->report, x->error, x->moved);
        mem_free(x);
    }
}

static void said_ready(struct house_wait *w, err error)
{
    said_one(CONTAINER_OF(w, struct said_wait, wait)->said, error);
}

static void wait_written(struct house *s, struct said *x, struct entity *e)
{
    struct said_wait *w = &x->waits[x->moved++];
    w->said = x;
    w->wait.ready = said_ready;
    list_init(&w->wait.link);
    x->left++;
    house_written(s, e, &w->wait);
}

static void take_says(struct house *s, const struct device_news *n)
{
    struct said *x = NULL;
    if (n->report != NULL) {
        x = mem_calloc(1, sizeof *x + n->count * sizeof x->waits[0]);
        x->report = n->report;
        x->left = 1;
    }
    for (unsigned i = 0; i < n->count; i++) {
        const struct house_say *say = &n->says[i];
        struct house_backing *b = backing_find(s->devices, n->device, say->capability);
        if (b == NULL) {
            continue;
        }
        span attributes = say->attributes.len > 0 ? say->attributes : SPAN_NONE;
        (void)entity_move(s, b->entity, say->state, attributes, 0, UUID_NIL);
        if (x != NULL) {
            wait_written(s, x, b->entity);
        }
    }
    if (x != NULL) {
        said_one(x, ERR_NONE);
    }
}

/* The store has taken it out of its entities. */
static void take_gone(struct house *s, uuid device)
{
    for (struct backer *o; (o = backer_find(s->devices, device)) != NULL;) {
        lose(s, LIST_ITEM(o->backings.next, struct house_backing, link));
    }
}

void house_news(struct house *s, const struct device_news *first)
{
    for (const struct device_news *n = first; n != NULL; n = n->next) {
        switch (n->kind) {
        case NEWS_PRESENCE:
            set_available(s, n->device, n->available);
            break;
        case NEWS_VALUE:
            take_value(s, n);
            break;
        case NEWS_SAYS:
            take_says(s, n);
            break;
        case NEWS_GONE:
            take_gone(s, n->device);
            break;
        }
    }
}

/* --- the house's --- */

void house_devices_start(struct house *s)
{
    struct house_devices *hd = mem_calloc(1, sizeof *hd);
    hd->house = s;
    hd->work.run = watch_fresh;
    list_init(&hd->work.link);
    list_init(&hd->fresh);
    s->devices = hd;
}

void house_devices_free(struct house *s)
{
    struct house_devices *hd = s->devices;
    struct map_node *n;
    while ((n = map_next(&hd->backings, NULL)) != NULL) {
        struct house_backing *b = CONTAINER_OF(n, struct house_backing, node);
        b->entity->backing = NULL;
        backing_free(hd, b);
    }
    list_remove(&hd->work.link);
    map_deinit(&hd->backings);
    map_deinit(&hd->backers);
    mem_free(hd);
    s->devices = NULL;
}
