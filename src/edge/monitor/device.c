/* What devices say on the Monitor wire: register, heartbeat, metrics, state. Each good frame goes
 * to the device's home; a bad one gets its error. */
#include "edge/monitor/session.h"

#include "codec/json/read.h"
#include "shape/device.h"
#include "shape/host.h"

struct incoming {
    struct monitor *m;
    const struct monitor_frame *frame;
    struct shape_ctx ctx;
};

static bool decoded(struct incoming *in, enum schema schema, void *out)
{
    span data = in->frame->data.len > 0 ? in->frame->data : SPAN("{}");
    if (shape_decode(schema, data, &in->ctx, out)) {
        return true;
    }
    monitor_refuse(in->m, in->frame->id, ERR_INVALID_MESSAGE_FORMAT, in->ctx.path, in->ctx.why);
    return false;
}

static void on_register(struct incoming *in)
{
    struct shape_register r;
    if (!decoded(in, SCHEMA_register, &r)) {
        return;
    }
    if (r.has_deviceId && !uuid_eq(r.deviceId, in->m->device)) {
        monitor_refuse(in->m, in->frame->id, ERR_INVALID_MESSAGE_FORMAT, "deviceId",
                       "is another device's");
        return;
    }
    device_link_register(monitor_link(in->m), in->frame->id,
                         r.has_capabilities ? device_texts(r.capabilities, in->ctx.arena)
                                            : SPAN_NONE);
}

static void on_heartbeat(struct incoming *in)
{
    struct shape_heartbeat h;
    if (decoded(in, SCHEMA_heartbeat, &h)) {
        device_link_heartbeat(monitor_link(in->m), in->frame->id);
    }
}

static void on_metrics(struct incoming *in)
{
    struct shape_metrics s;
    if (!decoded(in, SCHEMA_metrics, &s)) {
        return;
    }
    struct host_point p = host_point_of(&s, in->ctx.now_ms);
    if (s.has_row && s.row) {
        span processes =
            s.has_top_processes ? host_processes_of(s.top_processes, in->ctx.arena) : SPAN_NONE;
        device_link_row(monitor_link(in->m), in->frame->id, &p, processes);
    } else {
        device_link_sample(monitor_link(in->m), in->frame->id, &p);
    }
}

static void on_state(struct incoming *in)
{
    struct shape_state s;
    if (decoded(in, SCHEMA_state, &s)) {
        struct host_facts f = host_facts_of(&s, in->ctx.arena, in->ctx.now_ms);
        device_link_state(monitor_link(in->m), in->frame->id, &f);
    }
}

static void on_auth_refresh(struct incoming *in)
{
    struct shape_auth_refresh r;
    if (decoded(in, SCHEMA_auth_refresh, &r)) {
        monitor_refresh(in->m, in->frame->id, r.token);
    }
}

static const struct {
    enum frame type;
    void (*run)(struct incoming *in);
} frames[] = {
    {FRAME_METRICS, on_metrics},   {FRAME_HEARTBEAT, on_heartbeat},
    {FRAME_STATE, on_state},       {FRAME_REGISTER, on_register},
    {FRAME_AUTH_REFRESH, on_auth_refresh},
};

enum frame monitor_device_frame(struct monitor *m, const struct monitor_frame *f,
                                struct arena *arena)
{
    struct incoming in = {.m = m,
                          .frame = f,
                          .ctx = {.arena = arena, .now_ms = loop_wall_ms(monitor_edge(m)->loop)}};
    for (unsigned i = 0; i < ARRAY_LEN(frames); i++) {
        if (json_string_eq(f->type, span_str(frame_name(frames[i].type)))) {
            frames[i].run(&in);
            return frames[i].type;
        }
    }
    monitor_refuse(m, f->id, ERR_INVALID_MESSAGE_FORMAT, "type", "is not known");
    return FRAME_UNKNOWN;
}
