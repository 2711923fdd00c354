/*
 * From polling to a WebSocket (engine.io-protocol, Upgrade).
 *
 *     client                    server
 *     GET ?transport=websocket&sid=...        another one while this lasts is closed
 *     2probe        -->  3probe               GETs are answered `6` from now on
 *     5             -->                       what waits is sent as frames, before anything else
 *
 * Until `5` the session is a polling one, whatever becomes of the WebSocket. Afterwards its member
 * of the hub is still the detached record, whose bytes the WebSocket carries.
 */
#include "edge/engineio/internal.h"

static struct eio *of_upgrade(struct eio_due *d)
{
    return CONTAINER_OF(d, struct eio_polling, upgrade)->poll.session;
}

void upgrade_open(struct rest_call *c, struct eio_slot *slot, struct eio *s)
{
    struct engine *g = c->edge->engine;
    struct eio_polling *p = s->polling;
    bool mine = p != NULL && p->ws == NULL;
    if (!mine) {
        eio_count_refused(c->edge, "second_websocket");
    }
    struct conn *ws = rest_upgrade(c, &slot->ws, mine ? s : NULL);
    if (ws == NULL) {
        return;
    }
    if (!mine) { /* opened and closed again, for clients that take a refusal for a broken network */
        conn_close(ws, CLOSE_POLICY);
        return;
    }
    p->ws = ws;
    p->step = EIO_PROBING;
    beat_put(g, &g->upgrades, &p->upgrade, g->edge->conf->eio.upgrade_timeout_ms);
}

/* --- the end of an upgrade that came to nothing --- */

static void give_up(struct eio *s, const char *why)
{
    struct edge *e = eio_edge(s);
    struct eio_polling *p = s->polling;
    struct conn *ws = p->ws;
    eio_count_refused(e, why);
    LOG(loop_log(e->loop), LOG_DEBUG, "engineio.upgrade_failed",
        LOG_U64("conn", conn_slot(s->conn)), LOG_STR("why", why));
    list_remove(&p->upgrade.link);
    p->ws = NULL;
    p->step = EIO_POLLING;
    p->probed = false;
    ws_set_user(ws, NULL);
    conn_close(ws, CLOSE_NORMAL); /* harmless where it is closing */
}

void upgrade_expired(struct engine *g, struct eio_due *d)
{
    (void)g;
    give_up(of_upgrade(d), "upgrade_timeout");
}

void upgrade_closed(struct eio *s, close_reason reason)
{
    struct eio_polling *p = s->polling;
    if (p->step != EIO_UPGRADED) {
        give_up(s, "upgrade_abandoned");
        return;
    }
    p->ws = NULL;
    s->state = EIO_STATE_ENDING;
    conn_close(s->conn, reason);
}

/* --- the frames of an upgrade --- */

void upgrade_frames(bool v3, bool controls, buf *payload, buf *frames)
{
    enum eio_format format = v3 ? EIO_FORMAT_WS3 : EIO_FORMAT_WS;
    struct eio_walk walk;
    struct eio_packet p;
    int rc = 0;
    eio_walk_begin(&walk, EIO_V4, payload->ptr, payload->len - 1); /* without the last separator */
    while ((rc = eio_walk_next(&walk, &p)) > 0) {
        if (p.type == EIO_MESSAGE) {
            eio_put(frames, format, p.binary, SPAN_NONE, p.data);
        } else if (controls) {
            session_put_control(frames, p.type, p.data);
        }
    }
    ASSERT(rc == 0); /* they are our own packets */
}

void upgrade_send(struct conn *ws, buf *frames)
{
    ws_deflate_frames(conn_net(ws), ws_deflate_kind_of(ws), frames, 0);
    struct iovec iov = {.iov_base = frames->ptr, .iov_len = frames->len};
    size_t sent = conn_send(ws, &iov, 1);
    conn_send_rest(ws, span_slice(buf_span(frames), sent, frames->len));
}

static void finish(struct eio *s)
{
    struct edge *e = eio_edge(s);
    struct eio_polling *p = s->polling;
    buf frames = {0};
    polling_collect(s);
    s->format = s->v3 ? EIO_FORMAT_WS3 : EIO_FORMAT_WS;
    edge_rewire(e, s->conn, s->app->wires[s->format], ws_deflate_kind_of(p->ws));
    p->collecting = false;
    p->step = EIO_UPGRADED;
    list_remove(&p->upgrade.link);
    if (p->poll.out.len > 0) {
        upgrade_frames(s->v3, true, &p->poll.out, &frames);
        upgrade_send(p->ws, &frames);
        buf_deinit(&frames);
    }
    buf_deinit(&p->poll.out);
    polling_send_away(s);
    stats_add(&e->stats.engineio_upgrades, 1);
    LOG(loop_log(e->loop), LOG_DEBUG, "engineio.upgraded", LOG_U64("conn", conn_slot(s->conn)));
    edge_on_writable(s->conn); /* no GET is waited for any more */
    s->app->on_writable(s);
}

void upgrade_message(struct eio *s, enum ws_opcode op, span payload)
{
    struct eio_polling *p = s->polling;
    if (op == WS_OP_TEXT && span_eq(payload, SPAN("2probe"))) {
        ws_send(p->ws, WS_OP_TEXT, SPAN("3probe"));
        p->probed = true;
        polling_send_away(s);
    } else if (op == WS_OP_TEXT && span_eq(payload, SPAN("5"))) {
        finish(s);
    } else {
        give_up(s, "upgrade_packet");
    }
}
