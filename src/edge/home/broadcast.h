/*
 * Broadcasts (CONTRACT 4): what an operator says to clients of /ws, under a type of its own.
 *
 *     REST: how many are addressed, over all loops, and is its principal within the rate (gather)
 *           --> event_log and audit, one transaction --> answered; gate --> members of the topic
 *
 * To everybody it is EVENT_HOME_BROADCAST on HOUSE_EVENTS_ALL, else EVENT_HOME_BROADCAST_SOME, and
 * each who has the topic is asked (broadcast_wants):
 *
 *     room         on the room's topic of ordered events, which those have who may see it: of these
 *                  the ones who subscribed the room, or no room at all
 *     clients      these connections; with a room, those of them whom that reaches
 *     expires_ms   nobody to whom it would be replayed after that; who is connected when it is
 *                  said hears it whatever the time
 */
#ifndef SB_EDGE_HOME_BROADCAST_H
#define SB_EDGE_HOME_BROADCAST_H

#include "base/arena.h"
#include "domain/house.h"
#include "edge/edge.h"

#define BROADCAST_TYPE_MAX 64
#define BROADCAST_DATA_MAX 16384
#define BROADCAST_CLIENTS_MAX 100

struct broadcast {
    span type;           /* broadcast_type_ok */
    span data;           /* one JSON value */
    int64_t room;        /* 0: none */
    const uuid *clients; /* sorted */
    unsigned client_count; /* 0: any */
    int64_t expires_ms;  /* epoch; 0: never. It stands in data */
};

/* [a-z][a-z0-9_]*, up to BROADCAST_TYPE_MAX, and no name of this wire's own (tables/events.def). */
bool broadcast_type_ok(span type);
/* `expires_at` of an object: RFC 3339 or epoch ms; 0 when there is none. False: it is no time. */
bool broadcast_expires(span data, int64_t *out) MUST_CHECK;
void broadcast_sort(uuid *clients, unsigned count);
enum event broadcast_event(const struct broadcast *b);
/* Of a room that there is, or of none. */
span broadcast_topic(const struct home *h, const struct broadcast *b, char out[HOUSE_TOPIC_MAX]);

/* As it is logged: {"type","data","room_id","client_ids"}; what is not said is left out. Pure. */
void broadcast_write(buf *out, const struct broadcast *b);
/* False for what broadcast_write did not write, as far as it matters here: the JSON is well formed.
 * Spans point into the text, the clients into the arena. Fuzz target: broadcast_fuzz.c. */
bool broadcast_read(span json, struct arena *a, struct broadcast *out) MUST_CHECK;

/* --- whom it addresses --- */

struct broadcast_reach {
    uint64_t clients;
    bool limited; /* the principal has said too much; clients means nothing */
    uint32_t retry_ms;
};
/* For gather(): the question (freed by it), a loop's part, and the sum. It costs the principal one
 * of its home_broadcasts_per_min, counted at its home. */
void *broadcast_question(const struct edge *e, uuid principal, const struct broadcast *b);
void broadcast_ask(struct edge *e, const void *in, buf *out);
void broadcast_sum(const buf *answers, unsigned count, struct broadcast_reach *out);

/* hub_sink's wants, for EVENT_HOME_BROADCAST_SOME. */
bool broadcast_wants(struct edge *e, uint32_t member, const struct blob *b);

/* Once an edge, and its end. */
void broadcast_init(struct edge *e);
void broadcast_deinit(struct edge *e);

#endif
