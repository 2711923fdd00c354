/*
 * The house: rooms, the entities in them and scenes (CONTRACT 4). It is one object with one home,
 * HOUSE_HOME, loaded whole when the process starts, so that a snapshot, a move between rooms and a
 * scene are each one moment; 10,000 changes of state a second are a tenth of a core.
 *
 *     REST, telemetry, presence --mail--> the house --> topics of the rooms, at once
 *                                             what changed --behind--> entity_state, history
 *     REST <--mail-- answered when that is on disk
 *
 * Every loop has a copy of what rooms there are (house_room), which changes before a change of a
 * room is answered or told. Operations start on any home loop and answer once, on that loop, never
 * inside the call; arguments are copied, results borrowed for the call of `done`.
 */
#ifndef SB_DOMAIN_HOUSE_H
#define SB_DOMAIN_HOUSE_H

#include "domain/audit.h"
#include "domain/home.h"
#include "domain/house_types.h"
#include "domain/identity.h"

/* Where ordered events are published too, so that an event of a room and the states of its
 * entities reach everybody in the order in which they happened. */
#define HOUSE_HOME JOURNAL_HOME

/* --- rights --- */

/* The rooms that a principal has a permission for; a small copy that travels. */
#define HOUSE_RIGHTS_ROOMS_MAX 64 /* bindings of one principal to rooms that count; more are cut */
struct house_rights {
    bool all;       /* every room, and what is in none */
    bool open_only; /* but not the private ones: anonymous clients */
    uint8_t count;
    int64_t rooms[HOUSE_RIGHTS_ROOMS_MAX]; /* without `all` */
};
void house_rights_of(const struct grant *g, enum permission p, struct house_rights *out);
/* room 0: in none. */
bool house_may(const struct house_rights *r, int64_t room, bool private);

/* Who asks for an operation. What one may not see does not exist (ERR_NOT_FOUND); what one sees
 * and may not do is ERR_PERMISSION_DENIED. */
struct house_who {
    struct actor actor;      /* of the audit log and of history */
    struct house_rights see; /* PERM_HOME_READ */
    struct house_rights may; /* what the operation needs */
};
struct house_who house_who_of(const struct grant *g, enum permission p, span address);

/* --- answers --- */

struct house_result {
    /* ERR_NONE; ERR_NOT_FOUND; ERR_PERMISSION_DENIED; ERR_CONFLICT: `why` says with what;
     * ERR_PRECONDITION_FAILED: another version is stored; ERR_INVALID_REQUEST: `member` and `why`,
     * or `after` is none of ours; ERR_RATE_LIMIT_EXCEEDED: there are home_rooms_max,
     * home_entities_max ... already, or too much waits for the store; ERR_DEVICE_NOT_FOUND;
     * ERR_COMMAND_EXECUTION_FAILED: the device did not do it: `json`; the store's. */
    err error;
    const char *member; /* static text, or NULL */
    const char *why;    /* static text, or NULL */
    bool created;       /* the entity was made by it */
    int64_t id;         /* of a room */
    int64_t version;    /* what the ETag names */
    span json;          /* the object; of a list the array */
    span next;          /* where the next page begins; empty at the end */
};
typedef void (*house_done)(void *owner, const struct house_result *r);

/* --- rooms (house_room.c); their JSON: {id,name,description,icon,floor,sort,private,entity_count,
 *     created_at,updated_at,version} --- */

/* Ordered events of rooms: EVENT_ROOM_UPDATED {room_id,room_name,action} on the room's topic, one
 * of these two by whether it is private by then. Whoever may see all subscribes the patterns; who
 * is bound to a room subscribes both of its topics. */
#define HOUSE_EVENTS_OPEN "home/event/+"
#define HOUSE_EVENTS_PRIVATE "home/private/+"
#define HOUSE_TOPIC_MAX 48
span house_events_topic(int64_t room, bool private, char out[HOUSE_TOPIC_MAX]);
/* Broadcasts to everybody (EVENT_HOME_BROADCAST*); it matches HOUSE_EVENTS_OPEN. */
#define HOUSE_EVENTS_ALL "home/event/all"

struct house_room_draft {
    span name, description, icon, floor; /* checked; ptr NULL: empty */
    int64_t sort;
    bool private;
};
void house_room_create(struct home *h, const struct house_room_draft *in,
                       const struct house_who *who, house_done done, void *owner);
void house_room_get(struct home *h, int64_t id, const struct house_who *who, house_done done,
                    void *owner);
