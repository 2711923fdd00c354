#include "edge/dispatch.h"

#include "codec/json/scan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* What the table says in terms of types that only this layer has. */
struct handler {
    void (*run)(struct event_call *in, void *p); /* its payload, or struct event_many */
    size_t device;     /* offset of deviceId in it, and of has_deviceId; scope deviceId only */
    size_t has_device;
};

#define AT_ALL(schema) 0, 0
#define AT_OWN(schema) 0, 0
#define AT_SOME(schema) 0, 0
#define AT_deviceId(schema)                                                                        \
    offsetof(struct shape_##schema, deviceId), offsetof(struct shape_##schema, has_deviceId)

#define IN(name, text, from, schema, acked, permission, scope, limit, bytes, handler, description) \
    static void run_##handler(struct event_call *in, void *p) { event_##handler(in, p); }
#define IN_MANY(name, text, from, schema, most, acked, permission, scope, limit, bytes, handler,   \
                description)                                                                       \
    _Static_assert(EVENT_SCOPE_##scope != EVENT_SCOPE_deviceId, "each element names its own");     \
    static void run_##handler(struct event_call *in, void *p) { event_##handler(in, p); }
#include "tables/events.def"

static const struct handler handlers[IN_COUNT] = {
#define IN(name, text, from, schema, acked, permission, scope, limit, bytes, handler, description) \
    [IN_##name] = {run_##handler, AT_##scope(schema)},
#include "tables/events.def"
};

/* Any payload. */
union payload {
#define IN(name, text, from, schema, acked, permission, scope, limit, bytes, handler, description) \
    struct shape_##schema handler;
#include "tables/events.def"
};

void event_error_members(struct json_writer *w, const struct event_refusal *r)
{
    json_member_string(w, "type", span_str(err_code(r->error)));
    json_member_string(w, "message", span_str(err_text(r->error)));
    json_member_i64(w, "code", err_status(r->error));
    json_member_open(w, "details", '{');
    if (r->member != NULL && r->member[0] != '\0') {
        json_member_string(w, "member", span_str(r->member));
    }
    if (r->why != NULL) {
        json_member_string(w, "reason", span_str(r->why));
    }
    if (r->retry_after_ms > 0) {
        json_member_i64(w, "retryAfterMs", r->retry_after_ms);
    }
    if (!uuid_is_nil(r->device)) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(r->device, id);
        json_member_string(w, "deviceId", span_of(id, UUID_TEXT_LEN));
    }
    if (r->details.len > 0) {
        buf_append_str(w->out, w->comma ? "," : "");
        buf_append_span(w->out, r->details);
        w->comma = true;
    }
    json_close(w, '}');
}

void event_refuse(const struct event_call *in, err error, const char *member, const char *why)
{
    in->wire->refuse(in, &(struct event_refusal){.error = error, .member = member, .why = why});
}

struct bucket_rule event_rule(enum event_peer kind)
{
    const struct peer_row *row = peer_row(kind);
    return (struct bucket_rule){.count = row->per_second, .period_ms = 1000, .burst = row->burst};
}

static struct bucket_rule telemetry_rule(const struct edge *e)
{
    const struct domain_conf *conf = e->home->conf;
    return (struct bucket_rule){
        .count = conf->telemetry_per_s, .period_ms = 1000, .burst = conf->telemetry_burst};
}

static bool take(struct event_call *in, struct bucket *b, struct bucket_rule rule,
                 const char *label)
{
    uint32_t retry_ms = 0;
    int64_t now = loop_now_ms(in->edge->loop);
    if (bucket_take(b, &rule, now, &retry_ms)) {
        return true;
    }
    stats_name(&in->edge->stats.rate_limited, label);
    if (bucket_refused(b, now) >= EVENT_FLOOD) {
        in->wire->flooding(in);
    } else {
        in->wire->refuse(in, &(struct event_refusal){.error = ERR_RATE_LIMIT_EXCEEDED,
                                                     .retry_after_ms = retry_ms});
    }
    return false;
}

/* False when the peer is over its limit; it has been answered, and may have been closed. */
static bool within_rate(struct event_call *in)
{
    enum event_limit limit = in->row == NULL ? EVENT_LIMIT_CONNECTION : in->row->limit;
    switch (limit) {
    case EVENT_LIMIT_FREE:
        return true;
    case EVENT_LIMIT_TELEMETRY:
        return take(in, in->telemetry, telemetry_rule(in->edge), "telemetry");
    case EVENT_LIMIT_CONNECTION:
    case EVENT_LIMIT_CHAT:
    case EVENT_LIMIT_CHAT_MESSAGE:
    case EVENT_LIMIT_CHAT_TYPING:
    case EVENT_LIMIT_CHAT_STOP:
    case EVENT_LIMIT_CHAT_JOIN:
        break;
    }
    if (in->wire->within_rate != NULL) {
        return in->wire->within_rate(in);
    }
    return take(in, in->bucket, event_rule(in->kind), in->wire->name);
}

static bool holds(const struct grant *g, enum permission p, enum event_scope scope, uuid device)
{
    switch (scope) {
    case EVENT_SCOPE_ALL:
        return can(g, p, SCOPE_ALL);
    case EVENT_SCOPE_OWN:
    case EVENT_SCOPE_deviceId:
        return can(g, p, scope_device(device));
    case EVENT_SCOPE_SOME:
        return can_somewhere(g, p);
    }
    return false;
}

/* Before the payload is read: whether the event is open to this peer at all. */
static bool permitted(struct event_call *in)
{
    enum event_scope scope = in->row->scope;
    if (in->row->permission == PERM_ANYBODY ||
        holds(in->grant, in->row->permission,
              scope == EVENT_SCOPE_deviceId ? EVENT_SCOPE_SOME : scope, in->device)) {
        return true;
    }
    event_refuse(in, ERR_PERMISSION_DENIED, NULL, NULL);
    return false;
}

/* And for the device that the payload names: what one may not read is not there (CONTRACT 3). */
static bool permitted_for(struct event_call *in, const struct handler *h, const void *payload)
{
    const char *at = payload;
    if (in->row->permission == PERM_ANYBODY || in->row->scope != EVENT_SCOPE_deviceId ||
        !*(const bool *)(at + h->has_device) ||
        holds(in->grant, in->row->permission, EVENT_SCOPE_deviceId,
              *(const uuid *)(at + h->device))) {
        return true;
    }
    bool sees = can(in->grant, PERM_DEVICE_READ, scope_device(*(const uuid *)(at + h->device)));
    event_refuse(in, sees ? ERR_PERMISSION_DENIED : ERR_DEVICE_NOT_FOUND, "deviceId", NULL);
    return false;
}

/* Of what could not be read: the member that holds the byte where it went wrong. */
static void name_member_at(struct shape_ctx *ctx, span object, size_t at)
{
    struct json_iter it;
    span key, value;
    if (!json_object_begin(&it, object)) {
        return;
    }
    while (json_object_next(&it, &key, &value)) {
        if (object.ptr + at < value.ptr + value.len) {
            span name = json_string_in(key, ctx->arena);
            (void)snprintf(ctx->path, sizeof ctx->path, "%.*s", SPAN_FMT(name));
            return;
        }
    }
}

bool event_many_begin(struct event_many *m, enum schema schema, unsigned most, span data,
                      struct arena *arena, int64_t now_ms)
{
    *m = (struct event_many){
        .schema = schema, .index = UINT_MAX, .ctx = {.arena = arena, .now_ms = now_ms}};
    if (json_array_begin(&m->it, data)) {
        size_t n = json_count(data);
        m->count = n > most ? 0 : (unsigned)n;
        m->why = n == 0 ? "must not be empty" : "has too many elements";
        return m->count > 0;
    }
    m->one = data;
    m->count = 1;
    m->why = "is larger than one may be";
    return data.len <= EVENT_ONE_BYTES_MAX;
}

enum event_element event_next(struct event_many *m, void *out)
{
    span element = m->one;
    size_t at = 0;
    m->index = m->index == UINT_MAX ? 0 : m->index + 1;
    if (m->index >= m->count || (m->one.len == 0 && !json_array_next(&m->it, &element))) {
        return EVENT_END;
    }
    int error = json_check(element, SHAPE_DEPTH_MAX, JSON_REFUSE_PROTO, &at);
    m->member = m->ctx.path;
    m->ctx.path[0] = '\0';
    if (error != 0) {
        name_member_at(&m->ctx, element, at);
        m->why = json_error_name(error);
        return EVENT_REFUSED;
    }
    bool good = shape_decode(m->schema, element, &m->ctx, out);
    m->why = m->ctx.why;
    return good ? EVENT_READ : EVENT_REFUSED;
}

static void run_many(struct event_call *in, const struct handler *h)
{
    struct event_many m;
    span data = in->data.len > 0 ? in->data : SPAN("{}");
    if (event_many_begin(&m, in->row->schema, in->row->most, data, in->arena, in->now_ms)) {
        h->run(in, &m);
    } else {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, NULL, m.why);
    }
}

