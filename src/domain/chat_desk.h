/*
 * The desk (CONTRACT 5): rooms that need somebody. An escalation is waiting until somebody takes
 * it, and rises to the next tier when it is not concluded in time:
 *
 *     create --> waiting --take, assign--> taken --conclude--> concluded
 *                   ^----------release-------'  (waiting ones are concluded, too)
 *     T1 --30 min--> T2 --120 min--> T3 --480 min--> manager
 *
 * A room has one that is not concluded at most. Every change is one transaction with its event, for
 * chat/desk, and its row in the audit log, and waits its turn in the room's queue. Times stand in
 * the rows, so a restart changes nothing.
 *
 * Operations as those of chat.h: any home loop, one answer there. What the caller may not see is
 * ERR_ROOM_ACCESS_DENIED; an escalation that does not exist is ERR_NOT_FOUND, for everybody at the
 * desk sees all.
 */
#ifndef SB_DOMAIN_CHAT_DESK_H
#define SB_DOMAIN_CHAT_DESK_H

#include "domain/chat.h"
#include "domain/chat_desk_types.h"

/* Whether this one is of the desk: employees (no robots), supervisors, admins. */
bool chat_desk_has(const struct chat_who *who);

/* By employees who are in the room, by supervisors anywhere. `reason`: 1 to CHAT_REASON_MAX;
 * `target`: an enum chat_tier, or -1 for T1. If one is open that is the answer (created false),
 * raised when the target is higher. Result: id, version, json. ERR_CONFLICT: a direct room. */
void chat_escalate(struct home *h, uuid room, span reason, int target, const struct chat_who *who,
                   const struct chat_origin *origin, chat_done done, void *owner);

/* Result: id, room, version, json. */
void chat_escalation_get(struct home *h, uuid id, const struct chat_who *who, chat_done done,
                         void *owner);
struct chat_escalation_filter {
    int status;       /* enum chat_escalation_status; -1: any */
    int level;        /* enum chat_tier; -1: any */
    uuid assigned_to; /* nil: anybody, or nobody */
    span after;
    unsigned limit;   /* 1-200 */
};
/* The oldest first. ERR_INVALID_REQUEST: `after` is none of ours. */
void chat_escalation_list(struct home *h, const struct chat_escalation_filter *in,
                          const struct chat_who *who, chat_done done, void *owner);

enum chat_desk_act {
    CHAT_TAKE,     /* the caller; who is not in the room becomes a member */
    CHAT_RELEASE,  /* by who has it, or a supervisor */
    CHAT_ASSIGN,   /* by a supervisor, to anybody who may chat, who becomes a member */
    CHAT_CONCLUDE, /* by who has it, or a supervisor */
};
struct chat_desk_change {
    enum chat_desk_act act;
    int64_t version; /* 0: any; else ERR_PRECONDITION_FAILED */
    uuid assignee;   /* CHAT_ASSIGN */
    int outcome;     /* CHAT_CONCLUDE: enum chat_outcome */
};
/* ERR_CONFLICT: its status does not allow that, `why`; ERR_PERMISSION_DENIED: it is another's. What
 * is so already is no error and changes nothing. Result as above. */
void chat_escalation_change(struct home *h, uuid id, const struct chat_desk_change *in,
                            const struct chat_who *who, chat_done done, void *owner);

/* Tells supervisors and admins (chat/staff): recorded, or if the store is away told to those who
 * are there. */
void chat_notify(struct home *h, const struct chat_notice *n);

#endif
