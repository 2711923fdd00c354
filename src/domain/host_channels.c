/*
 * Monitor's channels: a subscriber gets the newest value at once, then with every tick; a tick
 * always sends. A timer runs for a (device, channel) exactly while it has subscribers.
 */
#include "domain/fleet_internal.h"

#include "base/mem.h"
#include "shape/host.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int64_t every_ms; /* 0: as values arrive */
} rows[HOST_CHANNEL_COUNT] = {
    [HOST_SYSTEM_INFO] = {"system-info", 30000},
    [HOST_PROCESSES] = {"processes", 60000},
    [HOST_HISTORY] = {"history", 30000},
    [HOST_INTERFACES] = {"network-interfaces", 30000},
    [HOST_METRICS] = {"metrics", 0},
    [HOST_PROCESSES_ALL] = {"processes+", 60000},
};

int host_channel_of(span name)
{
    for (int c = 0; c < HOST_CHANNEL_NAMED; c++) {
        if (span_eq(name, span_str(rows[c].name))) {
            return c;
        }
    }
    return -1;
}

const char *host_channel_name(enum host_channel c)
{
    ASSERT(c < HOST_CHANNEL_NAMED);
    return rows[c].name;
}

span host_topic(uuid device, enum host_channel c, char text[HOST_TOPIC_MAX])
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(device, id);
    int len = snprintf(text, HOST_TOPIC_MAX, "m/%s/%s", id, rows[c].name);
    ASSERT(len > 0 && len < HOST_TOPIC_MAX);
    return span_of(text, (size_t)len);
}

/* "m/<uuid>/<channel>" */
static bool topic_parse(span topic, uuid *device, enum host_channel *c)
{
    if (topic.len < 2 + UUID_TEXT_LEN + 2 ||
        !uuid_parse(span_slice(topic, 2, UUID_TEXT_LEN), device)) {
        return false;
    }
    span name = span_slice(topic, 2 + UUID_TEXT_LEN + 1, topic.len);
    for (int i = 0; i < HOST_CHANNEL_COUNT; i++) {
        if (span_eq(name, span_str(rows[i].name))) {
            *c = (enum host_channel)i;
            return true;
        }
    }
    return false;
}

/* A host reports its state when it changes, and uptime does not count as change: while the host is
 * there it goes on here. */
static struct host_facts facts_now(const struct device *d)
{
    struct host_facts f = d->host->facts;
    int64_t since_ms = clock_wall_ms(d->fleet->home->clock) - f.at_ms;
    if (f.uptime_s >= 0 && since_ms > 0 && presence_of(d) == CONNECTION_ONLINE) {
        f.uptime_s += since_ms / 1000;
    }
    return f;
}

/* Appends the channel's frame; nothing while there is no row. */
static void put_frame(const struct device *d, enum host_channel c, buf *out)
{
    const struct host *h = d->host;
    if (h == NULL) {
        return;
    }
    switch (c) {
    case HOST_SYSTEM_INFO:
        if (h->has_facts) {
            struct host_facts f = facts_now(d);
            host_frame_system(out, &f);
        }
        break;
    case HOST_PROCESSES:
    case HOST_PROCESSES_ALL:
        if (h->processes.len > 0) {
            host_frame_processes(out, buf_span(&h->processes), c == HOST_PROCESSES_ALL);
        }
        break;
    case HOST_HISTORY:
        if (h->row_count > 0) {
            host_frame_history(out, h->rows, h->row_count, d->fleet->offset_min);
        }
        break;
    case HOST_INTERFACES:
        if (h->has_facts && h->facts.interfaces.len > 0) {
            host_frame_interfaces(out, h->facts.interfaces);
        }
        break;
    case HOST_METRICS:
        if (h->has_point) {
            host_frame_metrics(out, &h->point);
        }
        break;
    case HOST_CHANNEL_COUNT:
        break;
    }
}

static struct blob *frame_blob(const struct device *d, enum host_channel c)
{
    buf out = {0};
    struct blob *b = NULL;
    put_frame(d, c, &out);
    if (out.len > 0) {
        b = blob_new(BLOB_STATE, (uint16_t)c, clock_wall_ms(d->fleet->home->clock),
                     buf_span(&out));
        b->state_key = 1 + (uint64_t)c; /* a viewer's socket shows one device */
    }
    buf_deinit(&out);
    return b;
}

