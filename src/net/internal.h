/*
 * The connection record and what the files of net/ share. Nobody outside net/ includes this.
 *
 * A record is 96 bytes and owns no buffer at rest:
 *   out    while the socket is full: bytes it did not take (conn.c)
 *   http   an unfinished or unanswered request (http.c)
 *   parts  an unfinished WebSocket message or frame (ws.c)
 *   client the client role's handshake and masks (ws_client.c)
 */
#ifndef SB_NET_INTERNAL_H
#define SB_NET_INTERNAL_H

#include "base/buf.h"
#include "base/slab.h"
#include "codec/http1/body.h"
#include "codec/http1/request.h"
#include "codec/ws/deflate.h"
#include "codec/ws/session.h"
#include "loop/loop.h"
#include "loop/tls.h"
#include "net/detached.h"
#include "net/net.h"
#include "net/stream.h"

#define NET_TICK_MS 100        /* resolution of every time-out here */
#define NET_RECV_BYTES 65536   /* one shared buffer a loop: what one read can give */
#define NET_READS_MAX 4        /* reads of one connection a turn, so that nobody starves others */
#define NET_TLS_RECV_BYTES (NET_RECV_BYTES - TLS_RECORD_BYTES_MAX) /* what a read of ciphertext
                        means, with an unfinished record before it, fits the shared buffer */
#define NET_TLS_WRITE_BYTES 65536 /* encrypted at a time; what the socket leaves of it is kept */
#define NET_TLS_PIPE_KEEP_BYTES (128u << 10) /* memory that the loop keeps for ciphertext */
#define NET_CONTROL_BYTES_MAX 4096 /* pongs kept for a peer that does not read; more are dropped */

enum conn_kind {
    CONN_HTTP,
    CONN_WS,
    CONN_STREAM, /* an answer that goes on */
    CONN_CLIENT, /* before its handshake is done */
    CONN_DETACHED, /* without a socket: fd is -1 for ever */
};
enum conn_state { CONN_OPEN, CONN_CLOSING, CONN_DEAD };

/* What an HTTP connection is waiting for; each has its own time-out. */
enum http_phase {
    HTTP_FRESH,   /* the first byte */
    HTTP_HEAD,    /* the end of a head */
    HTTP_BODY,    /* the end of a body */
    HTTP_HANDLER, /* the answer: nothing is read meanwhile, at most the end is noticed */
    HTTP_IDLE,    /* the next request */
    HTTP_LINGER,  /* the peer's end, after an answer that closes */
    HTTP_PULL,    /* the next piece of a body that the handler takes as it comes */
};

enum conn_flags {
    CONN_LOOPBACK = 1,     /* the peer's address is loopback; a unix socket has none */
    CONN_NOTIFY = 2,       /* the owner waits for on_writable */
    CONN_SMALL_WINDOW = 4, /* messages are compressed for it as WS_DEFLATE_SMALL */
    CONN_CLOSE_CAME = 8,   /* the peer's close frame has come */
    CONN_END_AFTER = 16,   /* close the socket when pending bytes are out */
    CONN_MASKED = 32,      /* client role: frames leave masked */
    CONN_COUNTED = 64,     /* holds a place in net_shared */
    CONN_PEER_DONE = 128,  /* the peer has ended its direction: nothing more to read */
    CONN_SECURE = 256,     /* detached: the connection that opened it was encrypted */
    CONN_SPENT = 512,      /* it has opened a session: the next one is a handshake of its own */
    CONN_HELD = 2048,      /* ws_hold: takes nothing */
    CONN_WATCHED = 1024,   /* HTTP_HANDLER: the peer's end counts at once (http_watch) */
};

#define CONN_WIRE_BITS 5 /* wires of one loop, of every kind together: at most 32 */

/* Exists exactly while the socket is full: the write deadline counts from `since`, whoever
 * keeps the bytes that wait (this record's own are `bytes`; an outbox of the owner's may hold
 * more). */
