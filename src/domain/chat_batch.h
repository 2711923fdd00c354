/* Messages of a room that are stored together: what chat_batch.c and chat_batch_read.c share.
 * Nobody else includes this. */
#ifndef SB_DOMAIN_CHAT_BATCH_H
#define SB_DOMAIN_CHAT_BATCH_H

#include "domain/chat_outgoing.h"

#define CHAT_BATCH_REPLIES_MAX 256 /* that one request can look for */

struct chat_batch {
    struct chat_room *room;
    size_t bytes;
    unsigned replies;
    unsigned tries;
    unsigned looked;  /* messages whose clientId was looked for */
    unsigned first;   /* of them, those that are being looked for begin here */
    bool unhides;
    bool taken;       /* from a robot: its last message says so */
    unsigned count;
    struct chat_outgoing *messages[]; /* owned; NULL: answered */
};

static inline struct home *chat_batch_home(const struct chat_batch *b)
{
    return b->room->chat->home;
}

static inline void chat_batch_submit(struct chat_batch *b, struct store_req *req)
{
    struct store *s = chat_batch_home(b)->store;
    s->submit(s, req);
}

static inline bool chat_has_client_id(const struct chat_outgoing *m)
{
    return m->draft.client_id.ptr != NULL;
}

static inline bool chat_replies(const struct chat_outgoing *m)
{
    return !uuid_is_nil(m->draft.reply_to);
}

/* --- chat_batch.c --- */

/* Message `i` and its twins are answered; then its place is empty. */
void chat_batch_answer(struct chat_batch *b, unsigned i, err error, bool repeated);
/* Closes the ranks behind those that were answered. */
void chat_batch_close_up(struct chat_batch *b);
/* Of those that are left: they are written, or it is over. */
void chat_batch_go_on(struct chat_batch *b);
/* As one request; committed, they are answered and it is over. */
void chat_batch_write(struct chat_batch *b);
/* All are answered so, and it is over. */
void chat_batch_fail(struct chat_batch *b, err error);

/* --- chat_batch_read.c --- */

/* Who replies to what is not there is refused; the others go on. */
void chat_batch_read_replies(struct chat_batch *b);
/* From b->looked on: what was sent before is answered as the first was, and what is left goes on.
 * If nothing was, something else is there: ERR_STORE_FAILED for all. */
void chat_batch_look(struct chat_batch *b);
/* The room's last_seq is another than in memory: it is read, and the batch written behind it. */
void chat_batch_read_last(struct chat_batch *b);

#endif
