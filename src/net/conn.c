/*
 * Connection records: writing, closing, and the sweep's part that is common to HTTP and WebSocket
 * (reading: conn_read.c). Owners never see a partial write: what the socket does not take is
 * either theirs (conn_send) or kept here (conn_queue, conn_send_rest).
 */
#include "net/conn.h"

#include "base/mem.h"
#include "loop/addr.h"
#include "net/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

_Static_assert(sizeof(struct conn) <= 64, "a connection at rest costs its record and no more");

uint8_t net_wire(struct net *n, const void *wire)
{
    unsigned i = 0;
    while (i < n->wire_count && n->wires[i] != wire) {
        i++;
    }
    if (i == n->wire_count) {
        ASSERT(i < ARRAY_LEN(n->wires));
        n->wires[n->wire_count++] = wire;
    }
    return (uint8_t)i;
}

struct conn *conn_open(struct net *n, int fd, enum conn_kind kind)
{
    uint32_t slot;
    struct conn *c = slab_alloc(&n->conns, &slot);
    c->io.fd = fd;
    c->io.ready = conn_ready;
    n->detached += kind == CONN_DETACHED;
    c->net = n;
    c->slot = slot;
    c->kind = kind;
    c->state = CONN_OPEN;
    c->seen = net_tick(n);
    c->pinged = c->seen;
    if (!timer_running(&n->sweep)) {
        timer_start(n->loop, &n->sweep, NET_TICK_MS);
    }
    return c;
}

struct conn_ref conn_ref_of(const struct conn *c)
{
    return (struct conn_ref){.loop = loop_index(c->net->loop),
                             .slot = c->slot,
                             .gen = slab_gen(&c->net->conns, c->slot)};
}

struct conn *conn_find(struct net *n, struct conn_ref ref)
{
    ASSERT(ref.loop == loop_index(n->loop));
    struct conn *c = slab_get(&n->conns, ref.slot, ref.gen);
    return c != NULL && c->state == CONN_OPEN ? c : NULL;
}

struct conn *conn_at(struct net *n, uint32_t slot) { return slab_at(&n->conns, slot); }
uint32_t conn_slot(const struct conn *c) { return c->slot; }
struct net *conn_net(const struct conn *c) { return c->net; }
bool conn_peer_loopback(const struct conn *c)
{
    return (c->flags & CONN_LOOPBACK) && !front_proxied(c);
}
bool conn_is_open(const struct conn *c) { return c->state == CONN_OPEN; }

bool conn_peer(const struct conn *c, struct sockaddr_storage *out)
{
    struct poller *p = c->net->poller;
    return c->state != CONN_DEAD &&
           (front_peer(c, out) || (c->io.fd >= 0 && p->peer(p, c->io.fd, out) == 0));
}

bool conn_local(const struct conn *c, struct sockaddr_storage *out)
{
    struct poller *p = c->net->poller;
    return c->io.fd >= 0 && p->local(p, c->io.fd, out) == 0;
}

void conn_interest(struct conn *c)
{
    unsigned want = conn_reads(c) ? CONN_READING : 0;
    if (c->kind == CONN_HTTP && c->phase == HTTP_HANDLER && !(c->flags & CONN_PEER_DONE)) {
        want = c->io.interest & CONN_READING; /* most answers come at once: see conn_ready */
        if (want == 0 && (c->flags & CONN_WATCHED)) {
            want = IO_END;
        }
    }
    if (c->out != NULL || (c->flags & CONN_NOTIFY)) {
        want |= IO_WRITE;
    }
    if (want != c->io.interest) {
        c->net->poller->set(c->net->poller, &c->io, want);
    }
}

/* From now on the socket is full, until conn_flush. */
static void out_make(struct conn *c)
{
    c->out = mem_calloc(1, sizeof *c->out);
    c->out->since = net_tick(c->net);
    conn_interest(c);
}

static size_t send_now(struct conn *c, const struct iovec *iov, int count, size_t total)
{
    loop_hand_over(c->net->loop); /* the peer may act upon what it is told: see loop.h */
    ssize_t sent = c->net->poller->send(c->net->poller, c->io.fd, iov, count);
    if (sent < 0 && sent != -EAGAIN && sent != -EWOULDBLOCK && sent != -ENOBUFS &&
        sent != -EINTR) {
        return total; /* the poller reports the hang-up; the bytes have nobody to go to */
    }
    sent = sent < 0 ? 0 : sent;
    NET_COUNT(c->net->stats.bytes_out, (uint64_t)sent);
    if ((size_t)sent < total) {
        out_make(c);
    }
    return (size_t)sent;
}

static size_t write_now(struct conn *c, const struct iovec *iov, int count, size_t total)
{
    if (c->out != NULL || (c->flags & CONN_HELD)) {
        return 0;
    }
    if (conn_tls(c) != NULL) {
        return net_tls_write(c, iov, count, total);
    }
    return send_now(c, iov, count, total);
}

