/*
 * One TCP connection of one loop: a small record without buffers while it rests. net/ is the
 * only reader and writer of sockets; HTTP (net/http.h) and WebSocket (net/ws.h) sit on it.
 *
 *     open ---> closing (close frame sent, or the last bytes drain) ---> dead (freed in reap)
 *        \______________________________________________________________/
 *
 * Everything runs on the loop's thread. Other threads hold a conn_ref and post mail.
 */
#ifndef SB_NET_CONN_H
#define SB_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "base/span.h"
#include "tables/closes.h"

struct conn;
struct net;

/* Names a connection across loops and time; a stale one finds nothing. */
struct conn_ref {
    uint32_t loop;
    uint32_t slot;
    uint32_t gen;
};

/* The ref of a record in use. */
struct conn_ref conn_ref_of(const struct conn *c);
static inline bool conn_ref_eq(struct conn_ref a, struct conn_ref b)
{
    return a.loop == b.loop && a.slot == b.slot && a.gen == b.gen;
}
/* The open connection of a ref of this loop, or NULL. */
struct conn *conn_find(struct net *n, struct conn_ref ref);
/* The connection in a slot that is in use (asserted); slots are small numbers, reused. */
struct conn *conn_at(struct net *n, uint32_t slot);
uint32_t conn_slot(const struct conn *c);
struct net *conn_net(const struct conn *c);

/* The client's address: what a trusted proxy says (net/front.h), else the peer's own; false when
 * the socket is gone. Costs a system call. */
bool conn_peer(const struct conn *c, struct sockaddr_storage *out);
/* Our own end of it, as above. */
bool conn_local(const struct conn *c, struct sockaddr_storage *out);
/* Whether the peer's address is loopback (known since accept) and no PROXY header says that it
 * stands for another. */
bool conn_peer_loopback(const struct conn *c);

/* Whether its bytes travel encrypted (known since accept or connect). */
bool conn_is_secure(const struct conn *c);

/*
 * Writes now, without queueing. Returns the bytes that the kernel took, 0 when older bytes are
 * still waiting or the socket is full. Less than the whole: the caller keeps the rest, gives
 * the remainder of a message that was begun to conn_send_rest, and is called on_writable.
 * A broken socket takes everything (the close follows in this turn).
 */
size_t conn_send(struct conn *c, const struct iovec *iov, int count);
/* Copies bytes that must follow at once (the rest of a begun message); they leave before
 * anything given to conn_send later. */
void conn_send_rest(struct conn *c, span rest);
/* Bytes waiting in the record's own queue. */
size_t conn_pending_bytes(const struct conn *c);

/*
 * The only way to end a peer. A WebSocket gets a close frame with the reason's code and text and
 * has close_wait to answer; HTTP is closed after what is pending. The owner's on_close runs
 * before this returns; the record dies in the reap phase. Harmless on a closing connection.
 */
void conn_close(struct conn *c, close_reason reason);
bool conn_is_open(const struct conn *c);

#endif
