/*
 * What the files of the house share. Nobody else includes this.
 *
 *   house.c           the house and its copies of rooms; rights; asks between loops
 *   house_load.c      rows into memory: at the start, and after a change
 *   house_room.c      rooms: create, get, patch, delete
 *   house_entity.c    entities: get, patch (rename, move, backing), delete
 *   house_make.c      entities: create, and what must hold of any change
 *   house_list.c      lists of both                house_json.c        both as JSON
 *   house_state.c     states: changing them, telling followers, snapshots
 *   house_set.c       states that somebody sets    house_history.c     reads of history
 *   house_write.c     states into the store, behind; history; who waits for them
 *   house_device.c    the devices behind entities: their telemetry, states and presence
 *   house_action.c    actions                      house_scene.c       scenes
 */
#ifndef SB_DOMAIN_HOUSE_INTERNAL_H
#define SB_DOMAIN_HOUSE_INTERNAL_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/map.h"
#include "domain/behind.h"
#include "domain/fleet.h"
#include "domain/house.h"

/* store_meta's name of room_last. */
#define HOUSE_META_ROOM_LAST "home_room_last"

struct house_writer;  /* house_write.c */
struct house_devices; /* house_device.c */
struct house_scenes;  /* house_scene.c */
struct house_wishes;  /* house_state.c */

/* At HOUSE_HOME only. */
struct room {
    struct map_node node; /* by id */
    struct house_room_row row; /* spans into text */
    uint8_t *text;        /* owned */
    struct list entities; /* struct entity.in_room */
    unsigned entity_count;
    bool changing;        /* a change of the row is on its way, */
    struct list changes;  /* and these asks wait for it */
};

struct entity {
    struct map_node node;  /* by entity_id */
    struct list aliases;   /* struct alias, the oldest first */
    int64_t number;        /* of its row, which a rename does not change */
    span entity_id;        /* into text, as below */
    span name;
    span capability;
    uint8_t *text;         /* owned */
    struct room *room;     /* NULL: in none */
    struct list in_room;
    uuid device;           /* nil: none */
    struct house_backing *backing; /* house_device.c; NULL: none */
    span state;            /* as it was said; shown while `available` */
    span attributes;       /* a JSON object */
    uint8_t *said;         /* owned: state and attributes */
    bool available;
    bool gone;             /* deleted, held by what is under way only */
    int64_t changed_ms;    /* epoch: of the shown state */
    int64_t updated_ms;    /* epoch: of state or attributes */
    int64_t version;       /* of the row, without its state */
    int64_t row_created_ms, row_updated_ms;
    unsigned holds;        /* by what is under way; freed with the last when gone */
    bool changing;
    struct list changes;
    struct behind_item write; /* house_write.c, as below */
    struct list unwritten;    /* struct history_row that are not on disk, the oldest first; */
    unsigned rows;            /* so many, */
    unsigned rows_flying;     /* the first of them on their way */
    int64_t row_at_ms;        /* when the newest row was; 0: none since the start */
    int64_t row_seq;          /* and its number within that millisecond */
    struct list waiting;      /* struct house_wait */
    uint32_t change_count;    /* of its states, by which waits know what covers them */
    uint32_t change_flying;   /* the newest that is on its way */
    bool stored;              /* the store has a state of it, or will */
    uuid by;                  /* who said the state; nil: a device, or not known */
};

struct alias {
    struct map_node node; /* by the old entity_id, which follows the struct */
    struct list link;
    struct entity *entity;
    span entity_id;
};

struct house {
    struct home *home;
    struct map briefs;   /* struct brief of every room, on every loop */
    /* At HOUSE_HOME: */
    struct map rooms;    /* struct room */
    struct map entities; /* struct entity by entity_id */
    struct map aliases;
    unsigned room_count, entity_count; /* those included that are being made */
    struct house_writer *writer;
    struct house_devices *devices;
    struct house_scenes *scenes;
    struct house_wishes *wishes;
    struct list follows; /* deeds that wait for their device (house_action.c) */
    bool hurries;        /* nobody waits for devices any more */
    _Atomic uint64_t changes, merged;
    _Atomic unsigned rooms_now, entities_now, unwritten_now; /* for house_stats */
    unsigned asks;       /* of this loop's callers, that are not answered */
    struct list partings; /* house_room.c */
    int64_t room_last;   /* the newest id that was given; none is given twice */
};

