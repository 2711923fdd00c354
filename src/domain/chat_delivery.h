/* What has reached whom, and what was read: deliveries and cursors, for the files of chat. Nobody
 * else includes this. */
#ifndef SB_DOMAIN_CHAT_DELIVERY_H
#define SB_DOMAIN_CHAT_DELIVERY_H

#include "domain/chat_internal.h"

/* --- chat_delivery.c --- */
/* What a message's deliveryStatus is when it is first told: delivered if nobody else is online. */
enum chat_delivery chat_delivery_first(struct chat_room *r, uuid sender);
/* What a stored one is by now: nothing is streaming but what is on its way to somebody. */
enum chat_delivery chat_delivery_now(const struct chat_room *r, int64_t seq,
                                     enum chat_delivery stored);
/* It is committed, its event has number n; in the order of seq. */
void chat_delivery_sent(struct chat_room *r, const struct chat_outgoing *m, uint64_t n);
/* The member has everything up to a seq. */
void chat_delivery_has(struct chat_room *r, struct chat_member_of *m, int64_t seq);
/* Its last socket has gone: m->clients and r->online_count do not count it any more. (When its
 * first one comes, online_from_seq is last_seq.) */
void chat_delivery_gone(struct chat_room *r, struct chat_member_of *m);
/* Up to a journal number: what a pong says. */
void chat_delivery_received(struct chat_room *r, struct chat_member_of *m, uint64_t n);
/* With the process: nothing is told or stored any more. */
void chat_delivery_free(struct chat_room *r);
void chat_deliveries_start(struct chat *c); /* by chat_cursors_start */
void chat_deliveries_free(struct chat *c);  /* by chat_cursors_free */

/* --- chat_delivery_left.c --- */
/* How long after it was sent a message can be streaming at most: a peer that says nothing is gone
 * long before. */
#define CHAT_SETTLED_MS 300000
/* Looks, at home 0, for what an earlier process left. Blocks for one row. */
void chat_left_start(struct chat *c);
void chat_left_stop(struct chat *c);
void chat_left_free(struct chat *c);

/* --- chat_cursor.c --- */
void chat_cursors_start(struct chat *c);
/* Before the rooms go. */
void chat_cursors_free(struct chat *c);
/* Its own message is read if all before it was. */
void chat_cursor_sent(struct chat_room *r, struct chat_member_of *m, int64_t seq);
/* read_seq or delivered_seq moved on: stored behind; with `receipt` told to the room, too. */
void chat_cursor_touch(struct chat_room *r, struct chat_member_of *m, bool receipt);

#endif
