/* Watchers and sockets of fleet_world.h. */
#include "sim/fleet_world.h"

#include <math.h>
#include <stdio.h>

/* --- watchers --- */

static void do_open(void *arg)
{
    struct watcher *x = arg;
    hub_member_open(x->world->hubs[x->loop], x->member, x->world->sides[x->loop].gens[x->member],
                    0, 0);
}

void watcher_open(struct world *w, struct watcher *x, unsigned loop)
{
    struct side *side = &w->sides[loop];
    *x = (struct watcher){.world = w, .open = true, .loop = loop};
    while (side->members[x->member] != NULL) {
        x->member++;
        SIM_CHECK(x->member < WATCHERS_MAX);
    }
    side->members[x->member] = x;
    side->gens[x->member]++;
    sim_on_loop(w->sim, loop, do_open, x);
}

struct subscription {
    struct watcher *watcher;
    uuid device;
    enum host_channel channel;
};

static void do_subscribe(void *arg)
{
    struct subscription *s = arg;
    struct world *w = s->watcher->world;
    char text[HOST_TOPIC_MAX];
    hub_subscribe(w->hubs[s->watcher->loop], s->watcher->member, home_of(&w->homes[0], s->device),
                  host_topic(s->device, s->channel, text));
}

struct following {
    struct watcher *watcher;
    uuid device;
    unsigned rate;
    bool ends;
};

static void do_follow(void *arg)
{
    struct following *f = arg;
    struct world *w = f->watcher->world;
    struct hub *hub = w->hubs[f->watcher->loop];
    unsigned home = home_of(&w->homes[0], f->device);
    char text[TELEMETRY_TOPIC_MAX];
    span topic = telemetry_topic(f->device, f->rate, text);
    bool done = f->ends ? hub_unsubscribe(hub, f->watcher->member, home, topic)
                        : hub_subscribe(hub, f->watcher->member, home, topic);
    SIM_CHECK(done);
}

void watcher_follow(struct watcher *x, uuid device, unsigned rate)
{
    struct following f = {x, device, rate, false};
    sim_on_loop(x->world->sim, x->loop, do_follow, &f);
}

void watcher_unfollow(struct watcher *x, uuid device, unsigned rate)
{
    struct following f = {x, device, rate, true};
    sim_on_loop(x->world->sim, x->loop, do_follow, &f);
}

static void do_subscribe_events(void *arg)
{
    struct watcher *x = arg;
    hub_subscribe(x->world->hubs[x->loop], x->member, JOURNAL_HOME, SPAN(DEVICE_EVENTS_PATTERN));
}

void watcher_subscribe_events(struct watcher *x)
{
    sim_on_loop(x->world->sim, x->loop, do_subscribe_events, x);
}

static void do_unsubscribe(void *arg)
{
    struct subscription *s = arg;
    struct world *w = s->watcher->world;
    char text[HOST_TOPIC_MAX];
    (void)hub_unsubscribe(w->hubs[s->watcher->loop], s->watcher->member,
                          home_of(&w->homes[0], s->device),
                          host_topic(s->device, s->channel, text));
}

void watcher_subscribe(struct watcher *x, uuid device, enum host_channel c)
{
    struct subscription s = {x, device, c};
    sim_on_loop(x->world->sim, x->loop, do_subscribe, &s);
}

void watcher_unsubscribe(struct watcher *x, uuid device, enum host_channel c)
{
    struct subscription s = {x, device, c};
    sim_on_loop(x->world->sim, x->loop, do_unsubscribe, &s);
}

static void do_resume(void *arg)
{
    struct watcher *x = arg;
    hub_writable(x->world->hubs[x->loop], x->member);
}

void watcher_stall(struct watcher *x, size_t room)
{
    x->stalls = true;
    x->room = room;
}

void watcher_resume(struct watcher *x)
{
    x->stalls = false;
    buf_append_span(&x->text, buf_span(&x->begun)); /* it ends a frame */
    x->frames += x->begun.len > 0;
    buf_clear(&x->begun);
    sim_on_loop(x->world->sim, x->loop, do_resume, x);
}

static void do_close(void *arg)
{
    struct watcher *x = arg;
    hub_member_close(x->world->hubs[x->loop], x->member);
}

void watcher_close(struct watcher *x)
{
    if (x->open) {
        sim_on_loop(x->world->sim, x->loop, do_close, x);
        x->world->sides[x->loop].members[x->member] = NULL;
    }
    x->open = false;
    buf_deinit(&x->text);
    buf_deinit(&x->begun);
}

