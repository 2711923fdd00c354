/*
 * Guests (CONTRACT 5): people without an account, for one room and a while. A guest is a principal
 * of kind guest, who is in its room from the beginning and sees what is said after that, and a
 * signed token that names the room: whatever else becomes of the principal, it is good for that
 * room only.
 *
 *     made, a member ... token ends (4100) --chat_guest_keep_ms--> no member, disabled
 *                    \-- revoked: its sockets are closed (4000), it is no member at once
 *
 * Operations as those of chat.h.
 */
#ifndef SB_DOMAIN_CHAT_GUEST_H
#define SB_DOMAIN_CHAT_GUEST_H

#include "domain/chat.h"
#include "domain/chat_desk_types.h"

#define CHAT_GUEST_NAME_MAX 100
#define CHAT_GUEST_S_MIN 60
#define CHAT_GUEST_S_MAX 2592000 /* 30 d */

/* By employees who are in the room and supervisors; not into direct rooms. `ttl_ms` 0: the setting.
 * Result: id, room, json (with `token`, shown once). ERR_CONFLICT: the room has chat_guests_max. */
void chat_guest_make(struct home *h, uuid room, span name, int64_t ttl_ms,
                     const struct chat_who *who, chat_done done, void *owner);
/* The same for a guest who begins a conversation: without a room a support room is made for it, the
 * caller's, with the guest's name. */
struct chat_guest_draft {
    uuid room;      /* nil: a new one */
    span name;
    int64_t ttl_ms; /* 0: the setting */
    uuid robot;     /* of a new room: who answers until a person does; nil: nobody */
    span reason;    /* the room needs somebody, at once: an escalation; empty: it does not */
};
/* Room, guest and escalation are a change each: what fails leaves those before. */
void chat_guest_begin(struct home *h, const struct chat_guest_draft *in,
                      const struct chat_who *who, chat_done done, void *owner);
/* By whoever shows a guests' invitation (chat_invite), which it uses once. 5 a minute an address
 * (empty: no limit). Whatever is wrong with the secret is ERR_AUTHENTICATION_FAILED, and costs the
 * same. Result as above. */
void chat_guest_redeem(struct home *h, span secret, span name, span address, chat_done done,
                       void *owner);
/* Of a room, for its members who are no guests and who monitors; nil: of all, for who monitors. By
 * their ids. */
void chat_guest_list(struct home *h, uuid room, span after, unsigned limit,
                     const struct chat_who *who, chat_done done, void *owner);
/* By employees who are in its room and supervisors. ERR_NOT_FOUND, also for who may not. */
void chat_guest_revoke(struct home *h, uuid guest, const struct chat_who *who, chat_done done,
                       void *owner);

#endif
