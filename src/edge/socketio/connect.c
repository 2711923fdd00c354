/*
 * CONNECT: who comes into a namespace.
 *
 *     namespace? --> credential --> session_open --> admit, ask --> claim (pid) --> answer
 *
 * The credential is the first of auth.token, then the handshake's (CONTRACT 2); there is no
 * falling back from one to the next. What a recovered socket shows is checked like anybody's.
 * Between the steps the client may leave, so each finds its socket by name.
 */
#include "edge/socketio/emit.h"
#include "edge/socketio/internal.h"

#include "base/base64.h"
#include "base/mem.h"
#include "codec/http1/target.h"
#include "codec/json/read.h"

/* A CONNECT on its way. There is no cancelling, so it may outlive its socket. */
struct sio_joining {
    struct auth auth;
    struct edge *edge;
    struct conn_ref conn;
    uint16_t number;
    buf payload;
    struct resume_ask ask;
    uuid principal;
    bool again; /* its old connection was asked to give it up */
};

static void joining_free(struct sio_joining *j)
{
    buf_deinit(&j->payload);
    mem_free(j);
}

static struct sio_socket *socket_of(const struct sio_joining *j)
{
    struct sio *c = sio_by_ref(j->edge, j->conn);
    struct sio_socket *s = c == NULL ? NULL : sio_socket_by_number(c, j->number);
    return s != NULL && s->state == SIO_JOINING ? s : NULL;
}

/* --- refusing --- */

/* v2 clients take what is the matter itself. */
static void send_refusal(struct sio *c, span nsp, const char *message,
                         const struct event_refusal *r)
{
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    if (c->eio.v3 && r == NULL) {
        json_write_string(&w, span_str(message));
    } else {
        json_open(&w, '{');
        if (!c->eio.v3) {
            json_member_string(&w, "message", span_str(message));
        }
        if (r != NULL && !c->eio.v3) {
            json_member_open(&w, "data", '{');
            event_error_members(&w, r);
            json_close(&w, '}');
        } else if (r != NULL) {
            event_error_members(&w, r);
        }
        json_close(&w, '}');
    }
    sio_send(c, SIO_CONNECT_ERROR, nsp, -1, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
}

/* `message` is for the client's people, `reason` says more. */
static void refuse(struct sio_socket *s, const char *message, const struct event_refusal *r)
{
    struct sio *c = s->sio;
    struct edge *e = sio_edge_of(c);
    stats_add(&e->stats.errors[STATS_SOCKETIO][r->error], 1);
    if (r->error == ERR_AUTHENTICATION_FAILED) {
        stats_name(&e->stats.auth_failures, r->why);
    }
    LOG(loop_log(e->loop), LOG_INFO, "auth.fail", LOG_U64("conn", conn_slot(c->eio.conn)),
        LOG_STR("wire", "socketio"), LOG_SPAN("nsp", sio_nsp(s)), LOG_STR("reason", r->why));
    send_refusal(c, sio_nsp(s), message, r);
    sio_socket_end(s, CLOSE_POLICY, true);
    if (c->sockets == NULL) {
        eio_close(&c->eio, CLOSE_POLICY);
    }
}

void sio_refuse(struct sio_socket *s, err error, const char *reason)
{
    struct event_refusal r = {.error = error, .why = reason};
    refuse(s, err_text(error), &r);
}

/* --- the answer --- */

static void put_connected(const struct sio_socket *s, buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "sid", sio_sid(s));
    if (sio_recovery_pid(s).len > 0) {
        json_member_string(&w, "pid", sio_recovery_pid(s));
    }
    json_close(&w, '}');
}

/* What hands out a position to a client that hears nothing else. */
static void say_session(struct sio_socket *s)
{
    char pos[POS_TEXT_MAX];
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    json_open(&w, '[');
    json_write_string(&w, SPAN("recovery:ready"));
    json_open(&w, '{');
    json_member_bool(&w, "recovered", s->recovered);
    json_member_string(&w, "pos", span_of(pos, sio_offset(s, pos)));
    json_close(&w, '}');
    json_close(&w, ']');
    sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
}

