/*
 * One loop's network side: listeners, accepting within the limits, the sweep of time-outs, drain.
 */
#include "net/net.h"

#include "base/mem.h"
#include "loop/addr.h"
#include "net/internal.h"

#include <errno.h>

#define ACCEPTS_MAX 64            /* connections accepted a turn and listener */
#define SWEEP_ALL_MAX 4096        /* up to so many records are swept every tick, more in tenths */
#define REFUSED_LOG_MS 1000       /* one line a second about refused connections */

static void sweep(struct timer *t);
static void accept_resume(struct timer *t);

struct net *net_new(const struct net_conf *conf)
{
    struct net *n = mem_calloc(1, sizeof *n);
    n->loop = conf->loop;
    n->poller = loop_poller(conf->loop);
    n->limits = conf->limits;
    n->shared = conf->shared;
    n->http = conf->http;
    n->user = conf->user;
    n->room = conf->room;
    n->spare = conf->spare;
    n->sweep.fire = sweep;
    n->accept_again.fire = accept_resume;
    slab_init(&n->conns, sizeof(struct conn));
    moves_init(n);
    return n;
}

void *net_user(const struct net *n) { return n->user; }
struct loop *net_loop(const struct net *n) { return n->loop; }
const struct net_stats *net_stats(const struct net *n) { return &n->stats; }
const struct net_limits *net_limits(const struct net *n) { return n->limits; }
void net_set_limits(struct net *n, const struct net_limits *limits) { n->limits = limits; }
uint32_t net_count(const struct net *n)
{
    return n->conns.count - n->dead_count + n->moves.waiting;
}

/* Visits every record that is in use; `visit` may close the one it is given. */
static void each_conn(struct net *n, void (*visit)(struct conn *c, void *arg), void *arg)
{
    for (uint32_t slot = 0; slot < n->conns.top; slot++) {
        struct conn *c = slab_peek(&n->conns, slot);
        if (c != NULL && c->state != CONN_DEAD) {
            visit(c, arg);
        }
    }
}

struct each_ws {
    void (*visit)(struct conn *c, void *arg);
    void *arg;
};

static void visit_ws(struct conn *c, void *arg)
{
    struct each_ws *e = arg;
    if (c->kind == CONN_WS && c->state == CONN_OPEN) {
        e->visit(c, e->arg);
    }
}

void net_each_ws(struct net *n, void (*visit)(struct conn *c, void *arg), void *arg)
{
    struct each_ws e = {.visit = visit, .arg = arg};
    each_conn(n, visit_ws, &e);
}

static void end_conn(struct conn *c, void *arg)
{
    (void)arg;
    conn_close(c, CLOSE_PEER_GONE);
    c->state = c->state == CONN_DEAD ? CONN_DEAD : CONN_CLOSING;
    conn_kill(c);
}

static void listener_free(struct deferred *d)
{
    mem_free(CONTAINER_OF(d, struct net_listener, gone));
}

static void stop_listening(struct net *n)
{
    while (n->listeners != NULL) {
        struct net_listener *l = n->listeners;
        n->listeners = l->next;
        /* The kernel reports a socket that has other descriptors until it is told not to. */
        n->poller->set(n->poller, &l->io, 0);
        io_close(n->poller, &l->io);
        l->gone.release = listener_free;
        loop_defer(n->loop, &l->gone);
    }
    timer_stop(n->loop, &n->accept_again);
    if (n->listening) {
        n->listening = false;
        atomic_fetch_sub_explicit(&n->shared->listening, 1, memory_order_relaxed);
    }
}

void net_stop(struct net *n)
{
    if (n->stopped) {
        return;
    }
    n->draining = true;
    stop_listening(n);
    each_conn(n, end_conn, NULL);
    n->stopped = true;
    moves_stop(n);
    timer_stop(n->loop, &n->sweep);
    loop_turn(n->loop, 0); /* the reap phase frees the records */
}

