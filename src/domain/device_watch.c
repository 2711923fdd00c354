/* Devices that the house follows: watches, which hold their device and survive a deletion that
 * fails, and the news of a turn. */
#include "domain/device_watch.h"

#include "domain/house.h"
#include "domain/telemetry_internal.h"

#include "base/hash.h"
#include "base/mem.h"

/* Devices that are being loaded to be watched, at a time: after a start there are thousands, and
 * others want the store, too. */
#define LOADS_MAX 32
#define RETRY_MS 1000

struct parcel {
    struct mail mail;
    struct arena arena;
    struct home *to;
    struct device_news *first;
    struct device_news **last;
};

/* A capability of a device. */
struct watched {
    struct list link;
    span name; /* behind the struct */
};

struct watch {
    struct map_node node; /* by device */
    struct watches *of;
    uuid id;
    struct list link;       /* in of->queue, until it may load */
    struct list watched;
    struct device *device;  /* held, once all of it is loaded */
    struct wait wait;
    struct deadline retry;
    bool loading;
    bool available;         /* as it was told last */
    bool known;             /* it was told */
};

struct watches {
    struct home *home;
    struct turn_work work;
    struct map map;
    struct list queue;
    unsigned loading;
    struct parcel *open; /* of this turn */
};

static bool same_watch(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct watch, node)->id, *(const uuid *)key);
}

static struct watch *find(struct watches *ws, uuid id)
{
    struct map_node *n = map_get(&ws->map, uuid_hash(id), same_watch, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct watch, node);
}

/* --- news --- */

static void arrive(struct mail *m)
{
    struct parcel *p = CONTAINER_OF(m, struct parcel, mail);
    house_news(p->to->house, p->first);
    arena_reset(&p->arena);
    mem_free(p);
}

static void turn_ends(struct turn_work *work)
{
    struct watches *ws = CONTAINER_OF(work, struct watches, work);
    struct parcel *p = ws->open;
    ws->open = NULL;
    p->mail.run = arrive;
    post_mail(ws->home->post, HOUSE_HOME, &p->mail);
}

static struct device_news *tell(struct watches *ws, uuid id, enum news_kind kind)
{
    struct parcel *p = ws->open;
    if (p == NULL) {
        ws->open = p = mem_calloc(1, sizeof *p);
        p->to = ws->home->peers[HOUSE_HOME];
        p->last = &p->first;
        home_at_turn_end(ws->home, &ws->work);
    }
    struct device_news *n = ARENA_NEW(&p->arena, struct device_news);
    *n = (struct device_news){.kind = kind, .device = id};
    *p->last = n;
    p->last = &n->next;
    return n;
}

static void tell_value(struct watch *w, span name, const struct telemetry_sample *s)
{
    struct device_news *n = tell(w->of, w->id, NEWS_VALUE);
    struct arena *a = &w->of->open->arena;
    n->capability = arena_dup(a, name);
    n->unit = arena_dup(a, s->unit);
    n->value = s->value;
    n->at_ms = s->at_ms;
}

void watch_value(struct device *d, const struct telemetry_sample *s)
{
    LIST_EACH(it, &d->watch->watched) {
        struct watched *c = LIST_ITEM(it, struct watched, link);
        if (span_eq(c->name, s->sensor_type)) {
            tell_value(d->watch, c->name, s);
            return;
        }
    }
}

static void tell_presence(struct watch *w, bool available)
{
    if (!w->known || w->available != available) {
        w->known = true;
        w->available = available;
        tell(w->of, w->id, NEWS_PRESENCE)->available = available;
    }
}

void watch_presence(struct device *d)
{
    bool on = d->live.on && d->row.status != DEVICE_DISABLED;
    if (!presence_held(d) || d->row.status == DEVICE_DISABLED) {
        tell_presence(d->watch, on);
    }
}

/* --- being loaded --- */

static void pump(struct watches *ws);

