/*
 * Topics of a device's live values. A rate's topic is told a sensor's value at once when its time
 * has come, else when a timer finds that it has; what arrives meanwhile takes the place of what
 * waits. Times go on by whole periods, so that a late timer takes nothing from the rate.
 *
 * One timer a (device, rate), of the home's wheel: while something waits, and no longer. Nobody
 * has a topic: no rate, no timer, and nothing is written.
 */
#include "domain/telemetry_internal.h"

#include "base/mem.h"
#include "shape/telemetry.h"
#include "tables/events.h"

#include <string.h>

#define PREFIX_LEN 2 /* "t/" */

static const double hz[TELEMETRY_RATES] = {0,  100, 50,  30,  20,  10,   5,    3,
                                           2,  1,   0.5, 0.2, 0.1, 0.05, 0.02, 0.01};

struct slot {
    int64_t due_ms; /* monotonic: not before */
    bool waits;
};

struct rate {
    struct deadline tick;
    struct device *device;
    unsigned rate;
    int64_t armed_ms;   /* when tick is due; 0: it is not */
    struct slot *slots; /* owned; by the sensors' indices */
    unsigned slot_cap;
};

unsigned telemetry_rate_of(double wanted)
{
    unsigned r = 1;
    while (r < TELEMETRY_RATES - 1 && !(hz[r] <= wanted)) {
        r++;
    }
    return r;
}

double telemetry_rate_hz(unsigned rate)
{
    ASSERT(rate < TELEMETRY_RATES);
    return hz[rate];
}

static int64_t period_ms(unsigned rate) { return (int64_t)(1000 / hz[rate]); }

span telemetry_topic(uuid device, unsigned rate, char out[TELEMETRY_TOPIC_MAX])
{
    ASSERT(rate < TELEMETRY_RATES);
    memcpy(out, "t/", PREFIX_LEN);
    uuid_format(device, out + PREFIX_LEN);
    size_t len = PREFIX_LEN + UUID_TEXT_LEN;
    out[len++] = '/';
    if (rate >= 10) {
        out[len++] = '1';
    }
    out[len++] = (char)('0' + rate % 10);
    return span_of(out, len);
}

static bool topic_parse(span topic, uuid *device, unsigned *rate)
{
    uint64_t n;
    if (topic.len < PREFIX_LEN + UUID_TEXT_LEN + 2 ||
        !uuid_parse(span_slice(topic, PREFIX_LEN, UUID_TEXT_LEN), device) ||
        !span_u64(span_slice(topic, PREFIX_LEN + UUID_TEXT_LEN + 1, topic.len),
                  TELEMETRY_RATES - 1, &n)) {
        return false;
    }
    *rate = (unsigned)n;
    return true;
}

/* --- telling --- */

static struct blob *value_blob(struct device *d, const struct sensor *s, bool initial)
{
    buf out = {0};
    buf_append_str(&out, "[\"telemetry:update\",");
    telemetry_put_json(&out, d->id, &s->newest, initial);
    buf_append_byte(&out, ']');
    struct blob *b = blob_new(BLOB_STATE, OUT_TELEMETRY_UPDATE,
                              clock_wall_ms(d->fleet->home->clock), buf_span(&out));
    b->state_key = s->state_key;
    buf_deinit(&out);
    return b;
}

static void tell(struct device *d, const struct sensor *s, unsigned rate)
{
    char text[TELEMETRY_TOPIC_MAX];
    struct home *h = d->fleet->home;
    hub_publish(h->hub, h->index, telemetry_topic(d->id, rate, text), value_blob(d, s, false));
}

static struct slot *slot_of(struct rate *r, const struct sensor *s)
{
    if (s->index >= r->slot_cap) {
        unsigned cap = r->slot_cap == 0 ? 4 : r->slot_cap;
        while (cap <= s->index) {
            cap *= 2;
        }
        r->slots = mem_realloc(r->slots, cap * sizeof *r->slots);
        memset(r->slots + r->slot_cap, 0, (cap - r->slot_cap) * sizeof *r->slots);
        r->slot_cap = cap;
    }
    return &r->slots[s->index];
}

static void tell_slot(struct rate *r, struct slot *slot, const struct sensor *s, int64_t now_ms)
{
    int64_t period = period_ms(r->rate);
    slot->waits = false;
    slot->due_ms = now_ms - slot->due_ms < period ? slot->due_ms + period : now_ms + period;
    tell(r->device, s, r->rate);
}

static void disarm(struct rate *r)
{
    if (r->armed_ms != 0) {
        deadline_clear(&r->tick);
        r->armed_ms = 0;
        r->device->fleet->timers--;
    }
}

static void arm(struct rate *r, int64_t due_ms, int64_t now_ms)
{
    if (r->armed_ms == 0 || due_ms < r->armed_ms) {
        r->device->fleet->timers += r->armed_ms == 0;
        r->armed_ms = due_ms;
        deadline_set(r->device->fleet->home, &r->tick, due_ms - now_ms);
    }
}

