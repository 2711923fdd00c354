/*
 * Chat (CONTRACT 5): rooms, their members and messages. A room lives at its home, hash(id) mod
 * loops; it is loaded when it is first asked for, with its members, and stays while somebody is
 * there. All that changes a room goes through its home, one after the other, so a message's `seq`
 * has no holes, and what was acknowledged is stored:
 *
 *     loop 2: send --mail--> home of the room: queue --one request of many messages--> store
 *                                                 |                        committed: seq, event n
 *     loop 2: ack <--mail------ answered ---------+--> gate: chat/room/<id> --> members' sockets
 *
 * Operations start on any home loop and answer once, on that loop, never inside the call; arguments
 * are copied, results borrowed for the call of `done`. What somebody may not see and what is not
 * there are the same: ERR_ROOM_ACCESS_DENIED.
 */
#ifndef SB_DOMAIN_CHAT_H
#define SB_DOMAIN_CHAT_H

#include "base/list.h"
#include "base/map.h"
#include "domain/audit.h"
#include "domain/chat_types.h"
#include "domain/home.h"
#include "domain/identity.h"

/* --- who asks --- */

struct chat_who {
    struct actor actor;        /* id: the principal */
    enum principal_kind kind;
    enum chat_user_type type;
    uuid only;                 /* a guest's room, which its token names; every other one is as if
                                  it were not there. nil: any */
    bool monitors;             /* PERM_CHAT_MONITOR: supervisors and admins see every room */
};
/* False: not somebody who chats (no PERM_CHAT_READ). */
bool chat_who_of(const struct grant *g, span address, struct chat_who *out);

/* --- answers --- */

struct chat_result {
    /* ERR_NONE; ERR_ROOM_ACCESS_DENIED: as above; ERR_PERMISSION_DENIED: it is seen, but this may
     * not be done, `why`; ERR_INVALID_REQUEST: `member` and `why`; ERR_CONFLICT: `why`;
     * ERR_NOT_FOUND: something in a room that is seen (a message, a member, a file);
     * ERR_PRECONDITION_FAILED; ERR_RATE_LIMIT_EXCEEDED: `retry_after_ms`; ERR_CONNECTION_LOST: the
     * robot behind it went away; the store's: nothing was done, try again. */
    err error;
    const char *member; /* static text, or NULL */
    const char *why;    /* static text, or NULL */
    uint32_t retry_after_ms;
    bool created;       /* it was made by this call; false: it had been there (clientId, direct) */
    uuid id;            /* of what was made or changed */
    uuid room;
    int64_t seq;        /* of a message */
    int64_t at_ms;      /* of a message: `timestamp` */
    int64_t version;    /* what the ETag names */
    span json;          /* the object; of a list the array */
    span members;       /* more members for an ack, without braces; empty: none */
    span next;          /* where the next page begins; empty at the end */
};
typedef void (*chat_done)(void *owner, const struct chat_result *r);

/* --- rooms (chat_room.c): ChatRoom = {id,name,type,settings,members:[{userId,userType,role,kind?,
 *     name,isOnline,lastReadSeq?}],memberCount,lastSeq,unread,createdAt,updatedAt,version}; members
 *     are the first CHAT_MEMBERS_SHOWN --- */

#define CHAT_MEMBERS_SHOWN 200

/* Ordered events of a room, for its members and who watches; of one principal, for its sockets; for
 * employees and supervisors: what waits to be taken (escalations, notifications). All have
 * JOURNAL_HOME; what is ephemeral (typing, presence, chunks) goes to the same topics. */
#define CHAT_TOPIC_MAX 48
span chat_room_topic(uuid room, char out[CHAT_TOPIC_MAX]);      /* "chat/room/<uuid>" */
span chat_user_topic(uuid principal, char out[CHAT_TOPIC_MAX]); /* "chat/user/<uuid>" */
#define CHAT_DESK_TOPIC "chat/desk"   /* employees, supervisors, admins */
#define CHAT_STAFF_TOPIC "chat/staff" /* supervisors, admins */

struct chat_room_draft {
    span name;               /* 1 to CHAT_NAME_MAX; a direct room may have none */
    enum chat_room_type type;
    const uuid *members;     /* besides the caller; of a direct room exactly one */
    unsigned member_count;   /* up to CHAT_MEMBERS_SHOWN in one call */
    span settings;           /* a JSON object; empty: {}. `robotId`: who owns a support room until a
                                person takes over (chat_robot.c); `retentionDays` */
};
/* The caller is its owner and a member. Members must be principals who may chat, no guests. A
 * direct room of two is there once: asked for again it is the same (created false), and shown again
 * to who had hidden it. chat:room:created goes to every member's sockets, then they are in. */
