/*
 * What the store and the event log say of a device's presence, following what is true: the row's
 * connection_status and the events that announce it change in one transaction, and the events go
 * out when it is on disk. So the log never shows a state that the row had not, nor the other way.
 *
 * `told` is what they say, or will when the write on its way is on disk. The next write is made
 * from the difference. What came and went meanwhile is told as one pair: a device that was cut off
 * and is back has a disconnect and a connect, however often it happened; a take-over has neither.
 * Who flaps is told to, and then nothing more until the hold is over (presence.c).
 */
#include "domain/fleet_internal.h"

#include "shape/device.h"
#include "shape/decode.h"

#define STEPS_MAX 16 /* of a request: one for the rows, the others for events */
#define EVENTS_EACH_MAX 3

struct plan {
    struct told want;
    unsigned count;
    struct {
        enum event event;
        int64_t at_ms;
    } events[EVENTS_EACH_MAX];
};

static void add(struct plan *p, enum event event, int64_t at_ms)
{
    ASSERT(p->count < EVENTS_EACH_MAX);
    p->events[p->count].event = event;
    p->events[p->count++].at_ms = at_ms;
}

static void make_plan(const struct device *d, struct plan *p)
{
    const struct told *t = &d->told;
    *p = (struct plan){.want = *t};
    if (presence_held(d)) {
        p->want.flapping = true;
        if (!t->flapping) {
            add(p, EVENT_DEVICE_UPDATED, 0);
        }
        return;
    }
    bool on = d->live.on, again = d->turn != t->turn;
    p->want = (struct told){.on = on, .stale = d->live.stale, .turn = d->turn};
    if (!t->on && !on && again) {
        add(p, EVENT_DEVICE_CONNECTED, d->connected_ms);
        add(p, EVENT_DEVICE_DISCONNECTED, d->disconnected_ms);
    } else if (t->on && (!on || again)) {
        add(p, EVENT_DEVICE_DISCONNECTED, d->disconnected_ms);
    }
    if (on && (!t->on || again)) {
        add(p, EVENT_DEVICE_CONNECTED, d->connected_ms);
    }
    bool stale_told = p->count == 0 && t->stale; /* the other events say that it is not */
    if ((on && d->live.stale != stale_told) || t->flapping || d->owed) {
        add(p, EVENT_DEVICE_UPDATED, 0);
    }
}

static enum connection_status told_status(const struct told *t)
{
    return !t->on ? CONNECTION_OFFLINE : t->stale ? CONNECTION_STALE : CONNECTION_ONLINE;
}

void presence_told_row(const struct device *d, struct device_row *out)
{
    const struct told *t = &d->told;
    bool live = t->on && d->live.on && d->turn == t->turn;
    *out = d->row;
    out->connection = told_status(t);
    out->connected_ms = live ? d->live.since_ms : 0;
    out->wire = d->live.wire;
    out->flapping = t->flapping;
}

/* A change of the device is on its way: its event comes first. */
static bool waits(const struct device *d) { return d->changing; }

static unsigned put_events(struct store_req *req, unsigned step, struct device *d,
                           const struct plan *p)
{
    struct home *h = d->fleet->home;
    struct device_row row;
    for (unsigned i = 0; i < p->count; i++) {
        enum event event = p->events[i].event;
        if (event == EVENT_DEVICE_UPDATED) {
            presence_told_row(d, &row);
            req_event_device(h, req, step++, event, &row);
        } else {
            req_event_connection(h, req, step++, event == EVENT_DEVICE_CONNECTED, d->id,
                                 p->events[i].at_ms);
        }
    }
    return step;
}

static void put_row(struct store_req *req, unsigned set, const struct device *d)
{
    req_set_uuid(req, 0, set, 0, d->id);
    store_set_text(req, 0, set, 1,
                   span_str(shape_connection_status_name((int)told_status(&d->told))));
    store_set_int(req, 0, set, 2, d->row.last_seen_ms);
}

static struct store_req *fill(struct behind *b, struct behind_batch *batch)
{
    struct plan plans[BEHIND_ITEMS_MAX];
    unsigned rows = 0, events = 0;
    for (struct behind_item *it; (it = behind_first(b, batch)) != NULL;) {
        struct device *d = CONTAINER_OF(it, struct device, write);
        struct plan *p = &plans[batch->count];
        make_plan(d, p);
        if (waits(d)) {
            d->touch_later = true;
        } else if (1 + events + p->count > STEPS_MAX) {
            break;
        } else {
            rows++;
            events += p->count;
        }
        behind_take(b, batch);
    }
    if (rows == 0) {
        return NULL;
    }
    struct store_req *req = store_req_new(b->home->index, 1 + events, NULL, NULL);
    store_step_init(req, 0, QUERY_DEVICE_SET_CONNECTION, rows);
    unsigned step = 1;
    rows = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        struct device *d = CONTAINER_OF(batch->items[i], struct device, write);
        d->was = d->told;
        d->was_owed = d->owed;
        if (waits(d)) {
            continue;
        }
        d->told = plans[i].want;
        d->owed = d->owed && presence_held(d);
        d->seen_written_ms = clock_mono_ms(b->home->clock);
        put_row(req, rows++, d);
        step = put_events(req, step, d, &plans[i]);
    }
    return req;
}

static void committed(struct behind *b, struct store_req *req) { req_publish(b->home, req); }

static void written(struct behind *b, struct behind_item *it, err error, bool rests)
{
    struct device *d = CONTAINER_OF(it, struct device, write);
    (void)b;
    if (error != ERR_NONE) {
        d->told = d->was;
        d->owed = d->owed || d->was_owed;
    }
    if (d->state == DEVICE_GONE && list_linked(&it->link)) {
        behind_forget(it); /* what was deleted has no presence */
        rests = true;
    }
    device_hold(d);
    if (rests) {
        device_release(d); /* presence_touch's */
    }
    changes_next(d);
    device_release(d);
}

const struct behind_ops presence_writing = {
    .fill = fill, .committed = committed, .written = written};

void presence_touch(struct device *d)
{
    if (d->state == DEVICE_GONE) {
        return;
    }
    if (d->watch != NULL) {
        watch_presence(d);
    }
    if (!behind_pending(&d->write)) {
        device_hold(d); /* until it is written */
    }
    behind_touch(&d->fleet->presence, &d->write);
}

void presence_loaded(struct device *d, int stored)
{
    d->told = (struct told){.on = stored == CONNECTION_ONLINE || stored == CONNECTION_STALE,
                            .stale = stored == CONNECTION_STALE};
    /* Nobody is: the row says what a deletion that failed left behind. (A command beside no server
     * has no journal: what it finds after a crash is the next start's affair.) */
    if (d->told.on && d->fleet->home->journal != NULL) {
        d->disconnected_ms = clock_wall_ms(d->fleet->home->clock);
        presence_touch(d);
    }
}
