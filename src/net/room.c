/*
 * A loop whose descriptors are used up. Loops listen side by side (SO_REUSEPORT), and the kernel
 * gives each new connection to one of them without asking whether it has room; so a full loop
 * takes in who waits at its door, closes its listeners, and makes them again when some of its
 * connections have ended. The last loop that listens stays and refuses, which a client notices
 * at once, and which keeps the port ours.
 *
 *     accepting --full, others accept--> resting --room for one in 16--> accepting
 */
#include "net/internal.h"

#include <stdatomic.h>

/* A loop that returned for every single place would make and close listeners all the time. */
static bool has_room_again(const struct net *n)
{
    return net_sockets(n) < n->room - n->room / 16;
}

void room_enter(struct net *n)
{
    if (!n->listening) {
        n->listening = true;
        atomic_fetch_add_explicit(&n->shared->listening, 1, memory_order_relaxed);
    }
}

/* Gives up the place among those who accept; false when it is the last one. */
static bool give_up_place(struct net *n)
{
    uint32_t all = atomic_load_explicit(&n->shared->listening, memory_order_relaxed);
    do {
        if (all <= 1) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&n->shared->listening, &all, all - 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    n->listening = false;
    return true;
}

void room_accept_waiting(struct net *n, unsigned max)
{
    for (struct net_listener *l = n->listeners; l != NULL; l = l->next) {
        int error;
        if (l->shared && !n->draining) {
            continue; /* who waits there is not this loop's alone */
        }
        for (unsigned i = 0; l->io.fd >= 0 && i < max && net_accept(l, &error); i++) {
        }
    }
}

bool room_leave(struct net *n)
{
    if (!n->listening || !give_up_place(n)) {
        return false;
    }
    n->room += n->spare;
    room_accept_waiting(n, LISTEN_BACKLOG);
    n->room -= n->spare;
    for (struct net_listener *l = n->listeners; l != NULL; l = l->next) {
        if (l->shared) {
            n->poller->set(n->poller, &l->io, 0); /* the file and its queue stay */
        } else {
            io_close(n->poller, &l->io);
        }
    }
    LOG(loop_log(n->loop), LOG_INFO, "loop.full", LOG_U64("loop", loop_index(n->loop)),
        LOG_U64("connections", n->conns.count));
    timer_start(n->loop, &n->accept_again, ACCEPT_PAUSE_MS);
    return true;
}

static bool listen_again(struct net_listener *l)
{
    struct net *n = l->net;
    if (l->io.fd < 0) {
        int fd = n->poller->listen(n->poller, (struct sockaddr *)&l->addr, l->addr_len,
                                   LISTEN_BACKLOG);
        if (fd < 0) {
            LOG(loop_log(n->loop), LOG_ERROR, "error", LOG_STR("what", "listen"),
                LOG_I64("errno", -fd));
            return false;
        }
        l->io.fd = fd;
    }
    n->poller->set(n->poller, &l->io, IO_READ);
    return true;
}

void room_return(struct net *n)
{
    bool all = n->listening || has_room_again(n);
    for (struct net_listener *l = n->listeners; l != NULL && all; l = l->next) {
        all = listen_again(l);
    }
    if (all) {
        room_enter(n);
    } else {
        timer_start(n->loop, &n->accept_again, ACCEPT_PAUSE_MS);
    }
}
