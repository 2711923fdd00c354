/*
 * What a session of any wire needs to miss nothing (CONTRACT 8): its way through the ordered
 * topics.
 *
 *     resume_ask_parse     what the client shows: since                 before the upgrade
 *     resume_open          the member is open in the hub
 *     resume_subscribe     ordered topics; each is replayed from resume_start first
 *     resume_writable      from on_writable, after the hub's
 *     resume_close         from on_close, before edge_leave
 *
 * The wire writes ordered blobs (blob.pos != 0) with edge_pos, tells gaps in its own words, and
 * says resume_start to a client that has heard nothing yet. A session without subscriptions to
 * ordered topics needs none of this. On the session's loop.
 */
#ifndef SB_EDGE_RESUME_H
#define SB_EDGE_RESUME_H

#include "edge/edge.h"
#include "hub/journal.h"

/* What a client shows when it comes. */
struct resume_ask {
    bool has_since;
    struct pos since;
};
/* `since` as the client gave it; empty is absent. False when it is no position; *out is valid
 * without it then. Pure. */
bool resume_ask_parse(span since, struct resume_ask *out) MUST_CHECK;

struct resume;

struct resume_wire {
    /* What lies between is not kept any more: say so in the wire's words. */
    void (*on_gap)(struct resume *r, struct pos from, struct pos to);
};

/* Embedded in the edge's session, or allocated when it is needed. */
struct resume {
    struct journal_reader reader; /* private, as all below */
    const struct resume_wire *wire;
    struct conn *conn; /* NULL: not open */
    struct pos start;
    bool reading; /* the reader is open */
};

/* `conn` is a member of the hub. It starts from the position that `ask` shows, else from now.
 * Costs nothing in the journal until something is subscribed. */
void resume_open(struct resume *r, const struct resume_wire *wire, struct conn *conn,
                 const struct resume_ask *ask);
/* Ends the reader. Harmless when not open. */
void resume_close(struct resume *r);
/* A topic or a pattern; twice is once. When the log cannot be read the connection is closed with
 * CLOSE_SLOW, for it has to come back. */
void resume_subscribe(struct resume *r, span topic);
/* False when it was not subscribed. */
bool resume_unsubscribe(struct resume *r, span topic);
void resume_writable(struct resume *r);
/* Where it starts: what the client is told before it has heard anything, and from where every
 * topic is replayed, however much later it is subscribed. */
struct pos resume_start(const struct resume *r);
/* How far it has come: everything up to there was handed to the member. */
struct pos resume_pos(const struct resume *r);

/* The position of a logged blob as text, with a NUL; its length. */
size_t edge_pos(const struct edge *e, const struct blob *b, char out[POS_TEXT_MAX]);

/* The topic of a device's ordered events; of every device. */
#define EDGE_DEVICE_TOPIC_MAX 64
span edge_device_topic(uuid device, char text[EDGE_DEVICE_TOPIC_MAX]);
#define EDGE_DEVICES_PATTERN SPAN("device/+/events")

#endif
