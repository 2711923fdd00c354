/*
 * A connection record without a socket of its own: a session whose bytes travel in requests
 * (polling), and later perhaps through the socket of another record. It has a slot and a conn_ref
 * as any other, can be a member of the hub, counts against connections_max and its address's
 * share, and is ended by conn_close; conn_send asks its wire. On the loop's thread.
 */
#ifndef SB_NET_DETACHED_H
#define SB_NET_DETACHED_H

#include "net/conn.h"
#include "net/net.h"

struct detached_wire {
    const char *name; /* metric and log label, of static duration */
    /* As conn_send: what was taken; less than the whole means blocked until the owner calls its
     * hub's hub_writable for the slot. */
    size_t (*send)(struct conn *c, const struct iovec *iov, int count);
    /* As conn_send_rest. */
    void (*rest)(struct conn *c, span bytes);
    /* It is over (once, whatever the cause); `c` may not be used afterwards. What is sent until
     * this returns (the hub's last bytes) still goes to `send`. */
    void (*on_close)(struct conn *c, close_reason reason);
};

/* For the client of connection `from` (its address counts, also behind a proxy). NULL when
 * connections_max or a limit of the address is reached, or the net drains; *limit then names it
 * ("connections_per_address_max", "handshake_rate", "connections_max", "drain"), and it has been
 * counted and logged as any refusal. A connection's first session is covered by the handshake that
 * the connection itself was; each further one counts as a handshake of the address. Costs a system
 * call. */
struct conn *detached_open(struct conn *from, const struct detached_wire *wire, void *user,
                           const char **limit);
/* As given to detached_open. */
void *detached_user(const struct conn *c);
bool conn_is_detached(const struct conn *c);

#endif