/* --- house.c --- */

/* A question to the house and its answer: at_home runs at HOUSE_HOME and ends with house_answer,
 * now or later; then `done` on the loop that asked. */
struct house_ask {
    struct mail mail;
    struct list link;     /* in a list of `changes` */
    struct home *from;
    struct house *house;  /* at home */
    void (*at_home)(struct house_ask *a);
    struct arena arena;   /* arguments and results */
    struct house_who who; /* its spans in the arena */
    struct house_result result;
    house_done done;
    void *owner;
    unsigned loops;       /* that have not taken a change of rooms yet, */
    void (*spread)(struct house_ask *a); /* and what follows then */
};
/* `bytes` for a struct that begins with an ask, zeroed; house_ask_start sends it. `who` is copied;
 * NULL: somebody who sees and may nothing. */
void *house_ask_new(struct home *h, size_t bytes, void (*at_home)(struct house_ask *),
                    const struct house_who *who, house_done done, void *owner);
void house_ask_start(struct house_ask *a);
void house_answer(struct house_ask *a, err error);
/* With member and why, static texts or NULL. */
void house_refuse(struct house_ask *a, err error, const char *member, const char *why);
span house_copy(struct house_ask *a, span s); /* keeps ptr NULL */
/* At home: a change of the object is on its way, so the ask waits: its at_home runs again. */
void house_ask_wait(struct house_ask *a, struct list *changes);
/* At home, when that change is over: all that waited go on, in their order. The object may be gone
 * by the end. */
void house_asks_next(struct list *changes);

/* What a change of a room is for the copies on every loop. */
struct house_brief_change {
    int64_t room;
    bool there;   /* false: deleted */
    bool private;
};
/* At home: every loop takes it and tells home.on_room; then `then` runs, at home. */
void house_spread(struct house_ask *a, const struct house_brief_change *change,
                  void (*then)(struct house_ask *a));
/* At home, for a request that has no error: its events go out. */
void house_publish(struct house *s, const struct store_req *req);

static inline uint64_t house_hash(int64_t n) { return hash_bytes(span_of(&n, sizeof n)); }
/* The house of the process; at HOUSE_HOME. */
static inline struct house *house_of(struct home *h) { return h->peers[HOUSE_HOME]->house; }
struct room *house_room_find(struct house *s, int64_t id);
/* By its name or an alias; NULL when there is none. */
struct entity *house_entity_find(struct house *s, span entity_id);
/* As the ask's caller may see it and do what it needs: else the ask is answered and NULL. */
struct room *house_room_for(struct house_ask *a, int64_t id);
struct entity *house_entity_for(struct house_ask *a, span entity_id);
void entity_hold(struct entity *e);
void entity_release(struct house *s, struct entity *e);
static inline int64_t entity_room(const struct entity *e)
{
    return e->room == NULL ? 0 : e->room->row.id;
}
static inline bool entity_private(const struct entity *e)
{
    return e->room != NULL && e->room->row.private;
}
/* The state that everybody sees: HOUSE_UNAVAILABLE unless it is available. */
span entity_shown(const struct entity *e);

/* --- house_load.c --- */

/* What house_load puts on each loop. */
void house_brief_put(struct house *s, int64_t room, bool private); /* house.c */
/* Makes the room from a row, all texts copied, or gives it other members. */
struct room *room_add(struct house *s, const struct house_room_row *row);
void room_set(struct room *r, const struct house_room_row *row);
void room_drop(struct house *s, struct room *r);
/* Makes an entity without state from a row; of its texts entity_id, name and capability count. */
struct entity *entity_add(struct house *s, int64_t number, const struct house_entity_row *row);
/* Gives it other texts, version and times of the row; the spans may be the present ones. */
void entity_set(struct house *s, struct entity *e, const struct house_entity_row *row);
/* NULL: into none. */
void entity_put_in(struct entity *e, struct room *r);
/* What it is said to be: copied; the spans may be the present ones. Nobody is told. */
void entity_say(struct entity *e, span state, span attributes);
/* Not to be found any more, by name or alias; freed with the last hold. */
void entity_drop(struct house *s, struct entity *e);
struct alias *alias_find(struct house *s, span entity_id);
void alias_add(struct house *s, struct entity *e, span entity_id);
void alias_drop(struct house *s, struct alias *x);

