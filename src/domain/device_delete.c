/* Deleting: first the device is gone for everybody, then its big tables a batch at a time, so
 * that the writer is never held for long, then the device with what still references it. A crash
 * in between leaves a device with less history; deleting it again goes on. */
#include "domain/fleet_internal.h"
#include "domain/identity_ops.h"

#include "base/mem.h"

/* Rows of each table a request: some 10 ms of the writer. */
#define PURGE_ROWS 1000

/* Who had rights for the device is told, lest they have them for another one that is given its id
 * later: more than anybody binds, and 10 MB. */
#define PRINCIPALS_MAX 100000
/* And not before they have heard device:deleted, which is on its way: half of what a change of
 * rights may take. */
#define PARTING_MS 500

struct deletion {
    struct ask ask;
    struct actor who;
};

static const enum query purges[] = {
    QUERY_METRICS_PURGE, QUERY_ROLLUP_PURGE,    QUERY_STATE_PURGE,           QUERY_PROCESS_PURGE,
    QUERY_COMMAND_PURGE, QUERY_TELEMETRY_PURGE, QUERY_TELEMETRY_ROLLUP_PURGE};

static void purge(struct deletion *x);

/* The deletion failed, and what is left was loaded again: what the events told of its presence is
 * not known any more, so it is told. */
static void at_home_again(struct ask *a, struct device *d)
{
    d->owed = true;
    presence_touch(d);
    ask_answer(a, ERR_NONE);
}

static void finish(struct deletion *x, err error)
{
    struct device *d = x->ask.device;
    struct home *h = d->fleet->home;
    uuid id = d->id;
    ask_answer(&x->ask, error);
    device_release(d);
    if (error == ERR_NONE) {
        watch_deleted(h->fleet, id);
        identity_changed(h, id);
    } else {
        ask_start(ask_new(h, sizeof(struct ask), id, at_home_again, NULL, NULL));
    }
}

/* Who had rights for a device that is deleted, until they are told. */
struct parting {
    struct list link; /* in fleet->partings */
    struct deadline deadline;
    struct home *home;
    uuid device;
    unsigned count;
    uuid principals[];
};

static void parting_free(struct parting *p)
{
    deadline_clear(&p->deadline);
    list_remove(&p->link);
    mem_free(p);
}

static void on_parted(struct deadline *d)
{
    struct parting *p = CONTAINER_OF(d, struct parting, deadline);
    for (unsigned i = 0; i < p->count; i++) {
        identity_changed(p->home, p->principals[i]);
    }
    parting_free(p);
}

static void part(struct fleet *f, uuid device, const struct store_req *req, unsigned step)
{
    unsigned rows = req->steps[step].row_count;
    struct parting *p = mem_calloc(1, sizeof *p + rows * sizeof p->principals[0]);
    p->home = f->home;
    p->device = device;
    p->deadline.fire = on_parted;
    for (unsigned i = 0; i < rows; i++) {
        p->count += uuid_parse(store_text(store_cell(req, step, i, 0)), &p->principals[p->count]);
    }
    list_push(&f->partings, &p->link);
    deadline_set(f->home, &p->deadline, PARTING_MS);
}

void partings_end(struct fleet *f, uuid device)
{
    for (struct list *it = f->partings.next; it != &f->partings;) {
        struct parting *p = LIST_ITEM(it, struct parting, link);
        it = it->next;
        if (uuid_eq(p->device, device)) {
            on_parted(&p->deadline);
        }
    }
}

void partings_drop(struct fleet *f)
{
    while (!list_empty(&f->partings)) {
        parting_free(LIST_ITEM(f->partings.next, struct parting, link));
    }
}

static void removed(struct store_req *req)
{
    struct deletion *x = req->owner;
    err error = req->error == ERR_CONFLICT ? ERR_DEVICE_NOT_FOUND : req->error;
    req_publish(x->ask.device->fleet->home, req);
    if (error == ERR_NONE && req->steps[0].row_count > 0) {
        part(x->ask.device->fleet, x->ask.id, req, 0);
    }
    store_req_free(req);
    finish(x, error);
}

static void remove_device(struct deletion *x)
{
    struct home *h = x->ask.device->fleet->home;
    struct store_req *req = store_req_new(h->index, 5, removed, x);
    req->row_max = PRINCIPALS_MAX;
    store_step_init(req, 0, QUERY_BINDING_OF_DEVICE, 1);
    req_set_uuid(req, 0, 0, 0, x->ask.id);
    store_step_init(req, 1, QUERY_PRINCIPAL_DELETE, 1);
    req->steps[1].expect = STORE_SOME;
    req_set_uuid(req, 1, 0, 0, x->ask.id);
    store_step_init(req, 2, QUERY_BINDING_DELETE_SCOPE, 1);
    store_set_text(req, 2, 0, 0, SPAN("device"));
    req_set_uuid(req, 2, 0, 1, x->ask.id);
    req_audit(h, req, 3, &x->who, "device.delete", x->ask.id);
    req_event_deleted(h, req, 4, x->ask.id);
    req_submit(h, req);
}

static void purged(struct store_req *req)
{
    struct deletion *x = req->owner;
    err error = req->error;
    unsigned gone = 0;
    for (unsigned i = 0; error == ERR_NONE && i < ARRAY_LEN(purges); i++) {
        gone += req->steps[i].change_count;
    }
    store_req_free(req);
    if (error != ERR_NONE) {
        finish(x, error);
    } else if (gone > 0) {
        purge(x);
    } else {
        remove_device(x);
    }
}

static void purge(struct deletion *x)
{
    struct home *h = x->ask.device->fleet->home;
    struct store_req *req = store_req_new(h->index, ARRAY_LEN(purges), purged, x);
    for (unsigned i = 0; i < ARRAY_LEN(purges); i++) {
        store_step_init(req, i, purges[i], 1);
        req_set_uuid(req, i, 0, 0, x->ask.id);
        store_set_int(req, i, 0, 1, PURGE_ROWS);
    }
    req_submit(h, req);
}

static void at_home_delete(struct ask *a, struct device *d)
{
    a->device = d;
    device_hold(d);
    presence_close(d, CLOSE_REVOKED);
    watch_deleting(d);
    presence_drop_viewers(d);
    host_channels_drop(d);
    telemetry_drop(d);
    presence_forget(d);
    commands_forget(d);
    device_forget(d);
    purge((struct deletion *)a);
}

void device_delete(struct home *h, uuid id, const struct actor *who, device_done done, void *owner)
{
    struct deletion *x = ask_new(h, sizeof *x, id, at_home_delete, done, owner);
    x->who = *who;
    x->who.name = ask_copy(&x->ask, who->name);
    x->who.address = ask_copy(&x->ask, who->address);
    ask_start(&x->ask);
}
