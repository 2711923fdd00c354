/*
 * The Monitor wire's sockets: their opening, what happens when rights change, and their end.
 */
#include "edge/clients.h"
#include "edge/monitor/session.h"
#include "edge/monitor/viewers.h"

#include "base/mem.h"
#include "loop/addr.h"

#define PING_MS 25000
#define IDLE_MS 60000
#define WRITE_MS 10000
#define FRAGMENTS_MAX 1024

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
    .on_message = monitor_message,
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
    .on_message = monitor_message,
    .on_writable = edge_on_writable,
    .on_close = on_close,
};

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
    clients_leave(e, c, reason);
    edge_leave(e, c);
    stats_close(&e->stats, STATS_MONITOR, m->is_device ? STATS_DEVICE : STATS_CLIENT,
                (loop_now_ns(e->loop) - m->opened_ns) / 1000);
    if (m->is_device) {
        device_link_close(monitor_link(m), reason);
        monitor_deliveries_free(m);
    } else {
        device_viewer_leave(e->home, m->device);
    }
    monitor_free(m);
}

/* --- rights --- */

static void on_change(struct session *s, enum session_change change)
{
    struct monitor *m = CONTAINER_OF(s, struct monitor, session);
    if (raw_change(&monitor_raw, m->conn, s, change)) {
        monitor_recheck(m);
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
    monitor_answered(&CONTAINER_OF(l, struct monitor_device, link)->m, ack, error);
}

static void open_link(struct monitor *m)
{
    char peer[ADDR_TEXT_MAX] = "", name[CLIENT_NAME_MAX];
    struct sockaddr_storage addr;
    if (conn_peer(m->conn, &addr)) {
        addr_format_host(&addr, peer);
    }
    monitor_link(m)->on_close = link_ended;
    monitor_link(m)->on_answer = link_answered;
    monitor_link(m)->on_deliver = monitor_deliver;
    device_link_open(monitor_edge(m)->home, monitor_link(m),
                     &(struct device_link_conf){.device = m->device,
                                                .wire = "monitor",
                                                .socket_id = client_name(m->conn, name),
                                                .remote_address = span_str(peer)});
}

/* --- being shown --- */

static void each_row(void *peer, client_show show, void *arg)
{
    struct monitor *m = peer;
    char name[CLIENT_NAME_MAX];
    show(arg, &(struct client_row){.number = 1,
                                   .socket_id = client_name(m->conn, name),
                                   .grant = m->session.grant,
                                   .device = m->device,
                                   .heard_s = m->heard_s});
}

static void kick(void *peer) { conn_close(((struct monitor *)peer)->conn, CLOSE_KICKED); }

static const struct client_ops client_ops = {.wire = STATS_MONITOR, .each = each_row, .kick = kick};

/* --- opening --- */

bool monitor_open(struct monitor *m, const struct raw_admission *a)
{
    struct rest_call *c = a->call;
    struct edge *e = a->edge;
    char name[CLIENT_NAME_MAX];
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
    clients_join(e, m->conn, &client_ops, m, m->session.grant, client_name(m->conn, name));
    monitor_events_open(m, a);
    monitor_connected(m, a);
    if (m->is_device) {
        open_link(m);
    } else {
        viewers_join(e, conn_slot(m->conn), m->device);
    }
    if (a->claimed && m->resume != NULL) {
        monitor_restore(m, a->state);
    }
    return true;
}
