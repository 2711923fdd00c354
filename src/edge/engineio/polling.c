/*
 * Sessions whose packets travel in requests (engine.io-protocol, HTTP long-polling). The hub's
 * member is a detached record; while no GET waits it is "blocked", and its outbox keeps what there
 * is by the rules for slow readers. A GET takes what has come together, or waits for the first
 * turn that brings something.
 *
 * Two POSTs at a time, which the protocol forbids, cannot be: each is read whole before it is
 * looked at, and answered in the same call.
 */
#include "edge/engineio/internal.h"

#include "base/mem.h"

#define TEXT_TYPE "text/plain; charset=UTF-8"
/* What the server ends waits for the next GET as long as in the reference. */
#define FAREWELL_MS 30000
/* What the client ends: only for a GET sent before that, which another loop was slower with. */
#define LATE_GET_MS 1000
/* Before a second GET ends the session, it is seen whether its client is still there. */
#define OVERLAP_MS 3
/* What a client over a limit waits before it tries again. */
#define LIMIT_RETRY_MS 1000

/* --- out --- */

void polling_answer(struct engine *g, struct poll *q)
{
    if (q->get != NULL && !list_linked(&q->link)) {
        list_push(&g->answers, &q->link);
    }
}

void polling_send_away(struct eio *s)
{
    struct poll *q = &s->polling->poll;
    if (q->get != NULL && q->out.len == 0) {
        eio_payload_put(&q->out, EIO_NOOP, false, SPAN_NONE);
        polling_answer(engine_of(s), q);
    }
}

void polling_collect(struct eio *s)
{
    s->polling->collecting = true;
    hub_writable(eio_edge(s)->hub, conn_slot(s->conn));
}

static size_t on_send(struct conn *c, const struct iovec *iov, int count)
{
    struct eio *s = detached_user(c);
    struct eio_polling *p = s->polling;
    if (p->step == EIO_UPGRADED) {
        return p->ws == NULL ? 0 : conn_send(p->ws, iov, count);
    }
    if (p->poll.get == NULL && !p->collecting) {
        return 0;
    }
    size_t before = p->poll.out.len;
    for (int i = 0; i < count; i++) {
        buf_append(&p->poll.out, iov[i].iov_base, iov[i].iov_len);
    }
    polling_answer(engine_of(s), &p->poll);
    return p->poll.out.len - before;
}

/* Only a WebSocket takes part of a message. */
static void on_rest(struct conn *c, span bytes)
{
    struct eio *s = detached_user(c);
    if (s->polling->ws != NULL) {
        conn_send_rest(s->polling->ws, bytes);
    }
}

/* --- the end --- */

/* The WebSocket, if there is one, ends without asking the session. */
static void drop_websocket(struct eio_polling *p, close_reason reason)
{
    if (p->ws != NULL) {
        ws_set_user(p->ws, NULL);
        conn_close(p->ws, reason);
    }
    list_remove(&p->upgrade.link);
}

static void on_close(struct conn *c, close_reason reason)
{
    struct eio *s = detached_user(c);
    struct engine *g = engine_of(s);
    struct eio_polling *p = s->polling;
    if (s->state == EIO_STATE_OPENING) { /* refused: nobody has heard of it */
        mem_free(p);
        session_free(s);
        return;
    }
    struct rest_call *second = p->second == NULL ? NULL : rest_resume(p->second);
    list_remove(&p->overlap.link);
    bool asked = reason == CLOSE_PEER_CLOSED;
    uint32_t keep_ms = asked ? LATE_GET_MS : s->state != EIO_STATE_ENDING ? FAREWELL_MS : 0;
    struct farewell *f = farewell_new(s);
    if (p->step == EIO_UPGRADED) {
        session_end(s, reason); /* its last bytes leave through the WebSocket */
        drop_websocket(p, reason);
        farewell_begin(g, f, &p->poll, EIO_NOOP, 0); /* a GET may have been sent away this turn */
    } else {
        polling_collect(s);
        session_end(s, reason);
        if (p->ws != NULL && p->probed && keep_ms == FAREWELL_MS) {
            list_remove(&p->upgrade.link);
            farewell_probe(f, p->ws, reason);
        } else {
            drop_websocket(p, CLOSE_NORMAL);
        }
        farewell_begin(g, f, &p->poll, asked ? EIO_NOOP : EIO_CLOSE, keep_ms);
    }
    mem_free(p);
    if (second != NULL) {
        eio_refuse(second, EIO_BAD_REQUEST, NULL);
    }
}

