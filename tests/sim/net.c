/* See net.h: the wires and the pollers; clients are in client.c. */
#include "sim/net.h"

#include "base/buf.h"
#include "base/mem.h"
#include "sim/net_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define FD_BASE 1000       /* no real descriptor has these numbers */
#define PORT_BASE 40000    /* handed out for port 0 */
#define CLIENT_PORT_BASE 50000
#define CAP_MAX 65536      /* bytes a direction holds; each connection draws its own */

struct sim_poller {
    struct poller poller;
    struct sim_net *net;
    unsigned loop;
};

static struct sim_net *net_of(struct poller *p)
{
    return CONTAINER_OF(p, struct sim_poller, poller)->net;
}

static unsigned loop_of(struct poller *p)
{
    return CONTAINER_OF(p, struct sim_poller, poller)->loop;
}

/* ---- sockets ---- */

static struct sockaddr_storage loopback(unsigned port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage out = {0};
    memcpy(&out, &in, sizeof in);
    return out;
}

static unsigned port_of(const struct sockaddr *addr)
{
    struct sockaddr_in in;
    memcpy(&in, addr, sizeof in); /* the port is at the same place in both families */
    return ntohs(in.sin_port);
}

struct sim_sock *sim_sock_new(struct sim_net *net, enum sim_sock_kind kind, unsigned owner)
{
    unsigned i = 0;
    while (i < net->sock_count && net->socks[i] != NULL) {
        i++;
    }
    SIM_CHECK(i < SIM_SOCKS_MAX);
    struct sim_sock *s = mem_calloc(1, sizeof *s);
    s->fd = FD_BASE + (int)i;
    s->kind = kind;
    s->owner = owner;
    s->cap = sim_random_size(net->random, CAP_MAX);
    net->socks[i] = s;
    if (i == net->sock_count) {
        net->sock_count++;
    }
    return s;
}

static struct sim_sock *sock_of(struct sim_net *net, int fd)
{
    SIM_CHECK(fd >= FD_BASE && (unsigned)(fd - FD_BASE) < net->sock_count);
    struct sim_sock *s = net->socks[fd - FD_BASE];
    SIM_CHECK(s != NULL); /* closed: the product used a dead descriptor */
    return s;
}

static struct sim_sock *own_sock(struct poller *p, int fd)
{
    struct sim_sock *s = sock_of(net_of(p), fd);
    SIM_CHECK(s->owner == loop_of(p)); /* sockets stay on the loop that made them */
    return s;
}

void sim_sock_pair(struct sim_net *net, struct sim_sock *a, struct sim_sock *b, unsigned port)
{
    a->pair = b;
    b->pair = a;
    a->connecting = false;
    a->local = b->peer = loopback(CLIENT_PORT_BASE + net->connect_count++ % 10000);
    a->peer = b->local = loopback(port);
}

void sim_sock_reset(struct sim_sock *s)
{
    s->reset = true;
    buf_clear(&s->flying); /* what had arrived can still be read */
}

void sim_sock_close(struct sim_net *net, struct sim_sock *s)
{
    struct sim_sock *pair = s->pair;
    if (pair != NULL) {
        if (s->flying.len > 0 || s->arrived.len > 0) {
            sim_sock_reset(pair); /* closing with bytes unread resets, as TCP does */
        }
        pair->fin_sent = true;
        pair->pair = NULL;
    }
    for (unsigned i = 0; i < s->queued; i++) {
        if (s->queue[i]->pair != NULL) {
            sim_sock_reset(s->queue[i]->pair); /* nobody will accept these */
        }
        sim_sock_close(net, s->queue[i]);
    }
    net->socks[s->fd - FD_BASE] = NULL;
    buf_deinit(&s->flying);
    buf_deinit(&s->arrived);
    mem_free(s);
}

struct sim_sock *sim_net_listener(struct sim_net *net, unsigned port)
{
    struct sim_sock *found[SIM_SOCKS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < net->sock_count; i++) {
        struct sim_sock *s = net->socks[i];
        if (s != NULL && s->kind == SIM_LISTENER && port_of((struct sockaddr *)&s->local) == port) {
            found[count++] = s;
        }
    }
    return count == 0 ? NULL : found[sim_random_below(net->random, count)];
}

void sim_sock_knock(struct sim_net *net, struct sim_sock *from, struct sim_sock *listener)
{
    /* The accepted end exists from now on; accept() only gives it its descriptor's owner. */
    struct sim_sock *near = sim_sock_new(net, SIM_PENDING, listener->owner);
    sim_sock_pair(net, from, near, port_of((struct sockaddr *)&listener->local));
    listener->queue[listener->queued++] = near;
}

