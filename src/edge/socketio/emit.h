/*
 * Events to many sockets: to a room, to everybody in a namespace, to kinds of clients, with
 * exceptions; from sockets, from the server API and from the domain.
 *
 *     room           topic "io/<nsp>/<room>"    its members
 *     everybody      topic "io/<nsp>"           all sockets of the namespace
 *     anything else  topic "io/<nsp>", filtered: each loop finds its own sockets that are meant
 *
 * In names of topics '/', '+' and '%' of the namespace and the room are escaped as in URLs.
 *
 * A socket whose namespace has rooms (sio_nsp_ops) is subscribed to "io/<nsp>" when it connects,
 * by session.c, and its rooms are kept and joined again when it is recovered. Its own id is a room
 * too, which costs no topic: it is looked up where it lives, whatever loop its id names.
 *
 * All these topics have one home (JOURNAL_HOME), so what is emitted in a namespace has one order,
 * whatever it is addressed to. Ordered emits are rows of event_log (events.def, APP_EMIT) and can
 * be replayed to recovering clients; volatile ones are ephemeral.
 *
 * emit.c: publishing and filtering; rooms.c: who is in which; emit_blob.c: what a blob says.
 */
#ifndef SB_EDGE_SOCKETIO_EMIT_H
#define SB_EDGE_SOCKETIO_EMIT_H

#include "base/arena.h"
#include "edge/socketio/socketio.h"

#define EMIT_ROOM_BYTES_MAX 100
#define EMIT_ROOMS_MAX 32    /* of one emit; as many exceptions, and as many principals */

enum emit_kinds { EMIT_DEVICES = 1, EMIT_CLIENTS = 2 };

struct emit {
    span nsp;
    span args;               /* the event's JSON array, name included */
    const span *attachments;
    unsigned attachment_count;
    const span *rooms;       /* names or socket ids; none and no principals: everybody */
    unsigned room_count;
    const uuid *principals;  /* sockets of these; joined with the rooms */
    unsigned principal_count;
    const span *except;      /* rooms or socket ids left out */
    unsigned except_count;
    unsigned kinds;          /* enum emit_kinds; 0: any; else only sockets of these kinds */
    bool volatile_;          /* not logged: dropped for slow readers, not replayed */
};

/* --- publishing --- */

/* Whether a room's name may be: 1 to EMIT_ROOM_BYTES_MAX bytes of storable text on one line, and no
 * longer than a topic may be once it is escaped. */
bool emit_room_ok(span nsp, span room);
/* The topic of a room, or of all sockets of the namespace (room empty); its text in `out`. Empty
 * for a room that is not ok. */
span emit_topic(span nsp, span room, char out[HUB_TOPIC_BYTES_MAX]);
/* Publishes now, unlogged, in the order of calls on this loop. Rooms are ok (asserted). */
void emit_now(struct edge *e, const struct emit *m, enum blob_class cls);
/* Logs it and publishes it then: done(owner, error) after the commit, on this loop. Copied. */
void emit_logged(struct edge *e, const struct emit *m, void (*done)(void *owner, err error),
                 void *owner);
/* The same within another transaction: sets event `set` of a step (journal_steps). Its done calls
 * journal_publish. */
void emit_set(struct edge *e, struct store_req *req, unsigned step, unsigned set,
              const struct emit *m);

/* --- delivering: for wrap.c and the hub's sink --- */

/* blob.event of emits that are not logged; of the others EVENT_APP_EMIT or EVENT_APP_EMIT_SOME. */
#define EMIT_UNLOGGED UINT16_MAX
/* What a blob says that came by one of these topics. NULL when it is no emit. Borrowed until the
 * next call on this loop; parsed once for all calls about one blob. */
const struct emit *emit_of_blob(struct edge *e, const struct blob *b);
/* Whether an emit is for that socket: rooms, principals, kinds and exceptions. */
bool emit_is_for(const struct sio_socket *s, const struct emit *m);
/* hub_sink's wants and among, for emits. */
bool emit_wants(struct hub_sink *sink, uint32_t member, const struct blob *b);
bool emit_among(struct hub_sink *sink, const struct blob *b, struct hub_picks *picks);

/* A blob's payload: {"nsp","args","bin":[base64],"rooms","principals","except","kinds"}; what is
 * empty is left out. Pure. */
void emit_write(buf *out, const struct emit *m);
/* False for what emit_write did not write, as far as it matters here: the JSON is well formed.
 * Spans point into the text or the arena. Fuzz target: emit_fuzz.c. */
bool emit_read(span json, struct arena *a, struct emit *out) MUST_CHECK;

/* --- rooms of a local socket --- */

/* False when it would be in more than sio_rooms_max, or for a bad name. Joining twice, and the
 * room of its own id, are nothing. */
bool emit_join(struct sio_socket *s, span room);
void emit_leave(struct sio_socket *s, span room);
bool emit_in_room(const struct sio_socket *s, span room);
/* Its rooms' names, borrowed until it joins or leaves one; without the room of its own id. How
 * many there are; at most `max` are given. */
unsigned emit_rooms(const struct sio_socket *s, span *out, unsigned max);
/* It leaves its namespace, and its connection stays. */
void emit_leave_all(struct sio_socket *s);
/* Its end: what it has of memory. */
void emit_rooms_free(struct sio_socket *s);

/* Once an edge, and its end. */
void emit_init(struct edge *e);
void emit_deinit(struct edge *e);

#endif
