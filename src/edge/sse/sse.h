/* What the files of GET /api/v1/events share. Nobody else includes this but edge.c, for sse_had. */
#ifndef SB_EDGE_SSE_SSE_H
#define SB_EDGE_SSE_SSE_H

#include "domain/chat.h"
#include "domain/house.h"
#include "edge/clients.h"
#include "edge/reach.h"
#include "edge/resume.h"

/*
 * What a stream tells of chat (chat.c): all rooms of its principal, or one that it asked for.
 *
 *     sse_chat_open --> rooms, as the homes know them --> all topics, from one position
 *     on_room later --> chat:room:joined, the room from its arrival's position, in the same order
 *     on_out        --> no topic; chat:room:left; of one room alone: the end
 *
 * Nothing of the stream is subscribed before its rooms are known, so one number says how far it has
 * come in all of them.
 */
struct sse_chat {
    struct chat_client client;
    struct chat_who who; /* without names */
    bool asked;          /* what was asked for has chat in it; and */
    bool wanted;         /* the principal chats: else nothing below means anything */
    bool told;           /* the rooms there were are known: */
    uuid only;           /* of ?room_id=; nil: all */
    uuid *rooms;         /* owned: those that it hears, or will when they are all known */
    unsigned count, cap;
    /* A guest hears what came after it: messages above first_seq, all else from joined_ms on. */
    int64_t first_seq, joined_ms;
};

struct sse {
    struct session session;
    struct resume resume;
    struct edge *edge;
    struct conn *conn;
    uint64_t events;           /* bit per enum event that it tells */
    struct reach reach;        /* devices */
    struct house_rights rooms; /* to read the house */
    bool has_device;
    uuid device;  /* of ?device_id= */
    int64_t room; /* of ?room_id=, of the house; 0: none */
    uint64_t opened_ns;
    struct sse_chat chat;
};

/* Sends an event of our own, or another whole frame. */
void sse_say(struct sse *s, const buf *frame, enum blob_class cls);
/* Subscribes devices and the house. */
void sse_subscribe(struct sse *s);

/* Events of chat that streams tell: bit per enum event. */
uint64_t sse_chat_events(void);
/* The member is open in the hub and the resume; s->chat.who, wanted and only are set. It calls
 * sse_subscribe when it knows the rooms. */
void sse_chat_open(struct sse *s);
void sse_chat_close(struct sse *s); /* harmless when not open */
/* Whether somebody with these rights is told the same of chat. */
bool sse_chat_same(const struct sse *s, const struct grant *g);
/* hub_sink.replays, and of a message that was changed hub_sink.wants: a guest's stream hears of
 * what came after the guest did. True for who is no stream. */
bool sse_had(const struct edge *e, uint32_t member, const struct blob *b);

#endif
