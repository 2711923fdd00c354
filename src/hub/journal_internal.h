/*
 * What the files of the journal share. Nobody outside hub/ includes this.
 *
 *   journal.c         starting, recording, what a loop knows
 *   journal_gate.c    at JOURNAL_HOME: order, holes, the ring of the newest
 *   journal_ask.c     what a reader asks of the gate, and the gate's answer from the ring
 *   journal_reader.c  one member's way from its position to live
 *   journal_page.c    pages of the log for it
 */
#ifndef SB_HUB_JOURNAL_INTERNAL_H
#define SB_HUB_JOURNAL_INTERNAL_H

#include "base/heap.h"
#include "base/mail.h"
#include "base/map.h"
#include "hub/journal.h"

#include <stdatomic.h>

/* An event on its way: mail to the gate, then parked there or published, then in the ring. */
struct journal_entry {
    struct mail mail;
    struct heap_node parked; /* key: its number */
    struct journal *to;
    struct blob *blob;       /* one reference; NULL: an event that this program does not know */
    uint64_t n;
    uint64_t hash;           /* of the topic */
    uint16_t topic_len;
    char topic[];
};

struct journal_gate {
    uint64_t published;  /* the newest number that went out; all before it did, too */
    struct heap parked;  /* struct journal_entry: came before their turn */
    uint64_t hole_ns;    /* when the hole before the first parked one was seen; 0: none */
    bool reading;        /* the hole is being read from the log */
    uint64_t told;       /* what the other loops know, since */
    uint64_t told_ns;
    struct journal_entry **ring; /* owned: the newest, in the order of their numbers */
    uint32_t ring_cap;           /* a power of two, grown up to conf.ring_events */
    uint32_t ring_first;
    uint32_t ring_count;
    uint64_t ring_bytes;
    uint64_t ring_floor; /* the ring has every event after this number */
};

struct journal_counts {
    _Atomic uint64_t published;
    _Atomic uint64_t parked;
    _Atomic uint64_t holes;
    _Atomic uint64_t replays;
    _Atomic uint64_t replayed;
    _Atomic uint64_t replay_pages;
    _Atomic uint64_t gaps;
};

struct journal {
    struct journal_conf conf;
    uint64_t epoch;
    uint64_t newest;           /* number up to which this loop has seen what concerns it */
    struct journal_gate *gate; /* owned; NULL on other loops */
    struct journal_counts counts;
    bool stopped;              /* the store goes away */
    /* Readers with a position; mail and answers of the store name them by id. */
    struct map readers;
    uint64_t reader_id;
    struct list due;      /* to take their next step at the end of this turn */
    struct list sent;     /* were given something this turn */
    struct list queued;   /* for a page of the log */
    struct list retrying; /* the store was busy */
    unsigned pages;       /* being read */
    uint64_t turn;        /* counts ticks */
    struct mail nudge;    /* to itself: another turn, for those in `sent` */
    bool nudged;
};

/* Bounds of what a reader is given before its socket has taken it: a quarter of the smallest
 * outbox. */
#define PAGE_EVENTS 64
#define PAGE_BYTES 65536

/* Something that a reader has subscribed: it has had every event of it up to `floor`. */
struct journal_topic {
    uint64_t floor;
    uint64_t hash;
    span name;
    bool pattern;
};

enum reader_phase {
    READER_IDLE,     /* nothing subscribed */
    READER_LIVE,     /* everything subscribed is, in the hub */
    READER_DUE,      /* its next step is taken at the end of the turn */
    READER_ASKING,   /* the gate was asked */
    READER_QUEUED,   /* for a page of the log */
    READER_PAGING,   /* a page is being read */
    READER_RETRYING, /* a page is to be read, or the gate to be asked, again in a while */
    READER_SENT,     /* it was given something this turn */
    READER_WAITING,  /* for its socket to take it */
    READER_FAILED,   /* on_error was told */
};

