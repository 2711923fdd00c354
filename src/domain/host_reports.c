/*
 * What devices report. Live samples are shown; rows and states are stored first, shown and
 * answered when they are on disk. The rollups follow from the rows inside the store.
 */
#include "domain/fleet_internal.h"

#include <math.h>

/* A state is stored when it changed, else once an hour; processes once a minute. A little early
 * counts, so that a host's own timer need not be exact. */
#define STATE_EVERY_MS (3600000 - 5000)
#define PROCESSES_EVERY_MS (60000 - 5000)

struct report {
    struct ask ask;
    uint64_t link; /* 0: not from a socket */
    span ack;
    struct host_point point;
    bool has_row;
    struct host_facts facts;
    bool merge;     /* what is not given stays as it is */
    span processes;
    span capabilities;
    int64_t registered_ms;
    bool is_new_row;
    bool stores_facts;
    bool stores_processes;
};

/* From the live link, not from one that was replaced. */
static bool is_live(const struct report *r, const struct device *d)
{
    return d->live.on && d->live.loop == r->ask.from->index && d->live.link == r->link;
}

static void heard(struct report *r, struct device *d)
{
    if (r->link == 0) {
        presence_heard(d, false);
    } else if (is_live(r, d)) {
        presence_heard(d, true);
    }
}

static const bool is_real[METRIC_COUNT] = {
    [METRIC_CPU] = true,  [METRIC_DOWNLOAD] = true,    [METRIC_UPLOAD] = true,
    [METRIC_LOAD] = true, [METRIC_TEMPERATURE] = true,
};

void req_row(struct store_req *req, unsigned i, uuid device, const struct host_point *p)
{
    store_step_init(req, i, QUERY_METRICS_INSERT, 1);
    req_set_uuid(req, i, 0, 0, device);
    store_set_int(req, i, 0, 1, p->at_ms);
    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        if (!isfinite(p->v[m])) {
            continue; /* NULL */
        }
        if (is_real[m]) {
            store_set_real(req, i, 0, 2 + m, p->v[m]);
        } else {
            store_set_int(req, i, 0, 2 + m, (int64_t)p->v[m]);
        }
    }
}

static void set_text(struct store_req *req, unsigned i, unsigned p, span text)
{
    if (text.len > 0) {
        store_set_text(req, i, 0, p, text);
    }
}

static void set_count(struct store_req *req, unsigned i, unsigned p, int64_t value)
{
    if (value >= 0) {
        store_set_int(req, i, 0, p, value);
    }
}

static void req_state(struct store_req *req, unsigned i, uuid device, const struct host_facts *f,
                      span processes)
{
    store_step_init(req, i, QUERY_STATE_INSERT, 1);
    req_set_uuid(req, i, 0, 0, device);
    set_text(req, i, 1, f->os);
    set_text(req, i, 2, f->architecture);
    set_count(req, i, 3, f->uptime_s);
    set_text(req, i, 4, f->hostname);
    set_text(req, i, 5, f->ip_address);
    set_text(req, i, 6, f->mac_address);
    set_text(req, i, 7, processes);
    set_text(req, i, 8, f->interfaces);
    store_set_int(req, i, 0, 9, f->at_ms);
    set_count(req, i, 10, f->cpu_cores);
    set_text(req, i, 11, f->agent_version);
}

static void req_processes(struct store_req *req, unsigned i, uuid device, int64_t at_ms, span list)
{
    store_step_init(req, i, QUERY_PROCESS_INSERT, 1);
    req_set_uuid(req, i, 0, 0, device);
    store_set_int(req, i, 0, 1, at_ms);
    store_set_text(req, i, 0, 2, list);
}

/* --- what is shown once it is true --- */

static void show_processes(struct device *d, span list, int64_t at_ms)
{
    bool first = d->host == NULL || d->host->processes.len == 0;
    if (host_take_processes(d, list, at_ms) && first) {
        host_publish_first(d, HOST_PROCESSES);
        host_publish_first(d, HOST_PROCESSES_ALL);
    }
}

static void show_row(struct device *d, const struct host_point *p)
{
    bool first = d->host == NULL || d->host->row_count == 0;
    host_take_row(d, p);
    if (first) {
        host_publish_first(d, HOST_HISTORY);
    }
    if (host_take_point(d, p)) {
        host_publish_metrics(d);
    }
}

static void show_facts(struct device *d, const struct host_facts *f)
{
    bool first = d->host == NULL || !d->host->has_facts;
    bool first_list = first || d->host->facts.interfaces.len == 0;
    if (!first && f->at_ms < d->host->facts.at_ms) {
        return;
    }
    host_take_facts(d, f);
    if (first) {
        host_publish_first(d, HOST_SYSTEM_INFO);
    }
    if (first_list) {
        host_publish_first(d, HOST_INTERFACES);
    }
}