static void publish(struct device *d, enum host_channel c)
{
    char text[HOST_TOPIC_MAX];
    struct home *h = d->fleet->home;
    struct blob *b = frame_blob(d, c);
    if (b != NULL) {
        hub_publish(h->hub, h->index, host_topic(d->id, c, text), b);
    }
}

static bool watched(const struct device *d, enum host_channel c)
{
    return d->channels != NULL && d->channels[c].subscribers > 0;
}

void host_publish_metrics(struct device *d)
{
    if (watched(d, HOST_METRICS)) {
        publish(d, HOST_METRICS);
    }
}

void host_publish_first(struct device *d, enum host_channel c)
{
    if (watched(d, c)) {
        publish(d, c);
    }
}

static void tick(struct deadline *dl)
{
    struct channel *ch = CONTAINER_OF(dl, struct channel, tick);
    struct device *d = ch->device;
    enum host_channel c = (enum host_channel)(ch - d->channels);
    deadline_set(d->fleet->home, &ch->tick, rows[c].every_ms);
    publish(d, c);
}

/* A channel's first viewer starts its timer, the last one stops it. */
static void set_subscribers(struct device *d, enum host_channel c, uint32_t n)
{
    struct channel *ch = &d->channels[c];
    bool was = ch->subscribers > 0, is = n > 0;
    ch->subscribers = n;
    if (is && !was) {
        device_hold(d);
        if (rows[c].every_ms > 0) {
            ch->tick.fire = tick;
            deadline_set(d->fleet->home, &ch->tick, rows[c].every_ms);
            d->fleet->timers++;
        }
    } else if (was && !is) {
        if (rows[c].every_ms > 0) {
            deadline_clear(&ch->tick);
            d->fleet->timers--;
        }
        device_release(d);
    }
}

static void channels_make(struct device *d)
{
    if (d->channels == NULL) {
        d->channels = mem_calloc(HOST_CHANNEL_COUNT, sizeof *d->channels);
        for (int c = 0; c < HOST_CHANNEL_COUNT; c++) {
            d->channels[c].device = d;
        }
    }
}

void host_channels_drop(struct device *d)
{
    for (int c = 0; d->channels != NULL && c < HOST_CHANNEL_COUNT; c++) {
        set_subscribers(d, (enum host_channel)c, 0);
    }
}

void host_channels_free(struct device *d)
{
    for (int c = 0; d->channels != NULL && c < HOST_CHANNEL_COUNT; c++) {
        deadline_clear(&d->channels[c].tick);
    }
    mem_free(d->channels);
    d->channels = NULL;
}

/* --- the hub's questions --- */

struct greeting {
    struct wait wait;
    struct fleet *fleet;
    struct hub_ticket who;
    enum host_channel channel;
};

static void greet(struct wait *w, struct device *d, err error)
{
    struct greeting *g = CONTAINER_OF(w, struct greeting, wait);
    char text[HOST_TOPIC_MAX];
    (void)error;
    if (d != NULL) {
        struct hub *hub = g->fleet->home->hub;
        struct topic *t = hub_topic(hub, host_topic(d->id, g->channel, text));
        if (t != NULL) { /* else all left while the device was loaded */
            channels_make(d);
            set_subscribers(d, g->channel, topic_subscribers(t));
            struct blob *b = frame_blob(d, g->channel);
            if (b != NULL) {
                hub_reply(hub, g->who, b);
            }
        }
    }
    mem_free(g);
}

static void on_subscribe(struct topic *t, struct hub_ticket who, void *arg)
{
    uuid device;
    struct greeting *g = mem_calloc(1, sizeof *g);
    g->fleet = arg;
    g->who = who;
    g->wait.ready = greet;
    list_init(&g->wait.link);
    if (!topic_parse(topic_name(t), &device, &g->channel)) {
        mem_free(g); /* the edge makes these names: nobody waits for an answer */
        return;
    }
    device_need(g->fleet, device, &g->wait);
}

static void on_unsubscribe(struct topic *t, uint32_t left, void *arg)
{
    uuid device;
    enum host_channel c;
    struct device *d;
    if (topic_parse(topic_name(t), &device, &c) && (d = device_find(arg, device)) != NULL &&
        d->channels != NULL) {
        set_subscribers(d, c, left);
    }
}

const struct topic_owner host_topic_owner = {
    .on_subscribe = on_subscribe,
    .on_unsubscribe = on_unsubscribe,
};
