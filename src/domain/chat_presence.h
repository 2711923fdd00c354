/* Sockets of members and watchers: what chat_client.c, on their loops, and chat_presence.c, at the
 * rooms' homes, share. Nobody else includes this. */
#ifndef SB_DOMAIN_CHAT_PRESENCE_H
#define SB_DOMAIN_CHAT_PRESENCE_H

#include "domain/chat_internal.h"

/* A principal with sockets on this loop. */
struct chat_person {
    struct map_node node; /* in chat->people */
    uuid principal;
    struct list clients;  /* struct chat_client */
};
/* A socket at the room's home; the room is held for it. */
struct chat_presence {
    struct map_node node; /* in chat->presences */
    struct list link;     /* in room->clients */
    struct chat_room *room;
    unsigned loop;
    uint64_t client;
    uint64_t ticket;      /* of the seat on its loop */
    uuid principal;
    bool watching;        /* it is no member's */
};
/* A socket asks to be in the room: chat_presence_come fills the arrival and answers the ask. */
struct chat_coming {
    unsigned loop;
    uint64_t client, ticket;
    bool watch;
    bool unseen; /* as chat_client_ops */
    struct chat_arrival *arrival;
};
void chat_presence_come(struct chat_ask *a, struct chat_room *r, const struct chat_coming *in);
/* From a socket's loop: it is not there any more (nor what it asked for up to that ticket); its
 * principal has what was published up to n. */
void chat_presence_leave(struct home *h, uuid room, uint64_t client, uint64_t ticket);
void chat_presence_received(struct home *h, uuid room, uuid principal, uint64_t n);
/* On a loop: the principal (nil: everybody) is in the room, or is not. */
void chat_clients_in(struct chat *chat, uuid room, uuid principal);
void chat_clients_out(struct chat *chat, uuid room, uuid principal, enum chat_out why);

#endif
