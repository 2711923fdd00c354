/*
 * Shared by the files of edge/socketio about connections and their sockets. Nobody else includes
 * this.
 *
 *   session.c    the connection: opening, messages, attachments that are owed, its end
 *   namespace.c  registered namespaces; the names in use
 *   connect.c    CONNECT: authentication, admission, recovery, the answer
 *   socket.c     sockets: their directory, rights, disconnecting
 *   event.c      packets of a connected socket; rates; auth:refresh
 *   send.c       packets to the peer, in the session's own form
 *   ack.c        acks that we wait for, and those that we give
 *   recovery.c   what is kept of a socket, and its coming back
 *   takeover.c   a socket that comes back before it was missed
 *   wrap.c       published blobs
 *
 * A socket:
 *
 *     CONNECT --> JOINING (auth, admit, claim) --> CONNECTED --> FREE
 *                    \_____________________________________/
 */
#ifndef SB_EDGE_SOCKETIO_INTERNAL_H
#define SB_EDGE_SOCKETIO_INTERNAL_H

#include "domain/recovery.h"
#include "edge/clients.h"
#include "edge/dispatch.h"
#include "edge/socketio/socketio.h"
#include "hub/ratelimit.h"

/* Namespaces that can be registered; a bound of the program, not of its use. */
#define SIO_RULES_MAX 32
#define SIO_AUTH_REFRESH SPAN("auth:refresh")

enum sio_state { SIO_FREE, SIO_JOINING, SIO_CONNECTED };

struct sio_nsp {
    struct map_node node; /* in sio_loop.names */
    const struct sio_nsp_ops *ops;
    uint32_t sockets; /* of this loop */
    uint8_t len;
    char name[]; /* with a NUL */
};

/* What one loop has. */
struct sio_loop {
    struct edge *edge;
    struct map by_sid;
    struct map by_pid; /* those that are kept */
    struct map names; /* of namespaces with sockets here */
    struct {
        const char *pattern; /* borrowed */
        const struct sio_nsp_ops *ops;
    } rules[SIO_RULES_MAX];
    unsigned rule_count;
    struct limiter *principals[PEER_COUNT]; /* rates of principals over connections */
    struct chat_rates *chat; /* owned: likewise, of chat (chat.h) */
};

/* What is needed until a namespace is joined, and a little longer: other namespaces may follow
 * with the credential of the same handshake. */
struct sio_early {
    struct deadline connect; /* engineio_connect_timeout_ms from the handshake */
    struct deadline implicit; /* v3: "/" is joined once the handshake is answered */
    struct sio *sio;
    buf credential;  /* of the handshake; freed with this, zeroed */
    bool is_session; /* it is a cookie's */
    buf query;       /* of the handshake, for fixtures; else empty */
};

/* A packet whose attachments are owed. */
struct sio_gather {
    struct deadline due;
    struct sio *sio;
    struct sio_packet packet; /* its spans point into text */
    buf text;
    buf bytes; /* of the attachments, one after the other */
    size_t ends[SIO_ATTACHMENTS_MAX];
    unsigned have;
};

struct sio {
    struct eio eio;
    struct sio_early *early;   /* owned; NULL later */
    struct sio_gather *gather; /* owned; NULL: nothing is owed */
    struct sio_socket *sockets;
    struct bucket bucket;      /* of packets */
    uint64_t pinged;           /* number in the log of what had been sent before the ping that is
                                  under way; 0: that cannot be said */
    uint32_t heard_s;          /* epoch: when the newest packet of a socket came; 0: none */
    uint16_t numbers;          /* the last socket's */
    uint8_t socket_count;
    bool spoke;                /* a message has come: its form is settled */
    bool msgpack;
    bool joined;               /* some namespace was, once */
    bool left;                 /* we ended a socket: packets for it may be on their way */
    uint8_t peer;              /* enum event_peer: whose rates it has */
    struct sio_socket first;   /* free while its state is SIO_FREE */
};

static inline struct sio *sio_of_eio(struct eio *s) { return CONTAINER_OF(s, struct sio, eio); }
static inline struct edge *sio_edge_of(const struct sio *c) { return eio_edge(&c->eio); }
static inline struct sio_loop *sio_loop_of(const struct sio *c) { return sio_edge_of(c)->sio; }

/* --- session.c --- */
/* Ends a connection that breaks the protocol: a log line, a counter. */
void sio_violation(struct sio *c, const char *why);
/* The connection of a ref of this loop, or NULL. */
struct sio *sio_by_ref(struct edge *e, struct conn_ref ref);
/* Sends no more than the engine: every socket is told `closing`, then it is over. */
void sio_close_all(struct sio *c, close_reason reason);
void sio_early_free(struct sio *c);

