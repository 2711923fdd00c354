/*
 * The Monitor wire's sockets: their opening, what happens when rights change, and their end.
 */
#include "edge/monitor/session.h"

#include "base/mem.h"
#include "codec/json/read.h"
#include "loop/addr.h"

#include <stdio.h>

#define PING_MS 25000
#define IDLE_MS 60000
#define WRITE_MS 10000
#define FRAGMENTS_MAX 1024
/* The id of an ack is a number or a short string. */
#define ACK_ID_BYTES_MAX 100

static const struct bucket_rule viewer_rule = {.count = 10, .period_ms = 1000, .burst = 20};
static const struct bucket_rule device_rule = {.count = 200, .period_ms = 1000, .burst = 400};

static void on_message(struct conn *c, enum ws_opcode op, span payload);
static void on_writable(struct conn *c);
static void on_close(struct conn *c, close_reason reason);

static const struct ws_wire viewer_wire = {
    .name = "monitor",
    .limits = {.message_bytes_max = VIEWER_FRAME_BYTES_MAX, .fragments_max = FRAGMENTS_MAX},
    .ping_ms = PING_MS,
    .idle_ms = IDLE_MS,
    .write_ms = WRITE_MS,
    .text_only = true,
    .deflate = true,
    .on_message = on_message,
    .on_writable = on_writable,
    .on_close = on_close,
};

static const struct ws_wire device_wire = {
    .name = "monitor",
    .limits = {.message_bytes_max = DEVICE_FRAME_BYTES_MAX, .fragments_max = FRAGMENTS_MAX},
    .ping_ms = PING_MS,
    .idle_ms = IDLE_MS,
    .write_ms = WRITE_MS,
    .text_only = true,
    .deflate = true,
    .on_message = on_message,
    .on_writable = edge_on_writable,
    .on_close = on_close,
};

/* --- messages --- */

static bool parse_frame(span payload, struct monitor_frame *f, struct shape_ctx *ctx)
{
    *f = (struct monitor_frame){0};
    if (!shape_json(payload, ctx)) {
        return false;
    }
    f->root = json_root(payload);
    if (json_get(f->root, "id", &f->id)) {
        enum json_type t = json_type(f->id);
        if ((t != JSON_NUMBER && t != JSON_STRING) || f->id.len > ACK_ID_BYTES_MAX) {
            f->id = SPAN_NONE;
        }
    }
    (void)json_get(f->root, "data", &f->data);
    if (!json_get(f->root, "type", &f->type) || json_type(f->type) != JSON_STRING) {
        (void)snprintf(ctx->path, sizeof ctx->path, "type");
        ctx->why = "must be a string";
        return false;
    }
    return true;
}

/* False when the peer is over its limit; it may have been closed. */
static bool within_rate(struct monitor *m, const struct monitor_frame *f)
{
    uint32_t retry_ms;
    int64_t now = loop_now_ms(monitor_edge(m)->loop);
    if (bucket_take(&m->bucket, m->is_device ? &device_rule : &viewer_rule, now, &retry_ms)) {
        return true;
    }
    stats_name(&monitor_edge(m)->stats.rate_limited, "monitor");
    if (bucket_refused(&m->bucket, now) >= MONITOR_FLOOD) {
        conn_close(m->conn, CLOSE_FLOODING);
    } else if (m->is_device) {
        monitor_refuse_later(m, f->id, retry_ms);
    } else {
        monitor_ignore(m, "too many frames");
    }
    return false;
}

/* What the frame was, for metrics. */
static enum frame dispatch(struct monitor *m, span payload, struct arena *arena)
{
    struct monitor_frame f;
    struct shape_ctx ctx = {.arena = arena};
    bool good = parse_frame(payload, &f, &ctx);
    bool refresh = good && json_string_eq(f.type, SPAN("auth_refresh"));
    if (!refresh && !within_rate(m, &f)) {
        return FRAME_REFUSED;
    }
    if (!good && m->is_device) {
        monitor_refuse(m, f.id, ERR_INVALID_MESSAGE_FORMAT, ctx.path, ctx.why);
        return FRAME_REFUSED;
    }
    if (!good) {
        monitor_ignore(m, ctx.why);
        return FRAME_REFUSED;
    }
    enum frame what = monitor_viewer_frame(m, &f);
    if (what == FRAME_UNKNOWN && (m->is_device || refresh)) {
        what = monitor_device_frame(m, &f, arena);
    } else if (what == FRAME_UNKNOWN) {
        monitor_ignore(m, "unknown type");
    }
    return what;
}

static void on_message(struct conn *c, enum ws_opcode op, span payload)
{
    struct monitor *m = ws_user(c);
    struct edge *e = edge_of(c);
    struct arena arena = {0};
    uint32_t slot = conn_slot(c);
    (void)op;
    uint64_t began_ns = stats_timed(&e->stats) ? loop_clock_ns(e->loop) : 0;
    enum frame what = dispatch(m, payload, &arena); /* which may close it and free m */
    arena_reset(&arena);
    stats_add(&e->stats.messages_in[STATS_MONITOR][what], 1);
    LOG(loop_log(e->loop), LOG_DEBUG, "msg.in", LOG_U64("conn", slot),
        LOG_STR("wire", stats_wire_name(STATS_MONITOR)), LOG_STR("event", frame_name(what)),
        LOG_U64("bytes", payload.len));
    if (began_ns != 0) {
        stats_time(&e->stats.message_times[what], (loop_clock_ns(e->loop) - began_ns) / 1000);
    }
}

static void on_writable(struct conn *c)
{
    struct monitor *m = ws_user(c);
    edge_on_writable(c);
    if (m->resume != NULL) {
        resume_writable(m->resume);
    }
}

/* --- the end --- */

