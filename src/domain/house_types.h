/* What people control at home, as values: rooms, entities, scenes (CONTRACT 4). */
#ifndef SB_DOMAIN_HOUSE_TYPES_H
#define SB_DOMAIN_HOUSE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"

#define HOUSE_STATE_MAX 255            /* characters of a state */
#define HOUSE_ENTITY_ID_MAX 128        /* characters of `domain.object` */
#define HOUSE_ATTRIBUTES_MAX 8192      /* bytes of an entity's attributes: many fit a snapshot */
#define HOUSE_PARAMETERS_MAX 16384     /* bytes of an action's, as of a command's (CONTRACT 3) */
#define HOUSE_SCENE_ITEMS_MAX 100      /* entities of a scene: its answer is one page */
#define HOUSE_ALIASES_MAX 16           /* earlier names of an entity; the oldest goes */

/* The state of what nobody has set yet, and of what has a device that is offline. */
#define HOUSE_UNKNOWN "unknown"
#define HOUSE_UNAVAILABLE "unavailable"

/* `domain.object`: each one of a-z, 0-9 and _, not empty, neither begins nor ends with _; together
 * at most HOUSE_ENTITY_ID_MAX. */
bool house_entity_id_ok(span id);

struct house_room_row {
    int64_t id;
    span name;        /* 1-100 characters */
    span description; /* 0-500 */
    span icon;        /* 0-100 */
    span floor;       /* 0-50: "ground", "1" */
    int64_t sort;     /* rooms are listed by it, then by name */
    bool private;     /* anonymous clients do not know of it */
    int64_t version;
    int64_t created_ms;
    int64_t updated_ms;
};

/* What a device says of one of its capabilities. */
#define HOUSE_SAYS_MAX 100 /* in one report */
struct house_say {
    span capability;
    span state;      /* up to HOUSE_STATE_MAX characters */
    span attributes; /* a JSON object; empty: as they were */
};

/* An entity as it is shown. */
struct house_entity_row {
    span entity_id;
    span name;       /* 1-100 characters */
    int64_t room;    /* 0: none */
    uuid device;     /* nil: none, and then no capability */
    span capability; /* 1-100 */
    span state;      /* 0-255 */
    span attributes; /* a JSON object */
    bool available;
    int64_t changed_ms;
    int64_t said_ms; /* last_updated: of state or attributes */
    int64_t created_ms;
    int64_t updated_ms;
    int64_t version;
    unsigned alias_count;
    span aliases[HOUSE_ALIASES_MAX]; /* the oldest first */
};

/* `^[a-z][a-z0-9_]{0,63}$` */
bool house_action_ok(span action);

struct house_scene_row {
    uuid id;
    span name;        /* 1-100 characters, unique */
    span description; /* 0-500 */
    span icon;        /* 0-100 */
    int64_t version;
    int64_t created_ms;
    int64_t updated_ms;
};

/* What a scene does to one entity: an action, or a state that it is to have. */
struct house_scene_item {
    span entity_id;
    span action;     /* empty: a state */
    span parameters; /* a JSON object; empty: none */
    span state;      /* ptr NULL: as it is */
    span attributes; /* a JSON object; empty: as they are */
};

/* What became of one when its scene was activated. */
struct house_scene_outcome {
    span entity_id;
    bool ok;
    const char *code;  /* without ok: as on the wires, "COMMAND_EXECUTION_FAILED" */
    const char *why;   /* without ok: a sentence */
    const char *reason; /* of a device's failure, else NULL: "TIMEOUT" */
    span command;      /* CommandResult; empty: it has no device, or nothing was sent */
};

#endif
