/*
 * Socket.IO (protocol 5) on Engine.IO sessions: namespaces, events and acks both ways, binary
 * values, rooms, recovery (SOCKETIO.md facts; CONTRACT 2, 3, 5, 8).
 *
 *     engineio/  --message-->  session.c  --packet-->  namespace (sio_nsp_ops)
 *                                                        "/"      devices and chat: product.c
 *                                                        app      app_namespaces: app.c
 *                                                        fixture  conformance/sio_fixture.c
 *
 * A connection (struct sio) has sockets, one a namespace; the first is part of its memory. Each
 * socket has an id (the first character names its loop; EIO_SID_LEN characters), by which any loop
 * reaches it (emit.h). Everything runs on the connection's loop.
 */
#ifndef SB_EDGE_SOCKETIO_SOCKETIO_H
#define SB_EDGE_SOCKETIO_SOCKETIO_H

#include "base/map.h"
#include "codec/json/write.h"
#include "codec/sio/packet.h"
#include "domain/identity.h"
#include "edge/engineio/engine.h"
#include "edge/resume.h"

struct sio;        /* one connection */
struct sio_socket; /* it in one namespace */
struct sio_joining; /* a CONNECT on its way */

/* One event from a client; borrowed for the call. */
struct sio_event {
    span name;               /* unescaped text; of a number, its text */
    span args;               /* the whole JSON array, name included, with placeholders */
    const span *attachments; /* SIO_ATTACHMENTS_MAX at most */
    unsigned attachment_count;
    bool wants_ack;
    bool refused_names; /* with refuses_names: the arguments hold such members */
    uint64_t ack;
};

/* Names an ack to be given later, whatever becomes of the socket meanwhile. */
struct sio_answer {
    struct conn_ref conn;
    uint16_t socket; /* its number within the connection */
    bool wanted;     /* else sio_answer_* do nothing */
    uint64_t ack;
};

/* What a namespace does. All may close the socket or the connection. */
struct sio_nsp_ops {
    /* The product's and apps' namespaces authenticate: the credential is in the CONNECT's payload
     * or the handshake (connect.c looks), and all below are called with socket->session open. Else
     * anybody may come in. Only sockets of these are told `recovery:ready` and `closing`. */
    bool authenticates;
    bool recovers;      /* offers pid and offsets */
    bool rooms;         /* its sockets are subscribed to "io/<nsp>" from the start (emit.h) */
    bool msgpack;       /* connections may speak msgpack in it */
    bool refuses_names; /* on_event gets events with members like __proto__ (sio_event), and refuses
                           them; else such a packet breaks the protocol */
    bool limits_itself; /* on_event gets every event, and asks sio_within_rate where that counts */
    /* Connected: CONNECT has been answered. `auth` is the CONNECT's payload, JSON or empty.
     * s->recovered: it is back; `restore` was called before. */
    void (*on_connect)(struct sio_socket *s, span auth);
    /* Refuses before the answer: the text of CONNECT_ERROR's message, NULL to let in. May be
     * NULL. */
    const char *(*admit)(struct sio_socket *s, span auth);
    /* After that: asks somebody else, who says sio_admit, once, later. False: there is nobody to
     * ask. May be NULL. */
    bool (*ask)(struct sio_socket *s, span auth, struct sio_joining *j);
    /* Recovery; both may be NULL. `keep` writes the namespace's own members (subscriptions) into
     * an open JSON object, rooms are kept without it; `restore` is given that object, and makes
     * the subscriptions again with sio_subscribe. */
    void (*keep)(const struct sio_socket *s, struct json_writer *w);
    void (*restore)(struct sio_socket *s, span state);
    /* Before anything is restored: whether what was missed is to be held back until
     * sio_release_replay, for there are topics that only somebody else can name. So all of it comes
     * in one order. May be NULL. */
    bool (*holds)(struct sio_socket *s, span state);
    void (*on_event)(struct sio_socket *s, const struct sio_event *ev);
    /* The rights changed (session_change SESSION_RIGHTS). May be NULL. */
    void (*on_rights)(struct sio_socket *s);
    /* We end it: what is sent now comes before `closing`. Of connected ones. May be NULL. */
    void (*on_closing)(struct sio_socket *s, close_reason reason);
    /* More can be sent, after a time when not. Closes nothing. May be NULL. */
    void (*on_writable)(struct sio_socket *s);
    /* It has left the namespace, or the connection is over; also of a socket that had on_connect
     * never called when `admit` or `restore` was. May be NULL. */
    void (*on_disconnect)(struct sio_socket *s, close_reason reason);
};