static void show(struct report *r, struct device *d)
{
    span list = r->processes.len > 0 ? r->processes : r->facts.processes;
    int64_t at_ms = r->facts.at_ms != 0 ? r->facts.at_ms : r->point.at_ms;
    if (r->facts.at_ms != 0) {
        show_facts(d, &r->facts);
    }
    if (r->stores_facts && d->host->stored_ms < r->facts.at_ms) {
        d->host->stored_ms = r->facts.at_ms;
    }
    if (r->stores_processes && host_of(d)->processes_stored_ms < at_ms) {
        d->host->processes_stored_ms = at_ms;
    }
    show_processes(d, list, at_ms);
    if (r->is_new_row) {
        show_row(d, &r->point);
    }
}

static void stored(struct store_req *req)
{
    struct report *r = req->owner;
    struct device *d = r->ask.device;
    err error = req->error;
    if (error == ERR_NONE) {
        r->is_new_row = r->has_row && req->steps[0].change_count > 0;
        if (d->state == DEVICE_READY) {
            show(r, d);
        }
    } else if (d->state == DEVICE_GONE) {
        error = ERR_DEVICE_NOT_FOUND; /* deleted while this was on its way */
    }
    store_req_free(req);
    ask_answer(&r->ask, error);
    device_release(d);
}

/* --- at home --- */

static void at_home_heartbeat(struct ask *a, struct device *d)
{
    heard((struct report *)a, d);
    ask_answer(a, ERR_NONE);
}

static void at_home_sample(struct ask *a, struct device *d)
{
    struct report *r = (struct report *)a;
    heard(r, d);
    if (host_take_point(d, &r->point)) {
        host_publish_metrics(d);
    }
    ask_answer(a, ERR_NONE);
}

static void submit(struct report *r, struct device *d, unsigned steps, span list)
{
    struct home *h = d->fleet->home;
    struct store_req *req = store_req_new(h->index, steps, stored, r);
    unsigned i = 0;
    if (r->has_row) {
        req_row(req, i++, d->id, &r->point);
    }
    if (r->stores_facts) {
        span newest = r->facts.processes.len > 0 ? r->facts.processes
                      : d->host != NULL ? buf_span(&d->host->processes) : SPAN_NONE;
        req_state(req, i++, d->id, &r->facts, newest);
    }
    if (r->stores_processes) {
        req_processes(req, i++, d->id, r->facts.at_ms != 0 ? r->facts.at_ms : r->point.at_ms,
                      list);
    }
    r->ask.device = d;
    device_hold(d);
    req_submit(h, req);
}

static void at_home_row(struct ask *a, struct device *d)
{
    struct report *r = (struct report *)a;
    heard(r, d);
    r->has_row = true;
    r->stores_processes = r->processes.len > 0;
    submit(r, d, 1u + r->stores_processes, r->processes);
}

static void keep_present(struct host_facts *f, const struct host_facts *now)
{
#define KEEP(member)                                                                               \
    if (f->member.len == 0) {                                                                      \
        f->member = now->member;                                                                   \
    }
    KEEP(os)
    KEEP(architecture)
    KEEP(hostname)
    KEEP(ip_address)
    KEEP(mac_address)
    KEEP(agent_version)
    KEEP(interfaces)
#undef KEEP
    f->uptime_s = f->uptime_s < 0 ? now->uptime_s : f->uptime_s;
    f->cpu_cores = f->cpu_cores < 0 ? now->cpu_cores : f->cpu_cores;
}

/* The arena takes over what points into the device, which may change before it is shown. */
static void own_facts(struct ask *a, struct host_facts *f)
{
    f->os = ask_copy(a, f->os);
    f->architecture = ask_copy(a, f->architecture);
    f->hostname = ask_copy(a, f->hostname);
    f->ip_address = ask_copy(a, f->ip_address);
    f->mac_address = ask_copy(a, f->mac_address);
    f->agent_version = ask_copy(a, f->agent_version);
    f->interfaces = ask_copy(a, f->interfaces);
    f->processes = ask_copy(a, f->processes);
}

static void at_home_state(struct ask *a, struct device *d)
{
    struct report *r = (struct report *)a;
    const struct host *h = d->host;
    heard(r, d);
    if (r->merge && h != NULL && h->has_facts) {
        keep_present(&r->facts, &h->facts);
        own_facts(a, &r->facts);
    }
    r->stores_facts = h == NULL || !h->has_facts || !host_facts_same(&h->facts, &r->facts) ||
                      r->facts.at_ms - h->stored_ms >= STATE_EVERY_MS;
    r->stores_processes =
        r->facts.processes.len > 0 &&
        (h == NULL || r->facts.at_ms - h->processes_stored_ms >= PROCESSES_EVERY_MS);
    unsigned steps = (unsigned)r->has_row + r->stores_facts + r->stores_processes;
    if (steps > 0) {
        submit(r, d, steps, r->facts.processes);
    } else {
        show(r, d);
        ask_answer(a, ERR_NONE);
    }
}