static void run(struct event_call *in, enum event_in which)
{
    const struct handler *h = &handlers[which];
    struct shape_ctx ctx = {.arena = in->arena, .now_ms = in->now_ms};
    if (in->data.len + in->attached > in->row->bytes_max) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, NULL, "is larger than this event may be");
        return;
    }
    if (!permitted(in)) {
        return;
    }
    if (in->row->most > 0) {
        run_many(in, h);
        return;
    }
    if (in->unchecked && in->data.len > 0 && !shape_json(in->data, &ctx)) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, NULL, ctx.why);
        return;
    }
    if (in->row->schema == SCHEMA_none) {
        h->run(in, NULL);
        return;
    }
    union payload payload;
    if (!shape_decode(in->row->schema, in->data.len > 0 ? in->data : SPAN("{}"), &ctx, &payload)) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, ctx.path, ctx.why);
        return;
    }
    if (permitted_for(in, h, &payload)) {
        h->run(in, &payload);
    }
}

/* Whether the name is an event of other peers of the same wire. */
static bool is_of_others(const struct event_call *in)
{
    for (unsigned p = 0; p < PEER_COUNT; p++) {
        if (strcmp(peer_row((enum event_peer)p)->wire, peer_row(in->kind)->wire) == 0 &&
            event_in_find(&in->edge->events, (enum event_peer)p, (const char *)in->name.ptr,
                          in->name.len) != IN_COUNT) {
            return true;
        }
    }
    return false;
}

