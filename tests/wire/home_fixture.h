/*
 * A house on the Home wire: rooms, a light in each and one in none, people who may see them, and
 * clients of /ws that hear of them. The world is one for all tests of a program.
 */
#ifndef SB_TESTS_WIRE_HOME_FIXTURE_H
#define SB_TESTS_WIRE_HOME_FIXTURE_H

#include "home_peer.h"

/* cmocka setup and teardown of a group. */
int home_setup(void **state);
int home_teardown(void **state);

extern struct world world;
extern char admin[4200]; /* a header line: an operator's */
extern char bound[4200]; /* of who sees the hall and no other room */
extern int64_t kitchen, hall, vault; /* the vault is private */

/* The last answer of the house or of identity. */
struct said {
    bool done;
    err error;
    int64_t id;
};
extern struct said said;
/* Until it is there; it is no error. */
void wait_done(void);
/* An identity_done; owner: where a header line or an id goes, or NULL. */
void on_identity(void *owner, const struct identity_result *r);

/* These return when it is done. */
int64_t room_new(const char *name, bool private);
void room_private(int64_t room, bool private);
void room_gone(int64_t room);
void set_state(const char *id, const char *state);
/* Whether the one of `bound` sees the room. */
void bind_room(int64_t room, bool on);
/* Adds a user; sets its id and its header line, which has the size of `admin`. */
void person(const char *name, const enum role *roles, unsigned count, uuid *id, char *line);

/* Rights reach sessions a moment later: until so many sockets have a topic. */
void await_topic(const char *topic, unsigned wanted);
/* The same of the topic of a room's states. */
void await_room(int64_t room, unsigned wanted);

/* A client that is welcomed; leaves by peer_leave. */
struct peer enter(const char *query, const char *lines);
/* Every light becomes something else: these are told, in this order, and then nothing but the
 * answer to ping. */
void expect_changes(struct peer *p, const char *const *entities);
#define ONLY(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NOTHING ((const char *const[]){NULL})
/* A request about a room, with more members of its data ("" or ",..."). */
void ask(struct peer *p, const char *type, int64_t room, const char *more);
/* These are answered well. */
void subscribe(struct peer *p, int64_t room);
void unsubscribe(struct peer *p, int64_t room);

#endif