void net_free(struct net *n)
{
    net_stop(n);
    slab_deinit(&n->conns);
    buf_deinit(&n->scratch);
    ws_deflate_deinit(n);
    net_tls_deinit(n);
    front_deinit(n);
    mem_free(n->dead);
    mem_free(n->clients);
    mem_free(n);
}

static void sweep(struct timer *t)
{
    struct net *n = CONTAINER_OF(t, struct net, sweep);
    uint32_t now = net_tick(n);
    uint32_t left = n->conns.top;
    if (left > SWEEP_ALL_MAX) {
        left = left / 10 + 1; /* ten ticks make a second: each record once */
    }
    for (; left > 0; left--) {
        n->sweep_at = n->sweep_at + 1 >= n->conns.top ? 0 : n->sweep_at + 1;
        struct conn *c = slab_peek(&n->conns, n->sweep_at);
        if (c != NULL) {
            conn_sweep(c, now);
        }
    }
    if (n->conns.count > 0) {
        timer_start(n->loop, &n->sweep, NET_TICK_MS);
    }
}

void net_count_refused(struct net *n, const struct sockaddr_storage *peer, const char *why)
{
    NET_COUNT(n->stats.refused, 1);
    uint64_t now = (uint64_t)loop_now_ms(n->loop);
    if (now - n->refused_logged_ms >= REFUSED_LOG_MS || n->refused_logged_ms == 0) {
        char text[ADDR_TEXT_MAX];
        addr_format(peer, text);
        n->refused_logged_ms = now;
        LOG(loop_log(n->loop), LOG_WARN, "conn.refused", LOG_STR("reason", why),
            LOG_STR("peer", text), LOG_U64("refused_total", n->stats.refused));
    }
}

static void refuse(struct net *n, int fd, const struct sockaddr_storage *peer, const char *why)
{
    n->poller->close(n->poller, fd);
    net_count_refused(n, peer, why);
}

void net_refuse(struct conn *c, close_reason reason)
{
    NET_COUNT(c->net->stats.closed[reason], 1);
    c->state = CONN_CLOSING;
    conn_kill(c);
}

void net_begin(struct conn *c, unsigned listen_flags)
{
    if (listen_flags & NET_LISTEN_TLS) {
        net_tls_accept(c);
    }
    conn_interest(c);
}

const char *net_address_enter(struct net *n, uint32_t key, bool again)
{
    const struct net_limits *lim = n->limits;
    struct addrs *a = &n->shared->addrs;
    if (!again && !addrs_rate(a, key, lim->handshakes_per_s, loop_now_ns(n->loop) / 1000)) {
        return "handshake_rate";
    }
    return addrs_enter(a, key, lim->per_address_max) ? NULL : "connections_per_address_max";
}

static void admit(struct net *n, int fd, const struct sockaddr_storage *peer,
                  unsigned listen_flags)
{
    const struct net_limits *lim = n->limits;
    if (room_is_full(n)) {
        refuse(n, fd, peer, "descriptors");
        return;
    }
    bool is_unix = peer->ss_family != AF_INET && peer->ss_family != AF_INET6;
    bool trusted = trust_holds(&lim->trusted, peer);
    bool by_address = !is_unix && !trusted;
    uint32_t key = addrs_key(peer);
    const char *limit = by_address ? net_address_enter(n, key, false) : NULL;
    if (limit != NULL) {
        refuse(n, fd, peer, limit);
        return;
    }
    uint32_t held =
        atomic_fetch_add_explicit(&n->shared->connections, 1, memory_order_relaxed);
    if (held >= lim->connections_max) {
        atomic_fetch_sub_explicit(&n->shared->connections, 1, memory_order_relaxed);
        if (by_address) {
            addrs_leave(&n->shared->addrs, key);
        }
        refuse(n, fd, peer, "connections_max");
        return;
    }
    struct conn *c = conn_open(n, fd, CONN_HTTP);
    c->addr_key = key;
    c->flags = CONN_COUNTED | (!is_unix && addr_is_loopback(peer) ? CONN_LOOPBACK : 0);
    NET_COUNT(n->stats.accepted, 1);
    if (!by_address) {
        front_open(c, trusted, listen_flags);
    }
    if (front_waits(c)) {
        conn_interest(c); /* for the header; net_begin follows it */
    } else {
        net_begin(c, listen_flags);
    }
}

