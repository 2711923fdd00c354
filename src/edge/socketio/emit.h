/*
 * Events to many sockets: to a room, to everybody in a namespace, to kinds of clients, with
 * exceptions; from sockets, from the server API and from the domain.
 *
 *     room           topic "io/<nsp>/<room>"    its members
 *     everybody      topic "io/<nsp>"           all sockets of the namespace
 *     anything else  topic "io/<nsp>", filtered: each loop asks which of its sockets are meant
 *     a socket's id  no topic: its loop's directory (the room of its own that each socket has)
 *
 * A socket whose namespace has rooms (sio_nsp_ops) is subscribed to "io/<nsp>" when it connects,
 * by session.c, and its rooms are kept and joined again when it is recovered. One that was
 * recovered on another loop than its id names is in the room of its id besides
 * ("io/<nsp>/<sid>"): a loop that does not find the id in its directory publishes there.
 *
 * All these topics have one home (JOURNAL_HOME), so what is emitted in a namespace has one order,
 * whatever it is addressed to. Ordered emits are rows of event_log (events.def, APP_EMIT) and can
 * be replayed to recovering clients; volatile ones are ephemeral.
 */
#ifndef SB_EDGE_SOCKETIO_EMIT_H
#define SB_EDGE_SOCKETIO_EMIT_H

#include "edge/socketio/socketio.h"

#define EMIT_ROOM_BYTES_MAX 100
#define EMIT_ROOMS_MAX 32    /* of one emit; and as many exceptions */

enum emit_kinds { EMIT_DEVICES = 1, EMIT_CLIENTS = 2 };

struct emit {
    span nsp;
    span args;               /* the event's JSON array, name included */
    const span *attachments;
    unsigned attachment_count;
    const span *rooms;       /* names or socket ids; none and no kinds, principals: everybody */
    unsigned room_count;
    const uuid *principals;  /* sockets of these; joined with the rooms */
    unsigned principal_count;
    const span *except;      /* rooms or socket ids left out */
    unsigned except_count;
    unsigned kinds;          /* enum emit_kinds; 0: any; else only sockets of these kinds */
    bool volatile_;          /* not logged: dropped for slow readers, not replayed */
};

/* Whether a room's name may be: 1 to EMIT_ROOM_BYTES_MAX bytes of storable text on one line. */
bool emit_room_ok(span name);
/* Publishes now, unlogged, in the order of calls on this loop. */
void emit_now(struct edge *e, const struct emit *m, enum blob_class cls);
/* Logs it and publishes it then: done(owner, error) after the commit. Copied. */
void emit_logged(struct edge *e, const struct emit *m, void (*done)(void *owner, err error),
                 void *owner);

/* Rooms of a local socket. False when it would be in more than sio_rooms_max, or for a bad name. */
bool emit_join(struct sio_socket *s, span room);
void emit_leave(struct sio_socket *s, span room);
bool emit_in_room(const struct sio_socket *s, span room);
/* Its rooms' names, borrowed until it joins or leaves one; without the room of its own id. How
 * many there are; at most `max` are given. */
unsigned emit_rooms(const struct sio_socket *s, span *out, unsigned max);

#endif
