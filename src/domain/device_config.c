#include "domain/device_config.h"

#include "base/mem.h"
#include "domain/fleet_internal.h"
#include "shape/device.h"
#include "shape/merge.h"

#include <string.h>

/* Of a device that has one. */
struct configuration {
    struct device_config is; /* spans into text */
    uint8_t text[];          /* desired, reported */
};

/* --- in memory --- */

static const struct device_config none = {.desired = {(const uint8_t *)"{}", 2},
                                          .reported = {(const uint8_t *)"{}", 2}};

static const struct device_config *config_of(const struct device *d)
{
    return d->config == NULL ? &none : &d->config->is;
}

/* Takes another one; the spans may be the present ones. */
static void set(struct device *d, const struct device_config *c)
{
    struct configuration *own = mem_alloc(sizeof *own + c->desired.len + c->reported.len);
    own->is = *c;
    memcpy(own->text, c->desired.ptr, c->desired.len);
    memcpy(own->text + c->desired.len, c->reported.ptr, c->reported.len);
    own->is.desired = span_of(own->text, c->desired.len);
    own->is.reported = span_of(own->text + c->desired.len, c->reported.len);
    mem_free(d->config);
    d->config = own;
    d->row.config = c->state;
}

void config_load(struct device *d, const struct store_value *cells)
{
    struct device_config c = {
        .desired = store_text(&cells[0]),
        .state.desired_version = store_int(&cells[1]),
        .reported = store_text(&cells[2]),
        .state.reported_version = store_int(&cells[3]),
        .desired_ms = store_int(&cells[4]),
        .reported_ms = store_int(&cells[5]),
    };
    if (c.desired_ms == 0 && c.reported_ms == 0) {
        return; /* nothing was ever said */
    }
    c.state.drift = !merge_same(c.desired, c.reported);
    set(d, &c);
}

void config_free(struct device *d)
{
    mem_free(d->config);
    d->config = NULL;
}

static bool is_behind(const struct device *d)
{
    return d->row.config.reported_version < d->row.config.desired_version;
}

static void push(struct device *d)
{
    buf payload = {0};
    device_put_config(&payload, config_of(d));
    (void)presence_deliver(d, &(struct link_delivery){.event = OUT_DEVICE_CONFIG_UPDATE,
                                                      .payload = buf_span(&payload)});
    buf_deinit(&payload);
}

void config_registered(struct device *d)
{
    if (is_behind(d)) {
        push(d);
    }
}

/* --- showing --- */

static span kept(struct ask *a, buf *text)
{
    span copy = arena_dup(&a->arena, buf_span(text));
    buf_deinit(text);
    return copy;
}

static void show(struct ask *a, const struct device *d)
{
    buf out = {0};
    device_put_configuration(&out, d->id, config_of(d));
    a->result.json = kept(a, &out);
    a->result.version = d->row.config.desired_version;
}

static void at_home_get(struct ask *a, struct device *d)
{
    show(a, d);
    ask_answer(a, ERR_NONE);
}

void device_config_get(struct home *h, uuid id, device_done done, void *owner)
{
    ask_start(ask_new(h, sizeof(struct ask), id, at_home_get, done, owner));
}

static void at_home_registered(struct ask *a, struct device *d)
{
    ask_result_device(a, d);
    if (is_behind(d)) {
        buf out = {0};
        device_put_config(&out, config_of(d));
        a->result.config = kept(a, &out);
    }
    ask_answer(a, ERR_NONE);
}

void device_registered_get(struct home *h, uuid id, device_done done, void *owner)
{
    ask_start(ask_new(h, sizeof(struct ask), id, at_home_registered, done, owner));
}

/* --- changing it --- */

struct change {
    struct ask ask;
    struct config_change in;
    struct actor who;
    uint64_t link; /* of a report */
    span ack;
    int64_t version;
    span reported;
    struct device_config next;
    bool desires; /* what is desired changed, else what is reported */
};

/* Another change is on its way: this one runs again when it is over. */
static bool waits(struct ask *a, struct device *d)
{
    if (!d->changing && !d->write.writing) {
        return false;
    }
    bool begun = change_begin(a, d);
    ASSERT(!begun);
    return true;
}

static void changed(struct store_req *req)
{
    struct change *x = req->owner;
    struct device *d = x->ask.device;
    err error = req->error;
    req_publish(d->fleet->home, req);
    store_req_free(req);
    if (d->state == DEVICE_GONE) {
        error = ERR_DEVICE_NOT_FOUND;
    }
    if (error == ERR_NONE) {
        set(d, &x->next);
        if (x->desires) {
            d->row.updated_ms = x->next.desired_ms;
            push(d);
            show(&x->ask, d);
        }
    }
    ask_answer(&x->ask, error);
    change_end(d);
    device_release(d);
}

