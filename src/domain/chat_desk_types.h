/* Escalations, guests and what the server says to people, as values (CONTRACT 5). */
#ifndef SB_DOMAIN_CHAT_DESK_TYPES_H
#define SB_DOMAIN_CHAT_DESK_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"

/* Lists of choices of the same names stand in tables/enums.def, in this order. */
enum chat_tier { CHAT_T1, CHAT_T2, CHAT_T3, CHAT_MANAGER };
enum chat_escalation_status { CHAT_WAITING, CHAT_TAKEN, CHAT_CONCLUDED };
enum chat_outcome { CHAT_RESOLVED, CHAT_UNRESOLVED, CHAT_DISENGAGED };
enum chat_level { CHAT_INFO, CHAT_WARNING, CHAT_FAILURE };

struct chat_escalation_row {
    uuid id, room;
    span reason;
    enum chat_tier level;
    enum chat_escalation_status status;
    int outcome;          /* enum chat_outcome; -1: not concluded */
    uuid created_by;      /* nil: the server */
    uuid assigned_to;     /* nil: nobody */
    int64_t due_ms;       /* when it rises; 0: no tier above, or concluded */
    int64_t created_ms;
    int64_t taken_ms;     /* 0: never */
    int64_t concluded_ms; /* 0: not */
    int64_t version;
};

/* The data of chat:system:notification. */
struct chat_notice {
    enum chat_level level;
    const char *code;    /* "escalation_raised": for programs, of static duration */
    const char *message; /* for people */
    uuid room;           /* nil: of none */
    uuid user;           /* whom it is about; nil: nobody */
    int64_t until_ms;    /* how long it lasts, at most CHAT_EVER_MS; 0: not said */
    span reason;         /* as people gave it; empty: none */
};

struct chat_guest_row {
    uuid id, room;
    span name;
    int64_t expires_ms;
    bool revoked;
    uuid created_by;    /* nil: it showed an invitation */
    int64_t created_ms;
};

#endif
