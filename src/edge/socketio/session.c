/*
 * Connections: their opening, messages in, attachments that are owed, their end.
 *
 * A packet announces its attachments, which follow as binary messages. Until they are all there
 * nothing else may come; together they may have as many bytes as one message.
 */
#include "edge/socketio/chat.h"
#include "edge/socketio/internal.h"

#include "base/mem.h"
#include "codec/json/scan.h"
#include "codec/sio/msgpack.h"
#include "loop/addr.h"

/* How long the attachments of a packet may take: as long as a client may take to join. */
static uint32_t owed_ms(const struct edge *e) { return e->conf->eio.connect_timeout_ms; }

static bool on_open(struct eio *s, const struct eio_hello *hello);
static void on_message(struct eio *s, bool binary, span data);
static void on_ping(struct eio *s);
static void on_pong(struct eio *s);
static void on_writable(struct eio *s);
static void on_close(struct eio *s, close_reason reason);

static const struct eio_app text_app = {
    .path = "/socket.io/",
    .name = "socketio",
    .stats = STATS_SOCKETIO,
    .session_bytes = sizeof(struct sio),
    .wires = {[EIO_FORMAT_WS] = WIRE_SIO,
              [EIO_FORMAT_POLL] = WIRE_SIO_POLL,
              [EIO_FORMAT_WS3] = WIRE_SIO3},
    .on_open = on_open,
    .on_message = on_message,
    .on_ping = on_ping,
    .on_pong = on_pong,
    .on_writable = on_writable,
    .on_close = on_close,
};

/* What a connection becomes whose first message was binary. Old clients know no msgpack. */
static const struct eio_app msgpack_app = {
    .path = "/socket.io/",
    .name = "socketio",
    .stats = STATS_SOCKETIO,
    .session_bytes = sizeof(struct sio),
    .wires = {[EIO_FORMAT_WS] = WIRE_SIO_MSGPACK,
              [EIO_FORMAT_POLL] = WIRE_SIO_MSGPACK_POLL,
              [EIO_FORMAT_WS3] = WIRE_SIO_MSGPACK},
    .on_open = on_open,
    .on_message = on_message,
    .on_ping = on_ping,
    .on_pong = on_pong,
    .on_writable = on_writable,
    .on_close = on_close,
};

/* --- the end --- */

void sio_violation(struct sio *c, const char *why)
{
    struct edge *e = sio_edge_of(c);
    char peer[ADDR_TEXT_MAX] = "";
    struct sockaddr_storage addr;
    if (conn_peer(c->eio.conn, &addr)) {
        addr_format_host(&addr, peer);
    }
    stats_add(&e->stats.errors[STATS_SOCKETIO][ERR_INVALID_MESSAGE_FORMAT], 1);
    LOG(loop_log(e->loop), LOG_INFO, "error", LOG_STR("what", "socketio_protocol"),
        LOG_STR("why", why), LOG_U64("conn", conn_slot(c->eio.conn)), LOG_STR("peer", peer));
    eio_close(&c->eio, CLOSE_PROTOCOL);
}

void sio_close_all(struct sio *c, close_reason reason)
{
    for (struct sio_socket *s = c->sockets; s != NULL; s = s->next) {
        sio_say_closing(s, reason);
    }
    eio_close(&c->eio, reason);
}

static void wipe(buf *b)
{
    if (b->ptr != NULL) {
        memset(b->ptr, 0, b->cap);
        __asm__ volatile("" : : "r"(b->ptr) : "memory"); /* a dead store, but for this */
    }
    buf_deinit(b);
}

void sio_early_free(struct sio *c)
{
    struct sio_early *early = c->early;
    if (early != NULL) {
        deadline_clear(&early->connect);
        deadline_clear(&early->implicit);
        wipe(&early->credential);
        buf_deinit(&early->query);
        mem_free(early);
        c->early = NULL;
    }
}

static void gather_free(struct sio_gather *g)
{
    deadline_clear(&g->due);
    buf_deinit(&g->text);
    buf_deinit(&g->bytes);
    mem_free(g);
}

static void on_close(struct eio *s, close_reason reason)
{
    struct sio *c = sio_of_eio(s);
    if (c->gather != NULL) {
        gather_free(c->gather);
        c->gather = NULL;
    }
    while (c->sockets != NULL) {
        sio_socket_end(c->sockets, reason, false);
    }
    clients_leave(sio_edge_of(c), c->eio.conn, reason);
    sio_early_free(c);
}

/* --- opening --- */

