/* What the files of recovery share: recovery.c is the home's side, recovery_calls.c everybody's. */
#ifndef SB_DOMAIN_RECOVERY_INTERNAL_H
#define SB_DOMAIN_RECOVERY_INTERNAL_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "domain/behind.h"
#include "domain/recovery.h"

enum state { SESSION_LOADING, SESSION_ALIVE, SESSION_DROPPED, SESSION_ENDED };

/* The sessions of one principal. */
struct group {
    struct map_node node;
    uuid principal;
    unsigned count;
    struct list dropped; /* the longest ago first */
};

struct session {
    struct map_node node;
    struct behind_item write;
    struct group *group; /* NULL while loading */
    struct list in_group, in_order; /* while dropped */
    enum state state;
    bool stored; /* a row of it may exist */
    char pid[RECOVERY_PID_LEN + 1];
    char wire[RECOVERY_WIRE_BYTES_MAX + 1];
    uuid principal;
    uint8_t *text; /* owned */
    uint32_t text_len;
    struct pos pos;
    int64_t dropped_wall_ms;
    int64_t end_wall_ms;
    int64_t end_ms; /* monotonic */
    struct list claims; /* struct call, while loading */
};

struct recovery {
    struct home *home;
    struct map sessions;
    struct map groups;
    struct list dropped; /* the longest ago first */
    struct behind behind;
    struct deadline end;   /* of the first in `dropped` */
    struct deadline sweep; /* home 0 */
    int64_t until_ms;      /* wall: rows of the process before have ended by then */
    unsigned loading;
    struct recovery_stats stats;
};

/* On its way from a loop to the principal's home; a claim also back. */
struct call {
    struct mail mail;
    struct home *home; /* the caller's */
    enum { CALL_SAVE, CALL_DROP, CALL_END, CALL_CLAIM } kind;
    char pid[RECOVERY_PID_LEN + 1];
    uuid principal;
    const char *wire;
    bool has_pos;
    struct pos pos;
    buf text; /* state given, or result */
    struct list waiting;
    err error;
    recovery_done done;
    void *owner;
};

/* At home. True for a claim: it is answered by recovery_answer, and owned until then. */
bool recovery_arrive(struct recovery *r, struct call *c);
/* Sends the call back to its loop, which tells the caller and frees it. */
void recovery_answer(struct call *c, struct post *post);

#endif
