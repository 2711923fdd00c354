/*
 * See move.h. What travels is one record (struct move), whose address goes beside the descriptor;
 * whoever has taken it owns it. The connection's own record ends here and another one begins
 * there. A record that cannot be sent or must not arrive becomes a connection again, and ends as
 * any other, so that counts, sessions and entries are given back in one place.
 *
 *     http_move --give--> inbox of the target --take--> arrived --> http_arrive
 *         \--later: waits here, retried--/                  \--no room--> net_refuse
 */
#include "net/move.h"

#include "base/mem.h"
#include "net/internal.h"

#include <errno.h>
#include <string.h>

#define MOVES_WAITING_MAX 4096 /* that a busy target keeps here; one more is closed */
#define MOVE_AGAIN_MS 1        /* between tries; a turn of the target takes about as long */
#define ARRIVALS_MAX 256       /* taken a turn; what is left is reported again */

struct move {
    struct move *next;
    unsigned to;
    struct http_session *http; /* owned, as the two below */
    struct tls_session *tls;   /* NULL: plain */
    struct front *front;       /* NULL: the peer is the client */
    uint32_t addr_key;
    uint16_t flags; /* enum conn_flags */
    int fd;         /* while it is here */
};

#define FLAGS_KEPT (CONN_LOOPBACK | CONN_COUNTED | CONN_PEER_DONE | CONN_SPENT)

/* A connection on this loop again; fd may be negative. */
static struct conn *settle(struct net *n, struct move *m, int fd)
{
    struct conn *c = conn_open(n, fd < 0 ? -1 : fd, CONN_HTTP);
    c->addr_key = m->addr_key;
    c->flags = m->flags;
    net_tls_give(c, m->tls);
    front_give(c, m->front);
    http_give(c, m->http);
    mem_free(m);
    return c;
}

static void arrived(struct net *n, struct move *m, int fd)
{
    bool full = room_is_full(n);
    struct conn *c = settle(n, m, fd);
    if (fd < 0 || full || n->stopped) {
        net_refuse(c, n->stopped ? CLOSE_DRAIN : CLOSE_LIMIT);
        return;
    }
    NET_COUNT(n->stats.moved, 1);
    conn_interest(c);
    http_arrive(c);
}

static void take_some(struct net *n, unsigned max)
{
    int fd;
    void *word;
    for (unsigned i = 0; i < max && n->poller->take(n->poller, &fd, &word) == 0; i++) {
        arrived(n, word, fd);
    }
}

static void inbox_ready(struct io *io, unsigned events)
{
    (void)events;
    take_some(CONTAINER_OF(io, struct net, moves.inbox), ARRIVALS_MAX);
}

static void wait_here(struct net *n, struct move *m)
{
    struct net_moves *w = &n->moves;
    m->next = NULL;
    *w->tail = m;
    w->tail = &m->next;
    w->waiting++;
    w->waiting_for[m->to]++;
    if (!timer_running(&w->again)) {
        timer_start(n->loop, &w->again, MOVE_AGAIN_MS);
    }
}

/* Sends it, or keeps it behind those that wait for the same target. */
static void send_off(struct net *n, struct move *m)
{
    struct poller *to = loop_poller(loop_peer(n->loop, m->to));
    bool behind = n->moves.waiting_for[m->to] > 0;
    int rc = behind ? -EAGAIN : n->poller->give(n->poller, to, m->fd, m);
    bool later = rc == -EAGAIN || rc == -ETOOMANYREFS || rc == -ENOBUFS;
    if (later && n->moves.waiting < MOVES_WAITING_MAX) {
        wait_here(n, m);
    } else if (rc < 0) {
        net_refuse(settle(n, m, m->fd), later ? CLOSE_LIMIT : CLOSE_DRAIN);
    }
}

static struct move *take_waiting(struct net *n)
{
    struct net_moves *w = &n->moves;
    struct move *all = w->oldest;
    w->oldest = NULL;
    w->tail = &w->oldest;
    w->waiting = 0;
    memset(w->waiting_for, 0, sizeof w->waiting_for);
    return all;
}

static void try_again(struct timer *t)
{
    struct net *n = CONTAINER_OF(t, struct net, moves.again);
    for (struct move *m = take_waiting(n), *next; m != NULL; m = next) {
        next = m->next;
        send_off(n, m);
    }
}

void http_move(struct http_exchange *x, unsigned loop)
{
    struct conn *c = x->conn;
    struct net *n = c->net;
    ASSERT(loop != loop_index(n->loop) && c->out == NULL);
    front_rest(c); /* its client is told once more there, and counted as the same */
    struct move *m = mem_calloc(1, sizeof *m);
    *m = (struct move){.to = loop,
                       .http = http_take(x),
                       .tls = net_tls_take(c),
                       .front = front_take(c),
                       .addr_key = c->addr_key,
                       .flags = c->flags & FLAGS_KEPT,
                       .fd = c->io.fd};
    LOG(loop_log(n->loop), LOG_DEBUG, "conn.moved", LOG_U64("conn", c->slot),
        LOG_U64("to", loop));
    n->poller->set(n->poller, &c->io, 0); /* the socket outlives its number here */
    c->io.fd = -1;
    c->flags = 0;
    conn_bury(c);
    send_off(n, m);
}

void moves_init(struct net *n)
{
    struct net_moves *w = &n->moves;
    w->tail = &w->oldest;
    w->again.fire = try_again;
    w->inbox = (struct io){.fd = -1, .ready = inbox_ready};
    if (loop_count(n->loop) > 1 && n->http != NULL) {
        w->inbox.fd = n->poller->inbox(n->poller);
        n->poller->set(n->poller, &w->inbox, IO_READ);
    }
}

void moves_stop(struct net *n)
{
    struct net_moves *w = &n->moves;
    if (w->inbox.fd >= 0) {
        n->poller->set(n->poller, &w->inbox, 0);
        n->poller->inbox_close(n->poller);
        take_some(n, UINT32_MAX);
    }
    timer_stop(n->loop, &w->again);
    for (struct move *m = take_waiting(n), *next; m != NULL; m = next) {
        next = m->next;
        net_refuse(settle(n, m, m->fd), CLOSE_DRAIN);
    }
}
