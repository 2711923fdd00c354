/*
 * Answers to GETs, at the end of the turn, when the hub has said everything; and what a session
 * that the server has ended still says: its last packets and `1`, to the GET that waits or to the
 * next one, which comes within a round trip unless the client has gone. `1` does not come with
 * messages in one answer: clients of Socket.IO 4 put messages off to their next tick but close at
 * once, and would lose what the server said last, such as why. A client in the middle of an upgrade
 * polls no more once its probe was answered: it finds all of that on its WebSocket.
 */
#include "base/hash.h"
#include "base/mem.h"
#include "edge/engineio/internal.h"

/* How long `1` waits for the GET after that of the last messages: a round trip, generously. */
#define CLOSE_MS 10000
/* Over these the oldest one goes: who reads it would find an unknown session instead. */
#define FAREWELLS_MAX 1024
#define FAREWELL_BYTES_MAX (8u << 20)

static struct farewell *of_poll(struct poll *q) { return CONTAINER_OF(q, struct farewell, poll); }

static void release(struct farewell *f)
{
    list_remove(&f->poll.link);
    buf_deinit(&f->poll.out);
    mem_free(f);
}

static void farewell_free(struct engine *g, struct farewell *f)
{
    struct conn *ws = f->probed ? conn_find(g->edge->net, f->ws) : NULL;
    if (ws != NULL) {
        conn_close(ws, f->upgraded ? f->reason : CLOSE_NORMAL);
    }
    release(f);
}

/* Nobody can find it any more. */
static void take(struct engine *g, struct farewell *f)
{
    map_remove(&g->farewells_by_sid, &f->by_sid);
    list_remove(&f->due.link);
    g->farewell_bytes -= f->poll.out.len;
}

void farewell_expired(struct engine *g, struct eio_due *d)
{
    struct farewell *f = CONTAINER_OF(d, struct farewell, due);
    take(g, f);
    farewell_free(g, f);
}

struct farewell *farewell_new(const struct eio *s)
{
    struct farewell *f = mem_calloc(1, sizeof *f);
    list_init(&f->poll.link);
    list_init(&f->due.link);
    memcpy(f->sid, s->sid, sizeof f->sid);
    return f;
}

static void keep_for_next(struct engine *g, struct farewell *f, uint32_t keep_ms)
{
    map_put(&g->farewells_by_sid, hash_bytes(span_of(f->sid, EIO_SID_LEN)), &f->by_sid);
    beat_put(g, &g->farewells, &f->due, keep_ms);
    g->farewell_bytes += f->poll.out.len;
    while (g->farewells_by_sid.count > FAREWELLS_MAX || g->farewell_bytes > FAREWELL_BYTES_MAX) {
        farewell_expired(g, LIST_ITEM(g->farewells.next, struct eio_due, link));
    }
}

void farewell_begin(struct engine *g, struct farewell *f, struct poll *q, enum eio_type last,
                    uint32_t keep_ms)
{
    list_remove(&q->link);
    f->poll.get = q->get;
    f->poll.out = q->out;
    f->poll.v3 = q->v3;
    f->poll.b64 = q->b64;
    if (f->poll.get != NULL) {
        f->poll.get->user = &f->poll;
    } else if (keep_ms == 0) {
        farewell_free(g, f);
        return;
    }
    f->owes_close = last == EIO_CLOSE && f->poll.out.len > 0;
    if (f->poll.out.len == 0) {
        eio_payload_put(&f->poll.out, last, false, SPAN_NONE);
    }
    if (f->poll.get != NULL) {
        polling_answer(g, &f->poll);
    } else {
        keep_for_next(g, f, keep_ms);
    }
}

static bool same_sid(const struct map_node *node, const void *key)
{
    return memcmp(CONTAINER_OF(node, struct farewell, by_sid)->sid, key, EIO_SID_LEN) == 0;
}

struct farewell *farewell_find(const struct engine *g, span sid)
{
    if (sid.len != EIO_SID_LEN) {
        return NULL;
    }
    struct map_node *node = map_get(&g->farewells_by_sid, hash_bytes(sid), same_sid, sid.ptr);
    return node == NULL ? NULL : CONTAINER_OF(node, struct farewell, by_sid);
}

void farewell_request(struct engine *g, struct farewell *f, struct rest_call *c)
{
    if (c->x->req->method == HTTP1_POST) {
        rest_raw(c, 200, "text/html", SPAN("ok")); /* too late to be heard, and no fault */
    } else if (c->x->req->method != HTTP1_GET) {
        eio_refuse(c, EIO_BAD_REQUEST, "method");
    } else {
        take(g, f);
        f->poll.get = c;
        rest_wait(c, poll_abandoned, &f->poll);
        polling_answer(g, &f->poll);
    }
}

/* --- on the WebSocket of an upgrade --- */

