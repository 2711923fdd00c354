/*
 * Ordered events: numbered by the store in commit order, published in that order to everyone who
 * subscribes, replayed from the log to those who were away (CONTRACT 8).
 *
 *     change + journal_step --commit--> n --journal_publish--> gate at JOURNAL_HOME --> hub
 *                                                                  |
 *     log (store) <-- pages -- reader of one member <-- ring of the newest, then live
 *
 * The gate publishes n, n+1, n+2 ... over all topics: what comes early is parked, a hole that stays
 * is read from the log. So every ordered topic has one home, JOURNAL_HOME, a subscriber of several
 * topics or of a pattern sees one order, and one number tells how far it has come. One journal a
 * loop; everything on that loop's thread.
 */
#ifndef SB_HUB_JOURNAL_H
#define SB_HUB_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/span.h"
#include "base/uuid.h"
#include "hub/hub.h"
#include "hub/pos.h"
#include "ports/clock.h"
#include "ports/log.h"
#include "ports/store.h"
#include "tables/events.h"

#define JOURNAL_HOME 0u

struct journal;

struct journal_conf {
    struct hub *hub;         /* of this loop */
    struct post *post;
    struct store *store;
    struct clock *clock;
    struct log *log;
    unsigned loop;
    struct journal **peers;  /* all journals by loop, filled before use */
    uint32_t ring_events;    /* the newest events kept in memory at the gate, and */
    uint32_t ring_bytes;     /* their bytes: who was away briefly costs the store nothing */
};

/* The position at which a process starts: the log's epoch (made when there is none) and its newest
 * number. Blocks (store_run). ERR_NONE or the store's error. */
err journal_start(struct store *s, uint64_t new_epoch, struct pos *out) MUST_CHECK;

/* Owned by the caller; the conf is copied, what it points to is borrowed. `start` as above. */
struct journal *journal_new(const struct journal_conf *conf, struct pos start);
/* Before the store is closed: nothing is read from the log any more. */
void journal_stop(struct journal *j);
/* No reader may be open, and the store owes this loop no answer. Before the hub. */
void journal_free(struct journal *j);
/* Every turn, after mail was run and before hub_turn_end: what the turn's subscriptions ask for
 * leaves together, the gate looks for holes, and loops are told how far it is. A loop with a
 * gate must turn at least every 100 ms, as it does for its home's deadlines. */
void journal_tick(struct journal *j);

/* --- recording --- */

struct journal_event {
    uuid id;          /* by which a client removes doubles */
    int64_t time_ms;  /* epoch ms */
    enum event event; /* a row of tables/events.def */
    span topic;       /* 1 to HUB_TOPIC_BYTES_MAX bytes */
    span data;        /* the payload, canonical JSON */
};
/* Fills step `step` of a write request: the event is logged with the change, or neither is. */
void journal_step(struct store_req *req, unsigned step, const struct journal_event *e);
/* The same for `count` events (1 or more) in one step: each is then set once, in their order. */
void journal_steps(struct store_req *req, unsigned step, unsigned count);
void journal_set(struct store_req *req, unsigned step, unsigned set,
                 const struct journal_event *e);
/* For the request's done, when it has no error: hands the step's events, which are read back from
 * it, to the gate, and returns the position of the last. Every committed event must be handed over;
 * the gate finds one that is not, later. */
struct pos journal_publish(struct journal *j, const struct store_req *req, unsigned step);

/* --- reading --- */

struct journal_reader;

/* What a reader tells its session, never inside a call of the session; both may close the reader.
 * Only readers with a position have anything to tell. */
struct journal_reader_ops {
    /* The events after `from` up to `to` are gone (retention) or unknown here (another epoch, a
     * restored log): tell the client in the wire's form, now; what follows comes after `to`.
     * Nothing that was in between will be replayed: the client takes a snapshot. */
    void (*on_gap)(struct journal_reader *r, struct pos from, struct pos to);
    /* The log could not be read: the member is not subscribed. Usually: close with CLOSE_SLOW's
     * rule of coming back later. The reader must be closed afterwards. */
    void (*on_error)(struct journal_reader *r, err error);
    /* All that was missed has been handed to the member, and its topics are live; again after each
     * later subscription. Whoever wants nothing replayed any more may close the reader in it: the
     * topics stay subscribed. May be NULL. */
    void (*on_live)(struct journal_reader *r);
};

/* One member's way through the ordered topics, embedded in the edge's session. What is delivered
 * are blobs with `pos` set (hub/blob.h), encoded by the member's wire. A client that remembers the
 * last pos that it received, in an event or in the answer to a subscription (journal_reader_pos
 * right after journal_subscribe, even if that is lower), and gives it as `since` of its next
 * connection, misses nothing of any topic of the reader, however many it has and whenever it
 * subscribed them (until it has subscribed again all that it had before, it keeps the old one);
 * what it sees twice has the same id. Within one connection nothing is doubled,
 * unless a topic is unsubscribed and subscribed again: then it is replayed from `since` again. */
struct journal_reader {
    const struct journal_reader_ops *ops; /* set by the session, before journal_open */
    struct journal *journal;              /* private from here; NULL: not open */
    struct journal_reader_state *state;   /* NULL without `since` */
    uint32_t member;
    bool gave;                            /* for the session: something was replayed */
};

/* The member is open in the hub. `since` NULL: from now on; else every topic subscribed later is
 * replayed from there first. A `since` of another epoch, or of a number that does not exist yet
 * (a restored copy), is a gap up to now; one from before the oldest event kept is a gap up to
 * there. */
void journal_open(struct journal *j, struct journal_reader *r, uint32_t member,
                  const struct pos *since);
/* Nothing is replayed any more. Just before hub_member_close, which ends what is subscribed.
 * Harmless when not open. */
void journal_close(struct journal_reader *r);
/* A topic or a pattern (hub/pattern.h); twice is once. What a turn subscribes is replayed together,
 * in the order of the log. False for a pattern that hub_subscribe would refuse. */
bool journal_subscribe(struct journal_reader *r, span topic);
/* The same of a topic that concerns the member from `after` on only, a position of this log that
 * was told here: nothing up to there is given, be it newer than what is published yet. Of a reader
 * with `since`. */
void journal_subscribe_after(struct journal_reader *r, span topic, struct pos after);
/* False when it was not subscribed. */
bool journal_unsubscribe(struct journal_reader *r, span topic);
/* After hub_writable: a replay waits for its reader, a page at a time, and goes on. */
void journal_writable(struct journal_reader *r);
/* Where the reader is: everything up to there was handed to its member or does not concern it. */
struct pos journal_reader_pos(const struct journal_reader *r);
/* The newest position that this loop knows of, at most about 100 ms old: a client that starts from
 * it misses nothing that is committed after the call. */
struct pos journal_now(const struct journal *j);

struct journal_stats {
    uint64_t published;     /* by the gate */
    uint64_t parked;        /* waiting for an earlier number, now */
    uint64_t holes;         /* read from the log because nobody handed them over */
    uint64_t replays;       /* readers that had something to catch up */
    uint64_t replayed;      /* events given to them */
    uint64_t replay_pages;  /* reads of the log for it */
    uint64_t gaps;
};
/* Of one loop; any thread may ask. */
void journal_stats(const struct journal *j, struct journal_stats *out);

#endif