struct conn_out {
    buf bytes;
    size_t at;           /* sent so far */
    uint16_t since;      /* tick of the last progress */
    uint32_t control;    /* of these bytes, those of pongs */
};

struct ws_parts {
    buf message;                     /* pieces of an unfinished message */
    buf early;                       /* bytes that came behind the handshake */
    struct ws_session session;       /* of an unfinished message */
    uint32_t held_len;               /* bytes of an unfinished header or control frame */
    uint8_t held[WS_FEED_BYTES_MIN];
};

/* An unfinished or unanswered request (http.c). */
struct http_session {
    buf in;     /* received and not yet consumed */
    size_t at;  /* consumed of it */
    struct http1_scan scan;
    struct http1_body body;
    struct http_exchange *x; /* owned: the request being read or answered */
    bool pumping;            /* inside http_pump: answers come back to its loop */
};

struct ws_client;
struct front;

struct conn {
    struct io io;
    struct net *net;
    struct conn_out *out; /* owned, NULL at rest */
    union {
        struct http_session *http; /* owned, NULL between requests */
        struct ws_parts *parts;    /* owned, NULL between messages */
    };
    void *user;
    uint32_t slot;
    uint32_t addr_key;
    uint16_t seen;    /* tick of the last bytes from the peer; of HTTP: start of the phase */
    uint16_t pinged;  /* of the last ping or beat sent; while closing: when that began */
    uint16_t flags;   /* enum conn_flags */
    uint8_t kind : 3; /* enum conn_kind */
    uint8_t state : 2; /* enum conn_state */
    uint8_t phase : 3; /* enum http_phase */
    uint8_t wire : CONN_WIRE_BITS; /* place in net->wires */
    uint8_t ws : WS_REST_BITS;     /* ws_session_rest() of the session */
};

/* TLS of one loop (tls.c); none where nobody speaks it. */
struct net_tls {
    struct tls_server *server;     /* a reference; what new connections get */
    struct tls_session **sessions; /* owned, by slot; NULL: a plain connection */
    uint32_t cap;
    struct tls_pipe pipe;
    buf gathered; /* pieces of one write, for one call */
    uint8_t in[NET_TLS_RECV_BYTES];
};

struct net_listener {
    struct io io;
    struct net *net;
    struct net_listener *next;
    unsigned flags; /* enum net_listen_flags */
    struct sockaddr_storage addr; /* bound: where it listens again after a rest */
    socklen_t addr_len;
    bool shared;    /* other loops accept from the same socket, through descriptors of their own */
    struct deferred gone; /* an event for it may be waiting in this turn */
};

struct move;

/* Connections on their way from and to other loops (move.c). */
struct net_moves {
    struct io inbox;     /* reports what came; the descriptor is the poller's */
    struct move *oldest; /* owned: those that could not be sent yet, in their order */
    struct move **tail;  /* where the next one is linked */
    uint32_t waiting;    /* their number; each holds a descriptor here */
    uint32_t waiting_for[LOOP_COUNT_MAX];
    struct timer again;
};

