/*
 * What a socket of "/" has of chat: who it is there, its topics, and its rooms. Shared by
 * chat_socket.c, chat_rooms.c, chat_kept.c and chat_events.c.
 *
 *     connect --> user, desk, staff topics; chat_client_open
 *     on_room --> a place: [paging --> ] reading --> live          on_out --> no place
 *
 *     paging   join said `since`: stored messages up to the arrival's last_seq, a page at a time,
 *              as the socket takes them
 *     reading  a journal reader of the room's topic from the arrival's position; what it gives is
 *              behind last_seq, so nothing comes twice
 *     live     the topic is the hub's
 *
 * Places that are not live wait for their turn behind CHAT_CATCHING_MAX others of the socket.
 *
 * Of a session its rooms are kept, but only to say which of them it has left meanwhile: those that
 * it is in come from the client anew, for rights may have changed. What a socket missed is held
 * back until all are known, and then read by the session's one reader, in one order, so what the
 * peer has seen last always covers what it had before. While places have readers of their own that
 * is not so: the lowest of their positions is kept, and the number at which all were live. Who
 * comes back and has seen nothing later gets its rooms from there; what it sees twice has the same
 * eventId. Both are forgotten when a pong shows that all has arrived.
 */
#ifndef SB_EDGE_SOCKETIO_CHAT_SOCKET_H
#define SB_EDGE_SOCKETIO_CHAT_SOCKET_H

#include "base/list.h"
#include "edge/socketio/chat.h"
#include "hub/journal.h"

#define CHAT_CATCHING_MAX 16 /* readers and pages of one socket at once */
#define CHAT_WISHES_MAX 64   /* answers of a socket whose event is still to come */

enum chat_rate {
    CHAT_RATE_MESSAGE,
    CHAT_RATE_TYPING,
    CHAT_RATE_STOP,
    CHAT_RATE_JOIN,
    CHAT_RATE_OTHER,
    CHAT_RATES
};

/* A room that the socket hears. */
struct chat_place {
    struct list link; /* in the socket's places */
    struct chat_socket *chat;
    uuid room;
    int64_t last_seq; /* what is above it has come from the topic, or will */
    int64_t first_seq; /* a guest's: what is up to it is nothing to it */
    struct chat_catch *catch; /* owned; NULL: it is live */
    bool watching;
};

/* What was asked for and comes with on_room or on_out. */
struct chat_wish {
    struct list link; /* in the socket's wishes */
    uuid room;
    bool leaving;
    bool has_since;
    int64_t since;
    size_t id_len;
    uint8_t request_id[];
};

struct chat_socket {
    struct sio_socket *socket;
    struct bucket rates[CHAT_RATES];
    struct chat_client client;
    struct chat_who who;     /* without names; when `open` */
    bool open;
    bool desk, staff;        /* topics that it has */
    bool told;               /* all rooms there were have been told */
    bool recovered;          /* it came back, and */
    bool known;              /* had been told of its rooms before: they are not told again */
    bool alone;              /* recovered: rooms must be read from further back than the session */
    struct pos back;         /* recovered: where rooms are read from */
    uuid *had;               /* owned; recovered and not told: rooms that it was told of before */
    unsigned had_count;
    bool settling;           /* places catch up, or what they were given may not have arrived: */
    bool gave;               /* (some were given something) */
    struct pos low;          /* the lowest position of theirs, which is kept; and */
    uint64_t until;          /* the number at which all were live: who has seen a later one has all
                                of that; 0: they are not */
    struct list places;      /* struct chat_place */
    struct list wishes;      /* struct chat_wish */
    unsigned wish_count;
    unsigned behind;         /* places that are not live, */
    unsigned catching;       /* and those of them whose turn it is */
    struct deadline again;   /* the list of rooms could not be read */
    int64_t again_ms;
    uint64_t tokens;
};

/* The socket's; made when there is none. */
struct chat_socket *chat_socket_of(struct sio_socket *s);
/* The same, if there is one; NULL: none. */
struct chat_socket *chat_socket_find(const struct sio_socket *s);

/* --- chat_rooms.c --- */

/* NULL: the socket does not hear that room. O(rooms of the socket). */
struct chat_place *chat_place_of(const struct chat_socket *c, uuid room);
/* A new place that goes on from `pos`; with since >= 0 stored messages above it come first. */
void chat_place_open(struct chat_socket *c, const struct chat_arrival *a, struct pos pos,
                     int64_t since);
/* A new place of the session's own reader, with which it comes back. */
void chat_place_share(struct chat_socket *c, const struct chat_arrival *a);
/* Messages above `since` again, of a place that may be live: then it goes on from where it is. */
void chat_place_since(struct chat_place *p, int64_t since);
/* Nothing of the room is heard any more. */
void chat_place_close(struct chat_place *p);
void chat_places_writable(struct chat_socket *c);

/* --- chat_socket.c --- */

/* A place catches up from this position on: kept while it does. */
void chat_catching_from(struct chat_socket *c, struct pos pos);
/* The last one is live. */
void chat_caught_up(struct chat_socket *c);
/* The result of chat:room:join: says it to who asked, begins what `since` asks for. request_id is
 * copied; `r` holds ERR_NONE. */
void chat_socket_joined(struct chat_socket *c, uuid room, span request_id, const int64_t *since,
                        const struct chat_result *r);
/* chat:room:leave is on its way: what the socket hears of it has the requestId. */
void chat_socket_leaving(struct chat_socket *c, uuid room, span request_id);
/* That was refused. */
void chat_socket_stays(struct chat_socket *c, uuid room);
/* It does not watch the room any more, and is told; false: it does not. */
bool chat_socket_unwatch(struct chat_socket *c, uuid room);
/* Says that it is in the room no more. */
void chat_socket_left(struct chat_socket *c, uuid room);

/* --- chat_kept.c --- */

/* The rooms as a member of what is kept of the session; false: there are too many to be kept. */
bool chat_kept_put(const struct chat_socket *c, struct json_writer *w);
/* Takes them from there; false: they are not there. */
bool chat_kept_take(struct chat_socket *c, span kept);
/* All rooms are known now: says of which it is no more. */
void chat_kept_tell(struct chat_socket *c);
void chat_kept_free(struct chat_socket *c);

#endif
