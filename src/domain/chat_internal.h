/*
 * What the files of chat share. Nobody else includes this, nor chat_outgoing.h (messages on their
 * way), chat_delivery.h (what has reached whom) and chat_presence.h (sockets), which some need.
 *
 *   chat.c           beginning and end of chat; rooms of a home in memory: holding, leaving
 *   chat_load.c      rooms, read from the store
 *   chat_ask.c       asks between loops; who is in a room
 *   chat_queue.c     a room's queue; events; what is published
 *   chat_json.c      rooms and members as JSON
 *   chat_room.c      create, get     chat_room_change.c  patch, delete     chat_list.c  lists
 *   chat_ends.c      what is left of deleted rooms
 *   chat_member.c    members as rows; join
 *   chat_leave.c     leave; what the end of a membership is
 *   chat_moderate.c  add, remove         chat_member_patch.c  roles, mutes
 *   chat_invite.c    invitations, bans
 *   chat_message.c   sending: who may, what waits
 *   chat_batch.c     messages into the store: seq     chat_batch_read.c  clientId, replies
 *   chat_client.c    sockets on their loops: rooms of a principal, seats
 *   chat_presence.c  sockets at the homes of rooms: arrivals, presence, watching, spreading
 *   chat_delivery.c  what has reached whom      chat_delivery_left.c  when nobody is left to say so
 *   chat_cursor.c    read and delivered cursors, receipts
 *   chat_typing.c    typing, presence told
 *   chat_edit.c      edit, delete, reactions
 *   chat_history.c   pages         chat_search.c  search
 *   chat_retention.c messages of rooms that keep them for some days only
 *   chat_file.c      files
 *   chat_robot*.c    robots
 *   chat_desk.c      escalations
 *   chat_guest.c     guests, and their never being alone
 */
#ifndef SB_DOMAIN_CHAT_INTERNAL_H
#define SB_DOMAIN_CHAT_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "domain/behind.h"
#include "domain/chat.h"
#include "shape/chat_message.h"

struct chat_cursor;           /* chat_cursor.c: cursors on their way to the store */
struct chat_delivery_of_room; /* chat_delivery.c */
struct chat_guests;           /* chat_guest.c, of a room */
struct chat_robots;           /* chat_robot.c, of a home */
struct chat_files;            /* chat_file.c, of a home */
struct chat_desk;             /* chat_desk.c, at home 0 */
struct chat_moods;            /* chat_typing.c, of a room */
struct chat_retention;        /* chat_retention.c, at home 0 */
struct chat_ends;             /* chat_ends.c, at home 0 */
struct chat_left;             /* chat_delivery_left.c, at home 0 */
struct chat_outgoing;         /* chat_outgoing.h */

enum chat_room_state { CHAT_ROOM_LOADING, CHAT_ROOM_READY, CHAT_ROOM_GONE };

/* Somebody in a room, at the room's home. */
struct chat_member_of {
    struct map_node node; /* in room->members, by principal */
    uuid principal;
    enum chat_user_type type : 8;
    enum principal_kind kind : 8;
    enum chat_role role : 8;
    bool hidden : 1;         /* a direct room that it left */
    unsigned clients;        /* sockets that are there */
    int64_t first_seq;       /* a guest sees what is above */
    int64_t read_seq, delivered_seq; /* cursors; they move forward only */
    int64_t online_from_seq; /* last_seq when it came online */
    int64_t muted_until_ms;  /* epoch; 0: not; INT64_MAX: ever */
    char *mute_reason;       /* owned, NUL at the end; NULL: none */
    int64_t joined_ms;
    uint8_t name_len;
    char *name;              /* owned: display name */
    struct chat_cursor *cursor; /* chat_cursor.c; NULL: the store has them */
    /* chat_typing.c; times are monotonic: */
    struct list typing;      /* linked: it types, until */
    int64_t typing_until_ms;
    struct list leaving;     /* linked: it has no socket any more, which is told at */
    int64_t leaves_ms;
};

