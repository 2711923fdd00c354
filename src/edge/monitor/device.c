/* What devices say on the Monitor wire: register, heartbeat, metrics, state. Each good frame goes
 * to the device's home, which answers. */
#include "edge/monitor/session.h"

#include "shape/device.h"
#include "shape/host.h"

void event_monitor_register(struct event_call *in, const struct shape_register *r)
{
    struct monitor *m = in->peer;
    if (r->has_deviceId && !uuid_eq(r->deviceId, m->device)) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, "deviceId", "is another device's");
        return;
    }
    device_link_register(monitor_link(m), in->id,
                         r->has_capabilities ? device_texts(r->capabilities, in->arena)
                                             : SPAN_NONE);
}

void event_monitor_heartbeat(struct event_call *in, const struct shape_heartbeat *h)
{
    (void)h;
    device_link_heartbeat(monitor_link(in->peer), in->id);
}

void event_monitor_metrics(struct event_call *in, const struct shape_metrics *s)
{
    struct monitor *m = in->peer;
    struct host_point p = host_point_of(s, in->now_ms);
    if (s->has_row && s->row) {
        span processes =
            s->has_top_processes ? host_processes_of(s->top_processes, in->arena) : SPAN_NONE;
        device_link_row(monitor_link(m), in->id, &p, processes);
    } else {
        device_link_sample(monitor_link(m), in->id, &p);
    }
}

void event_monitor_state(struct event_call *in, const struct shape_state *s)
{
    struct host_facts f = host_facts_of(s, in->arena, in->now_ms);
    device_link_state(monitor_link(in->peer), in->id, &f);
}

void event_monitor_auth_refresh(struct event_call *in, const struct shape_auth_refresh *r)
{
    monitor_refresh(in->peer, in->id, r->token);
}
