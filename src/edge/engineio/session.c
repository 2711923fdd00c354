/*
 * Sessions, whatever carries them: their ids, their beginning and end, packets in and out.
 */
#include "edge/engineio/internal.h"

#include "base/hash.h"
#include "base/mem.h"

#include <limits.h>

/* Base64url (RFC 4648 5): 64 loops, and 6 random bits a character. */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
_Static_assert(sizeof alphabet - 1 == LOOP_COUNT_MAX, "a character for each loop");

/* --- ids --- */

static void make_sid(struct edge *e, uint8_t sid[EIO_SID_LEN])
{
    entropy_fill(e->home->entropy, sid, EIO_SID_LEN);
    for (unsigned i = 1; i < EIO_SID_LEN; i++) {
        sid[i] = (uint8_t)alphabet[sid[i] % LOOP_COUNT_MAX];
    }
    sid[0] = (uint8_t)alphabet[loop_index(e->loop)];
}

unsigned eio_owner(span sid)
{
    if (sid.len != EIO_SID_LEN) {
        return UINT_MAX;
    }
    const char *at = memchr(alphabet, sid.ptr[0], sizeof alphabet - 1);
    return at == NULL ? UINT_MAX : (unsigned)(at - alphabet);
}

span eio_sid(const struct eio *s) { return span_of(s->sid, EIO_SID_LEN); }

static bool same_sid(const struct map_node *node, const void *key)
{
    return memcmp(CONTAINER_OF(node, struct eio, by_sid)->sid, key, EIO_SID_LEN) == 0;
}

struct eio *session_find(const struct engine *g, span sid)
{
    ASSERT(sid.len == EIO_SID_LEN);
    struct map_node *node = map_get(&g->sessions, hash_bytes(sid), same_sid, sid.ptr);
    return node == NULL ? NULL : CONTAINER_OF(node, struct eio, by_sid);
}

/* --- life --- */

struct eio *session_new(struct engine *g, const struct eio_slot *slot, bool v3)
{
    ASSERT(slot->app->session_bytes >= sizeof(struct eio));
    struct eio *s = mem_calloc(1, slot->app->session_bytes);
    s->app = slot->app;
    s->v3 = v3;
    s->client = STATS_CLIENT;
    s->opened_ms = (uint64_t)loop_now_ms(g->edge->loop);
    list_init(&s->beat.link);
    make_sid(g->edge, s->sid);
    return s;
}

void session_free(struct eio *s) { mem_free(s); }

void session_begin(struct engine *g, struct eio *s)
{
    struct edge *e = g->edge;
    s->state = EIO_STATE_OPEN;
    map_put(&g->sessions, hash_bytes(eio_sid(s)), &s->by_sid);
    beat_begin(g, s);
    stats_open(&e->stats, s->app->stats, (enum stats_client)s->client);
    LOG(loop_log(e->loop), LOG_INFO, "conn.open", LOG_U64("conn", conn_slot(s->conn)),
        LOG_STR("wire", s->app->name), LOG_STR("transport", eio_transport(s)));
}

void session_end(struct eio *s, close_reason reason)
{
    struct edge *e = eio_edge(s);
    struct engine *g = e->engine;
    if (g->current == s) {
        g->current = NULL;
    }
    map_remove(&g->sessions, &s->by_sid);
    beat_end(s);
    s->app->on_close(s, reason);
    edge_leave(e, s->conn); /* what was said before leaves before the close */
    uint64_t ms = (uint64_t)loop_now_ms(e->loop) - s->opened_ms;
    stats_close(&e->stats, s->app->stats, (enum stats_client)s->client, ms * 1000);
    session_free(s);
}

void eio_set_client(struct eio *s, enum stats_client k)
{
    if (s->state != EIO_STATE_OPENING) {
        stats_close_untimed(&eio_edge(s)->stats, s->app->stats, (enum stats_client)s->client);
        stats_open(&eio_edge(s)->stats, s->app->stats, k);
    }
    s->client = (uint8_t)k;
}

void eio_close(struct eio *s, close_reason reason)
{
    struct conn *c = s->conn;
    if (s->v3 && !conn_is_detached(c)) {
        ws_release(c); /* what is held back (websocket.c) still leaves: it may say why */
    }
    conn_close(c, reason);
}

void session_violation(struct eio *s, close_reason reason, const char *why)
{
    struct edge *e = eio_edge(s);
    eio_count_refused(e, why);
    LOG(loop_log(e->loop), LOG_INFO, "engineio.violation", LOG_U64("conn", conn_slot(s->conn)),
        LOG_STR("wire", s->app->name), LOG_STR("transport", eio_transport(s)),
        LOG_STR("rule", why));
    s->state = EIO_STATE_ENDING;
    conn_close(s->conn, reason);
}