void polling_slot_init(struct eio_slot *slot)
{
    slot->polling = (struct detached_wire){
        .name = slot->app->name, .send = on_send, .rest = on_rest, .on_close = on_close};
}

/* --- the handshake --- */

static void set_cookie(struct rest_call *c, const struct eio *s)
{
    const char *name = c->edge->conf->eio.cookie;
    if (name != NULL && name[0] != '\0') {
        const char *cookie = rest_printf(c, "%s=%.*s; Path=/; HttpOnly; SameSite=Lax%s", name,
                                         SPAN_FMT(eio_sid(s)), c->secure ? "; Secure" : "");
        rest_header(c, "Set-Cookie", span_str(cookie));
    }
}

static struct eio *polling_new(struct engine *g, struct rest_call *c, struct eio_slot *slot,
                               bool v3, const char **limit)
{
    struct eio *s = session_new(g, slot, v3);
    s->polling = mem_calloc(1, sizeof *s->polling);
    s->polling->poll.session = s;
    s->polling->poll.v3 = v3;
    s->polling->poll.b64 = v3 && rest_query(c, "b64").len > 0;
    list_init(&s->polling->poll.link);
    list_init(&s->polling->upgrade.link);
    list_init(&s->polling->overlap.link);
    s->format = EIO_FORMAT_POLL;
    s->conn = detached_open(c->x->conn, &slot->polling, s, limit);
    if (s->conn == NULL) {
        mem_free(s->polling);
        session_free(s);
        return NULL;
    }
    return s;
}

/* The answer is the open packet alone, as the reference's; what the app sends waits for a GET. */
static void answer_hello(struct engine *g, struct eio *s, struct rest_call *c)
{
    buf hello = {0};
    buf_append_byte(&hello, '0');
    session_hello(g, s, &hello);
    set_cookie(c, s);
    if (s->v3) {
        buf v3 = {0};
        eio_payload_to_v3(&v3, buf_span(&hello));
        rest_raw(c, 200, TEXT_TYPE, buf_span(&v3));
        buf_deinit(&v3);
    } else {
        rest_raw(c, 200, TEXT_TYPE, buf_span(&hello));
    }
    buf_deinit(&hello);
}

void polling_open(struct engine *g, struct rest_call *c, struct eio_slot *slot, bool v3)
{
    const char *limit;
    struct eio *s = polling_new(g, c, slot, v3, &limit);
    if (s == NULL) {
        eio_count_refused(g->edge, limit);
        rest_retry_later(c, ERR_RATE_LIMIT_EXCEEDED, LIMIT_RETRY_MS);
        return;
    }
    buf_clear(&g->early);
    if (!slot->app->on_open(s, &(struct eio_hello){.call = c, .origin = c->origin})) {
        conn_close(s->conn, CLOSE_POLICY);
        eio_refuse(c, EIO_FORBIDDEN, "forbidden");
        return;
    }
    edge_join(g->edge, s->conn, slot->app->wires[EIO_FORMAT_POLL], 0);
    session_begin(g, s);
    session_early(g, s);
    answer_hello(g, s, c);
}

/* --- GET --- */

/* The second GET was the older one, of a client that has given it up since: it came from a slower
 * loop. So the session has ended, for the one that waits, too. */
