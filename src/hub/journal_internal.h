/*
 * What the files of the journal share. Nobody outside hub/ includes this.
 *
 *   journal.c         starting, recording, what a loop knows
 *   journal_gate.c    at JOURNAL_HOME: order, holes, the ring of the newest
 */
#ifndef SB_HUB_JOURNAL_INTERNAL_H
#define SB_HUB_JOURNAL_INTERNAL_H

#include "base/heap.h"
#include "base/mail.h"
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
};

static inline struct pos journal_pos(const struct journal *j, uint64_t n)
{
    return (struct pos){.epoch = j->epoch, .n = n};
}

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

#endif
