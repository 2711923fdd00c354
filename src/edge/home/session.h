/*
 * A socket of the Home wire, /ws (CONTRACT 4): who watches and controls a house.
 *
 *   admit.c    admission before the upgrade
 *   socket.c   opening, closing, changes of rights; what a loop has of the wire
 *   message.c  a frame's way to dispatch, and how this wire answers
 *   answer.c   frames to the client: connection, pong, result, error, gap, auth_expiring
 *   wrap.c     what the hub brings, as frames, and who wants it
 */
#ifndef SB_EDGE_HOME_SESSION_H
#define SB_EDGE_HOME_SESSION_H

#include "base/arena.h"
#include "domain/identity.h"
#include "edge/dispatch.h"
#include "edge/home/home.h"
#include "edge/rest/rest.h"
#include "edge/resume.h"

/* Refusals within a minute after which a client is closed with CLOSE_POLICY (CONTRACT 4): it does
 * not know what it says. */
#define HOME_REFUSALS_MAX 10

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
};

/* What a loop has of the wire. */
struct home_wire {
    struct ws_wire ws; /* its row, as the settings say */
};

static inline struct edge *home_edge(const struct home_client *m) { return edge_of(m->conn); }

/* The client of a hub member; NULL when that is no socket of this wire. */
struct home_client *home_client_of(struct edge *e, uint32_t member);

/* How somebody was let in. */
struct home_admission {
    struct resume_ask ask;
    bool claimed;    /* it has a session back */
    struct pos kept; /* with which it was kept */
    span state;      /* JSON, as it was kept */
};

/* --- answer.c --- */

/* The first frame: {status,client_id,timestamp} and where its events begin. */
void home_connection(struct home_client *m, const struct home_admission *a);
/* What ping is answered with. */
void home_pong(struct home_client *m);
/* The token ends within a minute. */
void home_expiring(struct home_client *m);
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
/* As {type:"error"}, for what the client has not caused: it does not count. */
void home_tell(struct home_client *m, const struct home_refusal *r);

/* --- message.c --- */

/* ws_wire.on_message: one frame. */
void home_message(struct conn *c, enum ws_opcode op, span payload);

/* --- socket.c --- */

/* Upgrades the call, or answers it and returns false: then free m. */
bool home_open(struct home_client *m, struct rest_call *c, const struct home_admission *a);
/* Of a socket that is not open. */
void home_free(struct home_client *m);

#endif
