/*
 * The channel `events` of a viewer: the device's ordered events, each with its position, from
 * where `connected` said. It follows its own right, device:device:read, and is nothing for
 * anonymous clients.
 */
#include "base/mem.h"
#include "edge/monitor/session.h"

static bool may_read(const struct monitor *m)
{
    return m->resume != NULL && can(m->session.grant, PERM_DEVICE_READ, scope_device(m->device));
}

static void on_gap(struct resume *r, struct pos from, struct pos to)
{
    monitor_gap(ws_user(r->conn), from, to);
}

static const struct resume_wire wire = {.on_gap = on_gap};

void monitor_events_open(struct monitor *m, const struct resume_ask *ask)
{
    if (!m->is_device && m->session.grant->kind != PRINCIPAL_ANONYMOUS) {
        m->resume = mem_calloc(1, sizeof *m->resume);
        resume_open(m->resume, &wire, m->conn, ask);
    }
}

void monitor_events_close(struct monitor *m)
{
    if (m->resume != NULL) {
        resume_close(m->resume);
        mem_free(m->resume);
        m->resume = NULL;
    }
}

static void drop(struct monitor *m)
{
    char text[EDGE_DEVICE_TOPIC_MAX];
    m->events = false;
    (void)resume_unsubscribe(m->resume, edge_device_topic(m->device, text));
}

void monitor_events_join(struct monitor *m)
{
    char text[EDGE_DEVICE_TOPIC_MAX];
    if (!may_read(m)) {
        monitor_refuse(m, SPAN_NONE, ERR_PERMISSION_DENIED, "channels", "events");
    } else if (!m->events) {
        m->events = true;
        resume_subscribe(m->resume, edge_device_topic(m->device, text));
    }
}

void monitor_events_leave(struct monitor *m)
{
    if (m->events) {
        drop(m);
    }
}

void monitor_events_recheck(struct monitor *m)
{
    if (m->events && !may_read(m)) {
        drop(m);
        monitor_refuse(m, SPAN_NONE, ERR_PERMISSION_DENIED, "channels",
                       "the rights were changed");
    }
}
