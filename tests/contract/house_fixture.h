/*
 * The house over a real store (SQLite in memory) on any number of homes with their hubs, journals
 * and fleets; on each loop a member that hears every event and change, and what home.on_room says.
 */
#ifndef SB_TESTS_CONTRACT_HOUSE_FIXTURE_H
#define SB_TESTS_CONTRACT_HOUSE_FIXTURE_H

#include "identity_fixture.h"

#include "base/buf.h"
#include "domain/house.h"

/* cmocka setup and teardown; 1 home and 5 homes. */
int house_setup_1(void **state);
int house_setup_5(void **state);
int house_teardown(void **state);
/* The process ends, and the next one starts on what is stored. */
void house_restart(void);

/* The last answer, copied. */
struct told {
    bool done;
    err error;
    char member[40];
    char why[120];
    bool created;
    int64_t id;
    int64_t version;
    char json[65536];
    char next[1200];
};
extern struct told t;
void on_told(void *owner, const struct house_result *r); /* owner: a struct told */
/* Waits for what was started with `t`, and until all is quiet. */
void answered(err error);
/* Turns of every loop until nothing moves any more. */
void turns(void);

/* Who may do everything, as an operator; as the loopback client without a token. */
extern struct house_who admin, anonymous;
/* Who is bound to one room: sees it and may do everything in it. */
struct house_who bound_to(int64_t room);

/* Makes a room; returns its id. */
int64_t room_make(const char *name, bool private);
/* Makes an entity in a room, or in none (0). */
void entity_made(const char *entity_id, int64_t room);

/* Appends what the page in `t` has as that member of its objects, each with a comma behind. */
void told_names(const char *member, buf *out);
void assert_names(const char *member, const char *joined);

/* What the member of that loop has heard, a line each, in order; emptied by the call. */
const char *heard(unsigned loop);
/* The same of home.on_room: "ROOM EVENT" a line. */
const char *roomed(unsigned loop);

#endif