/* ---- readiness ---- */

static unsigned events_of(const struct sim_net *net, const struct sim_sock *s)
{
    if (s->kind == SIM_INBOX) {
        return net->inboxes[s->owner].count > 0 ? IO_READ : 0;
    }
    if (s->kind == SIM_LISTENER) {
        return s->queued > 0 ? IO_READ : 0;
    }
    if (s->connecting) {
        return 0;
    }
    if (s->reset || s->refused) {
        return IO_READ | IO_WRITE | IO_HANGUP;
    }
    bool readable = s->arrived.len > 0 || s->fin_arrived;
    bool dead = s->fin_arrived && s->shut;
    return (readable ? IO_READ : 0) | (s->fin_arrived ? IO_END : 0) |
           (sim_sock_space(s) > 0 ? IO_WRITE : 0) | (dead ? IO_HANGUP : 0);
}

size_t sim_sock_space(const struct sim_sock *s)
{
    if (s->pair == NULL) {
        return s->cap; /* the first bytes to a closed end are taken, and answered by a reset */
    }
    size_t used = s->pair->flying.len;
    if (s->pair->owner != SIM_OUTSIDE) {
        used += s->pair->arrived.len;
    }
    return used < s->cap ? s->cap - used : 0;
}

static unsigned reportable(const struct sim_net *net, const struct sim_sock *s)
{
    if (s->io == NULL) {
        return 0;
    }
    unsigned end = (s->io->interest & IO_EDGE) && !(s->io->interest & IO_WRITE) ? IO_END : 0;
    return events_of(net, s) & (s->io->interest | IO_HANGUP | end);
}

bool sim_net_ready(struct sim_net *net, unsigned loop)
{
    for (unsigned i = 0; i < net->sock_count; i++) {
        if (net->socks[i] != NULL && net->socks[i]->owner == loop &&
            reportable(net, net->socks[i])) {
            return true;
        }
    }
    return false;
}

static void poller_set(struct poller *p, struct io *io, unsigned interest)
{
    struct sim_sock *s = own_sock(p, io->fd);
    SIM_CHECK(s->io == NULL || s->io == io);
    io->interest = interest;
    s->io = interest == 0 ? NULL : io;
}

static unsigned poller_wait(struct poller *p, int64_t wait_ns, struct poller_event *out,
                            unsigned max)
{
    struct sim_net *net = net_of(p);
    unsigned count = 0;
    unsigned skew = (unsigned)sim_random_below(net->random, net->sock_count + 1);
    for (unsigned n = 0; n < net->sock_count && count < max; n++) {
        struct sim_sock *s = net->socks[(n + skew) % net->sock_count];
        if (s == NULL || s->owner != loop_of(p) || s->io == NULL) {
            continue;
        }
        unsigned events = reportable(net, s);
        if (events != 0 && sim_random_chance(net->random, 10)) {
            continue; /* level-triggered: it will be reported another time */
        }
        if (events == 0 && s->kind == SIM_STREAM && sim_random_chance(net->random, 2)) {
            events = s->io->interest & IO_READ; /* the kernel, too, reports for nothing at times */
        }
        if (events != 0) {
            out[count++] = (struct poller_event){.io = s->io, .events = events};
        }
    }
    for (unsigned i = count; i > 1; i--) {
        unsigned j = (unsigned)sim_random_below(net->random, i);
        struct poller_event swap = out[i - 1];
        out[i - 1] = out[j];
        out[j] = swap;
    }
    return count;
}

static void poller_wake(struct poller *p) {}

/* ---- system calls ---- */

static int net_listen(struct poller *p, const struct sockaddr *addr, socklen_t len, int backlog)
{
    struct sim_net *net = net_of(p);
    unsigned port = port_of(addr);
    struct sim_sock *s = sim_sock_new(net, SIM_LISTENER, loop_of(p));
    memcpy(&s->local, addr, len);
    if (port == 0) {
        s->local = loopback(PORT_BASE + net->listen_count++);
    }
    return s->fd;
}

static int net_accept(struct poller *p, int fd, struct sockaddr_storage *peer)
{
    struct sim_net *net = net_of(p);
    struct sim_sock *l = own_sock(p, fd);
    if (l->queued == 0) {
        return -EAGAIN;
    }
    if (sim_random_chance(net->random, net->faults.emfile_percent)) {
        return -EMFILE; /* the connection stays in the queue */
    }
    struct sim_sock *s = l->queue[0];
    l->queued--;
    memmove(l->queue, l->queue + 1, l->queued * sizeof l->queue[0]);
    if (sim_random_chance(net->random, net->faults.abort_percent)) {
        if (s->pair != NULL) {
            sim_sock_reset(s->pair);
        }
        sim_sock_close(net, s);
        return -ECONNABORTED;
    }
    s->kind = SIM_STREAM;
    *peer = s->peer;
    return s->fd;
}