static enum frame unknown(struct event_call *in)
{
    if (is_of_others(in)) {
        event_refuse(in, ERR_PERMISSION_DENIED, NULL, "is not for this kind of client");
    } else if (in->wire->unknown != NULL && in->wire->unknown(in)) {
        return FRAME_APP;
    } else {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, in->wire->name_member, "is not known");
    }
    return FRAME_UNKNOWN;
}

/* What it was, for metrics. */
static enum frame dispatch(struct event_call *in)
{
    const struct event_index *ix = &in->edge->events;
    enum event_in which = IN_COUNT;
    if (in->bad == NULL) {
        which = event_in_find(ix, in->kind, (const char *)in->name.ptr, in->name.len);
    }
    in->row = which == IN_COUNT ? NULL : event_in_row(which);
    if (!within_rate(in)) {
        return FRAME_REFUSED;
    }
    if (in->bad != NULL) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, in->bad_member, in->bad);
        return FRAME_REFUSED;
    }
    if (in->row == NULL) {
        return unknown(in);
    }
    run(in, which);
    return frame_in(ix, which);
}

void event_dispatch(struct event_call *in)
{
    struct edge *e = in->edge;
    enum stats_wire wire = in->wire->stats;
    in->now_ms = loop_wall_ms(e->loop);
    uint64_t began_ns = stats_timed(&e->stats) ? loop_clock_ns(e->loop) : 0;
    enum frame what = dispatch(in); /* which may close the peer */
    stats_add(&e->stats.messages_in[wire][what], 1);
    stats_set(&e->stats.active_ms[wire], (uint64_t)in->now_ms);
    LOG(loop_log(e->loop), LOG_DEBUG, "msg.in", LOG_U64("conn", in->slot),
        LOG_STR("wire", stats_wire_name(wire)), LOG_STR("name", frame_name(what)),
        LOG_U64("bytes", in->bytes));
    if (began_ns != 0) {
        stats_time(&e->stats.message_times[what], (loop_clock_ns(e->loop) - began_ns) / 1000);
    }
}