struct journal_reader_state {
    struct map_node node; /* in journal->readers */
    struct list link;     /* in a list of the journal, by phase */
    uint64_t id;
    struct journal *journal;
    struct journal_reader *reader;
    enum reader_phase phase;
    bool stale;           /* its topics changed while an answer is under way */
    bool replaying;       /* counted as such */
    uint64_t sent_turn;   /* journal->turn when it was given something */
    unsigned tries;       /* of the store, in vain */
    unsigned ahead;       /* times that the gate was not there yet */
    uint64_t retry_ns;
    struct pos since;     /* of topics yet to come */
    uint64_t published;   /* as the gate last said: the log is read up to there */
    uint64_t ring_floor;  /* the same; the log is read at least up to there */
    struct journal_topic *topics; /* owned, and their names */
    uint32_t topic_count, topic_cap;
};

enum ask_answer {
    ASK_JOINED, /* `given` is all there was; the topics count as subscribed from here */
    ASK_MORE,   /* `given` is a part, up to `upto` */
    ASK_BEHIND, /* older than the ring */
    ASK_AHEAD,  /* newer than the newest: on its way here, or of a log that was restored */
};

/* Goes to the gate and comes back. */
struct journal_ask {
    struct mail mail;
    struct journal *from;
    struct hub_ticket who;
    uint64_t reader;
    uint64_t position; /* the lowest floor */
    uint64_t highest;  /* floor */
    enum ask_answer answer;
    uint64_t published;
    uint64_t ring_floor;
    uint64_t upto;
    struct blob *given[PAGE_EVENTS]; /* one reference each */
    unsigned given_count;
    unsigned topic_count;
    struct journal_topic topics[]; /* their names behind them */
};

static inline struct pos journal_pos(const struct journal *j, uint64_t n)
{
    return (struct pos){.epoch = j->epoch, .n = n};
}

/* Whether an event belongs to what is subscribed, and none of it has had it: a pattern that comes
 * later does not bring again what came by a topic. */
bool journal_wanted(const struct journal_topic *topics, unsigned count, uint64_t n, uint64_t hash,
                    span topic);
/* The blob of a logged event; NULL when this program does not know its kind. */
struct blob *journal_blob(uint64_t n, span id, int64_t time_ms, span type, span data);
/* An entry of a row or a step; not published yet. */
struct journal_entry *journal_entry_new(uint64_t n, span id, int64_t time_ms, span type,
                                        span topic, span data);
void journal_entry_free(struct journal_entry *e);
/* `newest` never goes back. */
void journal_learn(struct journal *j, uint64_t n);

/* journal_gate.c, on the loop JOURNAL_HOME */
void gate_open(struct journal *j, uint64_t published);
void gate_close(struct journal *j);
/* Takes the entry over and publishes it when all before it were. */
void gate_take(struct journal *j, struct journal_entry *e);
void gate_tick(struct journal *j);
/* Answers from the ring; with ASK_JOINED the topics are counted at their home. */
void gate_answer(struct journal *j, struct journal_ask *a);

/* journal_ask.c */
/* Asks the gate with the reader's topics; reader_answered follows, at once where the gate is. */
void ask_post(struct journal_reader_state *s, uint64_t position);
/* Not used: gives back what it holds, and the subscriptions. */
void ask_drop(struct journal_ask *a);

/* journal_reader.c */
void readers_init(struct journal *j);
void readers_tick(struct journal *j);
struct journal_reader_state *reader_find(const struct journal *j, uint64_t id);
void reader_set_phase(struct journal_reader_state *s, enum reader_phase phase);
uint64_t reader_position(const struct journal_reader_state *s); /* the lowest floor */
/* Every topic has had everything up to n. */
void reader_raise(struct journal_reader_state *s, uint64_t n);
/* What was after the reader's position up to n is gone. False: it has closed meanwhile. */
bool reader_gap(struct journal_reader_state *s, struct pos from, uint64_t to) MUST_CHECK;
/* Gives a blob to the member, if it is for it; takes one reference. */
void reader_give(struct journal_reader_state *s, struct blob *b);
/* Takes over an answer of the gate. */
void reader_answered(struct journal_ask *a);

/* journal_page.c */
void page_read(struct journal_reader_state *s);

#endif
