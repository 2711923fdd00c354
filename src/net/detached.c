/* See detached.h. What it knows of its client stands in the table of fronts, by slot. */
#include "net/detached.h"

#include "net/internal.h"

static struct conn *open_record(struct conn *from, const char **limit)
{
    struct net *n = from->net;
    uint32_t held = atomic_fetch_add_explicit(&n->shared->connections, 1, memory_order_relaxed);
    if (held >= n->limits->connections_max) {
        *limit = "connections_max";
    } else {
        struct conn *c = conn_open(n, -1, CONN_DETACHED);
        *limit = front_copy(c, from, !(from->flags & CONN_SPENT));
        if (*limit == NULL) {
            return c;
        }
        n->detached--;
        slab_free(&n->conns, c->slot);
    }
    atomic_fetch_sub_explicit(&n->shared->connections, 1, memory_order_relaxed);
    return NULL;
}

struct conn *detached_open(struct conn *from, const struct detached_wire *wire, void *user,
                           const char **limit)
{
    struct net *n = from->net;
    struct sockaddr_storage peer = {0};
    if (n->draining) {
        *limit = "drain";
        return NULL;
    }
    struct conn *c = open_record(from, limit);
    if (c == NULL) {
        (void)conn_peer(from, &peer);
        net_count_refused(n, &peer, *limit);
        return NULL;
    }
    from->flags |= CONN_SPENT;
    c->flags = CONN_COUNTED | (conn_peer_loopback(from) ? CONN_LOOPBACK : 0) |
               (conn_is_secure(from) ? CONN_SECURE : 0);
    c->wire = net_wire(n, wire);
    c->user = user;
    NET_COUNT(n->stats.open_detached, 1);
    return c;
}

void *detached_user(const struct conn *c) { return c->user; }
bool conn_is_detached(const struct conn *c) { return c->kind == CONN_DETACHED; }

void detached_close(struct conn *c, close_reason reason)
{
    c->state = CONN_CLOSING;
    NET_COUNT(c->net->stats.open_detached, -(uint64_t)1);
    conn_detached(c)->on_close(c, reason);
    conn_kill(c);
}
