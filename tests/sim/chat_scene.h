/*
 * Chat on the simulated fleet: rooms that people are in, what they try to say there until it is
 * acknowledged, and followers, which are their sockets and check each message that they hear.
 */
#ifndef SB_TESTS_SIM_CHAT_SCENE_H
#define SB_TESTS_SIM_CHAT_SCENE_H

#include "domain/chat.h"
#include "sim/fleet_world.h"

#define PEOPLE 4
#define ROOMS 3
#define KEYS 150 /* messages that somebody tries to say */
#define FOLLOWERS 6

struct scene;

/* What somebody has to say; sent until it is acknowledged, and again. */
struct key {
    unsigned room, person;
    bool acked, created;
    uuid id;
    int64_t seq;
};

/* Something that one of the people asks for. */
struct call {
    struct scene *scene;
    unsigned loop, key;
    void (*run)(struct call *c);
    unsigned room, person;
    int64_t seq;
};

/* A socket: one of a person, somewhere. */
struct follower {
    struct scene *scene;
    struct watcher x;
    struct chat_client client;
    unsigned person;
    bool on;
    bool broken; /* the store failed it: it comes again */
    size_t read; /* bytes of its text */
    struct journal_reader readers[ROOMS];
    int64_t next[ROOMS]; /* seq; 0: not there yet */
    int64_t told[ROOMS]; /* as the scene's was when it opened */
    bool out[ROOMS];     /* its person has left: what was said up to */
    int64_t last[ROOMS]; /* here may still be on its way to it */
};

struct scene {
    struct world w;
    struct chat_who people[PEOPLE];
    uuid rooms[ROOMS];
    struct key keys[KEYS];
    unsigned key_count;
    unsigned waiting, failed;
    bool moves; /* people leave rooms and join them */
    int64_t told[ROOMS]; /* the highest seq that anybody was told of */
    struct follower followers[FOLLOWERS];
};

/* Everybody is in every room; the first of the people made them. */
void scene_start(struct scene *s, uint64_t seed);
/* Closes the followers, and frees. */
void scene_stop(struct scene *s);
unsigned scene_below(struct scene *s, unsigned n);
/* Which one that is; it is one of them. */
unsigned scene_room(const struct scene *s, uuid id);
/* Somebody heard of that message of the room. */
void scene_told(struct scene *s, unsigned room, int64_t seq);
/* The number that a text begins with. */
int64_t scene_number(span text);

/* A copy of the call, at any loop; returns at once. */
void scene_call(struct scene *s, const struct call *what);
/* Until all calls are answered. */
void scene_await(struct scene *s);
/* What calls run: says the key, once more or for the first time; reads the room up to seq; leaves
 * it; joins it. */
void call_send(struct call *c);
void call_read(struct call *c);
void call_leave(struct call *c);
void call_join(struct call *c);

/* A socket of anybody, at any loop. */
void follower_open(struct scene *s, struct follower *f);
/* Harmless when it is closed. */
void follower_close(struct follower *f);
/* Checks what it heard since the last time. */
void follower_take(struct follower *f);
/* It says that it has all that was sent until now. */
void follower_pong(struct follower *f);

#endif
