/*
 * The events of all wires; rows in tables/events.def, peers in tables/peers.def. Constant data:
 * any thread.
 */
#ifndef SB_TABLES_EVENTS_H
#define SB_TABLES_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables/permissions.h"
#include "tables/schemas.h"

enum event_peer {
#define PEER(name, wire, count, burst, text) PEER_##name,
#include "tables/peers.def"
#undef PEER
    PEER_COUNT
};

struct peer_row {
    const char *name;    /* "CLIENT" */
    const char *wire;    /* "Socket.IO" */
    uint32_t per_second; /* of the connection's bucket */
    uint32_t burst;
    const char *text;
};

/* Ordered events: what the log keeps. */
enum event {
#define E(name, text, to, answer, description) EVENT_##name,
#include "tables/events.def"
    EVENT_COUNT
};

/* What the server says besides. */
enum event_out {
#define OUT(name, text, to, answer, class, description) OUT_##name,
#include "tables/events.def"
    OUT_COUNT
};

/* What peers say. */
enum event_in {
#define IN(name, text, from, schema, acked, permission, scope, limit, bytes, handler, description) \
    IN_##name,
#include "tables/events.def"
    IN_COUNT
};

enum event_class { CLASS_ORDERED, CLASS_DIRECT, CLASS_STATE, CLASS_EPHEMERAL };
enum event_scope { EVENT_SCOPE_ALL, EVENT_SCOPE_OWN, EVENT_SCOPE_SOME, EVENT_SCOPE_deviceId };
enum event_limit {
    EVENT_LIMIT_CONNECTION,
    EVENT_LIMIT_FREE,
    EVENT_LIMIT_TELEMETRY,
    EVENT_LIMIT_CHAT,
    EVENT_LIMIT_CHAT_MESSAGE,
    EVENT_LIMIT_CHAT_TYPING,
    EVENT_LIMIT_CHAT_STOP,
    EVENT_LIMIT_CHAT_JOIN,
};
/* Of a single object where many may come (CONTRACT 7). */
#define EVENT_ONE_BYTES_MAX 65536
#define PERM_ANYBODY PERM_COUNT

struct event_out_row {
    const char *name;
    uint32_t to; /* bit per enum event_peer */
    enum answer_shape answer;
    enum event_class class;
    const char *text;
};

struct event_in_row {
    const char *name;
    uint32_t from;      /* bit per enum event_peer */
    enum schema schema; /* SCHEMA_none: whatever it is */
    uint32_t most;      /* one of it, or an array of so many; 0: one */
    enum answer_shape acked; /* ANSWER_none: there is no acknowledgement */
    enum permission permission; /* PERM_ANYBODY: none is asked for */
    enum event_scope scope;
    enum event_limit limit;
    uint32_t bytes_max;
    const char *text;
};

/* The row of each; below the count (not checked). */
const struct peer_row *peer_row(enum event_peer p);
const struct event_in_row *event_in_row(enum event_in e);
const struct event_out_row *event_out_row(enum event_out e);
/* An ordered event as the row of what is said: class CLASS_ORDERED. */
const struct event_out_row *event_row(enum event e);
const char *event_class_name(enum event_class c); /* "ordered" */

/* Whether it is only for some of those who have its topic (hub/blob.h). */
bool event_for_some(enum event e);
/* Whether it is chat's: then its data in the log is an array, which may name who asked for it
 * (domain/chat_internal.h: chat_event_step). */
bool event_is_chat(enum event e);
/* Of an ordered event: as the log spells it, and the wires if it is spoken. */
const char *event_name(enum event e);
/* As what peers hear it: itself, but COMMAND_RESULT for COMMAND_RESULT_ISSUER, and HOME_BROADCAST
 * for HOME_BROADCAST_SOME. */
enum event event_spoken(enum event e);
/* One sentence for the documentation. */
const char *event_description(enum event e);
/* EVENT_COUNT when there is none of that name (a log written by a newer program). */
enum event event_by_name(const char *name, size_t len);

/* Whether a peer of that kind says or hears something of that name. */
bool event_is_spoken(enum event_peer peer, const char *name, size_t len);

/* Rows of IN by the hash of their name; made once, read by anybody. */
#define EVENT_INDEX_SLOTS 256 /* a power of two, and at least twice IN_COUNT (asserted) */
struct event_index {
    uint8_t slots[EVENT_INDEX_SLOTS]; /* 1 + enum event_in; 0: free */
    uint8_t first[IN_COUNT];          /* the first row of the same name: what metrics count */
};
void event_index_init(struct event_index *ix);
/* What a peer of that kind means by a name; IN_COUNT: nothing. O(1), whatever the name. */
enum event_in event_in_find(const struct event_index *ix, enum event_peer peer, const char *name,
                            size_t len);

#endif