struct net {
    struct loop *loop;
    struct poller *poller;
    const struct net_limits *limits;
    struct net_shared *shared;
    const struct http_handler *http;
    void *user;
    struct slab conns;
    uint32_t detached; /* of them, records without a socket */
    const void *wires[1 << CONN_WIRE_BITS]; /* those that were used: see net_wire() */
    unsigned wire_count;
    struct net_listener *listeners; /* owned */
    struct net_moves moves;
    struct timer sweep;
    struct timer accept_again; /* after the process ran out of descriptors */
    struct deferred reap;
    bool reap_queued;
    bool draining;
    bool stopped;
    bool listening; /* counted in net_shared: not while it is full and others accept */
    uint32_t room;  /* as of net_conf; 0: none */
    uint32_t spare;
    uint32_t sweep_at;   /* next slot that the sweep visits */
    uint32_t *dead;      /* owned: slots to free in the reap phase */
    uint32_t dead_count;
    uint32_t dead_cap;
    struct front **fronts; /* owned, as is each: by slot, see front.h; NULL without any */
    uint32_t front_cap;
    struct ws_client **clients; /* owned, as is each: client connections' extra state, by slot */
    uint32_t client_cap;
    uint64_t refused_logged_ms;
    buf scratch; /* response heads, client frames; contents live for one call */
    struct ws_deflater *deflater; /* owned; NULL until a message is compressed */
    buf packed;   /* a compressed message, for one call */
    buf inflated; /* an inflated message, while it is delivered */
    struct net_tls *tls; /* owned; NULL until TLS is used */
    struct net_stats stats;
    uint8_t recv[WS_FEED_BYTES_MIN + NET_RECV_BYTES];
};

/* Counters have one writer, the loop's thread, so no bus lock is needed. */
#define NET_COUNT(field, n)                                                                        \
    atomic_store_explicit(&(field), atomic_load_explicit(&(field), memory_order_relaxed) + (n),    \
                          memory_order_relaxed)

/* The connection's TLS session, or NULL. */
static inline struct tls_session *conn_tls(const struct conn *c)
{
    const struct net_tls *side = c->net->tls;
    return side != NULL && c->slot < side->cap ? side->sessions[c->slot] : NULL;
}

/* HTTP reads only what it can look at: the kernel, not this process, keeps what a peer sends
 * while its last answer waits. */
static inline bool conn_reads(const struct conn *c)
{
    if (c->flags & CONN_PEER_DONE) {
        return false;
    }
    return c->kind != CONN_HTTP || c->state != CONN_OPEN ||
           (c->phase != HTTP_HANDLER && c->out == NULL && !(c->flags & CONN_NOTIFY));
}

static inline uint32_t net_tick(const struct net *n)
{
    return (uint32_t)(loop_now_ms(n->loop) / NET_TICK_MS);
}

/* Records keep ticks in 16 bits: an age is right up to 109 minutes, and no time-out of theirs is
 * longer than one hour (tables/config.def). */
static inline uint32_t tick_age_ms(uint32_t now_tick, uint16_t then)
{
    return (uint32_t)(uint16_t)(now_tick - then) * NET_TICK_MS;
}

static inline const struct ws_wire *conn_wire(const struct conn *c)
{
    return c->net->wires[c->wire];
}

static inline const struct detached_wire *conn_detached(const struct conn *c)
{
    return c->net->wires[c->wire];
}

static inline const struct stream_wire *conn_stream(const struct conn *c)
{
    return c->net->wires[c->wire];
}

/* Reads take all there is, so the poller need not say twice that bytes have arrived. */
#define CONN_READING (IO_READ | IO_EDGE)

/* conn_read.c */
void conn_ready(struct io *io, unsigned events); /* for struct io */

/* conn.c */
/* The place of a wire in net->wires, the same for ever. */
uint8_t net_wire(struct net *n, const void *wire);
struct conn *conn_open(struct net *n, int fd, enum conn_kind kind);
void conn_interest(struct conn *c); /* sets what the poller reports, from the record's state */
void conn_flush(struct conn *c); /* the socket takes bytes: what is kept here, then the owner's */
void conn_kill(struct conn *c);     /* closes the socket; the record is freed in the reap phase */
void conn_bury(struct conn *c);     /* the last of it: a dead record that holds nothing any more */
void conn_log_close(struct conn *c, close_reason reason);
void conn_queue(struct conn *c, span bytes); /* sends or keeps; for small control bytes */
/* As conn_queue, but bytes of the socket's own level: what TLS has encrypted. */
void conn_put(struct conn *c, span bytes);
void conn_end_after(struct conn *c); /* half-closes when pending bytes are out, then lingers */
void conn_sweep(struct conn *c, uint32_t now_tick);