static void tick(struct deadline *dl)
{
    struct rate *r = CONTAINER_OF(dl, struct rate, tick);
    int64_t now_ms = clock_mono_ms(r->device->fleet->home->clock);
    int64_t next_ms = 0;
    disarm(r);
    LIST_EACH(it, &r->device->telemetry->used) {
        const struct sensor *s = LIST_ITEM(it, struct sensor, used);
        struct slot *slot = slot_of(r, s);
        if (slot->waits && slot->due_ms <= now_ms) {
            tell_slot(r, slot, s, now_ms);
        } else if (slot->waits && (next_ms == 0 || slot->due_ms < next_ms)) {
            next_ms = slot->due_ms;
        }
    }
    if (next_ms != 0) {
        arm(r, next_ms, now_ms);
    }
}

static void offer(struct rate *r, const struct sensor *s, int64_t now_ms)
{
    struct slot *slot = slot_of(r, s);
    if (slot->due_ms <= now_ms) {
        tell_slot(r, slot, s, now_ms);
    } else {
        slot->waits = true;
        arm(r, slot->due_ms, now_ms);
    }
}

void telemetry_publish(struct device *d, struct sensor *s)
{
    struct device_telemetry *t = d->telemetry;
    if (t->wanted == 0) {
        return;
    }
    int64_t now_ms = clock_mono_ms(d->fleet->home->clock);
    if ((t->wanted & 1u) != 0) {
        tell(d, s, 0);
    }
    for (unsigned bits = t->wanted & ~1u; bits != 0; bits &= bits - 1) {
        offer(t->rates[__builtin_ctz(bits)], s, now_ms);
    }
}

void telemetry_flush_sensor(struct device *d, struct sensor *s)
{
    struct device_telemetry *t = d->telemetry;
    for (unsigned bits = t->wanted & ~1u; bits != 0; bits &= bits - 1) {
        struct rate *r = t->rates[__builtin_ctz(bits)];
        struct slot *slot = slot_of(r, s);
        if (slot->waits) {
            tell(d, s, r->rate);
        }
        *slot = (struct slot){0};
    }
}

/* --- who listens --- */

static void rate_free(struct rate *r)
{
    if (r != NULL) {
        disarm(r);
        mem_free(r->slots);
        mem_free(r);
    }
}

void telemetry_rates_free(struct device_telemetry *t)
{
    for (unsigned i = 0; i < TELEMETRY_RATES; i++) {
        rate_free(t->rates[i]);
        t->rates[i] = NULL;
    }
}

/* The first subscriber of a rate keeps the device here, the last one lets it go. */
static void set_wanted(struct device *d, unsigned rate, bool wanted)
{
    struct device_telemetry *t = d->telemetry;
    unsigned bit = 1u << rate, before = t->wanted;
    t->wanted = wanted ? before | bit : before & ~bit;
    if (t->wanted == before) {
        return;
    }
    if (!wanted) {
        rate_free(t->rates[rate]);
        t->rates[rate] = NULL;
    } else if (rate > 0) {
        struct rate *r = mem_calloc(1, sizeof *r);
        r->tick.fire = tick;
        r->device = d;
        r->rate = rate;
        t->rates[rate] = r;
    }
    if (before == 0) {
        device_hold(d);
    } else if (t->wanted == 0) {
        device_release(d);
    }
}

void telemetry_drop(struct device *d)
{
    for (unsigned r = 0; d->telemetry != NULL && r < TELEMETRY_RATES; r++) {
        set_wanted(d, r, false);
    }
}

struct greeting {
    struct wait wait;
    struct fleet *fleet;
    struct hub_ticket who;
    unsigned rate;
};

static void greet(struct wait *w, struct device *d, err error)
{
    struct greeting *g = CONTAINER_OF(w, struct greeting, wait);
    char text[TELEMETRY_TOPIC_MAX];
    (void)error;
    if (d != NULL) {
        struct hub *hub = g->fleet->home->hub;
        if (hub_topic(hub, telemetry_topic(d->id, g->rate, text)) != NULL) {
            set_wanted(d, g->rate, true);
            LIST_EACH(it, &d->telemetry->used) {
                hub_reply(hub, g->who, value_blob(d, LIST_ITEM(it, struct sensor, used), true));
            }
        } /* else all left while it was loaded */
    }
    mem_free(g);
}

static void device_ready(struct wait *w, struct device *d, err error)
{
    if (d == NULL) {
        greet(w, NULL, error);
        return;
    }
    w->ready = greet;
    telemetry_need(d, w);
}

static void on_subscribe(struct topic *t, struct hub_ticket who, void *arg)
{
    uuid device;
    struct greeting *g = mem_calloc(1, sizeof *g);
    g->fleet = arg;
    g->who = who;
    g->wait.ready = device_ready;
    list_init(&g->wait.link);
    if (!topic_parse(topic_name(t), &device, &g->rate)) {
        mem_free(g); /* the edge makes these names: nobody waits for an answer */
        return;
    }
    device_need(g->fleet, device, &g->wait);
}

static void on_unsubscribe(struct topic *t, uint32_t left, void *arg)
{
    uuid device;
    unsigned rate;
    struct device *d;
    if (left == 0 && topic_parse(topic_name(t), &device, &rate) &&
        (d = device_find(arg, device)) != NULL && d->telemetry != NULL) {
        set_wanted(d, rate, false);
    }
}

const struct topic_owner telemetry_topic_owner = {
    .on_subscribe = on_subscribe,
    .on_unsubscribe = on_unsubscribe,
};