static void connect_due(struct deadline *d)
{
    struct sio *c = CONTAINER_OF(d, struct sio_early, connect)->sio;
    struct edge *e = sio_edge_of(c);
    if (!c->joined) {
        stats_name(&e->stats.auth_failures, "connect_timeout");
        LOG(loop_log(e->loop), LOG_INFO, "auth.fail", LOG_STR("reason", "connect_timeout"),
            LOG_U64("conn", conn_slot(c->eio.conn)));
        eio_close(&c->eio, CLOSE_TIMEOUT);
    } else if (!e->conf->conformance) { /* its fixtures tell clients how they came */
        sio_early_free(c);
    }
}

static void implicit_due(struct deadline *d)
{
    sio_connect_implicit(CONTAINER_OF(d, struct sio_early, implicit)->sio);
}

/* By a cookie only a page of ours may act, and a session acts. */
static bool cookie_counts(enum origin_verdict origin)
{
    return origin == ORIGIN_SAME || origin == ORIGIN_ABSENT;
}

static bool on_open(struct eio *s, const struct eio_hello *hello)
{
    struct sio *c = sio_of_eio(s);
    struct rest_call *call = hello->call;
    struct edge *e = call->edge;
    enum credential_from from;
    span credential;
    if (credential_find(call->x->req, &call->arena, &from, &credential) != ERR_NONE) {
        return false;
    }
    struct sio_early *early = mem_calloc(1, sizeof *early);
    c->early = early;
    early->sio = c;
    if (from != CREDENTIAL_COOKIE || cookie_counts(hello->origin)) {
        buf_append_span(&early->credential, credential);
        early->is_session = from == CREDENTIAL_COOKIE;
    }
    if (e->conf->conformance) {
        buf_append_span(&early->query, call->query);
    }
    early->connect.fire = connect_due;
    deadline_set(e->home, &early->connect, e->conf->eio.connect_timeout_ms);
    if (s->v3) {
        early->implicit.fire = implicit_due;
        deadline_set(e->home, &early->implicit, 0);
    }
    return true;
}

/* --- messages --- */

static void packet(struct sio *c, const struct sio_packet *p, const span *attachments)
{
    struct sio_socket *s = sio_socket_by_nsp(c, p->nsp);
    if (p->refused_names && (s == NULL || !sio_ops(s)->refuses_names)) {
        sio_violation(c, sio_fault_name(SIO_BAD_JSON));
    } else if (p->type == SIO_CONNECT) {
        if (s == NULL) {
            sio_connect(c, p->nsp, p->payload);
        } else {
            sio_violation(c, "second CONNECT");
        }
    } else if (s != NULL && s->state == SIO_CONNECTED) {
        sio_packet_in(s, p, attachments);
    } else if (s != NULL && p->type == SIO_DISCONNECT) {
        sio_socket_end(s, CLOSE_PEER_CLOSED, true); /* it has changed its mind */
    } else if (s == NULL && c->left) {
        bool closed; /* sent before our DISCONNECT got there: the reference would close for it */
        (void)sio_take(c, NULL, &closed);
    } else {
        sio_violation(c, "no CONNECT before");
    }
}

static void gather_due(struct deadline *d)
{
    sio_violation(CONTAINER_OF(d, struct sio_gather, due)->sio, "attachments did not come");
}

static void text_message(struct sio *c, span data)
{
    struct sio_packet p;
    if (c->gather != NULL) {
        sio_violation(c, "attachments are owed");
        return;
    }
    enum sio_fault fault = sio_packet_read(data, JSON_DEPTH_MAX, &p);
    if (fault != SIO_OK) {
        sio_violation(c, sio_fault_name(fault));
        return;
    }
    if (p.attachments == 0) {
        packet(c, &p, NULL);
        return;
    }
    struct edge *e = sio_edge_of(c);
    struct sio_gather *g = c->gather = mem_calloc(1, sizeof *g);
    g->sio = c;
    buf_append_span(&g->text, data);
    fault = sio_packet_read(buf_span(&g->text), JSON_DEPTH_MAX, &g->packet);
    ASSERT(fault == SIO_OK); /* as it was above */
    g->due.fire = gather_due;
    deadline_set(e->home, &g->due, owed_ms(e));
}