/* room.c */
/* Descriptors that connections hold. */
static inline uint32_t net_sockets(const struct net *n)
{
    return n->conns.count - n->detached + n->moves.waiting;
}

/* No descriptor is left for one more connection. */
static inline bool room_is_full(const struct net *n)
{
    return n->room != 0 && net_sockets(n) >= n->room;
}
/* Takes in who waits at the door, then leaves accepting to other loops until there is room again.
 * False when no other loop accepts: then this one goes on, and refuses. */
bool room_leave(struct net *n);
/* Accepts again if there is room; else looks again later. */
void room_return(struct net *n);
void room_enter(struct net *n); /* the first listener was made */
/* Accepts who has connected already, at most `max` of each listener. */
void room_accept_waiting(struct net *n, unsigned max);

/* net.c */
#define ACCEPT_PAUSE_MS 100 /* rest of a loop that has no descriptors left */
#define LISTEN_BACKLOG 4096 /* the kernel clamps it to net.core.somaxconn */
/* Accepts one from a listener, admitted or refused; false when none waits or none can be had:
 * then *error is -errno. */
bool net_accept(struct net_listener *l, int *error);
/* The socket is the wire's from its next byte on, whatever stood before it. */
void net_begin(struct conn *c, unsigned listen_flags);
/* Counts a connection of an address, unless a limit refuses it, whose name is returned. Without
 * `again` it is a handshake, too. */
const char *net_address_enter(struct net *n, uint32_t key, bool again);
/* Counts and, once a second, logs a refusal. */
void net_count_refused(struct net *n, const struct sockaddr_storage *peer, const char *why);
/* Ends a connection that was refused after all, without a line of its own. */
void net_refuse(struct conn *c, close_reason reason);

/* front.c */
/* For a connection that is not counted by its peer's address. */
void front_open(struct conn *c, bool trusted, unsigned listen_flags);
bool front_close(struct conn *c); /* false: it has no entry */
/* For a detached record: its client is that of `from`, and counted, as a handshake unless `again`.
 * NULL, or the name of the limit that refuses it; then it has no entry. */
const char *front_copy(struct conn *c, const struct conn *from, bool again);
/* Takes an entry away from its record, counted as it is (NULL: there is none), and gives it to
 * another one. */
struct front *front_take(struct conn *c);
void front_give(struct conn *c, struct front *f);
void front_deinit(struct net *n);
void front_rest(struct conn *c); /* its request is answered: the client does not hold it any more */
bool front_waits(const struct conn *c); /* nothing but front_read may read it */
bool front_read(struct conn *c, bool end_follows); /* true: there may be more to read */
bool front_proxied(const struct conn *c); /* a PROXY header came, or is to come */
/* The client's address; false: it is the peer's own, or there is none. */
bool front_peer(const struct conn *c, struct sockaddr_storage *out);

/* tls.c */
/* The connection begins with a handshake; ciphertext is what it reads from now on. */
void net_tls_accept(struct conn *c);
void net_tls_connect(struct conn *c, struct tls_client *client, const char *host, bool literal);
/* What ciphertext means: its length at `plain` (room for cipher.len + TLS_RECORD_BYTES_MAX).
 * Sends what the session answers, and ends the connection when it has failed. Nothing of the
 * input is left over. */
size_t net_tls_read(struct conn *c, span cipher, uint8_t *plain, size_t room);
bool net_tls_ended(const struct conn *c); /* the peer's close_notify has come */
/* The part of conn_send that is TLS's: as it, with conn_put behind it. */
size_t net_tls_write(struct conn *c, const struct iovec *iov, int count, size_t total);
void net_tls_rest(struct conn *c, span rest);
void net_tls_end(struct conn *c); /* close_notify, once */
bool net_tls_handshaking(const struct conn *c);
void net_tls_sweep(struct conn *c, uint32_t now_tick); /* of one that is */
void net_tls_release(struct conn *c); /* frees the session */
struct tls_session *net_tls_take(struct conn *c); /* the session changes its owner; or NULL */
void net_tls_give(struct conn *c, struct tls_session *t);
void net_tls_deinit(struct net *n);