void chat_room_create(struct home *h, const struct chat_room_draft *in, const struct chat_who *who,
                      const struct chat_origin *origin, chat_done done, void *owner);
void chat_room_get(struct home *h, uuid room, const struct chat_who *who, chat_done done,
                   void *owner);
struct chat_room_change {
    int64_t version; /* 0: any */
    span name;       /* ptr NULL: unchanged */
    span settings;   /* a JSON Merge Patch; ptr NULL: unchanged */
};
/* Owner, moderators and supervisors; a system message tells a new name. */
void chat_room_patch(struct home *h, uuid room, const struct chat_room_change *in,
                     const struct chat_who *who, chat_done done, void *owner);
/* Owner and supervisors; with all that is in it, in batches behind the answer; audited. */
void chat_room_delete(struct home *h, uuid room, int64_t version, const struct chat_who *who,
                      chat_done done, void *owner);
struct chat_room_filter {
    bool all;       /* every room, for who monitors; else the caller's own, with unread */
    bool public;    /* public rooms, whether in or not */
    span text;      /* part of the name; empty: any */
    int type;       /* enum chat_room_type; -1: any */
    span after;
    unsigned limit; /* 1-200 */
};
/* The newest activity first (own rooms), else by id. Members are not shown. */
void chat_room_list(struct home *h, const struct chat_room_filter *in, const struct chat_who *who,
                    chat_done done, void *owner);

/* --- membership (chat_member.c) --- */

struct chat_join {
    span invitation; /* as in an invitation's link; empty: none */
    bool watch;      /* who monitors: see it without being a member; audited */
};
/* Public rooms, and who is invited; who is a member already is told so. Members: {lastSeq,unread,
 * member:{...}}; result.json the ChatRoom. Others hear chat:room:joined only of a new member. Who
 * monitors and is not let in so watches (members: "watching":true). */
void chat_join(struct home *h, uuid room, const struct chat_join *in, const struct chat_who *who,
               const struct chat_origin *origin, chat_done done, void *owner);
/* Ends membership; a direct room is hidden until something is said there. The last owner's place
 * goes to the longest-standing moderator, else member who is no guest. */
void chat_leave(struct home *h, uuid room, const struct chat_who *who,
                const struct chat_origin *origin, chat_done done, void *owner);
/* Members of group and support rooms add employees; moderators and supervisors add to any room but
 * direct ones. */
void chat_member_add(struct home *h, uuid room, uuid principal, enum chat_role role,
                     const struct chat_who *who, chat_done done, void *owner);
/* Kick: moderators (not the owner) and supervisors; with `ban_s` > 0 it cannot come back for so
 * long (< 0: ever). Audited. Its sockets hear chat:room:left, then nothing of the room. */
void chat_member_remove(struct home *h, uuid room, uuid principal, int64_t ban_s, span reason,
                        const struct chat_who *who, chat_done done, void *owner);
struct chat_member_change {
    int role;          /* enum chat_role; -1: unchanged; the owner's and supervisors' to change */
    bool has_mute;
    int64_t mute_s;    /* cannot send for so long; 0: again; < 0: ever */
    span reason;       /* of the mute, or of its end: 0 to CHAT_REASON_MAX; empty: none */
};
/* Moderators mute (the owner only supervisors), owners give roles; audited with the reason. A mute
 * and its end are told to whom they concern and to those who moderate the room, as
 * chat:system:notification with the reason, which only these and supervisors see of a member. */
void chat_member_patch(struct home *h, uuid room, uuid principal,
                       const struct chat_member_change *in, const struct chat_who *who,
                       chat_done done, void *owner);
void chat_member_list(struct home *h, uuid room, span after, unsigned limit,
                      const struct chat_who *who, chat_done done, void *owner);
void chat_ban_list(struct home *h, uuid room, const struct chat_who *who, chat_done done,
                   void *owner);
void chat_ban_delete(struct home *h, uuid room, uuid principal, const struct chat_who *who,
                     chat_done done, void *owner);

/* Invitations: to employees by principal (they see the room in their list and join), or to whoever
 * shows the secret, a guest's token among them (chat_guest.c). {id,roomId,kind,userId?,usesLeft,
 * expiresAt,createdBy,createdAt,revokedAt?}, and once `invitation`, the secret. */