/* `next` holds all but its drift. Steps of the caller's come first. */
static void submit(struct change *x, struct device *d, struct store_req *req, unsigned step)
{
    struct home *h = d->fleet->home;
    struct device_row row;
    x->next.state.drift = !merge_same(x->next.desired, x->next.reported);
    presence_told_row(d, &row);
    row.config = x->next.state;
    if (x->desires) {
        row.updated_ms = x->next.desired_ms;
    }
    req_event_device(h, req, step, EVENT_DEVICE_UPDATED, &row);
    bool begun = change_begin(&x->ask, d);
    ASSERT(begun);
    x->ask.device = d;
    device_hold(d);
    req_submit(h, req);
}

static void submit_desired(struct change *x, struct device *d)
{
    struct home *h = d->fleet->home;
    struct store_req *req = store_req_new(h->index, 3, changed, x);
    x->desires = true;
    x->next.state.desired_version++;
    x->next.desired_ms = clock_wall_ms(h->clock);
    store_step_init(req, 0, QUERY_CONFIG_SET_DESIRED, 1);
    req->steps[0].expect = STORE_SOME;
    req_set_uuid(req, 0, 0, 0, d->id);
    store_set_text(req, 0, 0, 1, x->next.desired);
    store_set_int(req, 0, 0, 2, x->next.state.desired_version);
    store_set_int(req, 0, 0, 3, x->next.desired_ms);
    req_audit(h, req, 1, &x->who, "device.config", d->id);
    submit(x, d, req, 2);
}

static void at_home_patch(struct ask *a, struct device *d)
{
    struct change *x = (struct change *)a;
    if (waits(a, d)) {
        return;
    }
    x->next = *config_of(d);
    err error = ERR_NONE;
    if (x->in.version >= 0 && x->in.version != x->next.state.desired_version) {
        error = ERR_PRECONDITION_FAILED;
    } else {
        x->next.desired = merge_apply(x->next.desired, x->in.patch, &a->arena);
        error = x->next.desired.len > CONFIG_BYTES_MAX ? ERR_BODY_TOO_LARGE : ERR_NONE;
    }
    if (error == ERR_NONE && !merge_same(x->next.desired, config_of(d)->desired)) {
        submit_desired(x, d);
        return;
    }
    show(a, d);
    ask_answer(a, error);
}

void device_config_patch(struct home *h, uuid id, const struct config_change *in,
                         const struct actor *who, device_done done, void *owner)
{
    struct change *x = ask_new(h, sizeof *x, id, at_home_patch, done, owner);
    x->in = *in;
    x->in.patch = ask_copy(&x->ask, in->patch);
    x->who = *who;
    x->who.name = ask_copy(&x->ask, who->name);
    x->who.address = ask_copy(&x->ask, who->address);
    ask_start(&x->ask);
}

/* --- what the device says --- */

static bool is_live(const struct change *x, const struct device *d)
{
    return d->live.on && d->live.loop == x->ask.from->index && d->live.link == x->link;
}

static void submit_reported(struct change *x, struct device *d)
{
    struct home *h = d->fleet->home;
    struct store_req *req = store_req_new(h->index, 2, changed, x);
    x->next.state.reported_version = x->version;
    x->next.reported = x->reported;
    x->next.reported_ms = clock_wall_ms(h->clock);
    store_step_init(req, 0, QUERY_CONFIG_SET_REPORTED, 1);
    req->steps[0].expect = STORE_SOME;
    req_set_uuid(req, 0, 0, 0, d->id);
    store_set_text(req, 0, 0, 1, x->reported);
    store_set_int(req, 0, 0, 2, x->version);
    store_set_int(req, 0, 0, 3, x->next.reported_ms);
    submit(x, d, req, 1);
}

static void at_home_report(struct ask *a, struct device *d)
{
    struct change *x = (struct change *)a;
    if (waits(a, d)) {
        return;
    }
    x->next = *config_of(d);
    err error = ERR_NONE;
    if (!is_live(x, d)) {
        error = ERR_CONFLICT; /* a newer socket speaks for the device */
    } else {
        presence_heard(d, true);
        error = x->version > x->next.state.desired_version ? ERR_INVALID_MESSAGE_FORMAT : ERR_NONE;
    }
    bool news = x->version != x->next.state.reported_version || x->next.reported_ms == 0 ||
                !merge_same(x->reported, x->next.reported);
    if (error == ERR_NONE && news) {
        submit_reported(x, d);
        return;
    }
    ask_answer(a, error);
}

static void answer_link(struct ask *a)
{
    struct change *x = (struct change *)a;
    struct device_link *l = link_find(a->from->fleet, x->link);
    if (l != NULL && x->ack.len > 0) {
        l->on_answer(l, x->ack, a->result.error);
    }
}

void device_link_config(struct device_link *l, span ack, int64_t version, span reported)
{
    struct change *x = ask_new(l->home, sizeof *x, l->device, at_home_report, NULL, NULL);
    x->ask.at_caller = answer_link;
    x->link = l->id;
    x->ack = ask_copy(&x->ask, ack);
    x->version = version;
    x->reported = merge_apply(SPAN("{}"), reported, &x->ask.arena);
    ask_start(&x->ask);
}