struct emit_rooms; /* emit.h */
struct sio_nsp; /* a namespace's name and ops, shared by its sockets of a loop */

struct sio_socket {
    struct sio_socket *next;  /* in its connection's */
    struct map_node by_sid;   /* in the loop's directory */
    struct sio *sio;
    struct sio_nsp *nsp;
    void *user;               /* the namespace's own */
    struct session session;   /* open where the namespace authenticates */
    struct sio_resume *resume; /* owned; NULL where nothing is recovered */
    struct sio_acks *acks;    /* owned; those that we wait for; NULL: none */
    struct emit_rooms *rooms; /* owned; rooms.c's; NULL: none but its own id */
    uint16_t number;          /* within the connection, never reused */
    uint8_t state;
    bool recovered;           /* it had been here before, and missed nothing or was told */
    uint8_t sid[EIO_SID_LEN];
};

/* The namespace, "/" first. */
span sio_nsp(const struct sio_socket *s);
/* The socket's id in its namespace. */
span sio_sid(const struct sio_socket *s);
/* What it was made with, for telling namespaces' sockets apart. */
const struct sio_nsp_ops *sio_ops(const struct sio_socket *s);
/* Its connection's session. */
struct eio *sio_engine(const struct sio_socket *s);
/* The query of its connection's handshake; only with `conformance`, else empty. */
span sio_handshake_query(const struct sio_socket *s);
/* The edge of its loop. */
struct edge *sio_edge(const struct sio_socket *s);
/* Of this loop, or NULL. */
struct sio_socket *sio_find(struct edge *e, span sid);
/* The one that a hub member of this loop, an Engine.IO session, has in a namespace, also while it
 * is being replayed to; NULL: none. O(sockets of the connection). */
struct sio_socket *sio_of_member(struct edge *e, uint32_t member, span nsp);
/* The socket whose session it is; NULL: it is another wire's. */
struct sio_socket *sio_of_session(struct session *session);
/* Calls visit for each connected socket of this loop, which may close what it is shown. */
void sio_each(struct edge *e, void (*visit)(struct sio_socket *s, void *arg), void *arg);

/* Subscribes its connection to a topic or pattern; twice is once. False for a pattern out of
 * bounds. Ordered topics (home JOURNAL_HOME) begin now, but within `restore` where the client has
 * been, and what else is subscribed meanwhile begins behind what it missed. A topic is one
 * namespace's, for its sockets share the connection's membership. Call sio_keep when the
 * subscriptions are as they shall be. */
bool sio_subscribe(struct sio_socket *s, unsigned home, span topic);
/* The same for a topic that is not ordered, which may have any home, also JOURNAL_HOME: its owner's
 * newest values come first, behind what was missed. */
bool sio_subscribe_values(struct sio_socket *s, unsigned home, span topic);
/* False when it was not subscribed. */
bool sio_unsubscribe(struct sio_socket *s, unsigned home, span topic);
/* It came back, and what it missed is still being read from the log. */
bool sio_is_replaying(const struct sio_socket *s);
bool sio_replay_is_held(const struct sio_socket *s);
/* Harmless when it is not held. */
void sio_release_replay(struct sio_socket *s);
/* Within `restore`: the position that it comes back with; later: now. */
struct pos sio_replay_start(const struct sio_socket *s);
/* How far it is with what it missed; later: now. */
struct pos sio_replay_at(const struct sio_socket *s);
/* What `keep` writes, or rooms, have changed. Nothing where nothing is recovered. */
void sio_keep(struct sio_socket *s);

