/*
 * The network side of one loop: its listeners, its connections, its shared receive buffer and
 * the sweep that enforces every time-out. Made once a loop by the composition root.
 */
#ifndef SB_NET_NET_H
#define SB_NET_NET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"
#include "loop/tls.h"
#include "net/addrs.h"
#include "net/conn.h"
#include "net/http.h"
#include "net/trust.h"
#include "net/ws.h"

/* Limits and times; each is a setting of the same name (tables/config.def). */
struct net_limits {
    struct trust trusted;          /* peers whose word about their client counts */
    uint32_t connections_max;      /* of the process; more are accepted and closed at once */
    uint32_t per_address_max;      /* 0: none (conformance); nor for unix sockets */
    uint32_t handshakes_per_s;     /* of one address; 0: none */
    uint32_t tls_handshake_ms;     /* from accept to the end of the TLS handshake */
    uint32_t http_header_ms;       /* first byte to end of head */
    uint32_t http_body_ms;         /* end of head to end of body */
    uint32_t http_idle_ms;         /* between requests */
    uint32_t http_header_bytes_max;
    uint32_t http_body_bytes_max;
    uint32_t sse_heartbeat_ms;     /* between signs of life in streams; 0: none */
    uint32_t close_wait_ms;        /* for the peer's close frame, or for lingering */
    bool ws_deflate;               /* permessage-deflate is agreed where the wire allows it */
    uint8_t ws_deflate_window_bits; /* 9-15, of both directions; 0 is 15 */
    uint32_t ws_deflate_bytes_min; /* shorter messages leave uncompressed */
};

/* Counters of one loop; readers on other threads may see them a moment late (relaxed atomics). */
struct net_stats {
    _Atomic uint64_t accepted;
    _Atomic uint64_t refused; /* over a limit at accept */
    _Atomic uint64_t closed[CLOSE_COUNT];
    _Atomic uint64_t open_ws;
    _Atomic uint64_t open_detached; /* net/detached.h */
    _Atomic uint64_t bytes_in;
    _Atomic uint64_t bytes_out;
    _Atomic uint64_t requests;
    _Atomic uint64_t moved;     /* connections that came from other loops (net/move.h) */
    _Atomic uint64_t messages_in;
    _Atomic uint64_t tls_handshakes[2]; /* done: of TLS 1.2, of TLS 1.3 */
    _Atomic uint64_t tls_resumed;       /* of them */
    _Atomic uint64_t tls_faults[TLS_FAULT_COUNT]; /* handshakes that failed */
};

/* Shared by the loops of a process: counts that are exact over all of them. */
struct net_shared {
    struct addrs addrs;
    _Atomic uint32_t connections;
    _Atomic uint32_t listening; /* nets that accept */
};

struct net_conf {
    struct loop *loop;
    const struct net_limits *limits; /* borrowed, outlives the net */
    struct net_shared *shared;       /* borrowed */
    const struct http_handler *http; /* borrowed; NULL: no server role (agent) */
    void *user;                      /* for handlers: net_user() */
    uint32_t room;  /* connections that the loop's descriptors allow; 0: no bound of its own */
    uint32_t spare; /* beyond them, those that wait at the door when it is reached */
};

/* Owned by the caller; what the conf points to is borrowed. */
struct net *net_new(const struct net_conf *conf);
/* Closes everything at once, its owners hearing of it; call on the stopped loop, on its thread
 * where it has descriptors of its own. What answers later still may ask: it finds no connection
 * any more, and no new one is made. Harmless when stopped. */
void net_stop(struct net *n);
/* Frees it, stopped or not; nobody may ask any more. */
void net_free(struct net *n);

/* What the net was made with. */
void *net_user(const struct net *n);
/* As above: its loop. */
struct loop *net_loop(const struct net *n);
/* Counters of this loop; any thread may read them. */
const struct net_stats *net_stats(const struct net *n);
/* The limits in force; they change only between turns. */
const struct net_limits *net_limits(const struct net *n);
/* Others from now on, borrowed as the first ones were, which nobody reads any more then. What
 * concerns compression must stay. On the loop. */
void net_set_limits(struct net *n, const struct net_limits *limits);

/* The certificates and rules of connections accepted from now on (borrowed; a reference is
 * taken); live ones go on with theirs. Needed before the first TLS listener. On the loop. */
void net_set_tls(struct net *n, struct tls_server *server);
/* What new connections get, borrowed for the turn; NULL without TLS. On the loop. */
const struct tls_server *net_tls_server(const struct net *n);

/* How a listener's connections begin. */
enum net_listen_flags {
    NET_LISTEN_TLS = 1,   /* with a TLS handshake */
    NET_LISTEN_PROXY = 2, /* trusted peers: with a PROXY protocol header, before anything else */
};

/* Starts to accept at an address; 0 or -errno. *bound is the address in use (port 0 picked).
 * flags: enum net_listen_flags. */
int net_listen(struct net *n, const struct sockaddr *addr, socklen_t len, unsigned flags,
               struct sockaddr_storage *bound);
/* The same for a unix socket that listens already. Each loop that shares it takes over a
 * descriptor of its own; all are woken for each connection, and one that idles gets it. */
void net_listen_shared(struct net *n, int fd, unsigned flags);
/* The descriptors of its listeners, in order; returns how many (at most max). */
unsigned net_listeners(const struct net *n, int *fds, unsigned max);
/* Closes idle HTTP connections, every WebSocket, stream and detached record with `reason`, and
 * stops accepting; who waited at the door still gets one request answered, if it is there within
 * NET_TICK_MS. */
void net_drain(struct net *n, close_reason reason);
/* Connections that still exist, closing ones included. */
uint32_t net_count(const struct net *n);
/* Calls visit for every open WebSocket of this loop. */
void net_each_ws(struct net *n, void (*visit)(struct conn *c, void *arg), void *arg);

#endif
