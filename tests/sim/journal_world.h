/*
 * Ordered events on simulated loops: hubs and journals over SQLite in memory, publishers, and
 * clients that keep what they were sent, byte by byte. The world can be taken down and up again;
 * its store stays.
 */
#ifndef SB_TESTS_SIM_JOURNAL_WORLD_H
#define SB_TESTS_SIM_JOURNAL_WORLD_H

#include "base/buf.h"
#include "hub/journal.h"
#include "sim/sim.h"
#include "sim/store.h"

#define TOPICS 5
#define CLIENTS 6
#define EVENTS_MAX 1024
#define LINKS_MAX 256 /* connections of a client */
#define GAPS_MAX 16   /* told to one of them */

struct station {
    struct hub_sink sink;
    struct loop_hook hook;
    struct timer timer;
    unsigned index;
};

struct journal_world {
    struct sim *sim;
    unsigned loops;
    struct sim_store *db;
    struct store *store;
    struct station stations[SIM_LOOPS_MAX];
    struct hub *hubs[SIM_LOOPS_MAX];
    struct journal *journals[SIM_LOOPS_MAX];
    struct pos start;
    bool up;
    bool losing;            /* the process is about to die: nothing is handed over */
    unsigned pending;       /* commits */
    int8_t topic[EVENTS_MAX]; /* the model: of each number; -1: not committed */
    bool some[EVENTS_MAX];    /* it is for some clients only: is_meant */
    int64_t times[EVENTS_MAX];
    uint64_t newest;
    int64_t time;
    bool calm;              /* no faults any more */
    uint64_t seen_holes, seen_gaps, seen_pages, seen_replays, seen_slow, seen_later;
};
extern struct journal_world v;

/* One connection, as the client saw it. */
struct link {
    uint64_t since;
    uint64_t gap_from[GAPS_MAX], gap_to[GAPS_MAX];
    unsigned gap_count;
    uint64_t after[TOPICS]; /* where a topic began, if later than `since` */
    uint32_t first, count;     /* of client->seen */
};

struct client {
    unsigned id;
    bool (*wants)(unsigned topic, unsigned id);
    bool open;       /* for the server */
    bool connected;  /* for the client: it may still read what came before the close */
    bool asked[TOPICS + 1];
    unsigned loop;
    uint32_t gen;
    struct journal_reader reader;
    size_t room;     /* bytes that its socket takes */
    buf rest;        /* of a message that was begun */
    buf wire;        /* on the way to the client */
    buf line;        /* what the client has of a message */
    bool stalled;
    unsigned answers; /* to subscriptions, of this connection */
    uint64_t last;    /* pos to come back with: the old one until everything is subscribed */
    uint16_t *seen;  /* numbers in the order received, of all connections */
    uint32_t seen_count;
    struct link links[LINKS_MAX];
    unsigned link_count;
};

extern struct client clients[CLIENTS];

/* What is for the client of a topic up to there it has, or was told that it is gone. */
uint64_t has_upto(const struct client *c, unsigned topic);

/* Which clients an event is for that is for some. */
static inline bool is_meant(uint64_t n, unsigned id) { return (n + id) % 3 != 0; }

static inline bool chance(unsigned percent)
{
    return sim_random_chance(sim_random(v.sim), percent);
}

static inline unsigned below(unsigned bound)
{
    return (unsigned)sim_random_below(sim_random(v.sim), bound);
}

/* Makes loops, store and clients; nothing runs yet. */
void world_make(uint64_t seed);
void world_free(void);
/* Starts hubs and journals from what the store has. */
void world_up(void);
/* As a process that dies: what it commits from now on is not handed over. Clients break off.
 * Checks that nothing is left of their subscriptions. */
void world_down(void);

void come(struct client *c);  /* connects, to any loop */
bool ask(struct client *c);   /* subscribes the next thing; false when it has everything */
/* A topic nobody publishes to comes or goes: what is under way is asked again. */
void waver(struct client *c, bool leave);
void read_some(struct client *c, size_t bytes); /* and makes as much room */
void drop(struct client *c);  /* breaks off; what was under way is lost */

void commit(unsigned count);  /* events of any topics, from any loop */
void expire(void);            /* retention, but never what the gate has not seen: a day is longer
                                 than a hole */

#endif