void session_hello(const struct engine *g, const struct eio *s, buf *out)
{
    bool upgrades = s->format == EIO_FORMAT_POLL && !g->edge->conf->eio.no_websocket;
    buf_printf(out,
               "{\"sid\":\"%.*s\",\"upgrades\":[%s],\"pingInterval\":%u,\"pingTimeout\":%u,"
               "\"maxPayload\":%u}",
               SPAN_FMT(eio_sid(s)), upgrades ? "\"websocket\"" : "", g->ping_ms, g->timeout_ms,
               g->payload_bytes_max);
}

/* --- packets from the client --- */

void session_packet(struct eio *s, const struct eio_packet *p)
{
    struct engine *g = engine_of(s);
    switch (p->type) {
    case EIO_MESSAGE:
        g->current = s;
        s->app->on_message(s, p->binary, p->data);
        break;
    case EIO_PONG:
        if (s->v3) {
            session_violation(s, CLOSE_PROTOCOL, "heartbeat_direction");
        } else {
            beat_heard(g, s);
            if (s->app->on_pong != NULL) {
                s->app->on_pong(s);
            }
        }
        break;
    case EIO_PING:
        if (!s->v3) {
            session_violation(s, CLOSE_PROTOCOL, "heartbeat_direction");
        } else {
            beat_heard(g, s);
            session_control(s, EIO_PONG, p->data);
        }
        break;
    case EIO_CLOSE:
        s->state = EIO_STATE_ENDING;
        conn_close(s->conn, s->format == EIO_FORMAT_POLL ? CLOSE_PEER_CLOSED : CLOSE_NORMAL);
        break;
    case EIO_OPEN:
    case EIO_UPGRADE:
    case EIO_NOOP:
        break; /* without a meaning here; the reference ignores them, too */
    }
}

/* --- packets to the client --- */

/* A frame's or a packet's two parts as one. */
static void put_frame(buf *out, enum ws_opcode op, span first, span head, span data)
{
    size_t len = first.len + head.len + data.len;
    uint8_t *at = buf_reserve(out, WS_HEAD_BYTES_MAX + len);
    out->len += ws_frame_encode_head(at, true, op, len, NULL);
    buf_append_span(out, first);
    buf_append_span(out, head);
    buf_append_span(out, data);
}

static void put_payload(buf *out, bool binary, span head, span data)
{
    buf joined = {0};
    if (head.len > 0 && data.len > 0) {
        buf_append_span(&joined, head);
        buf_append_span(&joined, data);
        head = buf_span(&joined);
    }
    eio_payload_put(out, EIO_MESSAGE, binary, head.len > 0 ? head : data);
    buf_deinit(&joined);
}

void eio_put(buf *out, enum eio_format format, bool binary, span head, span data)
{
    if (format == EIO_FORMAT_POLL) {
        put_payload(out, binary, head, data);
    } else if (!binary) {
        put_frame(out, WS_OP_TEXT, SPAN("4"), head, data);
    } else {
        put_frame(out, WS_OP_BINARY, format == EIO_FORMAT_WS3 ? SPAN("\x04") : SPAN_NONE, head,
                  data);
    }
}

enum ws_deflate_kind session_deflate(const struct eio *s)
{
    bool carried = s->polling != NULL && s->polling->step == EIO_UPGRADED;
    const struct conn *c = carried ? s->polling->ws : s->conn;
    return c == NULL || conn_is_detached(c) ? WS_DEFLATE_NONE : ws_deflate_kind_of(c);
}

void eio_send_composed(struct eio *s, buf *out, size_t from, enum blob_class cls)
{
    struct edge *e = eio_edge(s);
    if (s->state == EIO_STATE_OPENING) {
        buf_append(&e->engine->early, out->ptr + from, out->len - from);
        out->len = from;
        return;
    }
    if (s->format != EIO_FORMAT_POLL) {
        ws_deflate_frames(e->net, session_deflate(s), out, from);
    }
    hub_send_composed(e->hub, conn_slot(s->conn), cls);
}

void eio_send(struct eio *s, bool binary, span head, span data, enum blob_class cls)
{
    buf *out = hub_compose(eio_edge(s)->hub);
    size_t from = out->len;
    eio_put(out, (enum eio_format)s->format, binary, head, data);
    eio_send_composed(s, out, from, cls);
}

void session_early(struct engine *g, struct eio *s)
{
    if (g->early.len > 0) {
        buf *out = hub_compose(g->edge->hub);
        size_t from = out->len;
        buf_append_span(out, buf_span(&g->early));
        eio_send_composed(s, out, from, BLOB_ORDERED);
    }
    buf_deinit(&g->early);
}

void session_put_control(buf *out, enum eio_type type, span data)
{
    uint8_t digit = (uint8_t)('0' + type);
    put_frame(out, WS_OP_TEXT, span_of(&digit, 1), data, SPAN_NONE);
}

void session_control(struct eio *s, enum eio_type type, span data)
{
    struct edge *e = eio_edge(s);
    buf *out = hub_compose(e->hub);
    if (s->format == EIO_FORMAT_POLL) {
        eio_payload_put(out, type, false, data);
    } else {
        session_put_control(out, type, data);
    }
    hub_send_composed(e->hub, conn_slot(s->conn), BLOB_ORDERED);
}