/* --- namespace.c --- */
/* The namespace of a name, to be given back; NULL when nobody serves it. */
struct sio_nsp *sio_nsp_take(struct sio_loop *l, span name);
void sio_nsp_give_back(struct sio_loop *l, struct sio_nsp *n);
/* Who serves it; NULL: nobody. */
const struct sio_nsp_ops *sio_nsp_ops_of(const struct sio_loop *l, span name);
/* Whether some namespace takes msgpack. */
bool sio_nsp_any_msgpack(const struct sio_loop *l);

/* --- connect.c --- */
/* A CONNECT of a namespace; v3 clients put a query behind its name. */
void sio_connect(struct sio *c, span nsp, span payload);
/* v3: "/" without having been asked for. */
void sio_connect_implicit(struct sio *c);
/* Answers the CONNECT: the last step, also of a recovered socket. */
void sio_connected(struct sio_socket *s, span auth);
/* Refuses a socket that is not connected, and frees it; the connection may be closed. */
void sio_refuse(struct sio_socket *s, err error, const char *reason);

/* --- socket.c --- */
struct sio_socket *sio_socket_new(struct sio *c, struct sio_nsp *nsp);
/* Ends it without a word: on_disconnect, what is kept, memory. `over`: it left, or was refused,
 * and cannot be recovered. */
void sio_socket_end(struct sio_socket *s, close_reason reason, bool over);
/* Whether some socket of the loop has that id. */
bool sio_sid_taken(const struct sio_loop *l, span sid);
void sio_socket_sid(struct sio_socket *s, span sid);
struct sio_socket *sio_socket_by_nsp(const struct sio *c, span nsp);
struct sio_socket *sio_socket_by_number(const struct sio *c, uint16_t number);
/* Says `closing` where the namespace is told such things. */
void sio_say_closing(struct sio_socket *s, close_reason reason);
extern void (*const sio_on_session_change)(struct session *s, enum session_change change);

/* Of an authenticated connection, for edge/clients.h. */
extern const struct client_ops sio_client_ops;

/* --- event.c --- */
/* A packet of a connected socket. It may free the socket and the connection. */
void sio_packet_in(struct sio_socket *s, const struct sio_packet *p, const span *attachments);
/* Whether a packet is within the rate; *retry_ms else. The connection may have been closed: then
 * *closed. */
bool sio_take(struct sio *c, uint32_t *retry_ms, bool *closed);

/* --- send.c --- */
/* One packet, in the session's form. `id` < 0: none. */
void sio_send(struct sio *c, enum sio_type type, span nsp, int64_t id, span payload,
              const span *attachments, unsigned count, enum blob_class cls);

/* --- ack.c --- */
/* Whether it was awaited. `done` runs within, and may free the socket. */
bool sio_acked_by(struct sio_socket *s, uint64_t id, span args, const span *attachments,
                  unsigned count);
/* Fails all that are awaited. */
void sio_acks_end(struct sio_socket *s);

/* --- takeover.c --- */
/* Asks every loop to give up the socket of a pid: done(owner), later, on this loop; then it can be
 * claimed, if there was one. */
void sio_takeover(struct edge *e, span pid, uuid principal, void (*done)(void *owner), void *owner);

/* --- recovery.c --- */
/* What a CONNECT shows: `pid` and `offset`. False: nothing to claim. */
bool sio_recovery_ask(span payload, struct resume_ask *out);
/* Of whom a socket's session is kept. */
uuid sio_recovery_principal(const struct sio_socket *s);
/* Whether a socket can come back. A guest comes as somebody new: what it may see is its room as it
 * is then. */
bool sio_recovery_offered(const struct sio_socket *s);
/* A new name under which it is kept from now on; nothing where nothing is recovered. */
void sio_recovery_open(struct sio_socket *s);
/* It is back: subscribes what was kept. What was missed follows from the next turn on, so the
 * CONNECT is to be answered now. False: the state is not this namespace's; nothing was done. */
bool sio_recovery_restore(struct sio_socket *s, const struct resume_ask *ask, span state,
                          struct pos kept);
/* After that, and the answer. */
void sio_recovery_begin(struct sio_socket *s);
/* Its pid is shown by another connection of the principal: it leaves there, and can be claimed.
 * Nothing happens when it is not here. */
void sio_recovery_yield(struct sio_loop *l, span pid, uuid principal);
void sio_recovery_close(struct sio_socket *s, close_reason reason, bool over);
/* Its CONNECT has been answered: tells of a gap. */
void sio_recovery_say(struct sio_socket *s);
void sio_recovery_writable(struct sio_socket *s);
/* Empty when it is not kept. */
span sio_recovery_pid(const struct sio_socket *s);
/* The position that an event says that is sent now. */
size_t sio_offset(const struct sio_socket *s, char out[POS_TEXT_MAX]);

#endif