static int net_connect(struct poller *p, const struct sockaddr *addr, socklen_t len)
{
    struct sim_sock *s = sim_sock_new(net_of(p), SIM_STREAM, loop_of(p));
    s->connecting = true;
    memcpy(&s->peer, addr, len);
    return s->fd;
}

static int net_connected(struct poller *p, int fd)
{
    struct sim_sock *s = own_sock(p, fd);
    return s->connecting ? -EINPROGRESS : s->refused ? -ECONNREFUSED : s->reset ? -ECONNRESET : 0;
}

/* Often all, now and then less. */
static size_t some_of(struct sim_net *net, size_t len)
{
    return sim_random_chance(net->random, 60) ? len : sim_random_size(net->random, len);
}

static ssize_t net_peek(struct poller *p, int fd, void *out, size_t len)
{
    struct sim_sock *s = own_sock(p, fd);
    if (s->arrived.len > 0 && len > 0) {
        size_t n = s->arrived.len < len ? s->arrived.len : len;
        memcpy(out, s->arrived.ptr, n);
        return (ssize_t)n;
    }
    return s->reset ? -ECONNRESET : s->fin_arrived ? 0 : -EAGAIN;
}

static ssize_t net_recv(struct poller *p, int fd, void *out, size_t len)
{
    struct sim_net *net = net_of(p);
    struct sim_sock *s = own_sock(p, fd);
    if (s->arrived.len > 0 && len > 0) {
        size_t n = some_of(net, s->arrived.len < len ? s->arrived.len : len);
        memcpy(out, s->arrived.ptr, n);
        buf_consume(&s->arrived, n);
        return (ssize_t)n;
    }
    return s->reset ? -ECONNRESET : s->fin_arrived ? 0 : -EAGAIN;
}

static ssize_t net_send(struct poller *p, int fd, const struct iovec *iov, int count)
{
    struct sim_net *net = net_of(p);
    struct sim_sock *s = own_sock(p, fd);
    if (s->reset || s->shut) {
        return -EPIPE;
    }
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        total += iov[i].iov_len;
    }
    size_t space = s->connecting ? 0 : sim_sock_space(s);
    if (space == 0) {
        return -EAGAIN;
    }
    size_t left = total == 0 ? 0 : some_of(net, total < space ? total : space);
    size_t sent = left;
    if (s->pair == NULL) {
        s->reset = true;
        return (ssize_t)sent;
    }
    for (int i = 0; i < count && left > 0; i++) {
        size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;
        buf_append(&s->pair->flying, iov[i].iov_base, n);
        left -= n;
    }
    return (ssize_t)sent;
}

static int net_local(struct poller *p, int fd, struct sockaddr_storage *out)
{
    *out = own_sock(p, fd)->local;
    return 0;
}

static int net_peer(struct poller *p, int fd, struct sockaddr_storage *out)
{
    *out = own_sock(p, fd)->peer;
    return 0;
}

static void net_shutdown_write(struct poller *p, int fd)
{
    struct sim_sock *s = own_sock(p, fd);
    s->shut = true;
    if (s->pair != NULL) {
        s->pair->fin_sent = true;
    }
}

static int net_give(struct poller *p, struct poller *to, int fd, void *word)
{
    struct sim_net *net = net_of(p);
    struct sim_sock *s = own_sock(p, fd);
    struct sim_inbox *box = &net->inboxes[loop_of(to)];
    SIM_CHECK(s->io == NULL && s->kind == SIM_STREAM && loop_of(to) != loop_of(p));
    if (box->closed) {
        return -EPIPE;
    }
    if (sim_random_chance(net->random, 20)) {
        return -EAGAIN; /* the target has not looked for a while */
    }
    s->owner = SIM_FLIGHT;
    box->items[box->count].sock = s;
    box->items[box->count++].word = word;
    return 0;
}

static int net_take(struct poller *p, int *fd, void **word)
{
    struct sim_inbox *box = &net_of(p)->inboxes[loop_of(p)];
    if (box->count == 0) {
        return -EAGAIN;
    }
    box->items[0].sock->owner = loop_of(p);
    *fd = box->items[0].sock->fd;
    *word = box->items[0].word;
    box->count--;
    memmove(box->items, box->items + 1, box->count * sizeof box->items[0]);
    return 0;
}

