/*
 * A change of chat that first has to look: an item of a room's queue whose request depends on rows
 * that memory does not have. Nothing else changes the room between the look and the change.
 *
 *     at_home --chat_turn_run--> queue --look--> store --act--> store --done--> next item
 */
#ifndef SB_DOMAIN_CHAT_TURN_H
#define SB_DOMAIN_CHAT_TURN_H

#include "domain/chat_internal.h"

struct chat_turn {
    struct chat_ask ask; /* first */
    struct chat_item item;
    /* The request that reads; NULL: the ask was answered. */
    struct store_req *(*look)(struct chat_turn *t, struct chat_room *r);
    /* The request that writes, by what was seen, which is freed behind it; NULL: the ask was
     * answered. */
    struct store_req *(*act)(struct chat_turn *t, struct chat_room *r,
                             const struct store_req *seen);
    /* Written: takes it over into memory, publishes, answers. After an error the ask is answered
     * with it, and this is not called. */
    void (*done)(struct chat_turn *t, struct chat_room *r, struct store_req *req);
};
/* From at_home: waits its turn, looks, acts, ends. A room that is gone by then is answered for
 * (ERR_ROOM_ACCESS_DENIED). */
void chat_turn_run(struct chat_turn *t, struct chat_room *r);

#endif