/* --- from links --- */

static void answer_link(struct ask *a)
{
    struct report *r = (struct report *)a;
    struct device_link *l = link_find(a->from->fleet, r->link);
    if (l != NULL && r->ack.len > 0) {
        l->on_answer(l, r->ack, a->result.error);
    }
}

static struct report *report_new(struct device_link *l, span ack,
                                 void (*at_home)(struct ask *, struct device *))
{
    struct report *r = ask_new(l->home, sizeof *r, l->device, at_home, NULL, NULL);
    r->ask.at_caller = answer_link;
    r->link = l->id;
    r->ack = ask_copy(&r->ask, ack);
    return r;
}

void device_link_heartbeat(struct device_link *l, span ack)
{
    ask_start(&report_new(l, ack, at_home_heartbeat)->ask);
}

void device_link_sample(struct device_link *l, span ack, const struct host_point *p)
{
    struct report *r = report_new(l, ack, at_home_sample);
    r->point = *p;
    ask_start(&r->ask);
}

void device_link_row(struct device_link *l, span ack, const struct host_point *p, span processes)
{
    struct report *r = report_new(l, ack, at_home_row);
    r->point = *p;
    r->processes = ask_copy(&r->ask, processes);
    ask_start(&r->ask);
}

void device_link_state(struct device_link *l, span ack, const struct host_facts *f)
{
    struct report *r = report_new(l, ack, at_home_state);
    r->facts = *f;
    own_facts(&r->ask, &r->facts);
    ask_start(&r->ask);
}

/* --- registering --- */

static void registered(struct store_req *req)
{
    struct report *r = req->owner;
    struct device *d = r->ask.device;
    err error = req->error;
    req_publish(d->fleet->home, req);
    if (error == ERR_NONE && d->state == DEVICE_READY) {
        struct device_row row = d->row;
        row.capabilities = r->capabilities;
        row.version++;
        row.updated_ms = r->registered_ms;
        device_row_set(d, &row);
    }
    store_req_free(req);
    if (error == ERR_NONE && is_live(r, d)) {
        config_registered(d);
    }
    ask_answer(&r->ask, error);
    change_end(d);
    device_release(d);
}

static void at_home_register(struct ask *a, struct device *d)
{
    struct report *r = (struct report *)a;
    struct home *h = d->fleet->home;
    heard(r, d);
    if (r->capabilities.ptr == NULL || span_eq(r->capabilities, d->row.capabilities)) {
        if (is_live(r, d)) {
            presence_registered(d);
            config_registered(d);
        }
        ask_answer(a, ERR_NONE);
        return;
    }
    if (!change_begin(a, d)) {
        return;
    }
    r->registered_ms = clock_wall_ms(h->clock);
    d->live.registered = d->live.registered || is_live(r, d);
    struct store_req *req = store_req_new(h->index, 2, registered, r);
    store_step_init(req, 0, QUERY_DEVICE_SET_CAPABILITIES, 1);
    req->steps[0].expect = STORE_SOME;
    req_set_uuid(req, 0, 0, 0, d->id);
    store_set_text(req, 0, 0, 1, r->capabilities);
    store_set_int(req, 0, 0, 2, r->registered_ms);
    struct device_row row;
    presence_told_row(d, &row);
    row.capabilities = r->capabilities;
    row.version++;
    row.updated_ms = r->registered_ms;
    req_event_device(h, req, 1, EVENT_DEVICE_UPDATED, &row);
    a->device = d;
    device_hold(d);
    req_submit(h, req);
}

void device_link_register(struct device_link *l, span ack, span capabilities)
{
    struct report *r = report_new(l, ack, at_home_register);
    r->capabilities = ask_copy(&r->ask, capabilities);
    ask_start(&r->ask);
}

/* --- from hosts without a socket --- */

void host_report(struct home *h, uuid device, const struct host_facts *f,
                 const struct host_point *row, device_done done, void *owner)
{
    struct report *r = ask_new(h, sizeof *r, device, at_home_state, done, owner);
    r->facts = *f;
    r->merge = true;
    own_facts(&r->ask, &r->facts);
    if (row != NULL) {
        r->point = *row;
        r->has_row = true;
    }
    ask_start(&r->ask);
}
