/*
 * Chat over a real store (SQLite in memory) on any number of homes with their hubs and journals;
 * and people of every kind, with their sockets.
 */
#ifndef SB_TESTS_CONTRACT_CHAT_FIXTURE_H
#define SB_TESTS_CONTRACT_CHAT_FIXTURE_H

#include "chat_sockets.h"
#include "identity_fixture.h"

#include "domain/chat.h"

/* cmocka setup and teardown; 1 home and 5 homes. */
int chat_setup_1(void **state);
int chat_setup_5(void **state);
/* The seed chooses which loop runs its next mail and when the store answers (sim_step). */
void chat_setup_sim(unsigned count, uint64_t seed);
int chat_teardown(void **state);
#define ON_1_HOME(test) cmocka_unit_test_setup_teardown(test, chat_setup_1, chat_teardown)
#define ON_5_HOMES(test) {#test " over 5 homes", test, chat_setup_5, chat_teardown, NULL}
/* The process ends, and the next one starts on what is stored; sockets are gone. */
void chat_restart(void);

/* The last answer, copied. */
struct told {
    bool done;
    err error;
    char member[40];
    char why[120];
    uint32_t retry_after_ms;
    bool created;
    uuid id;
    uuid room;
    int64_t seq;
    int64_t at_ms;
    int64_t version;
    char json[262144];
    char members[16384];
    char next[1200];
};
extern struct told t;
void on_told(void *owner, const struct chat_result *r); /* chat_done; owner: a struct told */
/* Waits for what was started with `t`, and until all is quiet. */
void answered(err error);
/* Turns of every loop until nothing moves any more. */
void turns(void);
/* Time passes, in steps of 100 ms with turns. */
void time_passes(int64_t ms);

/* New principals, stored with their role; they may do what it may. */
struct chat_who employee(const char *name);
struct chat_who supervisor(const char *name);
struct chat_who guest(const char *name);
struct chat_who robot(const char *name);

/* Makes a room of who, with up to three members besides (NULL: no more); returns its id. */
uuid room_made(enum chat_room_type type, const char *name, const struct chat_who *who,
               const struct chat_who *a, const struct chat_who *b, const struct chat_who *c);
/* Asks it to be let in; the error is asserted. */
void joins(uuid room, const struct chat_who *who, err error);

/* The id as text, in one of a few buffers that are used in turn. */
const char *id_text(uuid id);
const char *text_of(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* One value of the store: the first cell of a query's first row, -1 without one. */
int64_t stored(enum query q, const char *first, const char *second);

#endif
