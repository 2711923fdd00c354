/* Devices of one home: loading (one request however many ask), holding, and the asks that other
 * loops send here. */
#include "domain/fleet.h"
#include "domain/fleet_internal.h"
#include "domain/command_job.h"

#include "base/mem.h"
#include "shape/host.h"

#include <string.h>

/* STATE_LATEST, METRICS_LAST and the newest process list come with the device itself: a viewer's
 * first question is theirs, and one request is cheaper than two. */
enum load_step {
    LOAD_DEVICE,
    LOAD_STATE,
    LOAD_ROWS,
    LOAD_PROCESSES,
    LOAD_CONFIG,
    LOAD_COMMANDS,
    LOAD_STEPS
};
#define LOAD_ROWS_MAX (4 + HOST_ROWS_MAX + COMMAND_OPEN_MAX)

struct fleet *fleet_new(struct home *h)
{
    struct fleet *f = mem_calloc(1, sizeof *f);
    f->home = h;
    list_init(&f->idle);
    list_init(&f->watched);
    list_init(&f->partings);
    behind_init(&f->presence, h, &presence_writing, "presence", f);
    behind_init(&f->logs, h, &connection_log_writing, "connection_log", f);
    if (!host_timezone(span_str(h->conf->timezone), &f->offset_min)) {
        f->offset_min = 0; /* the setting is checked at start */
    }
    commands_start(f);
    jobs_start(f);
    hub_own(h->hub, SPAN("m/"), &host_topic_owner, f);
    hub_own(h->hub, SPAN("t/"), &telemetry_topic_owner, f);
    f->telemetry = telemetry_new(h);
    f->watches = watches_new(h);
    f->retention = h->index == 0 ? retention_new(h) : NULL;
    f->budget = h->index == 0 ? budget_new(h) : NULL;
    h->fleet = f;
    return f;
}

static void device_free(struct device *d)
{
    if (list_linked(&d->idle)) {
        list_remove(&d->idle);
        d->fleet->idle_count--;
    }
    commands_free(d);
    presence_deinit(d);
    host_channels_free(d);
    telemetry_free(d);
    host_free(d);
    config_free(d);
    mem_free(d->row_text);
    mem_free(d);
}

void fleet_stop(struct fleet *f)
{
    struct map_node *n = NULL;
    while ((n = map_next(&f->devices, n)) != NULL) {
        struct device *d = CONTAINER_OF(n, struct device, node);
        device_hold(d);
        commands_stop_waiting(d);
        d->holds--; /* the map must not change now: it stays as it is */
    }
}

void fleet_free(struct fleet *f)
{
    struct map_node *n;
    partings_drop(f);
    jobs_stop(f);
    watches_free(f->watches);
    behind_deinit(&f->presence);
    connection_logs_drop(f);
    behind_deinit(&f->logs);
    commands_stop(f);
    while ((n = map_pop(&f->devices)) != NULL) {
        device_free(CONTAINER_OF(n, struct device, node));
    }
    map_deinit(&f->devices);
    map_deinit(&f->links);
    retention_free(f->retention);
    budget_free(f->budget);
    telemetry_end(f->telemetry);
    f->home->fleet = NULL;
    mem_free(f);
}

void fleet_stats(const struct fleet *f, struct fleet_stats *out)
{
    *out = (struct fleet_stats){
        .loaded = (unsigned)f->devices.count,
        .idle = f->idle_count,
        .followed = f->followed,
        .online = f->online,
        .stale = f->stale,
        .viewers = f->viewers,
        .timers = f->timers,
        .links = (unsigned)f->links.count,
        .asks = f->asks,
    };
}

static unsigned least_watched(const struct fleet_watched *of, unsigned count)
{
    unsigned least = 0;
    for (unsigned i = 1; i < count; i++) {
        least = of[i].viewers < of[least].viewers ? i : least;
    }
    return least;
}

unsigned fleet_watched(const struct fleet *f, struct fleet_watched *out, unsigned max)
{
    unsigned count = 0, least = 0;
    LIST_EACH(it, &f->watched) {
        const struct device *d = CONTAINER_OF(it, struct device, watched);
        struct fleet_watched seen = {.device = d->id, .viewers = d->viewers};
        if (count < max) {
            out[count++] = seen;
        } else if (seen.viewers > out[least].viewers) {
            out[least] = seen;
        } else {
            continue;
        }
        least = least_watched(out, count);
    }
    return count;
}