void farewell_probe(struct farewell *f, struct conn *ws, close_reason reason)
{
    ws_set_user(ws, NULL);
    f->probed = true;
    f->ws = conn_ref_of(ws);
    f->reason = reason;
}

static bool is_of(const struct farewell *f, struct conn_ref ws)
{
    return f->probed && f->ws.slot == ws.slot && f->ws.gen == ws.gen;
}

/* The GET that waits is answered at the end of this turn, and then it ends. */
static bool upgrades_while_answered(struct engine *g, struct conn_ref ws)
{
    LIST_EACH(it, &g->answers) {
        struct poll *q = LIST_ITEM(it, struct poll, link);
        if (q->session == NULL && is_of(of_poll(q), ws)) {
            of_poll(q)->upgraded = true;
            return true;
        }
    }
    return false;
}

void farewell_frame(struct engine *g, struct conn *ws, enum ws_opcode op, span payload)
{
    struct conn_ref ref = conn_ref_of(ws);
    if (op != WS_OP_TEXT || !span_eq(payload, SPAN("5")) || upgrades_while_answered(g, ref)) {
        return;
    }
    LIST_EACH(it, &g->farewells) {
        struct eio_due *d = LIST_ITEM(it, struct eio_due, link);
        struct farewell *f = CONTAINER_OF(d, struct farewell, due);
        if (is_of(f, ref)) {
            buf frames = {0};
            upgrade_frames(f->poll.v3, false, &f->poll.out, &frames);
            upgrade_send(ws, &frames);
            buf_deinit(&frames);
            f->upgraded = true;
            farewell_expired(g, d);
            return;
        }
    }
}

void poll_abandoned(struct rest_call *c)
{
    struct poll *q = c->user;
    q->get = NULL;
    list_remove(&q->link);
    if (q->session == NULL) {
        farewell_free(c->edge->engine, of_poll(q));
        return;
    }
    q->session->state = EIO_STATE_ENDING;
    eio_count_refused(c->edge, "poll_abandoned");
    conn_close(q->session->conn, CLOSE_PEER_GONE);
}

/* --- answers --- */

/* A payload as the client reads it; its type. */
static const char *translate(buf *out, bool v3, bool b64)
{
    const char *type = "text/plain; charset=UTF-8";
    if (!v3) {
        out->len--; /* the last separator */
        return type;
    }
    buf other = {0};
    if (!b64 && eio_payload_to_v3_binary(&other, buf_span(out))) {
        type = "application/octet-stream";
    } else {
        eio_payload_to_v3(&other, buf_span(out));
    }
    buf_deinit(out);
    *out = other;
    return type;
}

static void answer(struct poll *q)
{
    struct rest_call *c = rest_resume(q->get);
    ASSERT(c != NULL); /* else it was abandoned, and has left the list */
    buf out = q->out;
    const char *type = translate(&out, q->v3, q->b64);
    q->get = NULL;
    q->out = (buf){0};
    if (q->session == NULL && of_poll(q)->owes_close && !of_poll(q)->upgraded) {
        of_poll(q)->owes_close = false;
        eio_payload_put(&q->out, EIO_CLOSE, false, SPAN_NONE);
        keep_for_next(c->edge->engine, of_poll(q), CLOSE_MS);
    } else if (q->session == NULL) {
        farewell_free(c->edge->engine, of_poll(q));
    }
    span body = buf_span(&out);
    rest_compress(c, c->edge->conf->eio.http_compression_bytes_min, &body);
    rest_raw(c, 200, type, body);
    buf_deinit(&out);
}

/* After the hub's flush. An answer may let in the next request of its connection, whose packets the
 * hub would otherwise keep until the loop wakes up for something else. */
static void turn_end(struct loop_hook *hook)
{
    struct engine *g = CONTAINER_OF(hook, struct engine, turn_end);
    struct list now;
    if (list_empty(&g->answers)) {
        return;
    }
    const _Atomic uint64_t *requests = &net_stats(g->edge->net)->requests;
    uint64_t before = atomic_load_explicit(requests, memory_order_relaxed);
    list_init(&now);
    list_splice(&now, &g->answers);
    while (!list_empty(&now)) {
        struct poll *q = LIST_ITEM(now.next, struct poll, link);
        list_remove(&q->link);
        answer(q);
    }
    if (atomic_load_explicit(requests, memory_order_relaxed) != before) {
        loop_busy(g->edge->loop);
    }
}

void farewell_init(struct engine *g)
{
    list_init(&g->answers);
    list_init(&g->farewells);
    g->turn_end.run = turn_end;
    loop_add_hook(g->edge->loop, &g->turn_end);
}

void farewell_deinit(struct engine *g)
{
    while (!list_empty(&g->farewells)) {
        struct eio_due *d = LIST_ITEM(g->farewells.next, struct eio_due, link);
        struct farewell *f = CONTAINER_OF(d, struct farewell, due);
        take(g, f);
        release(f); /* the net is gone */
    }
    map_deinit(&g->farewells_by_sid);
}