void sio_connected(struct sio_socket *s, span auth)
{
    struct sio *c = s->sio;
    struct edge *e = sio_edge_of(c);
    buf out = {0};
    s->state = SIO_CONNECTED;
    c->joined = true;
    if (!c->eio.v3) { /* a v2 client knows its id */
        put_connected(s, &out);
    }
    sio_send(c, SIO_CONNECT, sio_nsp(s), -1, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
    LOG(loop_log(e->loop), LOG_INFO, "auth.ok", LOG_U64("conn", conn_slot(c->eio.conn)),
        LOG_STR("wire", "socketio"), LOG_SPAN("nsp", sio_nsp(s)), LOG_SPAN("sid", sio_sid(s)),
        LOG_BOOL("recovered", s->recovered));
    if (sio_ops(s)->authenticates && sio_recovery_pid(s).len > 0) {
        say_session(s);
    }
    if (sio_ops(s)->authenticates) {
        clients_join(e, c->eio.conn, &sio_client_ops, c, s->session.grant, sio_sid(s));
    }
    sio_recovery_say(s);
    sio_recovery_begin(s);
    sio_ops(s)->on_connect(s, auth);
}

static void fresh_sid(struct sio_socket *s)
{
    uint8_t random[EIO_SID_LEN];
    char text[BASE64_SIZE(EIO_SID_LEN)];
    struct edge *e = sio_edge(s);
    if (s->sio->eio.v3 && span_eq(sio_nsp(s), SPAN("/"))) { /* as its client reckons */
        sio_socket_sid(s, eio_sid(&s->sio->eio));
        return;
    }
    entropy_fill(e->home->entropy, random, sizeof random);
    (void)base64url_encode(span_of(random, sizeof random), text);
    text[0] = (char)eio_sid(&s->sio->eio).ptr[0]; /* which names the loop */
    sio_socket_sid(s, span_of(text, EIO_SID_LEN));
}

static void connect_fresh(struct sio_socket *s, span payload)
{
    char topic[HUB_TOPIC_BYTES_MAX];
    fresh_sid(s);
    sio_recovery_open(s);
    s->state = SIO_CONNECTED; /* subscriptions begin now */
    if (sio_ops(s)->rooms) {
        (void)sio_subscribe(s, JOURNAL_HOME, emit_topic(sio_nsp(s), SPAN_NONE, topic));
    }
    sio_keep(s);
    sio_connected(s, payload);
}

/* --- the steps --- */

static void claim(struct sio_joining *j);

/* Nobody holds it any more: either it is dropped by now, or there is none. */
static void given_up(void *owner)
{
    struct sio_joining *j = owner;
    if (socket_of(j) != NULL) {
        claim(j);
        return;
    }
    joining_free(j);
}

static void claimed(void *owner, const struct recovery_result *r)
{
    struct sio_joining *j = owner;
    struct sio_socket *s = socket_of(j);
    bool mine = r->error == ERR_NONE;
    if (s != NULL && r->error == ERR_NOT_FOUND && !j->again) {
        j->again = true;
        sio_takeover(j->edge, span_str(j->ask.pid), j->principal, given_up, j);
        return;
    }
    if (s != NULL && mine && sio_recovery_restore(s, &j->ask, r->state, r->pos)) {
        sio_connected(s, buf_span(&j->payload)); /* may free it */
        joining_free(j);
        return;
    }
    if (mine) {
        recovery_drop(j->edge->home, span_str(j->ask.pid), j->principal, NULL);
    }
    if (s != NULL) {
        connect_fresh(s, buf_span(&j->payload));
    }
    joining_free(j);
}

static void let_in(struct sio_joining *j, struct sio_socket *s)
{
    if (sio_recovery_offered(s) &&
        sio_recovery_ask(buf_span(&j->payload), &j->ask)) {
        j->principal = sio_recovery_principal(s);
        claim(j);
        return;
    }
    connect_fresh(s, buf_span(&j->payload));
    joining_free(j);
}

struct sio_socket *sio_joining_socket(const struct sio_joining *j) { return socket_of(j); }

void sio_admit(struct sio_joining *j, err error, const char *message, const char *reason,
               uint32_t retry_after_ms)
{
    struct sio_socket *s = socket_of(j);
    if (s != NULL && error == ERR_NONE) {
        let_in(j, s);
        return;
    }
    if (s != NULL) {
        struct event_refusal r = {.error = error, .why = reason, .retry_after_ms = retry_after_ms};
        refuse(s, message != NULL ? message : err_text(error), &r);
    }
    joining_free(j);
}

static void claim(struct sio_joining *j)
{
    recovery_claim(j->edge->home, span_str(j->ask.pid), j->principal, "socketio", claimed, j);
}

static void admitted(struct sio_joining *j, struct sio_socket *s)
{
    const struct sio_nsp_ops *ops = sio_ops(s);
    const char *why = ops->admit == NULL ? NULL : ops->admit(s, buf_span(&j->payload));
    if (why != NULL) {
        send_refusal(s->sio, sio_nsp(s), why, NULL);
        struct sio *c = s->sio;
        bool ends = ops->authenticates;
        sio_socket_end(s, CLOSE_POLICY, true);
        if (ends && c->sockets == NULL) {
            eio_close(&c->eio, CLOSE_POLICY);
        }
        joining_free(j);
        return;
    }
    if (ops->ask == NULL || !ops->ask(s, buf_span(&j->payload), j)) {
        let_in(j, s);
    }
}

static void authenticated(struct auth *a)
{
    struct sio_joining *j = CONTAINER_OF(a, struct sio_joining, auth);
    struct sio_socket *s = socket_of(j);
    if (s == NULL || a->error != ERR_NONE) {
        grant_free(a->grant);
        if (s != NULL) {
            sio_refuse(s, a->error, a->reason != NULL ? a->reason : "other");
        }
        joining_free(j);
        return;
    }
    enum principal_kind kind = a->grant->kind;
    s->session.on_change = sio_on_session_change;
    if (!session_open(j->edge->home, &s->session, a->grant)) {
        sio_refuse(s, ERR_RATE_LIMIT_EXCEEDED, "too many sessions of this principal");
        joining_free(j);
        return;
    }
    if (kind == PRINCIPAL_DEVICE && s->sio->peer != PEER_DEVICE) {
        s->sio->peer = PEER_DEVICE;
        eio_set_client(&s->sio->eio, STATS_DEVICE);
    } else if (kind == PRINCIPAL_ROBOT && s->sio->peer == PEER_CLIENT) {
        s->sio->peer = PEER_ROBOT;
    }
    admitted(j, s);
}

/* False when there is none. */
static bool credential_of(const struct sio *c, span payload, span *text, buf *copy, bool *cookie)
{
    span token;
    *cookie = false;
    if (json_get(payload, "token", &token) && json_type(token) != JSON_NULL) {
        (void)json_string(token, copy); /* no string is no token */
        *text = buf_span(copy);
        return true;
    }
    if (c->early == NULL || c->early->credential.len == 0) {
        return false;
    }
    *text = buf_span(&c->early->credential);
    *cookie = c->early->is_session;
    return true;
}

static void authenticate(struct sio *c, struct sio_joining *j, struct sio_socket *s)
{
    buf copy = {0};
    if (!credential_of(c, buf_span(&j->payload), &j->auth.credential, &copy,
                       &j->auth.is_session)) {
        sio_refuse(s, ERR_AUTHENTICATION_FAILED, "missing");
        joining_free(j);
    } else {
        j->auth.done = authenticated;
        auth_start(j->edge->home, &j->auth); /* which copies the credential */
    }
    buf_deinit(&copy);
}

/* Packets before this one were within the rate; a CONNECT that is not is refused, no more. */
static bool within_bounds(struct sio *c, span nsp)
{
    struct edge *e = sio_edge_of(c);
    struct event_refusal r = {.error = ERR_RATE_LIMIT_EXCEEDED};
    bool closed = false;
    if (!sio_take(c, &r.retry_after_ms, &closed)) {
        if (!closed) {
            send_refusal(c, nsp, err_text(r.error), &r);
        }
        return false;
    }
    if (c->socket_count >= e->conf->sio_namespaces_max || c->numbers == UINT16_MAX) {
        r.why = "too many namespaces of this connection";
        stats_name(&e->stats.rate_limited, "namespaces");
        send_refusal(c, nsp, err_text(r.error), &r);
        return false;
    }
    return true;
}

void sio_connect(struct sio *c, span nsp, span payload)
{
    struct edge *e = sio_edge_of(c);
    if (!within_bounds(c, nsp)) {
        return;
    }
    struct sio_nsp *n = sio_nsp_take(e->sio, nsp);
    if (n == NULL) {
        send_refusal(c, nsp, "Invalid namespace", NULL); /* the reference's words */
        return;
    }
    if (c->msgpack && !n->ops->msgpack) {
        sio_nsp_give_back(e->sio, n);
        send_refusal(c, nsp, "This namespace takes no msgpack", NULL);
        return;
    }
    struct sio_socket *s = sio_socket_new(c, n);
    struct sio_joining *j = mem_calloc(1, sizeof *j);
    j->edge = e;
    j->conn = conn_ref_of(c->eio.conn);
    j->number = s->number;
    buf_append_span(&j->payload, payload);
    if (n->ops->authenticates) {
        authenticate(c, j, s);
    } else {
        admitted(j, s);
    }
}

void sio_connect_implicit(struct sio *c)
{
    if (sio_socket_by_nsp(c, SPAN("/")) == NULL) {
        sio_connect(c, SPAN("/"), SPAN_NONE);
    }
}