struct chat_room {
    struct map_node node;  /* in chat->rooms, by id */
    struct chat *chat;
    uuid id;
    enum chat_room_state state;
    enum chat_room_type type;
    struct list waiting;   /* asks, while loading */
    struct list idle;      /* in chat->idle while nobody holds it */
    unsigned holds;
    uuid loaded_to;        /* while loading: members up to there are in memory */
    char *name;            /* owned, as settings; NUL at the end */
    char *settings;        /* a JSON object */
    uuid created_by;
    uuid owner_robot;      /* who answers until a person takes over; nil: none */
    int64_t version, created_ms, updated_ms;
    int64_t last_seq;      /* of the newest committed message */
    int64_t last_ms;       /* its timestamp: they never go back within a room */
    struct pos pos;        /* of the newest ordered event of the room; from there a reader gets what
                              comes after last_seq */
    struct map members;    /* struct chat_member_of */
    unsigned member_count, online_count;
    unsigned guest_count; /* of the members */
    struct list clients;   /* struct chat_presence: sockets, members' and watchers' */
    /* The queue: changes run one at a time, messages that stand together are one request. */
    struct list queue;     /* struct chat_item, the oldest first */
    bool busy;             /* one is under way */
    unsigned sending;      /* messages in the queue or under way (chat_message.c) */
    bool turning;          /* the next one is being chosen */
    bool deleting;
    struct chat_delivery_of_room *delivery; /* NULL: nothing is on its way to anybody */
    struct chat_guests *guests;             /* NULL: no guests */
    bool alone;            /* guests without an employee: read-only for them */
    struct chat_moods *moods; /* chat_typing.c; NULL: nobody types or is leaving */
};

struct chat {
    struct home *home;
    struct map rooms;      /* struct chat_room of this home */
    struct list idle;      /* the longest unused first */
    unsigned idle_weight;  /* of idle rooms: one each, and one for each member */
    struct pos published;  /* the newest that this home has handed to the journal */
    struct map sockets;    /* struct chat_client of this loop, by id */
    struct map people;     /* struct chat_person of this loop, by principal */
    struct map presences;  /* struct chat_presence of rooms of this home */
    uint64_t client_ids;
    struct behind *cursors; /* chat_cursor.c */
    struct behind *deliveries; /* chat_delivery.c */
    uint64_t sending_bytes; /* of messages in all queues (chat_message.c) */
    struct chat_robots *robots;
    struct chat_files *files;
    struct chat_desk *desk;
    struct chat_retention *retention; /* at home 0 */
    struct chat_ends *ends; /* chat_ends.c, at home 0 */
    struct chat_left *left; /* chat_delivery_left.c, at home 0 */
    _Atomic unsigned asks; /* of this loop's callers */
    _Atomic unsigned loaded, online;
    _Atomic uint64_t messages[CHAT_ROOM_TYPES];
};

/* --- chat_ask.c --- */

/*
 * A question to a room and its answer. `at_home` runs at the room's home with the room loaded, held
 * for the call (chat_hold to go on later), or NULL if there is none; it ends with chat_answer, now
 * or later. Then at_caller if set, else `done`, on the loop that asked; then the ask is freed.
 */
struct chat_ask {
    struct mail mail;
    struct list link;
    struct home *from;
    struct chat *chat; /* at home */
    uuid id;           /* of the room */
    uuid named;        /* what the caller gave; another than `id` when the room was found by it */
    bool unloaded;     /* at_home needs no room: it gets NULL, and nothing is read */
    struct chat_room *room; /* while it is held across requests */
    void (*at_home)(struct chat_ask *a, struct chat_room *r);
    void (*at_caller)(struct chat_ask *a);
    struct arena arena; /* arguments and results */
    struct chat_who who; /* spans in the arena */
    struct chat_origin origin;
    struct chat_result result;
    chat_done done;
    void *owner;
};
/* `bytes` for a struct that begins with an ask, zeroed. `who` and `origin` are copied; NULL: the
 * server itself, and nobody. */
void *chat_ask_new(struct home *h, size_t bytes, uuid room,
                   void (*at_home)(struct chat_ask *, struct chat_room *),
                   const struct chat_who *who, const struct chat_origin *origin, chat_done done,
                   void *owner);
void chat_ask_start(struct chat_ask *a);
void chat_answer(struct chat_ask *a, err error);
void chat_refuse(struct chat_ask *a, err error, const char *member, const char *why);
span chat_copy(struct chat_ask *a, span s); /* keeps ptr NULL */

/* Whether the ask's caller is in the room: the member, hidden included. Else NULL and the ask was
 * answered ERR_ROOM_ACCESS_DENIED. chat_sees lets who monitors pass, too: then it is true and the
 * member may be NULL. */
struct chat_member_of *chat_member_for(struct chat_ask *a, struct chat_room *r);
bool chat_sees(struct chat_ask *a, struct chat_room *r, struct chat_member_of **member);
/* Owner or moderator of the room, or who monitors. */
bool chat_moderates(const struct chat_ask *a, const struct chat_room *r);
/* Rows are read, or stored: who waited goes on, and the caller's hold is over. */
void chat_room_loaded(struct chat_room *r, err error, bool there);