size_t conn_send(struct conn *c, const struct iovec *iov, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        total += iov[i].iov_len;
    }
    if (c->state == CONN_DEAD || total == 0) {
        return total;
    }
    if (c->kind == CONN_DETACHED) {
        return conn_detached(c)->send(c, iov, count);
    }
    size_t sent = write_now(c, iov, count, total);
    if (sent < total && !(c->flags & CONN_HELD)) {
        c->flags |= CONN_NOTIFY;
    }
    return sent;
}

static void keep(struct conn *c, span rest)
{
    if (c->out == NULL) {
        out_make(c);
    }
    buf_append_span(&c->out->bytes, rest);
}

void conn_send_rest(struct conn *c, span rest)
{
    if (c->state == CONN_DEAD || rest.len == 0) {
        return;
    }
    if (c->kind == CONN_DETACHED) {
        conn_detached(c)->rest(c, rest);
    } else if (conn_tls(c) != NULL) {
        net_tls_rest(c, rest);
    } else {
        keep(c, rest);
    }
}

void conn_put(struct conn *c, span bytes)
{
    struct iovec iov = {.iov_base = (void *)bytes.ptr, .iov_len = bytes.len};
    size_t sent = c->out == NULL ? send_now(c, &iov, 1, bytes.len) : 0;
    if (sent < bytes.len) {
        keep(c, span_slice(bytes, sent, bytes.len));
    }
}

size_t conn_pending_bytes(const struct conn *c)
{
    return c->out == NULL ? 0 : c->out->bytes.len - c->out->at;
}

void conn_queue(struct conn *c, span bytes)
{
    if (c->state == CONN_DEAD || bytes.len == 0) {
        return;
    }
    struct iovec iov = {.iov_base = (void *)bytes.ptr, .iov_len = bytes.len};
    size_t sent = write_now(c, &iov, 1, bytes.len);
    conn_send_rest(c, span_of(bytes.ptr + sent, bytes.len - sent));
}

static void out_free(struct conn *c)
{
    if (c->out != NULL) {
        buf_deinit(&c->out->bytes);
        mem_free(c->out);
        c->out = NULL;
    }
}

static void half_close(struct conn *c)
{
    struct net *n = c->net;
    if (c->flags & CONN_PEER_DONE) {
        conn_kill(c);
        return;
    }
    c->flags &= (uint16_t)~CONN_END_AFTER;
    n->poller->shutdown_write(n->poller, c->io.fd);
    c->pinged = net_tick(n);
    conn_interest(c);
}

void conn_end_after(struct conn *c)
{
    c->state = CONN_CLOSING;
    c->phase = HTTP_LINGER;
    c->pinged = net_tick(c->net);
    if (conn_tls(c) != NULL) {
        net_tls_end(c);
    }
    if (c->out == NULL) {
        half_close(c);
    } else {
        c->flags |= CONN_END_AFTER;
        conn_interest(c);
    }
}

/* Sends what is kept here; false while some of it is left. */
static bool out_flush(struct conn *c)
{
    struct poller *p = c->net->poller;
    struct conn_out *o = c->out;
    if (o->at < o->bytes.len) {
        struct iovec iov = {.iov_base = o->bytes.ptr + o->at, .iov_len = o->bytes.len - o->at};
        ssize_t sent = p->send(p, c->io.fd, &iov, 1);
        if (sent < 0) {
            return false; /* full again, or broken: the poller says which */
        }
        NET_COUNT(c->net->stats.bytes_out, (uint64_t)sent);
        o->at += (size_t)sent;
        o->since = net_tick(c->net);
        if (o->at < o->bytes.len) {
            return false;
        }
    }
    out_free(c);
    return true;
}

void conn_flush(struct conn *c)
{
    if (c->out != NULL && !out_flush(c)) {
        return;
    }
    if (c->flags & CONN_END_AFTER) {
        half_close(c);
        return;
    }
    bool notify = (c->flags & CONN_NOTIFY) != 0;
    c->flags &= (uint16_t)~CONN_NOTIFY;
    conn_interest(c);
    if (c->state != CONN_OPEN) {
        return;
    }
    if (c->kind == CONN_HTTP) {
        http_resume(c);
    } else if (c->kind == CONN_WS) {
        ws_early(c);
        if (notify && c->state == CONN_OPEN && conn_wire(c)->on_writable != NULL) {
            conn_wire(c)->on_writable(c);
        }
    } else if (c->kind == CONN_STREAM && notify && conn_stream(c)->on_writable != NULL) {
        conn_stream(c)->on_writable(c);
    }
}

static const char *wire_name(const struct conn *c)
{
    if (c->kind == CONN_STREAM) {
        return conn_stream(c)->name;
    }
    if (c->kind == CONN_DETACHED) {
        return conn_detached(c)->name;
    }
    return c->kind == CONN_HTTP ? "http" : conn_wire(c)->name;
}

