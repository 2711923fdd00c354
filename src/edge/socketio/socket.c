/* Sockets: a connection in one namespace each. */
#include "edge/socketio/emit.h"
#include "edge/socketio/internal.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

span sio_nsp(const struct sio_socket *s) { return span_of(s->nsp->name, s->nsp->len); }
span sio_sid(const struct sio_socket *s) { return span_of(s->sid, EIO_SID_LEN); }
const struct sio_nsp_ops *sio_ops(const struct sio_socket *s) { return s->nsp->ops; }
struct eio *sio_engine(const struct sio_socket *s) { return &s->sio->eio; }
struct edge *sio_edge(const struct sio_socket *s) { return sio_edge_of(s->sio); }

span sio_handshake_query(const struct sio_socket *s)
{
    return s->sio->early == NULL ? SPAN_NONE : buf_span(&s->sio->early->query);
}

static void on_change(struct session *session, enum session_change change);

/* --- the directory --- */

static bool sid_eq(const struct map_node *node, const void *key)
{
    const struct sio_socket *s = CONTAINER_OF(node, struct sio_socket, by_sid);
    return memcmp(s->sid, key, EIO_SID_LEN) == 0;
}

struct sio_socket *sio_find(struct edge *e, span sid)
{
    if (sid.len != EIO_SID_LEN || e->sio == NULL) {
        return NULL;
    }
    struct map_node *node = map_get(&e->sio->by_sid, hash_bytes(sid), sid_eq, sid.ptr);
    struct sio_socket *s =
        node == NULL ? NULL : CONTAINER_OF(node, struct sio_socket, by_sid);
    return s != NULL && s->state == SIO_CONNECTED ? s : NULL;
}

bool sio_sid_taken(const struct sio_loop *l, span sid)
{
    return map_get(&l->by_sid, hash_bytes(sid), sid_eq, sid.ptr) != NULL;
}

void sio_socket_sid(struct sio_socket *s, span sid)
{
    ASSERT(sid.len == EIO_SID_LEN && s->sid[0] == 0);
    memcpy(s->sid, sid.ptr, EIO_SID_LEN);
    map_put(&sio_loop_of(s->sio)->by_sid, hash_bytes(sid), &s->by_sid);
}

struct sio_socket *sio_of_member(struct edge *e, uint32_t member, span nsp)
{
    struct eio *s = eio_of(conn_at(e->net, member)); /* topics of emits have no others */
    return s->app->stats == STATS_SOCKETIO ? sio_socket_by_nsp(sio_of_eio(s), nsp) : NULL;
}

struct sio_socket *sio_of_session(struct session *session)
{
    return session->on_change == on_change ? CONTAINER_OF(session, struct sio_socket, session)
                                           : NULL;
}

void sio_each(struct edge *e, void (*visit)(struct sio_socket *s, void *arg), void *arg)
{
    struct sio_loop *l = e->sio;
    size_t count = l->by_sid.count, n = 0;
    uint8_t(*sids)[EIO_SID_LEN] = mem_calloc(count, sizeof *sids);
    for (struct map_node *it = map_next(&l->by_sid, NULL); it != NULL;
         it = map_next(&l->by_sid, it)) {
        memcpy(sids[n++], CONTAINER_OF(it, struct sio_socket, by_sid)->sid, EIO_SID_LEN);
    }
    for (size_t i = 0; i < n; i++) {
        struct sio_socket *s = sio_find(e, span_of(sids[i], EIO_SID_LEN));
        if (s != NULL) {
            visit(s, arg);
        }
    }
    mem_free(sids);
}

struct sio_socket *sio_socket_by_nsp(const struct sio *c, span nsp)
{
    struct sio_socket *s = c->sockets;
    while (s != NULL && !span_eq(sio_nsp(s), nsp)) {
        s = s->next;
    }
    return s;
}

struct sio_socket *sio_socket_by_number(const struct sio *c, uint16_t number)
{
    struct sio_socket *s = c->sockets;
    while (s != NULL && s->number != number) {
        s = s->next;
    }
    return s;
}

/* --- life --- */

struct sio_socket *sio_socket_new(struct sio *c, struct sio_nsp *nsp)
{
    struct sio_socket *s = &c->first;
    if (s->state != SIO_FREE) {
        s = mem_calloc(1, sizeof *s);
    }
    s->sio = c;
    s->nsp = nsp;
    s->state = SIO_JOINING;
    s->number = ++c->numbers;
    struct sio_socket **at = &c->sockets;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = s;
    c->socket_count++;
    return s;
}

static void unlink_socket(struct sio_socket *s)
{
    struct sio_socket **at = &s->sio->sockets;
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    s->sio->socket_count--;
}

/* The connection may stay, and with it what the hub knows of its member. */
static void leave_topics(struct sio_socket *s)
{
    char topic[HUB_TOPIC_BYTES_MAX];
    if (conn_is_open(s->sio->eio.conn)) {
        emit_leave_all(s);
        if (sio_ops(s)->rooms) {
            (void)sio_unsubscribe(s, JOURNAL_HOME, emit_topic(sio_nsp(s), SPAN_NONE, topic));
        }
    } else {
        emit_rooms_free(s);
    }
}