/* --- chat_load.c --- */

/* Reads a room that was put as CHAT_ROOM_LOADING; then chat_room_loaded. */
void chat_room_load(struct chat_room *r);
/* The read of a room that is not there, which takes as long as one that is; `done` frees
 * the request. */
void chat_room_load_none(struct home *h, void (*done)(struct store_req *), void *owner);
/* By its name; a user if it is none of them. */
enum principal_kind chat_kind_of(span name);

/* --- chat.c: memory of rooms --- */

/* A principal as rooms know it; the name is copied. */
struct chat_principal {
    uuid id;
    enum principal_kind kind;
    enum chat_user_type type;
    span name;
};
/* A member that was not there; the room is held. */
struct chat_member_of *chat_member_put(struct chat_room *r, const struct chat_principal *who);
void chat_member_drop(struct chat_room *r, struct chat_member_of *m); /* without sockets */
/* A room that was not there, held once for the caller. */
struct chat_room *chat_room_put(struct chat *c, uuid id, enum chat_room_state state);
void chat_room_texts(struct chat_room *r, span name, span settings);
/* Nothing of the room is under way: its pos is as new as this loop knows. */
void chat_room_fresh(struct chat_room *r);

/* The room stays in memory until it is released as often. */
void chat_hold(struct chat_room *r);
/* Held by nobody it may go; the caller's pointer is not valid any more. */
void chat_release(struct chat_room *r);
/* In whatever state; NULL: not in memory. At its home. */
struct chat_room *chat_room_peek(struct chat *c, uuid room);
/* Loaded here already; NULL: not, or there is none. At its home. */
struct chat_room *chat_find(struct chat *c, uuid room);
struct chat_member_of *chat_member(struct chat_room *r, uuid principal); /* NULL: it is none */

/*
 * The queue of a room (chat_queue.c). Whatever writes the room's rows or tells ordered events of it
 * is an item; items run in the order in which they came. An item runs alone until chat_item_over,
 * but messages (run == chat_messages_run) that stand together run as one. While it runs, memory
 * does not change under it; last_seq, members and pos are as the store has them. An item is
 * unlinked when it runs; what stands behind it is in r->queue still, to be taken along. The room is
 * held while one is under way; while it waits, holding the room is the item's. The room may be gone
 * by then (r->state).
 */
struct chat_item {
    struct list link;
    void (*run)(struct chat_item *i, struct chat_room *r);
};
void chat_enqueue(struct chat_room *r, struct chat_item *i);
void chat_item_over(struct chat_room *r);
/* The most common item: an ask whose change is one request. `fill` makes the request (NULL: the ask
 * was answered, nothing to write), `committed` takes it over into memory, publishes (chat_publish)
 * and answers; a failed request is answered with its error, unless `failed` is set. */
struct chat_change {
    struct chat_ask ask; /* first */
    struct chat_item item;
    struct store_req *(*fill)(struct chat_change *c, struct chat_room *r);
    void (*committed)(struct chat_change *c, struct chat_room *r, struct store_req *req);
    void (*failed)(struct chat_change *c, struct chat_room *r, struct store_req *req);
    struct store_req *req; /* held open: the callee's to free */
    bool held_open;
};
/* From at_home: waits its turn, runs, ends. A room that is gone by then is answered for
 * (ERR_ROOM_ACCESS_DENIED); rights may have changed, too: `fill` looks again. With `held_open` set
 * by committed the item stays under way until chat_item_over (loops are being told,
 * chat_spread_out), and the request is the callee's. */
void chat_change_run(struct chat_change *c, struct chat_room *r);
/* An ask's at_home: runs the change it begins with, or says ERR_ROOM_ACCESS_DENIED of no room. */
void chat_change_at_home(struct chat_ask *a, struct chat_room *r);

/* Characters of valid UTF-8. */
static inline size_t chat_chars(span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += (s.ptr[i] & 0xc0) != 0x80;
    }
    return n;
}

/* --- events: steps of a request --- */

/* Records an ordered event for a topic; data is a JSON object. With an origin (request_id and sid
 * not empty) that socket hears it with the requestId, all others without (edge/socketio/chat.h). */
void chat_event_step(struct chat *c, struct store_req *req, unsigned step, enum event e,
                     span topic, span data, const struct chat_origin *origin);
/* The same for sets of one step: store_step_init with `count` first (journal_steps). */
void chat_event_set(struct chat *c, struct store_req *req, unsigned step, unsigned set,
                    enum event e, span topic, span data, const struct chat_origin *origin);