void fleet_ages(const struct fleet *f, struct heard_ages *sum)
{
    heard_sum(&f->heard, clock_mono_ms(f->home->clock), sum);
}

/* --- devices --- */

static bool same_device(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct device, node)->id, *(const uuid *)key);
}

struct device *device_peek(struct fleet *f, uuid id)
{
    struct map_node *n = map_get(&f->devices, uuid_hash(id), same_device, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct device, node);
}

struct device *device_find(struct fleet *f, uuid id)
{
    struct device *d = device_peek(f, id);
    return d != NULL && d->state == DEVICE_READY ? d : NULL;
}

void device_hold(struct device *d)
{
    if (d->holds++ == 0 && list_linked(&d->idle)) {
        list_remove(&d->idle);
        d->fleet->idle_count--;
    }
}

void device_release(struct device *d)
{
    struct fleet *f = d->fleet;
    ASSERT(d->holds > 0);
    if (--d->holds > 0) {
        return;
    }
    if (d->state == DEVICE_GONE) {
        map_remove(&f->devices, &d->node);
        device_free(d);
        return;
    }
    list_push(&f->idle, &d->idle);
    if (++f->idle_count > FLEET_IDLE_MAX) {
        struct device *oldest = LIST_ITEM(f->idle.next, struct device, idle);
        map_remove(&f->devices, &oldest->node);
        device_free(oldest);
    }
}

void device_forget(struct device *d)
{
    ASSERT(d->holds > 0 && d->state != DEVICE_GONE);
    d->state = DEVICE_GONE;
}

/* Tells everybody who waited; the caller holds the device. */
static void tell(struct device *d, err error)
{
    while (!list_empty(&d->waiting)) {
        struct wait *w = LIST_ITEM(d->waiting.next, struct wait, link);
        list_remove(&w->link);
        if (error == ERR_NONE && d->state == DEVICE_GONE) {
            error = ERR_DEVICE_NOT_FOUND; /* one of those before deleted it */
        }
        w->ready(w, error == ERR_NONE ? d : NULL, error);
    }
}

static void loaded(struct store_req *req)
{
    struct device *d = req->owner;
    err error = req->error;
    if (error == ERR_NONE && req->steps[LOAD_DEVICE].row_count == 0) {
        error = ERR_DEVICE_NOT_FOUND;
    }
    if (error == ERR_NONE) {
        device_row_load(d, store_cell(req, LOAD_DEVICE, 0, 0));
        config_load(d, store_cell(req, LOAD_CONFIG, 0, 0));
        host_load(d, req, LOAD_STATE);
        d->state = DEVICE_READY;
        commands_load(d, req, LOAD_COMMANDS);
    } else {
        device_forget(d);
    }
    store_req_free(req);
    tell(d, error);
    device_release(d);
}

static void load(struct device *d)
{
    struct home *h = d->fleet->home;
    struct store_req *req = store_req_new(h->index, LOAD_STEPS, loaded, d);
    req->row_max = LOAD_ROWS_MAX;
    store_step_init(req, LOAD_DEVICE, QUERY_DEVICE_GET, 1);
    req_set_uuid(req, LOAD_DEVICE, 0, 0, d->id);
    store_step_init(req, LOAD_STATE, QUERY_STATE_LATEST, 1);
    req_set_uuid(req, LOAD_STATE, 0, 0, d->id);
    store_step_init(req, LOAD_ROWS, QUERY_METRICS_LAST, 1);
    req_set_uuid(req, LOAD_ROWS, 0, 0, d->id);
    store_set_int(req, LOAD_ROWS, 0, 1, HOST_ROWS_MAX);
    store_step_init(req, LOAD_PROCESSES, QUERY_PROCESS_AT, 1);
    req_set_uuid(req, LOAD_PROCESSES, 0, 0, d->id);
    store_set_int(req, LOAD_PROCESSES, 0, 1, INT64_MAX);
    store_set_int(req, LOAD_PROCESSES, 0, 2, INT64_MAX);
    store_step_init(req, LOAD_CONFIG, QUERY_CONFIG_GET, 1);
    req_set_uuid(req, LOAD_CONFIG, 0, 0, d->id);
    store_step_init(req, LOAD_COMMANDS, QUERY_COMMAND_LIST_OPEN, 1);
    req_set_uuid(req, LOAD_COMMANDS, 0, 0, d->id);
    store_set_int(req, LOAD_COMMANDS, 0, 1, COMMAND_OPEN_MAX);
    req_submit(h, req);
}

