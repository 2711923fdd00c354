/* Robots of chat and what they are asked, as values (CONTRACT 5). */
#ifndef SB_DOMAIN_CHAT_ROBOT_TYPES_H
#define SB_DOMAIN_CHAT_ROBOT_TYPES_H

#include "domain/chat_types.h"

/* How a robot stands; as tables/enums.def has them. */
enum chat_robot_state {
    CHAT_ROBOT_READY,
    CHAT_ROBOT_AWAY,   /* it has no webhook, and no socket now */
    CHAT_ROBOT_SPARED, /* it failed too often a moment ago: its breaker is open */
    CHAT_ROBOT_DISABLED,
};

struct chat_robot_row {
    uuid id;
    span name;        /* unique; 1-100 characters */
    span description; /* 0-500 characters */
    span url;         /* of its webhook; empty: it has a socket of its own */
    span secret;      /* of its webhook */
    bool enabled;
    int64_t version;
    int64_t created_ms, updated_ms;
};

/* Lists of choices of the same names stand in tables/enums.def, in this order. */
enum chat_job_state { CHAT_JOB_OPEN, CHAT_JOB_DONE, CHAT_JOB_FAILED, CHAT_JOB_CANCELLED };
enum chat_visibility { CHAT_VISIBLE_ROOM, CHAT_VISIBLE_PRIVATE };

/* One question to a robot. */
struct chat_job_row {
    uuid id, room, robot;
    uuid asker;     /* nil: nobody known any more */
    span prompt;    /* a text */
    enum chat_visibility visibility;
    enum chat_job_state state;
    span error;     /* why it failed; empty: it did not */
    uuid message;   /* what the answer became; nil: none */
    span answer;    /* a private one: content as JSON; empty: none */
    int64_t created_ms, ended_ms;
};

/* What was said before, for a robot. */
struct chat_context_row {
    int64_t seq, at_ms;
    enum chat_message_type type;
    uuid sender;    /* nil: the server */
    span name;      /* of the sender; may be empty */
    span content;   /* JSON */
};

#endif
