/* What devices say on the Monitor wire: register, heartbeat, metrics, state, telemetry,
 * config:report. Each good frame goes to the device's home, which answers. */
#include "domain/device_config.h"

#include "edge/monitor/session.h"
#include "edge/states.h"
#include "edge/telemetry.h"

#include "base/mem.h"
#include "shape/device.h"
#include "shape/host.h"

span monitor_ack_of(const struct event_call *in, uint8_t kind)
{
    buf ack = {0};
    buf_append_byte(&ack, kind);
    buf_append_span(&ack, in->id);
    span kept = arena_dup(in->arena, buf_span(&ack));
    buf_deinit(&ack);
    return kept;
}

/* It may outlive the socket. */
struct registered {
    struct net *net;
    struct conn_ref conn;
    buf id;
};

static void device_read(void *owner, const struct device_result *r)
{
    struct registered *w = owner;
    struct conn *c = conn_find(w->net, w->conn);
    if (c != NULL && r->error == ERR_NONE) {
        buf members = {0};
        device_put_registered(&members, r->json, r->config);
        monitor_ack_with(ws_user(c), buf_span(&w->id), buf_span(&members));
        buf_deinit(&members);
    } else if (c != NULL) {
        monitor_refuse(ws_user(c), buf_span(&w->id), r->error, NULL, NULL);
    }
    buf_deinit(&w->id);
    mem_free(w);
}

static void show_device(struct monitor *m, span id)
{
    struct registered *w = mem_calloc(1, sizeof *w);
    w->net = monitor_edge(m)->net;
    w->conn = conn_ref_of(m->conn);
    buf_append_span(&w->id, id);
    device_registered_get(monitor_edge(m)->home, m->device, device_read, w);
}

void monitor_answered(struct monitor *m, span ack, err error)
{
    uint8_t kind = ack.len > 0 ? ack.ptr[0] : 0;
    if (kind == ACK_RESPONSE) {
        monitor_responded(m, span_slice(ack, 1, ack.len), error); /* which may close it */
        return;
    }
    span id = kind == ACK_REGISTER || kind == ACK_CONFIG ? span_slice(ack, 1, ack.len) : ack;
    if (error != ERR_NONE) {
        bool version = kind == ACK_CONFIG && error == ERR_INVALID_MESSAGE_FORMAT;
        monitor_refuse(m, id, error, version ? "version" : NULL,
                       version ? CONFIG_VERSION_BAD : NULL);
    } else if (kind == ACK_REGISTER && id.len > 0 && m->conn != NULL) {
        show_device(m, id);
    } else {
        monitor_ack(m, id);
    }
}

void event_monitor_register(struct event_call *in, const struct shape_register *r)
{
    struct monitor *m = in->peer;
    if (r->has_deviceId && !uuid_eq(r->deviceId, m->device)) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, "deviceId", "is another device's");
        return;
    }
    device_link_register(monitor_link(m), monitor_ack_of(in, ACK_REGISTER),
                         r->has_capabilities ? device_texts(r->capabilities, in->arena)
                                             : SPAN_NONE);
}

void event_monitor_config_report(struct event_call *in, const struct shape_config_report *r)
{
    device_link_config(monitor_link(in->peer), monitor_ack_of(in, ACK_CONFIG), r->version,
                       r->reported);
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

static void take_state(struct event_call *in, const struct shape_state *s)
{
    struct host_facts f = host_facts_of(s, in->arena, in->now_ms);
    device_link_state(monitor_link(in->peer), in->id, &f);
}

/* Its states are on disk: what it says of the host follows. */
static void states_moved(struct event_call *in)
{
    struct shape_ctx ctx = {.arena = in->arena, .now_ms = in->now_ms};
    struct shape_state s;
    bool ok = shape_decode(SCHEMA_state, in->data, &ctx, &s);
    ASSERT(ok); /* it was read before */
    take_state(in, &s);
}

void event_monitor_state(struct event_call *in, const struct shape_state *s)
{
    if (s->has_states) {
        states_event(in, s->states, monitor_link(in->peer),
                     host_facts_given(s) ? states_moved : NULL);
    } else {
        take_state(in, s);
    }
}

void event_monitor_telemetry(struct event_call *in, struct event_many *many)
{
    telemetry_event(in, many, monitor_link(in->peer));
}

void event_monitor_auth_refresh(struct event_call *in, const struct shape_auth_refresh *r)
{
    monitor_refresh(in->peer, in->id, r->token);
}