struct house_room_change {
    int64_t version; /* that must be stored; 0: any */
    span name, description, icon, floor; /* ptr NULL: unchanged */
    bool has_sort, has_private;
    int64_t sort;
    bool private;
};
/* One that changes nothing is not stored and told to nobody. */
void house_room_patch(struct home *h, int64_t id, const struct house_room_change *in,
                      const struct house_who *who, house_done done, void *owner);
/* ERR_CONFLICT while entities are in it, unless `force`: then they are in none. Subscriptions to
 * it end, and roles bound to it do. version 0: any. */
void house_room_delete(struct home *h, int64_t id, int64_t version, bool force,
                       const struct house_who *who, house_done done, void *owner);
struct house_room_filter {
    span floor;     /* exact; ptr NULL: any */
    span text;      /* part of the name in any case; empty: any */
    span after;     /* `next` of the page before; empty: from the start */
    unsigned limit; /* 1-200 */
};
/* By sort, name and id. */
void house_room_list(struct home *h, const struct house_room_filter *in,
                     const struct house_who *who, house_done done, void *owner);

/* What this loop knows of a room: every loop has it before the room's creation is answered. */
struct house_room_brief {
    int64_t id;
    bool private;
};
/* NULL: there is none. Valid until mail is run. */
const struct house_room_brief *house_room(const struct home *h, int64_t id);
/* What home.on_room says (domain/home.h): */
enum house_room_event {
    HOUSE_ROOM_GONE,    /* end subscriptions to it */
    HOUSE_ROOM_PRIVATE, /* end those of anonymous clients */
    HOUSE_ROOM_OPEN,
};

/* --- entities (house_entity.c); their JSON: {entity_id,name,room_id,device_id,capability,state,
 *     attributes,available,last_changed,last_updated,created_at,updated_at,version,aliases} --- */

struct house_entity_draft {
    span entity_id;  /* house_entity_id_ok; else ERR_INVALID_REQUEST */
    span name;       /* empty: the entity_id's object in words */
    int64_t room;    /* 0: none */
    uuid device;     /* nil: none; else telemetry of sensor type `capability`, or what the device */
    span capability; /* says in `state` of it, is the entity's state, and actions are commands */
    span state;      /* ptr NULL: HOUSE_UNKNOWN; of an entity without a device only */
    span attributes; /* a JSON object; empty: {} */
};
/* ERR_CONFLICT: another entity has the name or the device's capability. The device must exist. A
 * name that another entity had before is taken over, if the caller may change that one: whoever
 * uses the old name means the new entity from now on. */
void house_entity_create(struct home *h, const struct house_entity_draft *in,
                         const struct house_who *who, house_done done, void *owner);
/* By its name or an alias, as everywhere below. */
void house_entity_get(struct home *h, span entity_id, const struct house_who *who,
                      house_done done, void *owner);
struct house_entity_change {
    int64_t version;
    span entity_id; /* ptr NULL: unchanged, as below; a new one leaves the old one as an alias, and
                       followers hear of its end and of a beginning; names as for a creation */
    span name;
    bool has_room, has_backing;
    int64_t room;
    uuid device;
    span capability;
};
void house_entity_patch(struct home *h, span entity_id, const struct house_entity_change *in,
                        const struct house_who *who, house_done done, void *owner);
/* With its history, and its places in scenes. */
void house_entity_delete(struct home *h, span entity_id, int64_t version,
                         const struct house_who *who, house_done done, void *owner);
struct house_entity_filter {
    int64_t room;   /* -1: any; 0: those in none */
    span domain;    /* of the entity_id; empty: any */
    uuid device;    /* nil: any */
    span text;      /* part of name or entity_id in any case; empty: any */
    span state;     /* exact; ptr NULL: any */
    span after;
    unsigned limit;
};
/* By entity_id. */
void house_entity_list(struct home *h, const struct house_entity_filter *in,
                       const struct house_who *who, house_done done, void *owner);

/* --- states (house_state.c) --- */

struct house_state_change {
    span entity_id;
    span state;      /* ptr NULL: unchanged */
    span attributes; /* a JSON object, the full set; ptr NULL: unchanged */
    bool create;     /* makes the entity, in no room, when there is none */
};
/* ERR_CONFLICT: a device says this entity's state. Followers hear it at once; answered when it is
 * on disk, with the entity. When the store fails it stays, and is tried again. */
void house_state_set(struct home *h, const struct house_state_change *in,
                     const struct house_who *who, house_done done, void *owner);

/* A change of state or attributes, as everybody is told of it: state class, of HOUSE_STATE_CHANGED,
 * keyed by the entity_id, {entity_id,old_state,new_state,attributes,room_id,last_changed,
 * last_updated}. Members of topics follow rooms; blob.some is set for private ones, and only
 * members that are not anonymous want those (hub_sink.wants). */