/* For a request without an error: its events go out; room may be NULL, else its pos is the last. */
void chat_publish(struct chat *c, struct chat_room *r, const struct store_req *req);
/* Ephemeral, to those who are there now; the payload is a JSON object. */
void chat_tell(struct chat *c, enum event_out e, span topic, span data);
void chat_set_uuid(struct store_req *req, unsigned step, unsigned set, unsigned p, uuid id);
/* False, and nil, for NULL. */
bool chat_cell_uuid(const struct store_value *cell, uuid *out);
/* An AUDIT_INSERT as step `i`; the target is a room, or somebody in it ("ROOM/PRINCIPAL"). */
void chat_audit_step(struct chat *c, struct store_req *req, unsigned i, const struct chat_who *who,
                     const char *action, uuid room);
void chat_audit_member_step(struct chat_room *r, struct store_req *req, unsigned i,
                            const struct chat_who *who, const char *action, uuid principal,
                            span detail);

/* --- chat_json.c --- */
/* `sees` as who asks: the reason of a mute is for who is muted and for who moderates; NULL: for
 * everybody. */
void chat_member_json(const struct chat_room *r, const struct chat_member_of *m,
                      const struct chat_who *sees, buf *out);
/* ChatRoom as `for_whom` (NULL: not a member) sees it. */
void chat_room_json(const struct chat_room *r, const struct chat_member_of *for_whom,
                    const struct chat_who *sees, buf *out);
/* The same with so many members; and the array of them. */
void chat_room_json_of(const struct chat_room *r, const struct chat_member_of *for_whom,
                       const struct chat_who *sees, unsigned members_max, buf *out);
void chat_members_json(const struct chat_room *r, const struct chat_who *sees, unsigned max,
                       buf *out);
#define CHAT_EVENT_MEMBERS_SHOWN 50 /* in events that everybody in the room gets */
/* ChatRoom, id and version into the answer. */
void chat_result_room(struct chat_ask *a, const struct chat_room *r,
                      const struct chat_member_of *for_whom);
/* Messages that the member has not read, of those that it may see. */
static inline int64_t chat_unread_of(const struct chat_room *r, const struct chat_member_of *m)
{
    int64_t from = m->read_seq > m->first_seq ? m->read_seq : m->first_seq;
    return r->last_seq > from ? r->last_seq - from : 0;
}

/* --- chat_member.c --- */

/* A set of CHAT_MEMBER_INSERT. */
void chat_set_member(struct store_req *req, unsigned step, unsigned set, const struct chat_room *r,
                     const struct chat_member_of *m);
/* A step that reads principals, a row each; and what it says of one, whose name lives as long as
 * the request. False: there is none, it is disabled, or does not chat. */
void chat_principals_step(struct store_req *req, unsigned step, const uuid *ids, unsigned count);
bool chat_principal_row(const struct store_req *req, unsigned step, uuid id,
                        struct chat_principal *out);

/* A step of a write that comes to be refused (ERR_CONFLICT) when one of these is in chat_rooms_max
 * rooms already: behind it in the same transaction, so no race passes it. For support rooms it
 * finds nobody. */
void chat_rooms_step(struct chat *c, struct store_req *req, unsigned step, enum chat_room_type type,
                     const uuid *ids, unsigned count);
#define CHAT_ROOMS_FULL "is in as many rooms as one may be"

/* A member of a row that was stored, whose other members are of `row`. */
struct chat_member_of *chat_member_made(struct chat_room *r, const struct chat_principal *who,
                                        const struct chat_member_of *row);

/* --- chat_room.c --- */

/* Of a change: a direct room that the caller has hidden is shown again, and is the answer. */
struct store_req *chat_show_fill(struct chat_change *c, struct chat_room *r);
void chat_show_committed(struct chat_change *c, struct chat_room *r, struct store_req *req);

/* --- chat_ends.c, chat_invite.c --- */
void chat_ends_start(struct chat *c);
void chat_ends_free(struct chat *c);
/* A room was deleted: what is left of it goes now. */
void chat_ends_now(struct home *h);
/* Rooms and members that there are; any thread. */
void chat_ends_counts(const struct chat *c, uint64_t *rooms, uint64_t *members);
void chat_invitation_hash(struct home *h, span secret, uint8_t hash[32]);

/* --- chat_leave.c, chat_moderate.c, chat_member_patch.c --- */