static int net_inbox(struct poller *p)
{
    struct sim_inbox *box = &net_of(p)->inboxes[loop_of(p)];
    if (box->sock == NULL) {
        box->sock = sim_sock_new(net_of(p), SIM_INBOX, loop_of(p));
    }
    return box->sock->fd;
}

static void net_inbox_close(struct poller *p)
{
    net_of(p)->inboxes[loop_of(p)].closed = true;
}

static void net_close(struct poller *p, int fd) { sim_sock_close(net_of(p), own_sock(p, fd)); }

static void net_free(struct poller *p) { mem_free(CONTAINER_OF(p, struct sim_poller, poller)); }

struct poller *sim_net_poller(struct sim_net *net, unsigned i)
{
    static const struct poller ops = {
        .set = poller_set, .wait = poller_wait, .wake = poller_wake, .listen = net_listen,
        .accept = net_accept, .connect = net_connect, .connected = net_connected,
        .recv = net_recv, .peek = net_peek, .send = net_send, .local = net_local, .peer = net_peer,
        .shutdown_write = net_shutdown_write, .give = net_give, .take = net_take,
        .inbox = net_inbox, .inbox_close = net_inbox_close, .close = net_close, .free = net_free,
    };
    struct sim_poller *p = mem_calloc(1, sizeof *p);
    p->poller = ops;
    p->net = net;
    p->loop = i;
    return &p->poller;
}

/* ---- the wires ---- */

static bool can_move(const struct sim_sock *s)
{
    if (s->connecting) {
        return true;
    }
    if (s->kind == SIM_LISTENER || s->reset || s->paused) {
        return false;
    }
    bool room = s->owner == SIM_OUTSIDE || s->arrived.len < s->cap;
    return (s->flying.len > 0 && room) || (s->flying.len == 0 && s->fin_sent && !s->fin_arrived);
}

static void move_one(struct sim_net *net, struct sim_sock *s)
{
    if (s->connecting) {
        struct sim_sock *l = sim_net_listener(net, port_of((struct sockaddr *)&s->peer));
        if (l == NULL) {
            s->connecting = false;
            s->refused = true;
        } else if (l->queued < SIM_BACKLOG) {
            sim_sock_knock(net, s, l);
        }
    } else if (s->flying.len > 0) {
        size_t n = some_of(net, s->flying.len);
        buf_append(&s->arrived, s->flying.ptr, n);
        buf_consume(&s->flying, n);
    } else {
        s->fin_arrived = true;
    }
}

static unsigned movable(struct sim_net *net, struct sim_sock **out)
{
    unsigned count = 0;
    for (unsigned i = 0; i < net->sock_count; i++) {
        if (net->socks[i] != NULL && can_move(net->socks[i])) {
            out[count++] = net->socks[i];
        }
    }
    return count;
}

static bool source_ready(struct sim_source *self)
{
    struct sim_sock *found[SIM_SOCKS_MAX];
    return movable(CONTAINER_OF(self, struct sim_net, source), found) > 0;
}

static void source_act(struct sim_source *self)
{
    struct sim_net *net = CONTAINER_OF(self, struct sim_net, source);
    struct sim_sock *found[SIM_SOCKS_MAX];
    unsigned count = movable(net, found);
    struct sim_sock *s = found[sim_random_below(net->random, count)];
    move_one(net, s);
    if (sim_random_below(net->random, 1000000) < net->faults.resets_per_million &&
        s->pair != NULL) {
        sim_sock_reset(s->pair);
        sim_sock_reset(s);
    }
}

struct sim_source *sim_net_source(struct sim_net *net) { return &net->source; }

void sim_net_set_faults(struct sim_net *net, const struct sim_faults *faults)
{
    net->faults = *faults;
}

unsigned sim_net_open_count(const struct sim_net *net)
{
    unsigned count = 0;
    for (unsigned i = 0; i < net->sock_count; i++) {
        const struct sim_sock *s = net->socks[i];
        count += s != NULL && s->kind == SIM_STREAM && s->owner != SIM_OUTSIDE;
    }
    return count;
}

struct sim_net *sim_net_new(struct sim_random *random)
{
    struct sim_net *net = mem_calloc(1, sizeof *net);
    net->random = random;
    net->source = (struct sim_source){.ready = source_ready, .act = source_act};
    return net;
}

void sim_net_free(struct sim_net *net)
{
    for (unsigned i = 0; i < net->sock_count; i++) {
        struct sim_sock *s = net->socks[i];
        if (s != NULL) {
            buf_deinit(&s->flying);
            buf_deinit(&s->arrived);
            mem_free(s);
        }
    }
    mem_free(net);
}