/* http.c */
void http_bytes(struct conn *c, uint8_t *bytes, size_t len);
void http_eof(struct conn *c); /* the peer sends no more; it may still read */
void http_resume(struct conn *c); /* pending bytes are out: look at the next request */
void http_sweep(struct conn *c, uint32_t now_tick);
/* For ws_upgrade and http_stream: takes the bytes behind the request out and frees the session. */
void http_detach(struct conn *c, buf *rest);
void http_ended(struct conn *c); /* frees the session; the handler hears on_abandoned */
/* The unanswered exchange and what was read behind it change their owner, as if the handler had
 * not been called. */
struct http_session *http_take(struct http_exchange *x);
void http_give(struct conn *c, struct http_session *s);
/* Calls the handler, for what was given to the connection. */
void http_arrive(struct conn *c);
void http_set_phase(struct conn *c, enum http_phase phase);
void http_pump(struct conn *c); /* reads and answers what can be */
/* Malformed, too large or too slow: the handler words the answer, the connection ends. */
void http_refuse(struct conn *c, int status, const char *why, close_reason reason);
/* The head of an answer into the net's scratch; x->keep says whether the connection stays. */
void http_answer_head(struct http_exchange *x, unsigned status, const char *content_type,
                      uint64_t body_bytes);
/* The answer has left: the exchange is freed, the connection ends or goes on. */
void http_answered(struct http_exchange *x);

/* http_body.c */
/* Gives the handler what there is of the piece it waits for; false when bytes are missing. */
bool http_pull(struct conn *c);

/* detached.c */
void detached_close(struct conn *c, close_reason reason);

/* move.c */
void moves_init(struct net *n);
/* Nothing comes or goes any more; what is on its way ends here. */
void moves_stop(struct net *n);

/* stream.c */
void stream_close(struct conn *c, close_reason reason);
void stream_sweep(struct conn *c, uint32_t now_tick);

/* ws.c */
void ws_bytes(struct conn *c, uint8_t *bytes, size_t len);
size_t ws_held(struct conn *c, uint8_t *out); /* bytes kept from the last read, copied to out */
void ws_early(struct conn *c); /* reads what came behind the handshake */
void ws_eof(struct conn *c);
void ws_close(struct conn *c, close_reason reason);
void ws_sweep(struct conn *c, uint32_t now_tick);
void ws_ended(struct conn *c);
void ws_begin(struct conn *c, enum ws_role role, const struct ws_wire *wire, void *user);

/* ws_deflate.c */
/* Reads the client's offers: 1 agreed, 0 not, negative: the handshake is malformed. */
int ws_offers_read(struct http_exchange *x, const struct ws_wire *wire,
                   struct ws_deflate_agreed *out);
/* Inflates a message into `out`; false, and the reason to close with, when it breaks a rule. */
bool ws_inflate(struct conn *c, enum ws_opcode op, span payload, buf *out, close_reason *why);
void ws_deflate_deinit(struct net *n);

/* ws_client.c */
/* The connect has ended; false when it had before (then it is a connection like any other). */
bool client_connected(struct conn *c);
void client_bytes(struct conn *c, uint8_t *bytes, size_t len);
void client_sweep(struct conn *c, uint32_t now_tick);
void client_ended(struct conn *c, close_reason reason);
void client_secured(struct conn *c); /* the TLS handshake is done */
void client_release(struct conn *c); /* frees the extra state */
void client_mask_key(struct conn *c, uint8_t key[4]);
void client_close_came(struct conn *c, int code); /* notes the server's close code */

#endif
