/* Chat rooms, who is in them and what is said there, as values (CONTRACT 5). */
#ifndef SB_DOMAIN_CHAT_TYPES_H
#define SB_DOMAIN_CHAT_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"

#define CHAT_TEXT_MAX 8000       /* characters of a text */
#define CHAT_OBJECT_MAX 32768    /* bytes of content that is an object */
#define CHAT_METADATA_MAX 4096   /* bytes of a message's metadata: a message stays below 36 KiB */
#define CHAT_NAME_MAX 100        /* characters of a room's name */
#define CHAT_SETTINGS_MAX 4096   /* bytes of a room's settings */
#define CHAT_CLIENT_ID_MAX 100   /* characters of clientId */
#define CHAT_REQUEST_ID_MAX 100  /* characters of requestId */
#define CHAT_EMOJI_MAX 32        /* bytes of a reaction */
#define CHAT_REASON_MAX 500      /* characters of a reason: of an escalation, a ban */
#define CHAT_PROMPT_MAX 8000     /* characters asked of a robot */

/* Lists of choices of the same names stand in tables/enums.def, in this order. */
enum chat_room_type { CHAT_DIRECT, CHAT_GROUP, CHAT_PUBLIC, CHAT_SUPPORT };
/* What others see of somebody (CONTRACT 5); a robot is an employee of kind robot. */
enum chat_user_type { CHAT_EMPLOYEE, CHAT_GUEST, CHAT_SUPERVISOR };
/* Of a member, in one room. */
enum chat_role { CHAT_MEMBER, CHAT_MODERATOR, CHAT_OWNER };
enum chat_message_type {
    CHAT_MESSAGE_CHAT,
    CHAT_MESSAGE_ROBOT,
    CHAT_MESSAGE_SYSTEM,
    CHAT_MESSAGE_FILE,
    CHAT_MESSAGE_IMAGE,
    CHAT_MESSAGE_GRAPH,
};
enum chat_delivery { CHAT_STREAMING, CHAT_BATCH_DELAY, CHAT_DELIVERED };

/* Each as it stands on the wire, of static duration: "support", "guest", "owner", "graph". */
const char *chat_room_type_name(enum chat_room_type t);
/* As above. */
const char *chat_user_type_name(enum chat_user_type t);
/* As above. */
const char *chat_role_name(enum chat_role r);
/* As above. */
const char *chat_message_type_name(enum chat_message_type t);
const char *chat_delivery_name(enum chat_delivery d); /* "batch-delay" */

/* What is said, as it is sent. */
struct chat_draft {
    enum chat_message_type type;
    span content;   /* JSON as it came, checked: a string, or an object when `object` */
    bool object;
    span client_id; /* ptr NULL: none */
    uuid reply_to;  /* a message of the room; nil: none */
    span metadata;  /* a JSON object; ptr NULL: none */
    uuid file;      /* of types file and image: a file of the room that is available; nil: none,
                       then the content says it all */
    span file_json; /* the file as messages show it, by the server; ptr NULL: none */
    uuid robot_job; /* of type robot: what it answers; nil: none */
};

/* A message as it is stored and shown: ChatMessage (shape/chat_message.h). */
struct chat_message_row {
    uuid id, room, sender, reply_to, file; /* sender nil: the server */
    enum chat_message_type type;
    enum chat_delivery delivery;
    int64_t seq, at_ms, edited_ms, deleted_ms; /* 0: not */
    span content; /* JSON */
    span client_id, metadata, reactions, file_json; /* ptr NULL: none; JSON but for client_id */
};

/* Where an event's result is to be shown with its requestId: a socket of Socket.IO. */
struct chat_origin {
    span sid;        /* sio_sid; empty: none */
    span request_id; /* 1 to CHAT_REQUEST_ID_MAX characters; empty: none */
};

#endif
