/*
 * Presence: the newest link is the live one; silence makes it stale, then ends it. Silence is
 * measured by the monotonic clock; the wall clock, which may jump, is only shown and stored. What
 * changes is written behind and then announced (presence_write.c).
 */
#include "domain/fleet_internal.h"

#include "base/mem.h"

/* CONTRACT 3: who connects so often has its announcements held for a while. */
#define FLAP_CONNECTS 15
#define FLAP_WINDOW_MS 60000
#define FLAP_HOLD_MS 300000

/* Made when a device connects twice within the window, gone when it is calm again. */
struct flap {
    struct device *device;
    int64_t at_ms[FLAP_CONNECTS]; /* monotonic; the newest connects, a ring */
    unsigned count;
    bool held; /* and the device with it */
    struct deadline until;
};

enum connection_status presence_of(const struct device *d)
{
    return !d->live.on ? CONNECTION_OFFLINE
           : d->live.stale ? CONNECTION_STALE : CONNECTION_ONLINE;
}

bool presence_held(const struct device *d) { return d->flap != NULL && d->flap->held; }

void presence_row(const struct device *d, struct device_row *out)
{
    *out = d->row;
    out->connection = presence_of(d);
    out->connected_ms = d->live.on ? d->live.since_ms : 0;
    out->wire = d->live.wire;
    out->flapping = presence_held(d);
}

/* --- flapping --- */

static void flap_free(struct device *d)
{
    deadline_clear(&d->flap->until);
    mem_free(d->flap);
    d->flap = NULL;
}

static void hold_over(struct deadline *dl)
{
    struct device *d = CONTAINER_OF(dl, struct flap, until)->device;
    flap_free(d);
    presence_touch(d);
    device_release(d);
}

static void hold(struct device *d)
{
    struct home *h = d->fleet->home;
    char id[UUID_TEXT_LEN + 1];
    uuid_format(d->id, id);
    LOG(h->log, LOG_WARN, "device.flapping", LOG_STR("device", id));
    d->flap->held = true;
    d->flap->until.fire = hold_over;
    device_hold(d);
    deadline_set(h, &d->flap->until, FLAP_HOLD_MS);
}

static void count_connect(struct device *d)
{
    int64_t now = clock_mono_ms(d->fleet->home->clock), before = d->connect_ms;
    d->connect_ms = now;
    if (presence_held(d)) {
        return;
    }
    if (before == 0 || now - before >= FLAP_WINDOW_MS) {
        if (d->flap != NULL) {
            flap_free(d);
        }
        return;
    }
    if (d->flap == NULL) {
        d->flap = mem_calloc(1, sizeof *d->flap);
        d->flap->device = d;
        d->flap->at_ms[d->flap->count++] = before;
    }
    struct flap *f = d->flap;
    f->at_ms[f->count++ % FLAP_CONNECTS] = now;
    if (f->count >= FLAP_CONNECTS && now - f->at_ms[f->count % FLAP_CONNECTS] < FLAP_WINDOW_MS) {
        hold(d);
    }
}

/* --- the live link --- */

static void set_stale(struct device *d, bool stale)
{
    if (d->live.stale != stale) {
        d->live.stale = stale;
        d->fleet->stale += stale ? 1 : -1u;
        presence_touch(d);
    }
}

/* The live link is no more; nobody is told of a take-over. */
static void detach(struct device *d, close_reason reason)
{
    connection_log_close(d, reason);
    deadline_clear(&d->silence);
    d->fleet->stale -= d->live.stale;
    d->fleet->online--;
    heard_remove(&d->fleet->heard, d->live.heard_ms);
    d->live = (struct live){0};
}

void presence_closed(struct device *d, close_reason reason)
{
    detach(d, reason);
    d->disconnected_ms = clock_wall_ms(d->fleet->home->clock);
    presence_touch(d);
    device_release(d);
}