/* --- house_json.c --- */

/* Each appends the object of house.h. */
void room_json(const struct room *r, buf *out);
void entity_json(const struct entity *e, buf *out);
/* Puts JSON and version into the answer. */
void house_result_room(struct house_ask *a, const struct room *r);
void house_result_entity(struct house_ask *a, const struct entity *e);

/* --- house_list.c --- */

/* The first `limit` of what is offered, and one more that shows that there are more. A list looks
 * at all there are, 1 ms for 10,000. */
#define HOUSE_PAGE_MAX 200
struct house_page {
    int (*order)(const void *a, const void *b); /* total: 0 for the same only */
    unsigned limit;                             /* 1 to HOUSE_PAGE_MAX */
    unsigned count;
    const void *items[HOUSE_PAGE_MAX + 1];
};
void house_page_offer(struct house_page *p, const void *item);
/* Answers with the array of what `put` appends, and with `at` of the last one as the cursor. */
void house_page_answer(struct house_ask *a, const struct house_page *p,
                       void (*put)(const void *item, buf *out),
                       span (*at)(struct house_ask *a, const void *item));
/* What `at` was, in the ask's arena; none for an empty cursor. False: it is none of ours. */
bool house_page_after(struct house_ask *a, span cursor, span *after) MUST_CHECK;
int house_span_order(span a, span b); /* by bytes */
bool house_text_in(span text, span part); /* in any case of ASCII; an empty part is in all */

/* --- house_room.c --- */

/* Who is to be told of the end of rights is not told. */
void house_partings_drop(struct house *s);

/* --- house_make.c --- */

/* Makes an entity as house_entity_create for an ask that stays the caller's: `made` runs at home,
 * maybe inside the call, with the entity held for the call, or NULL and the ask's fault set. The
 * spans of `in` live as long as the ask. The entity's state is being written when it runs. */
void entity_make(struct house_ask *a, const struct house_entity_draft *in,
                 void (*made)(struct house_ask *a, struct entity *e));

/* Why it cannot be, in the ask's result; and answering with that. */
void house_fault(struct house_ask *a, err error, const char *member, const char *why);
void house_refuse_fault(struct house_ask *a);

/* Steps that a creation and a change have in common. */
enum {
    ENTITY_ROOM,
    ENTITY_DEVICE,
    ENTITY_BACKED,
    ENTITY_TAKEN,
    ENTITY_ALIAS,
    ENTITY_CHANGE, /* ENTITY_INSERT or ENTITY_UPDATE */
    ENTITY_AUDIT,
    ENTITY_STEPS
};
/* Those up to ENTITY_ALIAS, for an entity of that number (0: a new one): room and device are there,
 * nobody else has capability or name; who had the name before has it no more. */
void entity_guards(struct store_req *req, const struct house_entity_row *row, int64_t number);
/* The columns that both write, from parameter `first` on, and the number before them unless 0. */
void entity_set_row(struct store_req *req, int64_t number, const struct house_entity_row *row,
                    unsigned first);
/* The fault of a request that failed at one of those steps. */
void entity_fault(struct house_ask *a, const struct store_req *req);
/* Whether the ask's caller may give an entity that room, or that name (to `e`, or to a new one:
 * NULL); else the fault is set. An alias of an entity that the caller may change is free. */
bool entity_room_ok(struct house_ask *a, int64_t room);
bool entity_name_ok(struct house_ask *a, span entity_id, const struct entity *e);
/* In memory: nobody had that name before. */
void alias_end(struct house *s, span entity_id);
void entity_audit(struct house_ask *a, struct store_req *req, unsigned step, const char *action,
                  span entity_id);
void house_expect(struct store_req *req, unsigned step, enum query q, enum store_expect e);

/* --- house_state.c --- */

/* The first HOUSE_STATE_MAX characters: a longer state would be refused by the store, and with it
 * those that are written together. Wires refuse it before. */
