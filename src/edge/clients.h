/*
 * Who is connected to this loop, on any wire that knows its peers (Socket.IO, Monitor, SSE, Home),
 * by the slot of the connection: what GET /api/v1/connections shows and DELETE ends, the counts
 * beside it, and connection_logs of those who are no device (domain/connection_log.h).
 *
 *     wire: identified --clients_join--> here --clients_leave--> gone
 *                                         | clients_walk: rows from a slot on, a bounded number
 *
 * A connection of Socket.IO may have several sockets, one a namespace: each is a row, and they are
 * numbered. Everything on the loop's thread.
 */
#ifndef SB_EDGE_CLIENTS_H
#define SB_EDGE_CLIENTS_H

#include "base/buf.h"
#include "domain/identity.h"
#include "edge/edge.h"

/* What a principal is to people (CONTRACT 2, Chat's userType), else its kind. */
enum client_type {
    CLIENT_SUPERVISOR,
    CLIENT_EMPLOYEE,
    CLIENT_GUEST,
    CLIENT_USER,
    CLIENT_DEVICE,
    CLIENT_SERVICE,
    CLIENT_ANONYMOUS,
    CLIENT_PROVISIONER,
    CLIENT_TYPE_COUNT
};
const char *client_type_name(enum client_type t); /* "supervisor" */
enum client_type client_type_of(const struct grant *g);

/* One row; borrowed for the call. */
struct client_row {
    uint32_t number;           /* within the connection, rising */
    span socket_id;
    span nsp;                  /* of Socket.IO; else empty */
    const struct grant *grant; /* NULL: not known yet, then it is not shown */
    uuid device;               /* that it is, or watches; nil: none */
    uint32_t heard_s;          /* when it last said something, epoch; 0: never */
};
typedef void (*client_show)(void *arg, const struct client_row *row);

/* How a wire tells of its peer. */
struct client_ops {
    enum stats_wire wire;
    void (*each)(void *peer, client_show show, void *arg);
    /* Ends the connection with CLOSE_KICKED; the peer's memory may be gone then. */
    void (*kick)(void *peer);
};

/* 3-32 bytes that name a connection which has no id of its own: "loop-slot-generation". Returns
 * what it wrote. */
#define CLIENT_NAME_MAX 33
span client_name(const struct conn *c, char out[CLIENT_NAME_MAX]);

/* It is identified. socket_id names it in connection_logs. Twice is once. */
void clients_join(struct edge *e, struct conn *c, const struct client_ops *ops, void *peer,
                  const struct grant *grant, span socket_id);
/* Its rights changed: the counts follow. */
void clients_rights(struct edge *e, const struct conn *c, const struct grant *grant);
/* It is over. Harmless when it has not joined. */
void clients_leave(struct edge *e, const struct conn *c, close_reason reason);

/* Slots that one walk looks at: a millisecond or two of the loop. */
#define CLIENTS_WALK_MAX 16384
struct clients_at {
    uint32_t slot;
    uint32_t number; /* rows of the slot up to this one are left out */
};
/* Calls `take` for each row behind `at` in order of slot and number, until it returns false (that
 * row counts as not seen) or CLIENTS_WALK_MAX slots were passed. True: the end was reached; else
 * *at is where to go on. */
struct client_seen {
    const struct client_ops *ops;
    struct conn *conn;
    int64_t opened_ms; /* epoch */
    enum client_type type;
    const struct client_row *row;
};
bool clients_walk(struct edge *e, struct clients_at *at,
                  bool (*take)(void *arg, const struct client_seen *seen), void *arg);
/* Appends to `out` the slots (uint32_t) of a wire's connections, of those that leave `phase` when
 * divided by `of`: a part of them at a time. O(slots / of). */
void clients_slots(const struct edge *e, enum stats_wire wire, uint32_t phase, uint32_t of,
                   buf *out);
/* The wire's own of a connection; NULL: there is none of that wire. */
void *clients_peer(const struct edge *e, enum stats_wire wire, uint32_t slot);
/* Ends the connection of that socket id (of Home: its client_id); false: it is not of this loop. */
bool clients_kick(struct edge *e, span socket_id);

/* The loop's counts now. Rates are those of the last whole minute. */
struct clients_count {
    uint32_t by[STATS_WIRE_COUNT][CLIENT_TYPE_COUNT]; /* connections */
    uint32_t joined_min;
    uint32_t left_min;
};
void clients_count(struct edge *e, struct clients_count *out);

/* Once an edge, and its end, when everybody has left. */
void clients_init(struct edge *e);
void clients_deinit(struct edge *e);

#endif