struct chat_invitation_draft {
    uuid principal;  /* nil: whoever shows the secret */
    bool guest;      /* for guests, else for employees */
    unsigned uses;   /* 1-1000 */
    int64_t ttl_s;   /* 60 to 30 d */
};
void chat_invite(struct home *h, uuid room, const struct chat_invitation_draft *in,
                 const struct chat_who *who, chat_done done, void *owner);
void chat_invitation_list(struct home *h, uuid room, const struct chat_who *who, chat_done done,
                          void *owner);
void chat_invitation_revoke(struct home *h, uuid room, uuid invitation,
                            const struct chat_who *who, chat_done done, void *owner);

/* --- sockets of a principal (chat_client.c) --- */

/* What a principal's socket gets to know of a room it is in. */
struct chat_arrival {
    uuid room;
    bool watching;     /* it is no member */
    bool guest;        /* it sees what came after first_seq only */
    int64_t last_seq;  /* and everything up to that is at or before */
    struct pos pos;    /* this position: a reader of the room's topic from here misses nothing and
                          repeats nothing */
    int64_t first_seq;
    int64_t joined_ms; /* epoch; 0: it is no member */
    int64_t read_seq;
    int64_t unread;
    span json;         /* the members of chat:room:joined: roomId,userId,userType,members,
                          lastSeq,unread,name,type,role; without braces */
};
enum chat_out { CHAT_OUT_LEFT, CHAT_OUT_REMOVED, CHAT_OUT_GONE /* the room is deleted */ };
struct chat_client_ops;
/* One socket of a principal, embedded in the edge's. */
struct chat_client {
    const struct chat_client_ops *ops; /* set before chat_client_open */
    struct map_node node;              /* private from here: in chat->sockets, by id */
    struct list of_person;
    struct home *home;                 /* NULL: not open */
    struct chat_person *person;
    struct chat_who who;               /* without names */
    struct chat_seat *seats;           /* owned: rooms that it is in, watches, or has asked for */
    unsigned seat_count, seat_cap;
    unsigned owed;                     /* arrivals of the list that have not come yet */
    uint64_t id;                       /* of this loop */
    bool listing;                      /* its rooms are being read */
    bool answers;                      /* a robot's: told to its home (chat_robot.h) */
};
/* On the client's loop, never inside a call of the client; all may close it. */
struct chat_client_ops {
    /* It only listens: its principal is not online by it, nothing waits for what it has, and a
     * robot is not asked by it. */
    bool unseen;
    /* The principal is in this room: once for each when the client opens, and later when it comes
     * into one, by whatever way. */
    void (*on_room)(struct chat_client *c, const struct chat_arrival *a);
    /* It is not any more: nothing of the room may reach it from here on. What is published next
     * waits until every loop has done so. */
    void (*on_out)(struct chat_client *c, uuid room, enum chat_out why);
    /* All rooms there were have been told; or the store failed: the client should come again. */
    void (*on_listed)(struct chat_client *c, err error);
};
/* Costs a read of the principal's rooms, and a mail to the home of each. */
void chat_client_open(struct home *h, struct chat_client *c, const struct chat_who *who);
/* The same of one room, and of no other, ever. Who monitors and is no member watches it. Nothing is
 * read; a room that is not the principal's is not told by on_room. */
void chat_client_open_room(struct home *h, struct chat_client *c, const struct chat_who *who,
                           uuid room);
/* Whether the caller may: the room's member, or who monitors (chat_client_open_room notes that it
 * watches). ERR_NONE or ERR_ROOM_ACCESS_DENIED; tells nothing of the room. */
void chat_may_hear(struct home *h, uuid room, const struct chat_who *who, chat_done done,
                   void *owner);
/* Who it is has changed (rights): what it watched ends if it may not any more. */
void chat_client_rights(struct chat_client *c, const struct chat_who *who);
void chat_client_close(struct chat_client *c); /* harmless when not open */
/* The peer has all that was published up to journal number n: it answered a ping written after. */
void chat_client_received(struct chat_client *c, uint64_t n);
/* chat_join with watch, of one socket; its on_room follows the answer. */
void chat_watch(struct chat_client *c, uuid room, chat_done done, void *owner);
void chat_unwatch(struct chat_client *c, uuid room);

/* The principal is no more, with its rows; told on every loop. Rooms that are in memory learn it,
 * and their members hear that it left. */
void chat_principal_gone(struct home *h, uuid principal);

/* --- messages (chat_message.c): ChatMessage = {id,type,roomId,senderId,content,timestamp,
 *     deliveryStatus,metadata?,seq,clientId?,replyTo?,editedAt?,deleted?,reactions?:[{emoji,count,
 *     userIds}],file?} --- */