void device_need(struct fleet *f, uuid id, struct wait *w)
{
    struct device *d = device_peek(f, id);
    home_cache_count(f->home, CACHE_DEVICES, d != NULL && d->state != DEVICE_LOADING);
    if (d == NULL) {
        d = mem_calloc(1, sizeof *d);
        d->fleet = f;
        d->id = id;
        d->state = DEVICE_LOADING;
        d->holds = 1; /* the load's */
        list_init(&d->waiting);
        list_init(&d->idle);
        list_init(&d->watched);
        list_init(&d->write.link);
        list_init(&d->changes);
        map_put(&f->devices, uuid_hash(id), &d->node);
        load(d);
    }
    if (d->state == DEVICE_LOADING) {
        list_push(&d->waiting, &w->link);
        return;
    }
    if (d->state == DEVICE_GONE) {
        w->ready(w, NULL, ERR_DEVICE_NOT_FOUND);
        return;
    }
    device_hold(d);
    w->ready(w, d, ERR_NONE);
    device_release(d);
}

/* --- asks --- */

void *ask_new(struct home *h, size_t bytes, uuid id, void (*at_home)(struct ask *, struct device *),
              device_done done, void *owner)
{
    struct ask *a = mem_calloc(1, bytes);
    ASSERT(bytes >= sizeof *a);
    a->from = h;
    a->id = id;
    a->at_home = at_home;
    a->done = done;
    a->owner = owner;
    a->result.id = id;
    h->fleet->asks++;
    return a;
}

static void ask_ready(struct wait *w, struct device *d, err error)
{
    struct ask *a = CONTAINER_OF(w, struct ask, wait);
    if (d == NULL) {
        ask_answer(a, error);
    } else {
        a->at_home(a, d);
    }
}

static void ask_arrive(struct mail *m)
{
    struct ask *a = CONTAINER_OF(m, struct ask, mail);
    a->fleet = a->from->peers[home_of(a->from, a->id)]->fleet;
    list_init(&a->wait.link);
    a->wait.ready = ask_ready;
    device_need(a->fleet, a->id, &a->wait);
}

void ask_start(struct ask *a)
{
    a->mail.run = ask_arrive;
    post_mail(a->from->post, home_of(a->from, a->id), &a->mail);
}

bool change_begin(struct ask *a, struct device *d)
{
    if (d->changing || d->write.writing) {
        list_push(&d->changes, &a->wait.link);
        return false;
    }
    d->changing = true;
    return true;
}

void change_end(struct device *d)
{
    d->changing = false;
    if (d->touch_later) {
        d->touch_later = false;
        presence_touch(d);
    }
    changes_next(d);
}

void changes_next(struct device *d)
{
    while (!d->changing && !d->write.writing && !list_empty(&d->changes)) {
        struct ask *a = LIST_ITEM(d->changes.next, struct ask, wait.link);
        list_remove(&a->wait.link);
        if (d->state == DEVICE_GONE) {
            ask_answer(a, ERR_DEVICE_NOT_FOUND);
        } else {
            a->at_home(a, d);
        }
    }
}

static void ask_return(struct mail *m)
{
    struct ask *a = CONTAINER_OF(m, struct ask, mail);
    struct fleet *f = a->from->fleet;
    if (a->at_caller != NULL) {
        a->at_caller(a);
    } else if (a->done != NULL) {
        a->done(a->owner, &a->result);
    }
    arena_reset(&a->arena);
    mem_free(a);
    f->asks--;
}

void ask_answer(struct ask *a, err error)
{
    a->result.error = error;
    a->mail.run = ask_return;
    post_mail(a->from->post, a->from->index, &a->mail);
}

span ask_copy(struct ask *a, span s)
{
    return s.ptr == NULL ? SPAN_NONE : arena_dup(&a->arena, s);
}

/* --- requests of the store --- */

void req_set_uuid(struct store_req *req, unsigned step, unsigned set, unsigned p, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    store_set_text(req, step, set, p, span_of(text, UUID_TEXT_LEN));
}

void req_submit(struct home *h, struct store_req *req) { h->store->submit(h->store, req); }

void req_audit(struct home *h, struct store_req *req, unsigned i, const struct actor *who,
               const char *action, uuid target)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(target, id);
    audit_step(h, req, i,
               &(struct audit_entry){.who = who,
                                     .action = action,
                                     .target_kind = "device",
                                     .target = span_of(id, UUID_TEXT_LEN)});
}