void conn_log_close(struct conn *c, close_reason reason)
{
    struct net *n = c->net;
    NET_COUNT(n->stats.closed[reason], 1);
    bool usual = reason == CLOSE_HTTP_DONE || reason == CLOSE_IDLE_TIMEOUT ||
                 reason == CLOSE_TLS_FAILED || /* tls.failed says more */
                 (c->kind == CONN_HTTP && reason <= CLOSE_DRAIN) ||
                 (c->kind == CONN_HTTP && reason == CLOSE_PEER_CLOSED);
    enum log_level level = usual ? LOG_DEBUG : LOG_INFO;
    if (loop_log(n->loop) == NULL || level < log_level_min(loop_log(n->loop))) {
        return;
    }
    struct sockaddr_storage peer;
    char text[ADDR_TEXT_MAX] = "";
    if (conn_peer(c, &peer)) {
        addr_format(&peer, text);
    }
    LOG(loop_log(n->loop), level, "conn.close", LOG_U64("conn", c->slot),
        LOG_STR("wire", wire_name(c)),
        LOG_STR("reason", close_label(reason)), LOG_STR("peer", text));
}

void conn_close(struct conn *c, close_reason reason)
{
    if (c->state != CONN_OPEN) {
        return;
    }
    conn_log_close(c, reason);
    if (c->kind == CONN_WS) {
        ws_close(c, reason);
    } else if (c->kind == CONN_STREAM) {
        stream_close(c, reason);
    } else if (c->kind == CONN_DETACHED) {
        detached_close(c, reason);
    } else if (c->kind == CONN_CLIENT) {
        c->state = CONN_CLOSING;
        client_ended(c, reason);
        conn_kill(c);
    } else {
        c->state = CONN_CLOSING;
        http_ended(c);
        if (c->out != NULL && close_code(reason) != 0) {
            conn_end_after(c);
        } else {
            conn_kill(c);
        }
    }
}

static void reap(struct deferred *d)
{
    struct net *n = CONTAINER_OF(d, struct net, reap);
    n->reap_queued = false;
    while (n->dead_count > 0) {
        uint32_t slot = n->dead[--n->dead_count];
        n->detached -= conn_at(n, slot)->kind == CONN_DETACHED;
        slab_free(&n->conns, slot);
    }
}

void conn_kill(struct conn *c)
{
    struct net *n = c->net;
    if (c->state == CONN_DEAD) {
        return;
    }
    ASSERT(c->state == CONN_CLOSING);
    if (conn_tls(c) != NULL) {
        if (c->out == NULL) {
            net_tls_end(c); /* a peer that still listens is told that nothing was cut off */
        }
        net_tls_release(c);
    }
    c->state = CONN_DEAD;
    out_free(c);
    if (c->kind == CONN_HTTP) {
        http_ended(c);
    } else if (c->kind == CONN_WS) {
        ws_ended(c);
    }
    if (c->kind == CONN_CLIENT || (c->flags & CONN_MASKED)) {
        client_release(c);
    }
    io_close(n->poller, &c->io);
    if (c->flags & CONN_COUNTED) {
        if (!front_close(c)) {
            addrs_leave(&n->shared->addrs, c->addr_key);
        }
        atomic_fetch_sub_explicit(&n->shared->connections, 1, memory_order_relaxed);
    }
    conn_bury(c);
}

void conn_bury(struct conn *c)
{
    struct net *n = c->net;
    c->state = CONN_DEAD;
    if (n->dead_count == n->dead_cap) {
        n->dead_cap = n->dead_cap == 0 ? 64 : n->dead_cap * 2;
        n->dead = mem_realloc(n->dead, n->dead_cap * sizeof *n->dead);
    }
    n->dead[n->dead_count++] = c->slot;
    if (!n->reap_queued) {
        n->reap_queued = true;
        n->reap.release = reap;
        loop_defer(n->loop, &n->reap);
    }
}

/* Called for every record about once a second, at most every tick. */
void conn_sweep(struct conn *c, uint32_t now_tick)
{
    const struct net_limits *lim = c->net->limits;
    if (c->state == CONN_DEAD) {
        return;
    }
    if (c->state == CONN_CLOSING) {
        /* Last bytes that make progress are given their time; an answer as much as any other. */
        bool moving = c->out != NULL && (int16_t)(c->out->since - c->pinged) > 0;
        uint16_t since = moving ? c->out->since : c->pinged;
        bool answer = c->kind == CONN_HTTP && (c->flags & CONN_END_AFTER);
        if (tick_age_ms(now_tick, since) >= (answer ? lim->http_body_ms : lim->close_wait_ms)) {
            conn_kill(c);
        }
    } else if (c->kind == CONN_HTTP && net_tls_handshaking(c)) {
        net_tls_sweep(c, now_tick);
    } else if (c->kind == CONN_HTTP) {
        http_sweep(c, now_tick);
    } else if (c->kind == CONN_WS) {
        ws_sweep(c, now_tick);
    } else if (c->kind == CONN_STREAM) {
        stream_sweep(c, now_tick);
    } else if (c->kind == CONN_CLIENT) {
        client_sweep(c, now_tick);
    }
}