span house_state_cut(span state);
/* Everything that changes what followers see; each tells them at once and has it written. */
/* state.ptr NULL: unchanged; attributes likewise. `at_ms` 0: now. False: it changes nothing. `by`:
 * nil for a device. */
bool entity_move(struct house *s, struct entity *e, span state, span attributes, int64_t at_ms,
                 uuid by);
void entity_set_available(struct house *s, struct entity *e, bool available);
/* It is there now, in its room and under its name; or it is not any more. One that the store has no
 * state of yet is written, said by e->by. */
void entity_tell_appears(struct house *s, struct entity *e);
void entity_tell_leaves(struct house *s, struct entity *e);
/* What snapshots of the room say is not true any more (0: of what is in none), but for its states,
 * whose changes see to it. */
void house_snapshots_outdate(struct house *s, int64_t room);
void house_states_start(struct house *s); /* owns topics; at HOUSE_HOME, from house_new */
void house_states_end(struct house *s);

/* --- house_write.c --- */

/* Somebody waits until all that the entity's state is now is on disk. `ready` runs at home, maybe
 * inside house_written; after an error it is in memory still, and tried again. */
struct house_wait {
    struct list link;
    uint32_t change;
    void (*ready)(struct house_wait *w, err error);
};
void house_written(struct house *s, struct entity *e, struct house_wait *w);
/* The entity's state or attributes changed: it will be written, with a row of history if that was
 * `shown`. When too much waits for the store the row takes the place of the newest one waiting. */
void entity_touch(struct house *s, struct entity *e, bool shown, uuid by);
/* So much waits that it does: who can be refused should be. */
bool house_write_full(const struct house *s);
/* The newest writes are given up, for the entity is deleted; who waits is told that it is not
 * there. Its history goes later: ENTITY_GONE_INSERT belongs to the deleting transaction. */
void entity_write_forget(struct house *s, struct entity *e);
void house_writer_start(struct house *s); /* at HOUSE_HOME, from house_new */
/* The process ends: who waits for a store that fails is answered. What waits is still written as
 * long as the store answers. */
void house_writer_stop(struct house *s);
/* Before the entities are freed; nothing is on its way. */
void house_writer_free(struct house *s);

/* --- house_device.c --- */

/* The entity has that device and capability from now on (loaded, created, patched); nil: none. */
void entity_back(struct house *s, struct entity *e, uuid device, span capability);
void house_devices_start(struct house *s);
void house_devices_free(struct house *s);

/* --- house_action.c --- */

/* One action of one entity, also as part of a scene. Who may do it is the caller's question, and
 * the audit log. */
struct house_deed {
    struct house *house;
    struct entity *entity; /* held by the caller */
    span action;           /* house_action_ok; these borrowed until it is done */
    span parameters;       /* a JSON object; empty: none */
    uint32_t wait_ms;
    const struct actor *who;
    struct arena *arena;   /* takes `command` */
    void (*done)(struct house_deed *d); /* at home, maybe inside house_deed_start */
    /* ERR_NONE; ERR_INVALID_REQUEST: `member`; ERR_COMMAND_EXECUTION_FAILED: `reason`;
     * ERR_NOT_FOUND; ERR_DEVICE_NOT_FOUND; ERR_RATE_LIMIT_EXCEEDED; the store's. */
    err error;
    const char *member;
    const char *why;
    const char *reason; /* as of a command (command.h) */
    span command; /* CommandResult; empty: the entity has no device, or nothing was recorded */
    struct house_wait wait; /* private */
    uuid device;            /* private: whose command it is, if the entity has one */
};
void house_deed_start(struct house_deed *d);
void house_deeds_start(struct house *s);
/* Nothing comes back any more. */
void house_deeds_free(struct house *s);

/* --- house_scene.c --- */

/* At HOUSE_HOME, from house_new. */
void house_scenes_start(struct house *s);
/* From house_load, after the entities. Blocks. */
err house_scenes_load(struct house *s) MUST_CHECK;
/* The entity is deleted: it leaves scenes. */
void house_scenes_forget(struct house *s, const struct entity *e);
void house_scenes_free(struct house *s);

#endif