enum house_blob { /* blob.event of what is not logged, of wire Home */
    HOUSE_STATE_CHANGED,
    HOUSE_SNAPSHOT,  /* {room_id,entities[],pos}: what subscribe_room with snapshot is answered, of
                        {entity_id,name,state,attributes,last_changed,last_updated} */
    HOUSE_HEARTBEAT, /* the edge's, as below */
    HOUSE_STATUS,
};
/* The member follows a room (0: what is in none); twice is once. With `snapshot` it gets the states
 * of all its entities, then every later change, and nothing older in between, also when it followed
 * already. Rights are the caller's question. */
void house_follow(struct home *h, uint32_t member, uint32_t gen, int64_t room, bool snapshot);
void house_unfollow(struct home *h, uint32_t member, int64_t room);
/* Every room there is and will be, and what is in none. */
void house_follow_all(struct home *h, uint32_t member);
void house_unfollow_all(struct home *h, uint32_t member);

struct house_history_filter {
    span entity_id;
    int64_t from_ms; /* inclusive */
    int64_t to_ms;   /* exclusive */
    span after;
    unsigned limit;
};
/* {state,attributes,changed_at,changed_by}, oldest first: a row for each change of state or
 * attributes that followers were told of, changed_by null for a device's; the row that holds at
 * from_ms before them on the first page. Reads everything told before the call. */
void house_history(struct home *h, const struct house_history_filter *in,
                   const struct house_who *who, house_done done, void *owner);

/* --- actions and scenes (house_action.c, house_scene.c) --- */

struct house_action {
    span entity_id;
    span action;      /* [a-z][a-z0-9_]*, up to 64 */
    span parameters;  /* a JSON object, or empty */
    uint32_t wait_ms; /* for the device's result */
};
/* Of an entity with a device: a command of that name with the parameters, `entity_id` and
 * `capability`. Result: {entity_id,action,reason?,command: CommandResult}; ERR_NONE as long as it
 * has not failed within the wait. Of others: turn_on, turn_off, toggle and set_state change the
 * state; ERR_INVALID_REQUEST for the rest. */
void house_act(struct home *h, const struct house_action *in, const struct house_who *who,
               house_done done, void *owner);

/* The process is about to end: who waits for a device is answered with how its command is now, and
 * nobody waits from here on. */
void house_hurry(struct home *h);

/* Scenes are shown to whoever asks, without items in rooms that they may not see. Their JSON:
 * {id,name,description,icon,items:[{entity_id,action,parameters}|{entity_id,state,attributes?}],
 * created_at,updated_at,version}. */
struct house_scene_draft {
    span name, description, icon;
    span items; /* JSON array, checked by its schema; ptr NULL: none, or of a change: unchanged */
};
void house_scene_create(struct home *h, const struct house_scene_draft *in,
                        const struct house_who *who, house_done done, void *owner);
void house_scene_get(struct home *h, uuid id, const struct house_who *who, house_done done,
                     void *owner);
void house_scene_patch(struct home *h, uuid id, int64_t version, const struct house_scene_draft *in,
                       const struct house_who *who, house_done done, void *owner);
void house_scene_delete(struct home *h, uuid id, int64_t version, const struct house_who *who,
                        house_done done, void *owner);
void house_scene_list(struct home *h, span text, span after, unsigned limit,
                      const struct house_who *who, house_done done, void *owner);
/* All its items at once; each by who may control that entity's room. Result: {scene_id,results:
 * [{entity_id,ok,error?:{code,message,reason?},command?}]}. */
void house_scene_activate(struct home *h, uuid id, uint32_t wait_ms, const struct house_who *who,
                          house_done done, void *owner);

/* --- the process --- */

/* One a home, with hub, journal and store in place; owned by the caller. Topics that begin with
 * "home/state/" are its own from now on. */
struct house *house_new(struct home *h);
/* When every home has its house and no loop runs: reads the rows. Blocks (store_run). */
err house_load(struct home *first) MUST_CHECK;
/* The process ends: who waits for the store is answered. Before the store is closed. */
void house_stop(struct house *s);
void house_free(struct house *s);

struct house_stats {
    unsigned rooms;
    unsigned entities;
    uint64_t changes;  /* of states, told to followers */
    uint64_t merged;    /* of them, missing in history: the store was too slow */
    unsigned unwritten; /* entities whose newest state is not on disk */
};
/* Of the house; any thread. */
void house_stats(const struct home *h, struct house_stats *out);
/* Operations of this loop's callers that are not answered yet. */
unsigned house_asks(const struct house *s);

#endif
