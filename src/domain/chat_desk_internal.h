/* What chat_desk*.c and chat_guest*.c share. */
#ifndef SB_DOMAIN_CHAT_DESK_INTERNAL_H
#define SB_DOMAIN_CHAT_DESK_INTERNAL_H

#include "domain/chat_desk.h"
#include "domain/chat_turn.h"

/* The server itself, as who asks: it sees every room. */
extern const struct chat_who chat_server;

/* --- chat_desk_row.c --- */

/* From a row of CHAT_ESCALATION_GET and its like; the reason lives as long as the request. */
void escalation_read(const struct store_value *cells, struct chat_escalation_row *out);
/* Step 0 of a request: the row is new; or becomes this, from the version before. */
void escalation_insert_step(struct store_req *req, const struct chat_escalation_row *e);
void escalation_update_step(struct store_req *req, const struct chat_escalation_row *e);
/* Puts it into the answer. */
void escalation_result(struct chat_ask *a, const struct chat_escalation_row *e);
/* On the asking loop: the ask goes to the room of the escalation; without an at_home it is answered
 * with it. */
void escalation_find(struct home *h, uuid id, struct chat_ask *a);

/* --- what the sweep does, and what others need --- */

/* A step that records a notice for a topic. */
void chat_notice_step(struct chat *c, struct store_req *req, unsigned step, span topic,
                      const struct chat_notice *n);
/* The escalation is due: it rises, if it still is. `done` as ever. */
void chat_escalation_rise(struct home *h, uuid room, uuid id, chat_done done, void *owner);
/* Guests have been alone for long: their room waits in the queue, if they still are. */
void chat_escalation_return(struct home *h, uuid room, chat_done done, void *owner);
/* A guest's time is over, and so are its membership and its principal. */
void chat_guest_end(struct home *h, uuid room, uuid guest, chat_done done, void *owner);

#endif
