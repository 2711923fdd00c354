/*
 * The Home wire's sockets: their opening, what happens when rights change, and their end; and
 * what a loop has of the wire.
 */
#include "edge/clients.h"
#include "edge/home/news.h"
#include "edge/home/session.h"

#include "base/mem.h"

static void on_writable(struct conn *c)
{
    struct home_client *m = ws_user(c);
    edge_on_writable(c);
    if (m->resume != NULL) {
        resume_writable(m->resume);
    }
}

struct home_client *home_client_of(struct edge *e, uint32_t member)
{
    struct conn *c = conn_at(e->net, member);
    return ws_wire_of(c) == &e->home_wire->ws ? ws_user(c) : NULL;
}

/* --- the end --- */

void home_free(struct home_client *m)
{
    session_close(&m->session);
    mem_free(m);
}

static void on_close(struct conn *c, close_reason reason)
{
    struct home_client *m = ws_user(c);
    struct edge *e = edge_of(c);
    home_events_close(m, reason);
    home_rooms_free(m);
    clients_leave(e, c, reason);
    edge_leave(e, c);
    stats_close(&e->stats, STATS_HOME, STATS_CLIENT, (loop_now_ns(e->loop) - m->opened_ns) / 1000);
    home_free(m);
}

/* --- rights --- */

static void recheck(struct home_client *m)
{
    if (!home_sees(m->session.grant)) {
        home_tell(m, &(struct home_refusal){.code = "forbidden",
                                            .message = "the rights were changed"});
        conn_close(m->conn, CLOSE_REVOKED);
    } else if (m->replaying) {
        conn_close(m->conn, CLOSE_MOVED); /* it comes back at once, and is judged anew */
    } else {
        home_rooms_recheck(m);
    }
}

static void on_change(struct session *s, enum session_change change)
{
    struct home_client *m = CONTAINER_OF(s, struct home_client, session);
    if (raw_change(&home_raw, m->conn, s, change)) {
        recheck(m);
    }
}

/* --- being shown --- */

static void each_row(void *peer, client_show show, void *arg)
{
    struct home_client *m = peer;
    char id[UUID_TEXT_LEN + 1];
    uuid_format(m->id, id);
    show(arg, &(struct client_row){.number = 1,
                                   .socket_id = span_of(id, UUID_TEXT_LEN),
                                   .grant = m->session.grant,
                                   .heard_s = m->heard_s});
}

static void kick(void *peer) { conn_close(((struct home_client *)peer)->conn, CLOSE_KICKED); }

static const struct client_ops client_ops = {.wire = STATS_HOME, .each = each_row, .kick = kick};

/* --- opening --- */

bool home_open(struct home_client *m, const struct raw_admission *a)
{
    struct rest_call *c = a->call;
    struct edge *e = a->edge;
    char id[UUID_TEXT_LEN + 1];
    m->session.on_change = on_change;
    if (!session_open(e->home, &m->session, rest_take_grant(c))) {
        rest_error(c, ERR_RATE_LIMIT_EXCEEDED, "too many sessions of this principal");
        return false;
    }
    m->conn = rest_upgrade(c, &e->home_wire->ws, m);
    if (m->conn == NULL) {
        return false;
    }
    if (!a->claimed || !home_kept_id(a->state, &m->id)) {
        m->id = home_new_id(e->home);
    }
    e->home->on_room = home_on_room; /* the first does it: the home is made after the edge */
    e->home->on_room_arg = e;
    m->opened_ns = loop_now_ns(e->loop);
    uuid_format(m->id, id);
    stats_open(&e->stats, STATS_HOME, STATS_CLIENT);
    LOG(loop_log(e->loop), LOG_INFO, "conn.open", LOG_U64("conn", conn_slot(m->conn)),
        LOG_STR("wire", "home"), LOG_STR("client_type", "client"));
    edge_join(e, m->conn, WIRE_HOME, e->conf->home.queue_max);
    clients_join(e, m->conn, &client_ops, m, m->session.grant, span_of(id, UUID_TEXT_LEN));
    home_events_open(m, a);
    home_connection(m, a);
    if (a->claimed) {
        home_rooms_restore(m, a->state);
    }
    home_keep(m);
    home_settle(m, NULL);
    news_greet(e, m->conn);
    return true;
}

/* --- the loop's own --- */

void home_wire_init(struct edge *e)
{
    const struct home_wire_conf *conf = &e->conf->home;
    e->home_wire = mem_calloc(1, sizeof *e->home_wire);
    e->home_wire->ws = (struct ws_wire){
        .name = "home",
        .limits = {.message_bytes_max = conf->message_bytes_max,
                   .fragments_max = (uint16_t)e->conf->ws_fragments_max},
        .ping_ms = conf->ping_ms,
        .idle_ms = conf->idle_ms,
        .write_ms = conf->write_ms,
        .text_only = true,
        .deflate = true,
        .on_message = home_message,
        .on_writable = on_writable,
        .on_close = on_close,
    };
    list_init(&e->home_wire->choosers);
}

void home_wire_deinit(struct edge *e)
{
    mem_free(e->home_wire);
    e->home_wire = NULL;
}
