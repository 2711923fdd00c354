/*
 * One run of the load generator: options, counters, and the modes. A publisher is a connection
 * that sends numbered messages; its group (room) says who must get them. Echo and ingest are
 * groups of the sender itself and of nobody.
 */
#ifndef SB_BENCH_LOAD_H
#define SB_BENCH_LOAD_H

#include "client.h"
#include "stats.h"

#define NAME_BYTES 24 /* "p r4294967295 " and its end */

struct options {
    uint32_t port;
    uint32_t pid; /* of the server, whose CPU time and memory are read */
    const char *mode;
    uint32_t conns;
    uint32_t inflight;   /* bursts on the way: of each publisher; fan: of all together */
    uint32_t rate;       /* messages a second of all publishers; 0: as fast as answers come */
    uint32_t burst;      /* messages a publisher sends at once */
    uint32_t publishers; /* fan: connections beside the subscribers */
    uint32_t members;    /* rooms: connections a room */
    double warm_s;
    double seconds;
    uint32_t size;
    bool tls;
    bool socketio;
    bool own_room; /* idle: each connection subscribes a room of its own */
};

struct publisher {
    struct client *client;
    char prefix[NAME_BYTES]; /* the command before the message */
    uint32_t room;
    uint32_t members;  /* deliveries a message makes */
    uint64_t seq;      /* the next message's number */
    uint64_t waiting;  /* deliveries outstanding */
};

struct load {
    struct options opt;
    struct pool pool;
    struct publisher *publishers;
    uint32_t publisher_count;
    uint32_t publishers_a_room;
    uint32_t subscribers;  /* the first ones of the pool */
    uint32_t subscribed;
    uint64_t counted;      /* the server's answer to `c` */
    bool counted_came;
    uint64_t next;         /* whose turn it is, where publishers take turns */
    bool take_turns;       /* fan: an answered burst lets the next publisher send one */
    bool started;          /* closed loop: the first messages are out */
    bool stopped;          /* nothing new is published */
    bool measuring;
    uint64_t published;    /* messages, from the start */
    uint64_t delivered;    /* checked deliveries, from the start */
    uint64_t lost, doubled, misordered, damaged;
    struct hist latency;   /* of the measured window */
};

/* Connects all clients, at most `ahead` handshakes on the way; exits when one fails. */
void load_connect(struct load *l, uint32_t from, uint32_t to, uint32_t ahead);
/* Serves events until `end_ns`, publishing what is due (rate) or answered (closed loop). */
void load_run(struct load *l, uint64_t end_ns);
/* Makes publishers and rooms for the mode and subscribes; the connections are open. */
void load_arrange(struct load *l);
/* Stops publishing, waits for what is on the way, and counts what never came. */
void load_settle(struct load *l);
/* load_idle.c: prints its own line. */
int idle_run(struct load *l);
int storm_run(struct load *l);

#endif