void monitor_free(struct monitor *m)
{
    session_close(&m->session);
    mem_free(m);
}

static void on_close(struct conn *c, close_reason reason)
{
    struct monitor *m = ws_user(c);
    struct edge *e = edge_of(c);
    monitor_events_close(m, reason);
    edge_leave(e, c);
    stats_close(&e->stats, STATS_MONITOR, m->is_device ? STATS_DEVICE : STATS_CLIENT,
                (loop_now_ns(e->loop) - m->opened_ns) / 1000);
    if (m->is_device) {
        device_link_close(monitor_link(m), reason);
    } else {
        device_viewer_leave(e->home, m->device);
    }
    monitor_free(m);
}

/* --- rights --- */

static void on_change(struct session *s, enum session_change change)
{
    struct monitor *m = CONTAINER_OF(s, struct monitor, session);
    if (m->conn == NULL || !conn_is_open(m->conn)) {
        return;
    }
    switch (change) {
    case SESSION_REVOKED:
        conn_close(m->conn, CLOSE_REVOKED);
        break;
    case SESSION_DISABLED:
        conn_close(m->conn, CLOSE_DISABLED);
        break;
    case SESSION_RIGHTS:
        monitor_recheck(m);
        break;
    case SESSION_EXPIRING:
        monitor_expiring(m);
        break;
    case SESSION_EXPIRED:
        conn_close(m->conn, CLOSE_TOKEN_EXPIRED);
        break;
    }
}

/* It may outlive the socket, for there is no cancelling. */
struct refresh {
    struct net *net;
    struct conn_ref conn;
    struct auth auth;
    buf ack; /* its id */
};

static void refresh_end(struct monitor *m, const struct auth *a, span id)
{
    m->refreshing = false;
    if (a->error == ERR_NONE && session_refresh(&m->session, a->grant)) {
        monitor_ack(m, id);
        monitor_recheck(m);
        return;
    }
    if (a->error == ERR_NONE) { /* another principal's */
        grant_free(a->grant);
    }
    monitor_refuse(m, id, ERR_AUTHENTICATION_FAILED, "token", a->reason);
    conn_close(m->conn, CLOSE_POLICY);
}

static void refreshed(struct auth *a)
{
    struct refresh *r = a->owner;
    struct conn *c = conn_find(r->net, r->conn);
    if (c == NULL) {
        grant_free(a->grant);
    } else {
        refresh_end(ws_user(c), a, buf_span(&r->ack));
    }
    buf_deinit(&r->ack);
    mem_free(r);
}

void monitor_refresh(struct monitor *m, span id, span token)
{
    if (m->refreshing) {
        monitor_refuse(m, id, ERR_CONFLICT, NULL, "another refresh is under way");
        return;
    }
    struct edge *e = monitor_edge(m);
    struct refresh *r = mem_calloc(1, sizeof *r);
    r->net = e->net;
    r->conn = conn_ref_of(m->conn);
    buf_append_span(&r->ack, id);
    r->auth = (struct auth){.credential = token, .done = refreshed, .owner = r};
    m->refreshing = true;
    auth_start(e->home, &r->auth);
}

/* --- the device's side of the link --- */

static void link_ended(struct device_link *l, close_reason reason)
{
    struct monitor *m = &CONTAINER_OF(l, struct monitor_device, link)->m;
    if (m->conn != NULL) {
        conn_close(m->conn, reason);
    }
}

static void link_answered(struct device_link *l, span ack, err error)
{
    struct monitor *m = &CONTAINER_OF(l, struct monitor_device, link)->m;
    if (error == ERR_NONE) {
        monitor_ack(m, ack);
    } else {
        monitor_refuse(m, ack, error, NULL, NULL);
    }
}

static void open_link(struct monitor *m)
{
    char peer[ADDR_TEXT_MAX] = "", name[64];
    struct sockaddr_storage addr;
    struct conn_ref ref = conn_ref_of(m->conn);
    if (conn_peer(m->conn, &addr)) {
        addr_format_host(&addr, peer);
    }
    int len = snprintf(name, sizeof name, "%u-%u-%u", ref.loop, ref.slot, ref.gen);
    monitor_link(m)->on_close = link_ended;
    monitor_link(m)->on_answer = link_answered;
    device_link_open(monitor_edge(m)->home, monitor_link(m),
                     &(struct device_link_conf){.device = m->device,
                                                .wire = "monitor",
                                                .socket_id = span_of(name, (size_t)len),
                                                .remote_address = span_str(peer)});
}

/* --- opening --- */

bool monitor_open(struct monitor *m, struct rest_call *c, const struct monitor_admission *a)
{
    struct edge *e = c->edge;
    m->session.on_change = on_change;
    if (!session_open(e->home, &m->session, rest_take_grant(c))) {
        rest_error(c, ERR_RATE_LIMIT_EXCEEDED, "too many sessions of this principal");
        return false;
    }
    m->conn = rest_upgrade(c, m->is_device ? &device_wire : &viewer_wire, m);
    if (m->conn == NULL) {
        return false;
    }
    m->opened_ns = loop_now_ns(e->loop);
    stats_open(&e->stats, STATS_MONITOR, m->is_device ? STATS_DEVICE : STATS_CLIENT);
    LOG(loop_log(e->loop), LOG_INFO, "conn.open", LOG_U64("conn", conn_slot(m->conn)),
        LOG_STR("wire", "monitor"), LOG_STR("client_type", m->is_device ? "device" : "client"));
    edge_join(e, m->conn, WIRE_MONITOR, MONITOR_QUEUE_MAX);
    monitor_events_open(m, a);
    monitor_connected(m, a);
    if (m->is_device) {
        open_link(m);
    }
    if (a->claimed && m->resume != NULL) {
        monitor_restore(m, a->state);
    }
    return true;
}