/* Who owns the room when somebody goes; nil: whoever does now. */
uuid chat_heir(const struct chat_room *r, const struct chat_member_of *goes);
void chat_heir_step(struct chat_room *r, struct store_req *req, unsigned step, uuid heir);
/* CHAT_MEMBER_SET of somebody as `m` is. */
void chat_member_set_step(struct chat_room *r, struct store_req *req, unsigned step,
                          const struct chat_member_of *m);
/* Empty: none. Copied. */
void chat_member_mute_reason(struct chat_member_of *m, span reason);
/* Steps that record events of the room's topic. */
void chat_joined_step(struct chat_room *r, struct store_req *req, unsigned step,
                      const struct chat_member_of *m, const struct chat_origin *origin);
void chat_left_step(struct chat_room *r, struct store_req *req, unsigned step,
                    const struct chat_member_of *m, const struct chat_origin *origin);
/* The room as it is in memory now. */
void chat_updated_step(struct chat_room *r, struct store_req *req, unsigned step,
                       const struct chat_origin *origin);
/* From committed, whose request deleted the member: it goes from memory, its sockets are out, then
 * the request's events are told and the ask is answered. */
void chat_member_parts(struct chat_change *c, struct chat_room *r, uuid principal, uuid heir,
                       enum chat_out why);

/* --- chat_client.c, chat_presence.c --- */
/* The principal is in the room now: its sockets on every loop come (on_room follows). */
void chat_spread_in(struct chat_room *r, uuid principal);
/* It is not (nil: nobody is): `then` runs at home when no socket of it hears the room any more. */
void chat_spread_out(struct chat_room *r, uuid principal, enum chat_out why,
                     void (*then)(void *arg), void *arg);
void chat_clients_free(struct chat *chat);
void chat_presences_free(struct chat *c);

/* --- chat_message.c --- */
/* Whether the ask's caller may send this here and now; else the ask was answered. Who monitors may
 * without being a member: chat_send makes it one first. */
bool chat_may_send(struct chat_ask *a, struct chat_room *r, const struct chat_draft *in);
/* A system message by the server (sender nil): its content is {code, and the members of the object
 * `more`}. Nobody hears of its failure. */
void chat_post_system(struct chat_room *r, const char *code, span more);

/* --- chat_typing.c --- */
/* It said something, or went. */
void chat_typing_ends(struct chat_room *r, struct chat_member_of *m);
void chat_typing_free(struct chat_room *r);
/* Its first socket has come, or its last has gone: so it does not type any more, and others will be
 * told if it does not come back. */
void chat_presence_tell(struct chat_room *r, struct chat_member_of *m, bool online);
/* It is no member any more: nothing will be told of it. */
void chat_moods_forget(struct chat_room *r, struct chat_member_of *m);

/* --- chat_robot.c, chat_file.c, chat_desk.c, chat_guest.c: what the others call --- */
void chat_robots_start(struct chat *c);
/* What is under way ends; its rows stay open for the next process. From chat_stop. */
void chat_robots_stop(struct chat *c);
/* Before rooms are freed. */
void chat_robots_free(struct chat *c);
/* A message was committed in a room that a robot owns: a guest's is a question. */
void chat_robot_heard(struct chat_room *r, const struct chat_outgoing *m);
/* Whether one of these, about to be stored, is a person's who so takes a room over from its robot:
 * the system message that says so, for the same request, to be answered like the others. NULL: not
 * so. */
struct chat_outgoing *chat_robot_taken_by(struct chat_room *r,
                                          struct chat_outgoing *const *messages, unsigned count);
/* Whether a robot owns the room and is somebody; `*spared` while it failed too often. */
bool chat_robot_attends(struct chat_room *r, bool *spared);
/* What a take-over is on disk, in the transaction of what is acknowledged: so many steps. The robot
 * owns the room no longer, and what it is asked there ends. */
#define CHAT_ROBOT_TAKE_STEPS 2
void chat_robot_take_steps(struct chat_room *r, struct store_req *req, unsigned step);
/* These were committed. */
void chat_robot_taken(struct chat_room *r);
/* The same of a take-over that is no message (an escalation): the system message follows. Harmless
 * when no robot owns the room. */
void chat_robot_released(struct chat_room *r, uuid by);
void chat_files_start(struct chat *c);
/* Nothing is begun any more; the workers may end. */
void chat_files_stop(struct chat *c);
void chat_files_free(struct chat *c);
void chat_desk_start(struct chat *c); /* at home 0 sweeps what is due */
void chat_desk_stop(struct chat *c);  /* nothing new is begun */
void chat_desk_free(struct chat *c);
/* Members or presence changed: are guests alone? */
void chat_guests_check(struct chat_room *r);
void chat_guests_free(struct chat_room *r);

#endif
