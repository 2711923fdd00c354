/*
 * Who may chat: users and robots of this server by name, for who makes a room or adds somebody to
 * one. Guests are in nobody's list, and get none.
 */
#ifndef SB_DOMAIN_CHAT_PEOPLE_H
#define SB_DOMAIN_CHAT_PEOPLE_H

#include "domain/chat_types.h"
#include "domain/home.h"
#include "tables/errors.h"

#define CHAT_PEOPLE_MAX 200 /* of a page */

struct chat_person {
    uuid id;
    span name;
    enum chat_user_type type;
    bool robot;
};
/* Borrowed for the call of done. */
struct chat_people {
    err error; /* ERR_NONE; ERR_INVALID_REQUEST: `after` is none of ours; the store's */
    const struct chat_person *rows;
    unsigned count;
    span next; /* where the next page begins; empty at the end */
};
typedef void (*chat_people_done)(void *owner, const struct chat_people *p);

struct chat_people_filter {
    span text;      /* part of the name in any case; empty: any */
    span after;     /* `next` of the page before; empty: from the start */
    unsigned limit; /* 1 to CHAT_PEOPLE_MAX */
};
/* By name. Answers once, on the caller's loop, never inside the call. Who an outside issuer
 * vouches for is listed from its first visit on: its roles stand in its tokens. */
void chat_people_list(struct home *h, const struct chat_people_filter *in, chat_people_done done,
                      void *owner);

#endif