static void second_abandoned(struct rest_call *c)
{
    struct eio *s = c->user;
    struct poll *q = &s->polling->poll;
    struct rest_call *first = q->get;
    s->polling->second = NULL;
    list_remove(&s->polling->overlap.link);
    if (first != NULL) {
        q->get = NULL;
        list_remove(&q->link);
        first = rest_resume(first);
    }
    eio_count_refused(eio_edge(s), "poll_abandoned");
    s->state = EIO_STATE_ENDING;
    conn_close(s->conn, CLOSE_PEER_GONE);
    if (first != NULL) {
        eio_refuse(first, EIO_UNKNOWN_SID, NULL);
    }
}

void polling_overlap(struct engine *g, struct eio_due *d)
{
    (void)g;
    struct eio *s = CONTAINER_OF(d, struct eio_polling, overlap)->poll.session;
    session_violation(s, CLOSE_PROTOCOL, "overlapping_get"); /* on_close answers both */
}

static void get(struct eio *s, struct rest_call *c)
{
    struct poll *q = &s->polling->poll;
    if (q->get != NULL && s->polling->second == NULL) {
        s->polling->second = c;
        rest_wait(c, second_abandoned, s);
        beat_put(engine_of(s), &engine_of(s)->overlaps, &s->polling->overlap, OVERLAP_MS);
        return;
    }
    if (q->get != NULL) {
        session_violation(s, CLOSE_PROTOCOL, "overlapping_get");
        eio_refuse(c, EIO_BAD_REQUEST, NULL);
        return;
    }
    q->get = c;
    rest_wait(c, poll_abandoned, q);
    hub_writable(eio_edge(s)->hub, conn_slot(s->conn));
    if (s->polling->probed) {
        polling_send_away(s);
    }
    s->app->on_writable(s);
}

/* --- POST --- */

static enum eio_revision revision_of(const struct eio *s, const struct rest_call *c)
{
    span type = http1_field(c->x->req, "Content-Type");
    bool bytes = span_ieq(span_trim(span_cut(&type, ';')), SPAN("application/octet-stream"));
    return bytes ? EIO_V3_BINARY : s->v3 ? EIO_V3 : EIO_V4;
}

/* Why it is no payload, or NULL. The session may have ended in it: see engine.current. */
static const char *read_payload(struct engine *g, struct eio *s, enum eio_revision revision,
                                span body)
{
    struct eio_walk walk;
    struct eio_packet p;
    int rc;
    unsigned count = 0;
    if (revision == EIO_V3_BINARY && !s->v3) {
        return "content_type"; /* since revision 4 there are no payloads of bytes */
    }
    eio_walk_begin(&walk, revision, (uint8_t *)body.ptr, body.len);
    g->current = s;
    while (g->current == s && (rc = eio_walk_next(&walk, &p)) != 0) {
        if (rc < 0) {
            return "payload";
        }
        if (count++ == EIO_PAYLOAD_PACKETS_MAX) {
            return "too_many_packets";
        }
        session_packet(s, &p);
    }
    return NULL;
}

static void post(struct eio *s, struct rest_call *c)
{
    struct engine *g = engine_of(s);
    if (c->x->body.len > g->payload_bytes_max) {
        session_violation(s, CLOSE_TOO_BIG, "too_big");
        rest_raw(c, 413, NULL, SPAN_NONE); /* without a body: engine.io-client's suite wants none */
        return;
    }
    g->posting = c;
    const char *fault = read_payload(g, s, revision_of(s, c), c->x->body);
    g->posting = NULL;
    if (fault != NULL) {
        session_violation(s, CLOSE_PROTOCOL, fault);
        eio_refuse(c, EIO_BAD_REQUEST, NULL);
        return;
    }
    g->current = NULL;
    rest_raw(c, 200, "text/html", SPAN("ok"));
}

const struct rest_call *eio_post_of(const struct eio *s) { return engine_of(s)->posting; }

void polling_request(struct eio *s, struct rest_call *c)
{
    if (c->x->req->method == HTTP1_GET) {
        get(s, c);
    } else if (c->x->req->method == HTTP1_POST) {
        post(s, c);
    } else {
        eio_refuse(c, EIO_BAD_REQUEST, "method");
    }
}
