/* Messages on their way to the store: for chat_message.c, chat_batch.c, and the files of chat that
 * say something of their own. Nobody else includes this. */
#ifndef SB_DOMAIN_CHAT_OUTGOING_H
#define SB_DOMAIN_CHAT_OUTGOING_H

#include "domain/chat_internal.h"

/* One message on its way to the store. */
struct chat_outgoing {
    struct chat_item item; /* first; run = chat_messages_run */
    struct arena arena;    /* of its texts */
    struct chat_room *room;
    uuid id, sender;           /* of a repeat: those of the first */
    struct chat_draft draft;   /* in the arena */
    struct chat_origin origin; /* in the arena; set with chat_outgoing_origin */
    int64_t seq, at_ms;        /* when it is committed; of a repeat: as the first was */
    enum chat_delivery delivery;
    const char *why;           /* of a refusal, static text, or NULL */
    /* At home, once, never inside chat_post: an error, or seq and at_ms are set. The outgoing is
     * freed after it. */
    void (*done)(struct chat_outgoing *m, err error, bool repeated);
    void *owner;
    /* Asked when its turn comes, for rights may have changed: false, then it was answered and is
     * freed without `done`. NULL: no rights are asked. */
    bool (*allowed)(struct chat_outgoing *m);
    /* More that belongs to the same transaction (a file's release, a robot's job), NULL: nothing.
     * At most CHAT_MORE_STEPS, the events of which are published with the message's; a request
     * with some holds this message alone. */
    unsigned more_steps;
    void (*more)(struct chat_outgoing *m, struct store_req *req, unsigned first_step);
    uint64_t client_hash;        /* private from here */
    size_t bytes;
    struct chat_outgoing *twin;  /* a later one of the same sender and clientId, answered as this */
    const struct chat_message_row *row;  /* while done of a repeat runs: the first; NULL: as this */
};
#define CHAT_MORE_STEPS 4
/* For a message of the server, a robot or a file: no rights are asked, nothing is refused because
 * too much waits. All is copied. Holds the room until it is done. */
struct chat_outgoing *chat_outgoing_new(struct chat_room *r, const struct chat_draft *in,
                                        uuid sender);
void chat_outgoing_origin(struct chat_outgoing *m, const struct chat_origin *origin);
void chat_post(struct chat_outgoing *m);
void chat_messages_run(struct chat_item *i, struct chat_room *r);
/* Frees it and lets the room go. */
void chat_outgoing_free(struct chat_outgoing *m);
/* Messages that were committed, in order: for robots that own the room, guests' timers. */
void chat_committed(struct chat_room *r, struct chat_outgoing *const *messages, unsigned count);
/* A message as the store has it: row `row` of step `step` of a query that begins with
 * CHAT_MESSAGE_COLUMNS (tables/queries.def). Spans are of the request's arena. */
void chat_message_row_of(const struct store_req *req, unsigned step, unsigned row,
                         struct chat_message_row *out);
/* The same of a message that is not stored yet; spans are the outgoing's. */
void chat_outgoing_row(const struct chat_outgoing *m, struct chat_message_row *out);
/* A direct room that somebody has hidden: what is said in it shows it again. */
bool chat_has_hidden(const struct chat_room *r);
void chat_unhide(struct chat_room *r);

#endif
