/*
 * What a session of any wire needs to miss nothing (CONTRACT 8): its way through the ordered
 * topics, and, for clients that ask for it, a name (pid) under which its subscriptions are kept
 * while it is away.
 *
 *     resume_ask_parse     what the client shows: since, session        before the upgrade
 *     resume_claim         with a pid: what was kept under it           before the upgrade, later
 *     resume_open          the member is open in the hub
 *     resume_subscribe     ordered topics; each is replayed from resume_start first
 *     resume_save          whenever what is subscribed has changed
 *     resume_writable      from on_writable, after the hub's
 *     resume_close         from on_close, before edge_leave
 *
 * The wire writes ordered blobs (blob.pos != 0) with edge_pos, tells gaps in its own words, and
 * says resume_start to a client that has heard nothing yet. A session without subscriptions to
 * ordered topics needs none of this. On the session's loop.
 */
#ifndef SB_EDGE_RESUME_H
#define SB_EDGE_RESUME_H

#include "domain/recovery.h"
#include "edge/edge.h"
#include "hub/journal.h"

/* What a client shows when it comes. */
struct resume_ask {
    bool has_since;
    struct pos since;
    bool session;                    /* it wants to be known again */
    char pid[RECOVERY_PID_LEN + 1];  /* as what it wants to be known; empty: somebody new */
};
/* `since` and `session` as the client gave them: ptr NULL or empty is absent, but an empty
 * `session` asks for a new one. False when `since` is no position; *out is valid without it then.
 * Pure. Fuzz target: resume_fuzz.c. */
bool resume_ask_parse(span since, span session, struct resume_ask *out) MUST_CHECK;

struct resume;

struct resume_wire {
    const char *name; /* of static duration: "monitor"; part of what a pid means */
    /* What lies between is not kept any more: say so in the wire's words. */
    void (*on_gap)(struct resume *r, struct pos from, struct pos to);
    /* All that was missed has been handed over and the topics are live; again after each later
     * subscription. It may settle or close it, and free its memory. May be NULL. */
    void (*on_live)(struct resume *r);
};

/* Embedded in the edge's session, or allocated when it is needed. */
struct resume {
    struct journal_reader reader; /* private, as all below */
    const struct resume_wire *wire;
    struct conn *conn; /* NULL: not open */
    uuid principal;
    struct pos start;
    bool reading; /* the reader is open */
    char pid[RECOVERY_PID_LEN + 1]; /* empty: it is not kept */
};

/* `conn` is a member of the hub. It starts from the position that `ask` shows, else from `kept`,
 * with which a claimed session was kept, else from now. `kept` NULL: nothing was claimed, and a
 * session that is asked for gets a new pid. No pid without a principal. Costs nothing in the
 * journal until something is subscribed. */
void resume_open(struct resume *r, const struct resume_wire *wire, struct conn *conn,
                 uuid principal, const struct resume_ask *ask, const struct pos *kept);
/* Ends the reader; the session is over when its peer said so or its rights are, else it can be
 * claimed from now on. Harmless when not open. */
void resume_close(struct resume *r, close_reason reason);
/* A topic or an allowed pattern; twice is once. When the log cannot be read the connection is
 * closed with CLOSE_SLOW, for it has to come back. */
void resume_subscribe(struct resume *r, span topic);
/* The same of a topic that concerns it only from `after` on, a position that was told here. What
 * comes next may be older than what came of other topics: its client goes on from resume_pos. */
void resume_subscribe_after(struct resume *r, span topic, struct pos after);
/* False when it was not subscribed. */
bool resume_unsubscribe(struct resume *r, span topic);
/* Keeps `state` (JSON, the wire's own) under the pid; nothing without one. */
void resume_save(struct resume *r, span state);
void resume_writable(struct resume *r);
/* From on_live: nothing is replayed any more and the reader's memory is given back. Its topics stay
 * subscribed in the hub, at JOURNAL_HOME, where the wire changes them by itself from now on. */
void resume_settle(struct resume *r);
/* Empty when the session is not kept. */
span resume_pid(const struct resume *r);
/* Where it starts: what the client is told before it has heard anything, and from where every
 * topic is replayed, however much later it is subscribed. */
struct pos resume_start(const struct resume *r);
/* How far it has come: everything up to there was handed to the member. */
struct pos resume_pos(const struct resume *r);

/* As recovery_claim for the pid of `ask`, which has one. */
void resume_claim(struct edge *e, const struct resume_wire *wire, const struct resume_ask *ask,
                  uuid principal, recovery_done done, void *owner);

/* The position of a logged blob as text, with a NUL; its length. */
size_t edge_pos(const struct edge *e, const struct blob *b, char out[POS_TEXT_MAX]);

#endif