static void watch_free(struct watch *w)
{
    deadline_clear(&w->retry);
    list_remove(&w->link);
    while (!list_empty(&w->watched)) {
        struct watched *c = LIST_ITEM(w->watched.next, struct watched, link);
        list_remove(&c->link);
        mem_free(c);
    }
    mem_free(w);
}

static void end(struct watch *w)
{
    map_remove(&w->of->map, &w->node);
    watch_free(w);
}

static void tell_newest(struct watch *w, struct watched *c)
{
    struct sensor *s = telemetry_sensor(w->device, c->name);
    if (s != NULL) {
        tell_value(w, c->name, &s->newest);
    }
}

static void retry(struct deadline *d)
{
    struct watch *w = CONTAINER_OF(d, struct watch, retry);
    list_push(&w->of->queue, &w->link);
    pump(w->of);
}

static void later(struct watch *w)
{
    w->retry.fire = retry;
    deadline_set(w->of->home, &w->retry, RETRY_MS);
}

static void gone(struct watch *w)
{
    (void)tell(w->of, w->id, NEWS_GONE);
    end(w);
}

/* A device that is being deleted is not gone yet: that may fail. */
static void missing(struct watch *w, err error)
{
    const struct device *d = device_peek(w->of->home->fleet, w->id);
    if (error == ERR_DEVICE_NOT_FOUND && (d == NULL || !d->deleting)) {
        gone(w);
    } else {
        later(w);
    }
}

static void attach(struct watch *w, struct device *d)
{
    w->device = d;
    d->watch = w;
    d->fleet->followed++;
    device_hold(d);
    w->known = false;
    tell_presence(w, d->live.on && d->row.status != DEVICE_DISABLED);
    LIST_EACH(it, &w->watched) {
        tell_newest(w, LIST_ITEM(it, struct watched, link));
    }
}

static void detach(struct device *d)
{
    d->watch = NULL;
    d->fleet->followed--;
    device_release(d);
}

static void over(struct watch *w, struct device *d, err error)
{
    struct watches *ws = w->of;
    w->loading = false;
    ws->loading--;
    if (list_empty(&w->watched)) {
        end(w);
    } else if (d == NULL) {
        missing(w, error);
    } else {
        attach(w, d);
    }
    pump(ws);
}

static void telemetry_ready(struct wait *wait, struct device *d, err error)
{
    over(CONTAINER_OF(wait, struct watch, wait), d, error);
}

static void device_ready(struct wait *wait, struct device *d, err error)
{
    if (d == NULL) {
        over(CONTAINER_OF(wait, struct watch, wait), NULL, error);
        return;
    }
    wait->ready = telemetry_ready;
    telemetry_need(d, wait);
}

static void pump(struct watches *ws)
{
    while (ws->loading < LOADS_MAX && !list_empty(&ws->queue)) {
        struct watch *w = LIST_ITEM(ws->queue.next, struct watch, link);
        list_remove(&w->link);
        w->loading = true;
        ws->loading++;
        w->wait.ready = device_ready;
        list_init(&w->wait.link);
        device_need(ws->home->fleet, w->id, &w->wait);
    }
}

/* --- watching, from the house --- */

struct wish {
    struct mail mail;
    struct home *to;
    uuid id;
    size_t len;
    uint8_t capability[];
};

static struct watched *watched_of(struct watch *w, span name)
{
    LIST_EACH(it, &w->watched) {
        struct watched *c = LIST_ITEM(it, struct watched, link);
        if (span_eq(c->name, name)) {
            return c;
        }
    }
    return NULL;
}

static struct watched *watched_new(struct watch *w, span name)
{
    struct watched *c = mem_calloc(1, sizeof *c + name.len);
    uint8_t *text = (uint8_t *)(c + 1);
    for (size_t i = 0; i < name.len; i++) {
        text[i] = name.ptr[i];
    }
    c->name = span_of(text, name.len);
    list_init(&c->link);
    list_push(&w->watched, &c->link);
    return c;
}

