/* What viewers say: subscribe, unsubscribe, ping. Bad input is ignored, counted and logged. */
#include "edge/monitor/session.h"

#include "codec/json/read.h"
#include "domain/hostmetrics.h"

/* A viewer that talks nonsense is worth one line in so long. */
#define IGNORED_LOG_S 60

void monitor_ignore(struct monitor *m, const char *why)
{
    struct loop *loop = monitor_edge(m)->loop;
    uint32_t now_s = (uint32_t)(loop_now_ms(loop) / 1000);
    m->ignored++;
    if (m->ignored_log_s == 0 || now_s - m->ignored_log_s >= IGNORED_LOG_S) {
        m->ignored_log_s = now_s;
        LOG(loop_log(loop), LOG_INFO, "msg.ignored",
            LOG_U64("conn", conn_slot(m->conn)), LOG_STR("wire", "monitor"),
            LOG_STR("why", why), LOG_U64("count", m->ignored));
    }
}

static bool sees_commands(const struct monitor *m)
{
    return can(m->session.grant, PERM_HOST_COMMANDS_READ, scope_device(m->device));
}

/* The topic behind a channel: process lists have one with command lines and one without. */
static enum host_channel topic_of(const struct monitor *m, enum host_channel c)
{
    return c == HOST_PROCESSES && sees_commands(m) ? HOST_PROCESSES_ALL : c;
}

static void join(struct monitor *m, enum host_channel c)
{
    char text[HOST_TOPIC_MAX];
    struct edge *e = monitor_edge(m);
    hub_subscribe(e->hub, conn_slot(m->conn), home_of(e->home, m->device),
                  host_topic(m->device, c, text));
}

static void leave(struct monitor *m, enum host_channel c)
{
    char text[HOST_TOPIC_MAX];
    struct edge *e = monitor_edge(m);
    (void)hub_unsubscribe(e->hub, conn_slot(m->conn), home_of(e->home, m->device),
                          host_topic(m->device, c, text));
}

static void subscribe(struct monitor *m, enum host_channel c)
{
    if ((m->channels & 1u << c) == 0) {
        m->channels |= (uint8_t)(1u << c);
        join(m, topic_of(m, c));
    }
}

static void unsubscribe(struct monitor *m, enum host_channel c)
{
    if ((m->channels & 1u << c) != 0) {
        m->channels &= (uint8_t)~(1u << c);
        leave(m, c);
        if (c == HOST_PROCESSES) {
            leave(m, HOST_PROCESSES_ALL);
        }
    }
}

void monitor_recheck(struct monitor *m)
{
    if (!can(m->session.grant, PERM_HOST_READ, scope_device(m->device))) {
        for (int c = 0; c < HOST_CHANNEL_NAMED; c++) {
            unsubscribe(m, (enum host_channel)c);
        }
        monitor_refuse(m, SPAN_NONE, ERR_PERMISSION_DENIED, NULL, "the rights were changed");
        conn_close(m->conn, CLOSE_REVOKED);
        return;
    }
    monitor_events_recheck(m);
    if ((m->channels & 1u << HOST_PROCESSES) != 0) {
        enum host_channel now = topic_of(m, HOST_PROCESSES);
        leave(m, now == HOST_PROCESSES ? HOST_PROCESSES_ALL : HOST_PROCESSES);
        join(m, now);
    }
}

/* What subscribing and unsubscribing do. */
struct channel_acts {
    void (*host)(struct monitor *, enum host_channel);
    void (*events)(struct monitor *);
};
static const struct channel_acts joining = {subscribe, monitor_events_join};
static const struct channel_acts leaving = {unsubscribe, monitor_events_leave};

static void one_channel(struct monitor *m, span name, const struct channel_acts *acts)
{
    int c = host_channel_of(name);
    if (c >= 0) {
        acts->host(m, (enum host_channel)c);
    } else if (span_eq(name, MONITOR_EVENTS)) {
        acts->events(m);
    } else {
        monitor_ignore(m, "no such channel");
    }
}

static void each_channel(struct monitor *m, span list, const struct channel_acts *acts)
{
    struct json_iter it;
    span name;
    if (!json_array_begin(&it, list)) {
        return;
    }
    while (json_array_next(&it, &name)) {
        buf text = {0};
        (void)json_string(name, &text); /* no string is no channel's name either */
        one_channel(m, buf_span(&text), acts);
        buf_deinit(&text);
    }
}

void monitor_restore(struct monitor *m, span state)
{
    span list;
    if (json_get(json_root(state), "channels", &list)) {
        each_channel(m, list, &joining);
    }
    monitor_keep(m);
}

void event_monitor_subscribe(struct event_call *in, const struct shape_channels *p)
{
    each_channel(in->peer, p->channels, &joining);
    monitor_keep(in->peer);
}

void event_monitor_unsubscribe(struct event_call *in, const struct shape_channels *p)
{
    each_channel(in->peer, p->channels, &leaving);
    monitor_keep(in->peer);
}

void event_monitor_ping(struct event_call *in, const struct shape_none *p)
{
    (void)p;
    raw_pong(&monitor_raw, ((struct monitor *)in->peer)->conn);
}