bool net_accept(struct net_listener *l, int *error)
{
    struct net *n = l->net;
    struct sockaddr_storage peer;
    int fd = n->poller->accept(n->poller, l->io.fd, &peer);
    if (fd >= 0) {
        admit(n, fd, &peer, l->flags);
    }
    *error = fd >= 0 ? 0 : fd;
    return fd >= 0 || fd == -ECONNABORTED || fd == -EINTR;
}

static void listener_ready(struct io *io, unsigned events)
{
    struct net_listener *l = CONTAINER_OF(io, struct net_listener, io);
    struct net *n = l->net;
    int error = 0;
    (void)events;
    unsigned most = l->shared ? 1 : ACCEPTS_MAX; /* the others were woken too: who idles takes it */
    for (unsigned i = 0; i < most; i++) {
        if (room_is_full(n) && room_leave(n)) {
            return;
        }
        if (!net_accept(l, &error)) {
            break;
        }
    }
    if (error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM) {
        LOG(loop_log(n->loop), LOG_ERROR, "error", LOG_STR("what", "accept"),
            LOG_I64("errno", -error), LOG_U64("connections", n->conns.count));
        n->poller->set(n->poller, io, 0);
        timer_start(n->loop, &n->accept_again, ACCEPT_PAUSE_MS);
    }
}

static void accept_resume(struct timer *t)
{
    room_return(CONTAINER_OF(t, struct net, accept_again));
}

static struct net_listener *listener_add(struct net *n, int fd, unsigned flags)
{
    struct net_listener *l = mem_calloc(1, sizeof *l);
    l->io.fd = fd;
    l->io.ready = listener_ready;
    l->net = n;
    l->flags = flags;
    l->next = n->listeners;
    n->listeners = l;
    n->poller->set(n->poller, &l->io, IO_READ);
    room_enter(n);
    return l;
}

int net_listen(struct net *n, const struct sockaddr *addr, socklen_t len, unsigned flags,
               struct sockaddr_storage *bound)
{
    int fd = n->poller->listen(n->poller, addr, len, LISTEN_BACKLOG);
    if (fd < 0) {
        return fd;
    }
    int rc = n->poller->local(n->poller, fd, bound);
    if (rc < 0) {
        n->poller->close(n->poller, fd);
        return rc;
    }
    struct net_listener *l = listener_add(n, fd, flags);
    l->addr = *bound;
    l->addr_len = len;
    return 0;
}

void net_listen_shared(struct net *n, int fd, unsigned flags)
{
    listener_add(n, fd, flags)->shared = true;
}

unsigned net_listeners(const struct net *n, int *fds, unsigned max)
{
    unsigned count = 0;
    for (struct net_listener *l = n->listeners; l != NULL && count < max; l = l->next) {
        fds[count++] = l->io.fd;
    }
    return count;
}

static void drain_conn(struct conn *c, void *arg)
{
    close_reason reason = *(close_reason *)arg;
    if (c->state != CONN_OPEN) {
        return;
    }
    if (c->kind == CONN_HTTP && (c->phase == HTTP_IDLE || c->phase == HTTP_FRESH)) {
        conn_close(c, reason);
    } else if (c->kind == CONN_WS || c->kind == CONN_STREAM || c->kind == CONN_DETACHED) {
        conn_close(c, reason);
    }
}

void net_drain(struct net *n, close_reason reason)
{
    n->draining = true;
    each_conn(n, drain_conn, &reason);
    room_accept_waiting(n, LISTEN_BACKLOG);
    stop_listening(n);
}