/* Answered when it is on disk, with id, seq and at_ms. A repeat of a clientId is answered as the
 * first was. Checks membership, mutes, guests' and robots' rights, that the room is not read-only.
 * Who monitors and is no member becomes one by sending (it intervenes). */
void chat_send(struct home *h, uuid room, const struct chat_draft *in, const struct chat_who *who,
               const struct chat_origin *origin, chat_done done, void *owner);

/* --- changes of what was said (chat_edit.c); by message id --- */

/* The sender, within chat_edit_window_s; earlier texts are kept. chat:message:updated. */
void chat_edit(struct home *h, uuid message, span content, bool object, const struct chat_who *who,
               const struct chat_origin *origin, chat_done done, void *owner);
/* The same of the version that is stored (0: any), else ERR_PRECONDITION_FAILED. */
void chat_edit_version(struct home *h, uuid message, int64_t version, span content, bool object,
                       const struct chat_who *who, const struct chat_origin *origin,
                       chat_done done, void *owner);
/* The sender, moderators, supervisors (audited): the place stays, with `deleted` and no content. */
void chat_delete(struct home *h, uuid message, const struct chat_who *who,
                 const struct chat_origin *origin, chat_done done, void *owner);
/* As above. */
void chat_delete_version(struct home *h, uuid message, int64_t version, const struct chat_who *who,
                         const struct chat_origin *origin, chat_done done, void *owner);
/* 1 to CHAT_EMOJI_MAX bytes; chat:message:updated. */
void chat_react(struct home *h, uuid message, span emoji, bool on, const struct chat_who *who,
                const struct chat_origin *origin, chat_done done, void *owner);
/* {content,editedAt,editedBy} oldest first; for who may delete it. */
void chat_revisions(struct home *h, uuid message, const struct chat_who *who, chat_done done,
                    void *owner);

/* --- reading (chat_history.c, chat_search.c) --- */

struct chat_page {
    enum { CHAT_BEFORE, CHAT_AFTER, CHAT_AROUND } way;
    int64_t seq;    /* exclusive but for AROUND; BEFORE with 0: from the newest */
    unsigned limit; /* 1-200 */
};
/* Oldest first; members {lastSeq}. Guests see what came after they did. */
void chat_messages(struct home *h, uuid room, const struct chat_page *in,
                   const struct chat_who *who, chat_done done, void *owner);
void chat_message_get(struct home *h, uuid message, const struct chat_who *who, chat_done done,
                      void *owner);
struct chat_search {
    span text;      /* words; "a phrase"; word* */
    uuid room;      /* nil: every room that the caller is in (monitors: must name one) */
    uuid sender;    /* nil: any */
    int64_t from_ms, to_ms;
    span after;
    unsigned limit;
};
/* Newest first, {message, snippet}. */
void chat_search(struct home *h, const struct chat_search *in, const struct chat_who *who,
                 chat_done done, void *owner);

/* --- cursors (chat_cursor.c) --- */

/* Moves the caller's cursor forward, never back; written behind. chat:message:receipt to rooms of
 * up to chat_receipts_members_max members. Members: {seq,unread}. */
void chat_read(struct home *h, uuid room, int64_t seq, const struct chat_who *who,
               chat_done done, void *owner);
void chat_delivered(struct home *h, uuid room, int64_t seq, const struct chat_who *who,
                    chat_done done, void *owner);

/* --- typing and presence, ephemeral (chat_typing.c) --- */

/* The member types, or has stopped; it stops by itself after chat_typing_ms (6 s), when it says
 * something, and when its last socket goes. ERR_ROOM_ACCESS_DENIED. */
void chat_typing(struct home *h, uuid room, bool on, const struct chat_who *who, chat_done done,
                 void *owner);

/* --- the process --- */

/* One a home, with hub, journal and store in place; sets h->chat. */
struct chat *chat_new(struct home *h);
/* The loops do not run by themselves any more. Before the store is closed. */
void chat_stop(struct chat *c);
void chat_free(struct chat *c);

#define CHAT_ROOM_TYPES 4
struct chat_stats {
    unsigned loaded;     /* rooms in memory */
    unsigned online;     /* members of them with a socket, over rooms */
    uint64_t rooms;      /* that there are, at home 0 */
    uint64_t members;
    uint64_t messages[CHAT_ROOM_TYPES]; /* committed since the start */
    unsigned asks;       /* of this loop's callers */
};
/* Any thread. */
void chat_stats(const struct home *h, struct chat_stats *out);

#endif
