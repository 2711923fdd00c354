/*
 * What peers say, on any wire, from its name to its handler by the rows of tables/events.def:
 *
 *     wire: name, payload, id --> row of (name, peer) --> rate --> size --> permission
 *           --> payload read by its schema --> permission for what it names --> event_<handler>
 *
 * A wire parses its envelope and says in struct event_wire how it answers; everything else is
 * here, counted, timed and logged the same way for all. What is refused is answered once, by the
 * wire, naming the member. On the connection's loop.
 *
 *     void event_heartbeat(struct event_call *in, const struct shape_heartbeat *p)
 *     {
 *         struct monitor *m = in->peer;
 *         ...
 *         event_ok(in, SPAN_NONE);
 *     }
 *
 * Of rows that take many (IN_MANY) the handler is given the elements one by one, read or refused:
 *
 *     void event_product_telemetry(struct event_call *in, struct event_many *m)
 *     {
 *         struct shape_telemetry_sample s;
 *         for (enum event_element e; (e = event_next(m, &s)) != EVENT_END;) ...
 *
 * A handler answers at once with event_ok or event_refuse, or later in the wire's own way with a
 * copy of in->id. It may close the peer, whose memory is gone then.
 */
#ifndef SB_EDGE_DISPATCH_H
#define SB_EDGE_DISPATCH_H

#include "codec/json/read.h"
#include "codec/json/write.h"
#include "edge/edge.h"
#include "domain/identity.h"
#include "hub/ratelimit.h"
#include "shape/decode.h"
#include "tables/events.h"

/* Refusals by the rate in a minute that close the connection with CLOSE_FLOODING (CONTRACT 7). */
#define EVENT_FLOOD 100

struct event_refusal {
    err error;
    const char *member;      /* NULL or empty: none */
    const char *why;         /* static text; NULL: nothing to add */
    uint32_t retry_after_ms; /* 0: none */
    uuid device;             /* which one is concerned; nil: none is named */
    span details;            /* more JSON members of details, without braces; empty: none */
};

/* {type,message,code,details} (CONTRACT 3) without braces, to an object that is open. */
void event_error_members(struct json_writer *w, const struct event_refusal *r);

struct event_call;

/* How a wire answers. */
struct event_wire {
    enum stats_wire stats;
    const char *name;        /* label of rate_limited_total: "monitor" */
    const char *name_member; /* where a name that is not known stands: "type" */
    /* {ok:true, members...}; `members` is JSON members without braces, or empty. Nothing when the
     * call wants no answer. */
    void (*ok)(const struct event_call *in, span members);
    /* The answer, or where none is wanted the wire's error. */
    void (*refuse)(const struct event_call *in, const struct event_refusal *r);
    /* The peer never stops: close it with CLOSE_FLOODING. */
    void (*flooding)(const struct event_call *in);
    /* Instead of the connection's bucket, where that or a bucket of the wire's own is what counts
     * (in->row): whether it is within its rate, else it was answered. NULL: the bucket. */
    bool (*within_rate)(const struct event_call *in);
    /* For an answer that comes later: finds in->peer again by in->conn; false: it has gone. NULL:
     * in->id says all that the wire needs. */
    bool (*again)(struct event_call *in);
    /* Takes a name that no row has; false refuses it. NULL: all are refused. */
    bool (*unknown)(const struct event_call *in);
};

/* One message of a peer. The wire fills what stands before `row`; all of it is borrowed. */
struct event_call {
    const struct event_wire *wire;
    struct edge *edge;
    struct arena *arena;        /* of this call */
    void *peer;                 /* the wire's session */
    enum event_peer kind;       /* what it is: chooses among rows of one name */
    const struct grant *grant;
    uuid device;                /* of scope OWN */
    struct bucket *bucket;      /* of the connection; not with within_rate */
    struct bucket *telemetry;   /* of the connection, for what has limit TELEMETRY; a device's */
    uint32_t slot;              /* of the connection, for the log */
    span name;                  /* unescaped; empty when `bad` */
    span data;                  /* one JSON value; empty: {} */
    bool unchecked;             /* shape_json has not accepted it yet */
    span id;                    /* what names the request for the wire; empty: none is wanted */
    bool wants_ack;             /* else only refusals are told */
    struct conn_ref conn;       /* with wire->again */
    size_t bytes;               /* of the message */
    size_t attached;            /* bytes beside `data`, which count for the event's size */
    const char *bad;            /* why it could not be read; NULL: it could */
    const char *bad_member;
    const struct event_in_row *row; /* NULL: there is none */
    int64_t now_ms;                 /* epoch */
};

/* Runs a call to its end: its handler has run, or it was refused. The peer may be gone. */
void event_dispatch(struct event_call *in);

/* As the wire's. */
static inline void event_ok(const struct event_call *in, span members)
{
    in->wire->ok(in, members);
}
/* As the wire's; member and why may be NULL. */
void event_refuse(const struct event_call *in, err error, const char *member, const char *why);

/* The elements of a payload that may be several. */
struct event_many {
    unsigned count;     /* 1 to the row's `most` */
    unsigned index;     /* of the element that event_next gave */
    const char *member; /* of one that was refused: its bad member, or empty, */
    const char *why;    /* and why; until the next one */
    enum schema schema; /* the rest is private */
    span one;
    struct json_iter it;
    struct shape_ctx ctx;
};
/* Begins with the elements of `data`, which is JSON: one value, or an array of 1 to `most`. False:
 * m->why says what is wrong with the whole. The arena takes what had to be copied. */
bool event_many_begin(struct event_many *m, enum schema schema, unsigned most, span data,
                      struct arena *arena, int64_t now_ms) MUST_CHECK;
enum event_element { EVENT_END, EVENT_READ, EVENT_REFUSED };
/* The next element into *out, which is struct shape_<schema>. */
enum event_element event_next(struct event_many *m, void *out);

/* The bucket of a connection of that kind. */
struct bucket_rule event_rule(enum event_peer kind);

/* One handler a row, in the wires' folders; `p` is NULL where the row has no schema. */
struct shape_none {
    char nothing;
};
#define IN(name, text, from, schema, acked, permission, scope, limit, bytes, handler, description) \
    void event_##handler(struct event_call *in, const struct shape_##schema *p);
#define IN_MANY(name, text, from, schema, most, acked, permission, scope, limit, bytes, handler,   \
                description)                                                                       \
    void event_##handler(struct event_call *in, struct event_many *m);
#include "tables/events.def"

#endif