/* Whether an event is within the rates of its connection and principal (CONTRACT 7), and takes it
 * from them; else it has been answered RATE_LIMIT_EXCEEDED, or the connection closed. */
bool sio_within_rate(struct sio_socket *s, const struct sio_event *ev) MUST_CHECK;
/* Takes a message from its connection's rate that was let in without being asked for. It may be
 * closed. */
void sio_charge(struct sio_socket *s);
/* What that is taken from, for namespaces that count themselves. */
struct bucket *sio_bucket(const struct sio_socket *s);
/* The event `gap {from,to}`: what lies between is not kept any more. */
void sio_say_gap(struct sio_socket *s, struct pos from, struct pos to);
/* auth:refresh: {token} of the same principal, else AUTHENTICATION_FAILED and the end. Answers. */
void sio_refresh(struct sio_socket *s, const struct sio_event *ev);

/* Sends an event: `args` is its whole JSON array, name included; placeholders name `attachments`.
 * Where recovery is on and there is no ack, the offset is appended. */
void sio_emit(struct sio_socket *s, span args, const span *attachments, unsigned count,
              enum blob_class cls);
/* The same, and asks for an ack: `done` runs once, with the answer's JSON array (attachments
 * counted), or with ERR_SERVER_ERROR after timeout_ms or at the socket's end. False when too many
 * are awaited (sio_acks_max). */
typedef void (*sio_acked)(void *owner, err error, span args, const span *attachments,
                          unsigned count);
bool sio_emit_ack(struct sio_socket *s, span args, const span *attachments, unsigned count,
                  uint32_t timeout_ms, sio_acked done, void *owner) MUST_CHECK;

/* For an event: where its ack goes. */
struct sio_answer sio_answer_of(const struct sio_socket *s, const struct sio_event *ev);
/* The ack: `args` is a JSON array. On the connection's loop. */
void sio_answer(struct edge *e, const struct sio_answer *a, span args, const span *attachments,
                unsigned count);
/* The socket that asked; NULL: it is not connected any more. */
struct sio_socket *sio_answered(struct edge *e, const struct sio_answer *a);
/* {ok:true, members...}: `members` is JSON members without braces, or empty. */
void sio_answer_ok(struct edge *e, const struct sio_answer *a, span members);
/* {ok:false,error:{type,message,code,details}}, or without an ack id the event `error` with the
 * same object (CONTRACT 3). member and why may be NULL; retry_after_ms 0: none. */
void sio_answer_error(struct edge *e, const struct sio_answer *a, err error, const char *member,
                      const char *why, uint32_t retry_after_ms);

/* The same with all that a refusal may say (edge/dispatch.h). */
struct event_refusal;
void sio_answer_refusal(struct edge *e, const struct sio_answer *a, const struct event_refusal *r);

/* Leaves the namespace (DISCONNECT); `close`: the whole connection. */
void sio_disconnect(struct sio_socket *s, close_reason reason, bool close);

/* The answer to `ask`: ERR_NONE lets it in; else CONNECT_ERROR with `message` (NULL: the error's
 * own), `reason` (static text) and retry_after_ms (0: none) in its data. Ends `j`. */
void sio_admit(struct sio_joining *j, err error, const char *message, const char *reason,
               uint32_t retry_after_ms);
/* Who waits for that answer; NULL: it has gone. */
struct sio_socket *sio_joining_socket(const struct sio_joining *j);

/* Ends every connection of the loop that has joined a namespace, which is told why first. */
void sio_end_all(struct edge *e, close_reason reason);

/* The namespaces of an edge: exact names, or patterns in which `*` stands for any characters but
 * '/'. The first that fits wins; `/` is the product's unless conformance has taken it. */
void sio_nsp_register(struct edge *e, const char *pattern, const struct sio_nsp_ops *ops);

/* Once an edge, after eio_init; and its end. */
void sio_init(struct edge *e);
void sio_deinit(struct edge *e);

#endif