void sio_socket_end(struct sio_socket *s, close_reason reason, bool over)
{
    struct sio *c = s->sio;
    struct sio_loop *l = sio_loop_of(c);
    sio_acks_end(s); /* whose owners may still look at the socket, but not send */
    unlink_socket(s);
    leave_topics(s);
    if (s->state != SIO_JOINING || s->user != NULL) {
        s->state = SIO_FREE;
        if (sio_ops(s)->on_disconnect != NULL) {
            sio_ops(s)->on_disconnect(s, reason);
        }
    }
    sio_recovery_close(s, reason, over);
    session_close(&s->session);
    if (s->sid[0] != 0) {
        map_remove(&l->by_sid, &s->by_sid);
    }
    sio_nsp_give_back(l, s->nsp);
    if (s == &c->first) {
        memset(s, 0, sizeof *s);
    } else {
        mem_free(s);
    }
}

/* --- disconnecting --- */

void sio_say_closing(struct sio_socket *s, close_reason reason)
{
    static const char *const rules[] = {[RECONNECT_FREE] = "free",
                                        [RECONNECT_NEVER] = "never",
                                        [RECONNECT_BACKOFF] = "backoff",
                                        [RECONNECT_NOW] = "now"};
    if (s->state != SIO_CONNECTED || !sio_ops(s)->authenticates) {
        return;
    }
    if (sio_ops(s)->on_closing != NULL) {
        sio_ops(s)->on_closing(s, reason);
    }
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    json_open(&w, '[');
    json_write_string(&w, SPAN("closing"));
    json_open(&w, '{');
    json_member_i64(&w, "code", close_code(reason));
    json_member_string(&w, "reason", span_str(close_text(reason)));
    json_member_string(&w, "reconnect", span_str(rules[close_reconnect_rule(reason)]));
    json_close(&w, '}');
    json_close(&w, ']');
    sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
}

/* A v2 or later client does not come back by itself after this. */
static void send_disconnect(struct sio_socket *s)
{
    if (s->state == SIO_CONNECTED) {
        sio_send(s->sio, SIO_DISCONNECT, sio_nsp(s), -1, SPAN_NONE, NULL, 0, BLOB_ORDERED);
    }
}

static void leave(struct sio_socket *s, close_reason reason)
{
    s->sio->left = true;
    sio_say_closing(s, reason);
    send_disconnect(s);
    sio_socket_end(s, reason, true);
}

void sio_disconnect(struct sio_socket *s, close_reason reason, bool close)
{
    struct sio *c = s->sio;
    bool never = close_reconnect_rule(reason) == RECONNECT_NEVER;
    if (!never && reason != CLOSE_NORMAL) {
        sio_close_all(c, reason);
        return;
    }
    if (!close) {
        leave(s, reason);
        if (never && c->sockets == NULL) {
            eio_close(&c->eio, reason);
        }
        return;
    }
    while (c->sockets != NULL) {
        leave(c->sockets, reason);
    }
    eio_close(&c->eio, reason);
}

static void end_one(struct sio_socket *s, void *reason)
{
    sio_close_all(s->sio, *(close_reason *)reason);
}

void sio_end_all(struct edge *e, close_reason reason) { sio_each(e, end_one, &reason); }

/* --- being shown --- */

static const struct sio_socket *next_socket(const struct sio *c, uint32_t after)
{
    const struct sio_socket *next = NULL;
    for (const struct sio_socket *s = c->sockets; s != NULL; s = s->next) {
        if (s->state == SIO_CONNECTED && s->number > after &&
            (next == NULL || s->number < next->number)) {
            next = s;
        }
    }
    return next;
}

static void each_row(void *peer, client_show show, void *arg)
{
    const struct sio *c = peer;
    const struct sio_socket *s = NULL;
    while ((s = next_socket(c, s == NULL ? 0 : s->number)) != NULL) {
        const struct grant *g = s->session.grant;
        bool device = g != NULL && g->kind == PRINCIPAL_DEVICE;
        show(arg, &(struct client_row){.number = s->number,
                                       .socket_id = sio_sid(s),
                                       .nsp = sio_nsp(s),
                                       .grant = g,
                                       .device = device ? g->principal : (uuid){{0}},
                                       .heard_s = c->heard_s});
    }
}

static void kick(void *peer)
{
    struct sio *c = peer;
    if (c->sockets != NULL) {
        sio_disconnect(c->sockets, CLOSE_KICKED, true);
    } else {
        eio_close(&c->eio, CLOSE_KICKED);
    }
}

const struct client_ops sio_client_ops = {
    .wire = STATS_SOCKETIO, .each = each_row, .kick = kick};

/* --- rights --- */

static void say_expiring(struct sio_socket *s)
{
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    json_open(&w, '[');
    json_write_string(&w, SPAN("auth:expiring"));
    json_open(&w, '{');
    rest_member_time(&w, "expiresAt", s->session.grant->expires_ms);
    json_close(&w, '}');
    json_close(&w, ']');
    sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
}

/* A socket that is not connected yet may be ended the same way. */
static void on_change(struct session *session, enum session_change change)
{
    struct sio_socket *s = CONTAINER_OF(session, struct sio_socket, session);
    switch (change) {
    case SESSION_REVOKED:
        sio_disconnect(s, CLOSE_REVOKED, false);
        break;
    case SESSION_DISABLED:
        sio_disconnect(s, CLOSE_DISABLED, false);
        break;
    case SESSION_RIGHTS:
        clients_rights(sio_edge(s), sio_engine(s)->conn, session->grant);
        if (sio_ops(s)->on_rights != NULL && s->state == SIO_CONNECTED) {
            sio_ops(s)->on_rights(s);
        }
        break;
    case SESSION_EXPIRING:
        if (s->state == SIO_CONNECTED) {
            say_expiring(s);
        }
        break;
    case SESSION_EXPIRED:
        sio_disconnect(s, CLOSE_TOKEN_EXPIRED, false);
        break;
    }
}

void (*const sio_on_session_change)(struct session *s, enum session_change change) = on_change;
