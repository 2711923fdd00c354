/* What the poller reports of a connection, and where the bytes that it brings go. */
#include "base/mem.h"
#include "net/internal.h"

#include <errno.h>

/* The peer has ended its direction. What waits for it may still be wanted (RFC 9112 9.6). */
static void conn_eof(struct conn *c)
{
    c->flags |= CONN_PEER_DONE;
    if (c->state == CONN_CLOSING && (c->flags & CONN_END_AFTER)) {
        conn_interest(c); /* the last bytes go out, then half_close ends it */
    } else if (c->state == CONN_CLOSING) {
        conn_kill(c);
    } else if (c->kind == CONN_HTTP) {
        http_eof(c);
    } else if (c->kind == CONN_WS) {
        ws_eof(c);
    } else if (c->kind == CONN_STREAM) {
        conn_close(c, CLOSE_PEER_CLOSED);
    } else {
        conn_close(c, CLOSE_PEER_GONE);
    }
}

/* The transport is broken both ways. */
static void conn_broken(struct conn *c)
{
    if (c->state == CONN_OPEN) {
        conn_close(c, CLOSE_PEER_GONE);
    }
    conn_kill(c);
}

static void conn_bytes(struct conn *c, uint8_t *bytes, size_t len)
{
    if (c->kind == CONN_WS) {
        ws_bytes(c, bytes, len);
    } else if (c->state == CONN_CLOSING || c->kind == CONN_STREAM) {
        return; /* lingering: read so that the peer gets our answer, and dropped */
    } else if (c->kind == CONN_HTTP) {
        http_bytes(c, bytes, len);
    } else {
        client_bytes(c, bytes, len);
    }
}

/* The plaintext behind `held` bytes of the last read; false when the connection ends here. */
static bool conn_read_secure(struct conn *c, span cipher, size_t held)
{
    size_t len = net_tls_read(c, cipher, c->net->recv + held, NET_RECV_BYTES);
    if (len > 0) {
        conn_bytes(c, c->net->recv, held + len);
    }
    if (c->state != CONN_DEAD && net_tls_ended(c)) {
        conn_eof(c);
        return false;
    }
    return c->state != CONN_DEAD;
}

/* One read; true while there may be more. A short one has taken all, unless the poller said that
 * the stream's end follows. */
static bool conn_read_once(struct conn *c, bool end_follows)
{
    struct net *n = c->net;
    if (front_waits(c)) {
        return front_read(c, end_follows);
    }
    size_t held = c->kind == CONN_WS ? ws_held(c, n->recv) : 0;
    if (c->state == CONN_DEAD) {
        return false;
    }
    bool secure = conn_tls(c) != NULL;
    uint8_t *into = secure ? n->tls->in : n->recv + held;
    ssize_t room = secure ? NET_TLS_RECV_BYTES : NET_RECV_BYTES;
    ssize_t got = n->poller->recv(n->poller, c->io.fd, into, (size_t)room);
    if (got == -EAGAIN || got == -EWOULDBLOCK) {
        return false;
    }
    if (got == -EINTR) {
        return true;
    }
    if (got < 0) {
        conn_broken(c);
        return false;
    }
    if (got == 0) {
        conn_eof(c);
        return false;
    }
    NET_COUNT(n->stats.bytes_in, (uint64_t)got);
    if (c->kind != CONN_HTTP) {
        c->seen = net_tick(n);
    }
    if (!secure) {
        conn_bytes(c, n->recv, held + (size_t)got);
    } else if (!conn_read_secure(c, span_of(into, (size_t)got), held)) {
        return false;
    }
    return got == room || end_follows;
}

static void conn_read(struct conn *c, bool end_follows)
{
    for (unsigned i = 0; i < NET_READS_MAX && conn_reads(c); i++) {
        loop_take_mail(c->net->loop); /* the peer may know of it: see loop.h */
        if (c->state == CONN_DEAD) {
            return;
        }
        if (!conn_reads(c)) {
            break;
        }
        if (!conn_read_once(c, end_follows) || c->state == CONN_DEAD) {
            return;
        }
    }
    /* What is left is reported again when the interest is renewed: now, or after the answer. */
    c->net->poller->set(c->net->poller, &c->io, c->io.interest & ~CONN_READING);
    conn_interest(c);
}

void conn_ready(struct io *io, unsigned events)
{
    struct conn *c = CONTAINER_OF(io, struct conn, io);
    if (c->state == CONN_DEAD) {
        return;
    }
    if (c->kind == CONN_CLIENT && client_connected(c)) {
        return;
    }
    if (events & IO_WRITE) {
        conn_flush(c);
    }
    if (c->state == CONN_DEAD) {
        return;
    }
    if ((events & IO_READ) && conn_reads(c)) {
        conn_read(c, (events & IO_END) != 0);
    } else if (events & IO_HANGUP) {
        conn_broken(c);
    } else if ((events & IO_END) && (c->flags & CONN_WATCHED)) {
        conn_close(c, CLOSE_PEER_CLOSED); /* what it sent ahead has nobody to be answered to */
    } else if (events & IO_READ) { /* it waits for the answer in hand */
        c->net->poller->set(c->net->poller, io, io->interest & ~CONN_READING);
        conn_interest(c);
    }
}