span watcher_last(const struct watcher *x)
{
    size_t end = x->text.len > 0 ? x->text.len - 1 : 0, at = end;
    while (at > 0 && x->text.ptr[at - 1] != '\n') {
        at--;
    }
    return span_of(x->text.ptr + at, end - at);
}

/* --- sockets --- */

static void told(struct device_link *l, close_reason reason)
{
    struct socket *s = CONTAINER_OF(l, struct socket, link);
    SIM_CHECK(s->open && !s->told);
    s->told = true;
    s->reason = reason;
    s->open = false;
    device_link_close(l, reason);
}

static void answered(struct device_link *l, span ack, err error)
{
    struct socket *s = CONTAINER_OF(l, struct socket, link);
    uint64_t id;
    SIM_CHECK(s->open && span_u64(ack, 63, &id));
    s->acks++;
    s->good += error == ERR_NONE;
    s->good_ids |= (uint64_t)(error == ERR_NONE) << id;
    s->last = error;
}

static void do_link(void *arg)
{
    struct socket *s = arg;
    device_link_open(&s->world->homes[s->loop], &s->link,
                     &(struct device_link_conf){.device = s->link.device,
                                                .wire = "monitor",
                                                .socket_id = SPAN("1-2-3"),
                                                .remote_address = SPAN("127.0.0.1")});
}

void socket_open(struct world *w, struct socket *s, uuid device, unsigned loop)
{
    *s = (struct socket){.link = {.device = device, .on_close = told, .on_answer = answered},
                         .world = w,
                         .loop = loop,
                         .open = true};
    sim_on_loop(w->sim, loop, do_link, s);
}

static void do_unlink(void *arg)
{
    struct socket *s = arg;
    device_link_close(&s->link, CLOSE_PEER_CLOSED);
}

void socket_close(struct socket *s)
{
    if (s->open) {
        sim_on_loop(s->world->sim, s->loop, do_unlink, s);
        s->open = false;
    }
}

struct report {
    struct socket *socket;
    enum { SAMPLE, ROW, STATE, HEARTBEAT, REGISTER } kind;
    char ack[8];
    int64_t at_ms;
    double cpu;
    const char *hostname;
    const char *capabilities;
};

static void do_report(void *arg)
{
    struct report *r = arg;
    struct device_link *l = &r->socket->link;
    struct host_point p = {.at_ms = r->at_ms};
    struct host_facts f = {.at_ms = r->at_ms, .uptime_s = 1, .cpu_cores = -1,
                           .hostname = span_str(r->hostname)};
    for (int m = 0; m < METRIC_COUNT; m++) {
        p.v[m] = NAN;
    }
    p.v[METRIC_CPU] = r->cpu;
    span ack = span_str(r->ack);
    switch (r->kind) {
    case SAMPLE:
        device_link_sample(l, SPAN_NONE, &p);
        break;
    case ROW:
        device_link_row(l, ack, &p, SPAN("[{\"pid\":1,\"name\":\"a\",\"command\":\"secret\"}]"));
        break;
    case STATE:
        f.interfaces = SPAN("[]");
        device_link_state(l, ack, &f);
        break;
    case HEARTBEAT:
        device_link_heartbeat(l, ack);
        break;
    case REGISTER:
        device_link_register(l, SPAN_NONE, span_str(r->capabilities));
        break;
    }
}

static void report(struct socket *s, struct report *r, unsigned ack)
{
    if (s->open) {
        r->socket = s;
        SIM_CHECK(ack < 64);
        snprintf(r->ack, sizeof r->ack, "%u", ack);
        sim_on_loop(s->world->sim, s->loop, do_report, r);
    }
}

void socket_sample(struct socket *s, int64_t at_ms, double cpu)
{
    report(s, &(struct report){.kind = SAMPLE, .at_ms = at_ms, .cpu = cpu}, 0);
}

void socket_row(struct socket *s, unsigned ack, int64_t at_ms, double cpu)
{
    report(s, &(struct report){.kind = ROW, .at_ms = at_ms, .cpu = cpu}, ack);
}

void socket_state(struct socket *s, unsigned ack, int64_t at_ms, const char *hostname)
{
    report(s, &(struct report){.kind = STATE, .at_ms = at_ms, .hostname = hostname}, ack);
}

void socket_heartbeat(struct socket *s, unsigned ack)
{
    report(s, &(struct report){.kind = HEARTBEAT}, ack);
}

void socket_register(struct socket *s, const char *capabilities)
{
    report(s, &(struct report){.kind = REGISTER, .capabilities = capabilities}, 0);
}