static struct watch *watch_new(struct watches *ws, uuid id)
{
    struct watch *w = mem_calloc(1, sizeof *w);
    w->of = ws;
    w->id = id;
    list_init(&w->link);
    list_init(&w->watched);
    map_put(&ws->map, uuid_hash(id), &w->node);
    list_push(&ws->queue, &w->link);
    return w;
}

static void watch_arrives(struct mail *m)
{
    struct wish *x = CONTAINER_OF(m, struct wish, mail);
    struct watches *ws = x->to->fleet->watches;
    span name = span_of(x->capability, x->len);
    struct watch *w = find(ws, x->id);
    if (w == NULL) {
        w = watch_new(ws, x->id);
    }
    struct watched *c = watched_of(w, name);
    if (c == NULL) {
        c = watched_new(w, name);
    }
    if (w->device != NULL) {
        w->known = false;
        tell_presence(w, w->available);
        tell_newest(w, c);
    }
    mem_free(x);
    pump(ws);
}

static void unwatch_arrives(struct mail *m)
{
    struct wish *x = CONTAINER_OF(m, struct wish, mail);
    struct watch *w = find(x->to->fleet->watches, x->id);
    struct watched *c = w == NULL ? NULL : watched_of(w, span_of(x->capability, x->len));
    mem_free(x);
    if (c == NULL) {
        return;
    }
    list_remove(&c->link);
    mem_free(c);
    if (list_empty(&w->watched) && !w->loading) {
        struct device *d = w->device;
        end(w);
        if (d != NULL) {
            detach(d);
        }
    }
}

static void wish(struct home *h, uuid device, span capability, void (*run)(struct mail *))
{
    ASSERT(h->index == HOUSE_HOME);
    unsigned home = home_of(h, device);
    struct wish *x = mem_calloc(1, sizeof *x + capability.len);
    x->mail.run = run;
    x->to = h->peers[home];
    x->id = device;
    x->len = capability.len;
    for (size_t i = 0; i < capability.len; i++) {
        x->capability[i] = capability.ptr[i];
    }
    post_mail(h->post, home, &x->mail);
}

void device_watch(struct home *h, uuid device, span capability)
{
    wish(h, device, capability, watch_arrives);
}

void device_unwatch(struct home *h, uuid device, span capability)
{
    wish(h, device, capability, unwatch_arrives);
}

/* --- deletion --- */

void watch_deleting(struct device *d)
{
    struct watch *w = d->watch;
    d->deleting = true;
    if (w == NULL) {
        return;
    }
    tell_presence(w, false);
    w->device = NULL;
    detach(d);
    later(w);
}

void watch_deleted(struct fleet *f, uuid id)
{
    struct watch *w = find(f->watches, id);
    if (w != NULL && !w->loading) {
        gone(w);
    }
}

struct device_news *watch_says(struct fleet *f, uuid id, struct arena **arena)
{
    struct watch *w = find(f->watches, id);
    struct device_news *n = w == NULL ? NULL : tell(w->of, w->id, NEWS_SAYS);
    *arena = w == NULL ? NULL : &w->of->open->arena;
    return n;
}

/* --- of a fleet --- */

struct watches *watches_new(struct home *h)
{
    struct watches *ws = mem_calloc(1, sizeof *ws);
    ws->home = h;
    ws->work.run = turn_ends;
    list_init(&ws->work.link);
    list_init(&ws->queue);
    return ws;
}

void watches_free(struct watches *ws)
{
    struct map_node *n;
    list_remove(&ws->work.link);
    if (ws->open != NULL) {
        arena_reset(&ws->open->arena);
        mem_free(ws->open);
    }
    while ((n = map_pop(&ws->map)) != NULL) {
        watch_free(CONTAINER_OF(n, struct watch, node));
    }
    map_deinit(&ws->map);
    mem_free(ws);
}
