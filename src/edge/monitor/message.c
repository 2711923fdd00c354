/*
 * What a peer of the Monitor wire says: its frame {type,data,id?} as a call of dispatch, and this
 * wire's answers. Of viewers bad input is ignored, counted and logged (CONTRACT 6); a device gets
 * its error.
 */
#include "edge/monitor/session.h"

#include "codec/json/read.h"
#include "codec/json/scan.h"

/* The id of an ack is a number or a short string. */
#define ACK_ID_BYTES_MAX 100

static void on_ok(const struct event_call *in, span members)
{
    monitor_ack_with(in->peer, in->id, members);
}

/* Subscribing belongs to viewers, whoever does it; a refresh is answered to both. */
static bool is_ignored(const struct event_call *in)
{
    const struct monitor *m = in->peer;
    return in->row == NULL ? !m->is_device : in->row->schema == SCHEMA_channels;
}

static void on_refuse(const struct event_call *in, const struct event_refusal *r)
{
    struct monitor *m = in->peer;
    bool late = r->error == ERR_RATE_LIMIT_EXCEEDED;
    if (late ? !m->is_device : is_ignored(in)) {
        monitor_ignore(m, late              ? "too many frames"
                          : in->row != NULL ? "channels must be an array of up to 16 names"
                          : in->bad != NULL ? r->why
                                            : "unknown type");
    } else {
        monitor_refuse_with(m, in->id, r);
    }
}

static const struct event_wire wire = {.stats = STATS_MONITOR,
                                       .name = "monitor",
                                       .name_member = "type",
                                       .ok = on_ok,
                                       .refuse = on_refuse,
                                       .flooding = raw_flooding,
                                       .again = raw_again};

/* There `channels` stands beside `type` in the Monitor document; inside `data` it is welcome. */
static bool is_about_channels(span name)
{
    return span_eq(name, SPAN("subscribe")) || span_eq(name, SPAN("unsubscribe"));
}

static void parse(struct event_call *in, span payload)
{
    struct shape_ctx ctx = {.arena = in->arena};
    span channels;
    in->unchecked = !shape_json(payload, &ctx);
    if (in->unchecked && json_check(payload, JSON_DEPTH_MAX, 0, NULL) != 0) {
        raw_bad(in, NULL, ctx.why);
        return;
    }
    span root = json_root(payload);
    if (json_get(root, "id", &in->id)) {
        enum json_type t = json_type(in->id);
        if ((t != JSON_NUMBER && t != JSON_STRING) || in->id.len > ACK_ID_BYTES_MAX) {
            in->id = SPAN_NONE;
        }
    }
    (void)json_get(root, "data", &in->data);
    const char *why = ctx.why;
    if (in->unchecked && (in->data.len == 0 || shape_json(in->data, &ctx))) {
        /* Not within the data, which is refused by who knows its members. */
        raw_bad(in, NULL, why);
        return;
    }
    if (!raw_type(in, root)) {
        return;
    }
    if (is_about_channels(in->name) && json_get(root, "channels", &channels)) {
        in->data = root;
    }
    if (span_eq(in->name, SPAN("ack"))) { /* it names what it acknowledges, and is not answered */
        in->data = in->data.len > 0 ? in->data : root;
        in->id = SPAN_NONE;
    }
}

void monitor_message(struct conn *c, enum ws_opcode op, span payload)
{
    struct monitor *m = ws_user(c);
    struct event_call in = {.wire = &wire,
                            .peer = m,
                            .kind = m->is_device ? PEER_HOST : PEER_VIEWER,
                            .grant = m->session.grant,
                            .device = m->device,
                            .bucket = &m->bucket,
                            .telemetry = m->is_device ? monitor_bucket(m) : NULL};
    (void)op;
    m->heard_s = (uint32_t)(loop_wall_ms(edge_of(c)->loop) / 1000);
    raw_message(c, payload, &in, parse); /* which may close it and free m */
}
