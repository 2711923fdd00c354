/*
 * A socket of the Home wire, /ws (CONTRACT 4): who watches and controls a house.
 *
 *   admit.c    admission before the upgrade
 *   socket.c   opening, closing, changes of rights; what a loop has of the wire
 *   message.c  a frame's way to dispatch, and how this wire answers
 *   rooms.c    subscribe_room, unsubscribe_room, and what rooms and rights end of them
 *   topics.c   what a client hears of the hub, and changing it without a gap
 *   events.c   what is ordered: resuming, and a session that is kept
 *   answer.c   frames to the client: connection, result, error
 *   wrap.c     what the hub brings, as frames, and who wants it
 *
 * What it has in common with the Monitor wire is edge/raw.h: gap, pong and auth_expiring too.
 */
#ifndef SB_EDGE_HOME_SESSION_H
#define SB_EDGE_HOME_SESSION_H

#include "base/arena.h"
#include "domain/house.h"
#include "domain/identity.h"
#include "edge/dispatch.h"
#include "edge/home/home.h"
#include "edge/raw.h"

/* Refusals within a minute after which a client is closed with CLOSE_POLICY (CONTRACT 4): it does
 * not know what it says. */
#define HOME_REFUSALS_MAX 10

/* The rooms that a client has subscribed. While it has these it hears of the states of no others;
 * empty when the server has ended the last one, for nobody asked for more then. */
struct home_rooms {
    struct list link; /* in home_wire.choosers */
    struct home_client *client;
    unsigned count;
    unsigned cap;
    int64_t *rooms; /* owned */
};

/* One client. There are many that only listen, so it is small, and what few need has memory of its
 * own. */
struct home_client {
    struct session session;
    struct conn *conn; /* NULL before the upgrade */
    uuid id;           /* client_id */
    uint64_t opened_ns;
    struct bucket bucket;
    uint32_t heard_s;     /* epoch: when the newest frame came; 0: none yet */
    uint32_t refusals_s;  /* monotonic: when the minute of `refusals` began */
    uint8_t refusals;
    bool replaying;       /* what it missed of ordered events is on its way */
    uint16_t fence;       /* the newest change of what it hears */
    uint16_t ended;       /* subscriptions that the server has ended, modulo 2^16 */
    struct home_rooms *rooms;  /* owned; NULL: it has chosen none, and hears of all it may */
    struct resume *resume;     /* owned; NULL once it has no session and nothing to catch up */
};

/* What a loop has of the wire. */
struct home_wire {
    struct ws_wire ws; /* its row, as the settings say */
    struct list choosers; /* struct home_rooms */
};

static inline struct edge *home_edge(const struct home_client *m) { return edge_of(m->conn); }

/* The client of a hub member; NULL when that is no socket of this wire. */
struct home_client *home_client_of(struct edge *e, uint32_t member);

/* --- answer.c --- */

/* How its frames are written: times are whole seconds, and each says when it left. */
extern const struct raw_wire home_raw;
/* The first frame: {status,client_id,timestamp} and where its events begin. */
void home_connection(struct home_client *m, const struct raw_admission *a);
/* {type:"result",data:{id,ok:true,members...}}; nothing without an id. `members` is JSON members
 * without braces, or empty. */
void home_result(struct home_client *m, span id, span members);
/* What a refusal says. */
struct home_refusal {
    const char *code; /* "invalid_json" ... */
    const char *message;
    int64_t room; /* whose subscription has ended; 0: none */
};
/* {type:"result",data:{id,ok:false,error}} or without an id {type:"error",data:error}. It counts
 * against the client, which may be closed by it, and its memory gone. */
void home_refuse(struct home_client *m, span id, const struct home_refusal *r, err error);
/* The same for what failed without the client's fault: it does not count. */
void home_fail(struct home_client *m, span id, const struct home_refusal *r, err error);
/* As {type:"error"}, for what the client has not caused: it does not count. */
void home_tell(struct home_client *m, const struct home_refusal *r);

/* --- rooms.c --- */

/* Whether it may read a room at all, or what is in none. */
bool home_sees(const struct grant *g);
/* Tells that a room's subscription has ended, and why: "not_found", "forbidden". */
void home_tell_ended(struct home_client *m, int64_t room, const char *code);
/* The rights changed: what it may not hear any more is ended and told. Not without home_sees. */
void home_rooms_recheck(struct home_client *m);
/* Subscribes the rooms of a kept session, and tells of those that it may not have any more. */
void home_rooms_restore(struct home_client *m, span state);
bool home_rooms_have(const struct home_client *m, int64_t room);
void home_rooms_free(struct home_client *m);
/* home.on_room, of an edge. */
void home_on_room(void *arg, int64_t room, int event);

/* --- topics.c --- */

/* A request whose answer says that what it changed is in force; or what the server has ended, which
 * is told in the order in which both happened. */
struct home_asked {
    span id;      /* copied; empty: no answer */
    int64_t room; /* answered not_found when the server has ended it meanwhile; 0: none */
    const char *ended; /* the code with which the room's end is told; NULL: it has not ended */
};
/* What the client is to hear (its rights, its rooms) is so in a moment: what is new is subscribed
 * now, what is over is left when the hub's homes know of it, so that nothing falls between the two.
 * Then `asked` is answered; NULL: nobody asked. */
void home_settle(struct home_client *m, const struct home_asked *asked);

/* --- events.c --- */

/* Before home_connection, which says where events begin. */
void home_events_open(struct home_client *m, const struct raw_admission *a);
void home_events_close(struct home_client *m, close_reason reason);
/* Keeps its id and rooms, for a session that is to come back. */
void home_keep(struct home_client *m);
/* The client_id of what home_keep kept; false: it is none of ours. */
bool home_kept_id(span state, uuid *id);
/* As resume_claim. */
void home_claim(struct edge *e, const struct resume_ask *ask, uuid principal, recovery_done done,
                void *owner);
/* A topic of ordered events; twice is once. */
void home_events_join(struct home_client *m, span topic);

/* --- message.c --- */

/* ws_wire.on_message: one frame. */
void home_message(struct conn *c, enum ws_opcode op, span payload);

/* --- socket.c --- */

/* Upgrades the call, or answers it and returns false: then free m. */
bool home_open(struct home_client *m, const struct raw_admission *a);
/* Of a socket that is not open. */
void home_free(struct home_client *m);

#endif
