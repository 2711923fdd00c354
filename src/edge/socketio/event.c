/* Packets of connected sockets, and how many there may be (CONTRACT 7). */
#include "edge/dispatch.h"
#include "edge/socketio/internal.h"

#include "base/mem.h"
#include "codec/json/read.h"

/* Of a connection; a principal has four times that over all its connections of the loop. */
#define PRINCIPAL_TIMES 4
#define PRINCIPALS_MAX 16384 /* kept at once; beyond, the one seen longest ago is forgotten */

static enum event_peer peer_of(const struct sio *c) { return (enum event_peer)c->peer; }

/* --- rates --- */

bool sio_take(struct sio *c, uint32_t *retry_ms, bool *closed)
{
    struct edge *e = sio_edge_of(c);
    int64_t now = loop_now_ms(e->loop);
    struct bucket_rule rule = event_rule(peer_of(c));
    *closed = false;
    if (e->conf->conformance ||
        bucket_take(&c->bucket, &rule, now, retry_ms)) {
        return true;
    }
    stats_name(&e->stats.rate_limited, "socketio");
    if (bucket_refused(&c->bucket, now) >= EVENT_FLOOD) {
        *closed = true;
        if (c->sockets != NULL) {
            sio_disconnect(c->sockets, CLOSE_FLOODING, true);
        } else {
            eio_close(&c->eio, CLOSE_FLOODING);
        }
    }
    return false;
}

static bool principal_take(struct sio_socket *s, uint32_t *retry_ms)
{
    struct edge *e = sio_edge(s);
    const struct grant *g = s->session.grant;
    if (g == NULL || e->conf->conformance) {
        return true;
    }
    struct limiter **l = &e->sio->principals[s->sio->peer];
    if (*l == NULL) {
        struct bucket_rule rule = event_rule(peer_of(s->sio));
        rule.count *= PRINCIPAL_TIMES;
        rule.burst *= PRINCIPAL_TIMES;
        *l = limiter_new(&rule, PRINCIPALS_MAX);
    }
    return limiter_take(*l, span_of(&g->principal, sizeof g->principal), loop_now_ms(e->loop),
                        retry_ms);
}

bool sio_within_rate(struct sio_socket *s, const struct sio_event *ev)
{
    struct edge *e = sio_edge(s);
    uint32_t retry_ms = 0;
    bool closed;
    if (!sio_take(s->sio, &retry_ms, &closed)) {
        if (closed) {
            return false;
        }
    } else if (principal_take(s, &retry_ms)) {
        return true;
    } else {
        stats_name(&e->stats.rate_limited, "socketio_principal");
    }
    struct sio_answer to = sio_answer_of(s, ev);
    sio_answer_error(e, &to, ERR_RATE_LIMIT_EXCEEDED, NULL, NULL, retry_ms);
    return false;
}

void sio_charge(struct sio_socket *s)
{
    uint32_t retry_ms;
    bool closed;
    (void)sio_take(s->sio, &retry_ms, &closed);
}

struct bucket *sio_bucket(const struct sio_socket *s) { return &s->sio->bucket; }

/* --- packets --- */

static void count(struct sio *c, enum frame what, size_t bytes)
{
    struct edge *e = sio_edge_of(c);
    stats_add(&e->stats.messages_in[STATS_SOCKETIO][what], 1);
    LOG(loop_log(e->loop), LOG_DEBUG, "msg.in", LOG_U64("conn", conn_slot(c->eio.conn)),
        LOG_STR("wire", "socketio"), LOG_STR("name", frame_name(what)), LOG_U64("bytes", bytes));
}