static void attachment(struct sio *c, span data)
{
    struct sio_gather *g = c->gather;
    if (g->text.len + g->bytes.len + data.len > sio_edge_of(c)->conf->eio.max_payload_bytes) {
        LOG(loop_log(sio_edge_of(c)->loop), LOG_INFO, "error",
            LOG_STR("what", "socketio_attachments"), LOG_STR("why", "more bytes than a message"),
            LOG_U64("conn", conn_slot(c->eio.conn)));
        sio_close_all(c, CLOSE_TOO_BIG);
        return;
    }
    buf_append_span(&g->bytes, data);
    g->ends[g->have++] = g->bytes.len;
    if (g->have < g->packet.attachments) {
        return;
    }
    span all[SIO_ATTACHMENTS_MAX];
    size_t from = 0;
    for (unsigned i = 0; i < g->have; i++) {
        all[i] = span_of(g->bytes.ptr + from, g->ends[i] - from);
        from = g->ends[i];
    }
    c->gather = NULL;
    deadline_clear(&g->due);
    packet(c, &g->packet, all); /* may free c */
    gather_free(g);
}

static void msgpack_message(struct sio *c, span data)
{
    struct sio_packet p;
    span attachments[SIO_ATTACHMENTS_MAX];
    buf json = {0};
    enum sio_fault fault =
        sio_msgpack_read(data, JSON_DEPTH_MAX, sio_edge_of(c)->conf->eio.max_payload_bytes, &json,
                         &p, attachments);
    if (fault != SIO_OK) {
        sio_violation(c, sio_fault_name(fault));
    } else {
        packet(c, &p, attachments);
    }
    buf_deinit(&json);
}

/* False when the connection cannot become one of msgpack. */
static bool turn_msgpack(struct sio *c)
{
    struct edge *e = sio_edge_of(c);
    uint32_t messages;
    uint64_t bytes;
    hub_member_queue(e->hub, conn_slot(c->eio.conn), &messages, &bytes);
    if (c->spoke || c->eio.v3 || messages > 0 || !sio_nsp_any_msgpack(e->sio)) {
        return false;
    }
    c->msgpack = true;
    c->eio.app = &msgpack_app;
    edge_rewire(e, c->eio.conn, msgpack_app.wires[c->eio.format],
                conn_is_detached(c->eio.conn) ? WS_DEFLATE_NONE
                                              : ws_deflate_kind_of(c->eio.conn));
    return true;
}

static void on_message(struct eio *s, bool binary, span data)
{
    struct sio *c = sio_of_eio(s);
    if (!binary) {
        c->spoke = true;
        if (c->msgpack) {
            sio_violation(c, "text from a msgpack client");
        } else {
            text_message(c, data);
        }
    } else if (c->gather != NULL) {
        attachment(c, data);
    } else if (c->msgpack || turn_msgpack(c)) {
        c->spoke = true;
        msgpack_message(c, data);
    } else {
        sio_violation(c, "no attachment is owed");
    }
}

static void on_ping(struct eio *s)
{
    struct sio *c = sio_of_eio(s);
    struct edge *e = sio_edge_of(c);
    c->pinged = e->home->journal == NULL ? 0 : journal_now(e->home->journal).n;
    for (const struct sio_socket *it = c->sockets; it != NULL; it = it->next) {
        if (it->state != SIO_CONNECTED || sio_is_replaying(it) || !chat_is_settled(it)) {
            c->pinged = 0; /* older events follow it */
        }
    }
}

static void on_pong(struct eio *s)
{
    struct sio *c = sio_of_eio(s);
    uint64_t n = c->pinged;
    c->pinged = 0;
    for (struct sio_socket *it = c->sockets; n != 0 && it != NULL; it = it->next) {
        chat_received(it, n);
    }
}

static void on_writable(struct eio *s)
{
    for (struct sio_socket *it = sio_of_eio(s)->sockets; it != NULL; it = it->next) {
        sio_recovery_writable(it);
        if (sio_ops(it)->on_writable != NULL) {
            sio_ops(it)->on_writable(it);
        }
    }
}

/* --- the loop --- */

struct sio *sio_by_ref(struct edge *e, struct conn_ref ref)
{
    struct conn *conn = conn_find(e->net, ref);
    return conn == NULL ? NULL : sio_of_eio(eio_of(conn));
}

void sio_init(struct edge *e)
{
    e->sio = mem_calloc(1, sizeof *e->sio);
    e->sio->edge = e;
    eio_register(e, &text_app);
}

void sio_deinit(struct edge *e)
{
    if (e->sio != NULL) {
        ASSERT(e->sio->by_sid.count == 0 && e->sio->by_pid.count == 0 && e->sio->names.count == 0);
        map_deinit(&e->sio->by_sid);
        map_deinit(&e->sio->by_pid);
        map_deinit(&e->sio->names);
        for (unsigned i = 0; i < PEER_COUNT; i++) {
            limiter_free(e->sio->principals[i]);
        }
        chat_rates_free(e->sio->chat);
        mem_free(e->sio);
        e->sio = NULL;
    }
}