void presence_close(struct device *d, close_reason reason)
{
    if (d->live.on) {
        presence_end_link(d, reason);
        presence_closed(d, reason);
    }
}

static void silence(struct deadline *dl)
{
    struct device *d = CONTAINER_OF(dl, struct device, silence);
    struct home *h = d->fleet->home;
    int64_t quiet = clock_mono_ms(h->clock) - d->live.heard_ms;
    int64_t stale_ms = (int64_t)h->conf->device_stale_s * 1000;
    int64_t gone_ms = (int64_t)h->conf->device_gone_s * 1000;
    if (quiet >= gone_ms) {
        presence_close(d, CLOSE_TIMEOUT);
    } else if (quiet >= stale_ms) {
        set_stale(d, true);
        deadline_set(h, &d->silence, gone_ms - quiet);
    } else {
        deadline_set(h, &d->silence, stale_ms - quiet);
    }
}

void presence_viewer_joins(struct device *d)
{
    if (d->viewers++ == 0) {
        list_push(&d->fleet->watched, &d->watched);
    }
    d->fleet->viewers++;
    device_hold(d);
}

void presence_viewer_leaves(struct device *d)
{
    if (--d->viewers == 0) {
        list_remove(&d->watched);
    }
    d->fleet->viewers--;
    device_release(d);
}

void presence_drop_viewers(struct device *d)
{
    while (d->viewers > 0) {
        presence_viewer_leaves(d);
    }
}

void presence_forget(struct device *d)
{
    if (presence_held(d)) {
        device_release(d);
    }
    if (d->flap != NULL) {
        flap_free(d);
    }
    if (list_linked(&d->write.link)) {
        device_release(d); /* what was to be written is not */
    }
    behind_forget(&d->write);
}

void presence_deinit(struct device *d)
{
    deadline_clear(&d->silence);
    if (d->flap != NULL) {
        flap_free(d);
    }
    connection_log_detach(d);
}

void presence_heard(struct device *d, bool linked)
{
    struct home *h = d->fleet->home;
    int64_t now = clock_mono_ms(h->clock);
    d->row.last_seen_ms = clock_wall_ms(h->clock);
    if (linked && d->live.on) {
        heard_again(&d->fleet->heard, d->live.heard_ms, now);
        d->live.heard_ms = now;
        if (d->live.stale) {
            set_stale(d, false);
            deadline_set(h, &d->silence, (int64_t)h->conf->device_stale_s * 1000);
        }
    }
    if (d->seen_written_ms == 0 || now - d->seen_written_ms >= SEEN_WRITE_MS) {
        presence_touch(d);
    }
}

void presence_registered(struct device *d)
{
    if (!d->live.registered) {
        d->live.registered = true;
        d->owed = true;
        presence_touch(d);
    }
}

void presence_open(struct device *d, const struct opening *o)
{
    struct home *h = d->fleet->home;
    int64_t now_ms = clock_wall_ms(h->clock);
    if (d->live.on) {
        presence_end_link(d, CLOSE_REPLACED);
        detach(d, CLOSE_REPLACED);
    } else {
        device_hold(d); /* the link's, given back when none is left */
        d->turn++;
        d->connected_ms = now_ms;
    }
    d->live = (struct live){.on = true,
                            .loop = o->loop,
                            .link = o->link,
                            .wire = o->wire,
                            .delivers = o->delivers,
                            .since_ms = now_ms,
                            .heard_ms = clock_mono_ms(h->clock)};
    d->live.opened_ms = d->live.heard_ms;
    d->fleet->online++;
    heard_add(&d->fleet->heard, d->live.heard_ms);
    d->row.last_seen_ms = now_ms;
    d->silence.fire = silence;
    deadline_set(h, &d->silence, (int64_t)h->conf->device_stale_s * 1000);
    connection_log_open(d, o);
    count_connect(d);
    presence_touch(d);
    commands_connected(d);
}