static void event(struct sio_socket *s, const struct sio_packet *p, const span *attachments)
{
    struct edge *e = sio_edge(s);
    struct arena arena = {0};
    struct sio_event ev = {
        .name = json_type(p->event) == JSON_STRING ? json_string_in(p->event, &arena) : p->event,
        .args = p->payload,
        .attachments = attachments,
        .attachment_count = p->attachments,
        .wants_ack = p->has_id,
        .refused_names = p->refused_names,
        .ack = p->id};
    const struct sio_nsp_ops *ops = sio_ops(s);
    if (!ops->limits_itself) {
        count(s->sio, FRAME_APP, p->payload.len);
    }
    if (!ops->limits_itself && !span_eq(ev.name, SIO_AUTH_REFRESH) && !sio_within_rate(s, &ev)) {
        arena_reset(&arena);
        return;
    }
    if (ev.name.len > SIO_EVENT_NAME_BYTES_MAX) {
        struct sio_answer to = sio_answer_of(s, &ev);
        sio_answer_error(e, &to, ERR_INVALID_MESSAGE_FORMAT, "event", "the name is too long", 0);
    } else {
        ops->on_event(s, &ev); /* may free the socket */
    }
    arena_reset(&arena);
}

void sio_packet_in(struct sio_socket *s, const struct sio_packet *p, const span *attachments)
{
    struct sio *c = s->sio;
    bool closed;
    c->heard_s = (uint32_t)(loop_wall_ms(sio_edge_of(c)->loop) / 1000);
    switch (p->type) {
    case SIO_EVENT:
    case SIO_BINARY_EVENT:
        event(s, p, attachments);
        break;
    case SIO_ACK:
    case SIO_BINARY_ACK:
        count(c, FRAME_ANSWER, p->payload.len);
        if (!sio_acked_by(s, p->id, p->payload, attachments, p->attachments)) {
            (void)sio_take(c, NULL, &closed); /* too late, or never asked for */
        }
        break;
    case SIO_DISCONNECT:
        count(c, FRAME_DISCONNECT, 0);
        sio_socket_end(s, CLOSE_PEER_CLOSED, true);
        break;
    case SIO_CONNECT:
    case SIO_CONNECT_ERROR:
        break;
    }
}

/* --- auth:refresh --- */

/* It may outlive the socket, for there is no cancelling. */
struct refresh {
    struct auth auth;
    struct edge *edge;
    struct sio_answer answer;
};

static void refreshed(struct auth *a)
{
    struct refresh *r = a->owner;
    struct sio *c = sio_by_ref(r->edge, r->answer.conn);
    struct sio_socket *s = c == NULL ? NULL : sio_socket_by_number(c, r->answer.socket);
    if (s == NULL) {
        grant_free(a->grant);
    } else if (a->error == ERR_NONE && session_refresh(&s->session, a->grant)) {
        sio_answer_ok(r->edge, &r->answer, SPAN_NONE);
        if (sio_ops(s)->on_rights != NULL) {
            sio_ops(s)->on_rights(s);
        }
    } else {
        grant_free(a->error == ERR_NONE ? a->grant : NULL); /* another principal's */
        stats_name(&r->edge->stats.auth_failures, a->reason != NULL ? a->reason : "refresh");
        sio_answer_error(r->edge, &r->answer, ERR_AUTHENTICATION_FAILED, "token", a->reason, 0);
        sio_close_all(c, CLOSE_POLICY);
    }
    mem_free(r);
}

void sio_refresh(struct sio_socket *s, const struct sio_event *ev)
{
    struct json_iter it;
    span value = SPAN_NONE, token;
    struct sio_answer to = sio_answer_of(s, ev);
    struct edge *e = sio_edge(s);
    if (json_array_begin(&it, ev->args) && json_array_next(&it, &value)) {
        (void)json_array_next(&it, &value); /* after the name */
    }
    if (!json_get(value, "token", &token) || json_type(token) != JSON_STRING) {
        sio_answer_error(e, &to, ERR_INVALID_MESSAGE_FORMAT, "token", "must be a string", 0);
        return;
    }
    buf text = {0};
    (void)json_string(token, &text);
    struct refresh *r = mem_calloc(1, sizeof *r);
    r->edge = e;
    r->answer = to;
    r->auth = (struct auth){.credential = buf_span(&text), .done = refreshed, .owner = r};
    auth_start(e->home, &r->auth); /* which copies it */
    buf_deinit(&text);
}
