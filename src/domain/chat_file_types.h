/* A file that somebody sends into a room, as a value (CONTRACT 5). */
#ifndef SB_DOMAIN_CHAT_FILE_TYPES_H
#define SB_DOMAIN_CHAT_FILE_TYPES_H

#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"

/*
 *     announced --whole, on disk--> quarantined --clean--> available --deleted--> gone
 *         \--expired--> gone             \--harmful, misfit--> blocked
 *
 * As in enums.def, chat_file_state. A row that is gone loses its bytes, then goes itself.
 */
enum chat_file_state {
    CHAT_FILE_ANNOUNCED,
    CHAT_FILE_QUARANTINED,
    CHAT_FILE_AVAILABLE,
    CHAT_FILE_BLOCKED,
    CHAT_FILE_GONE,
};
const char *chat_file_state_name(enum chat_file_state s); /* "available" */

struct chat_file {
    uuid id, room, uploader;
    uuid message;  /* that it becomes, or has become */
    span name, mime;
    span sniffed;  /* what its bytes look like; empty: not known yet */
    span sha256;   /* as announced, hexadecimal; empty: not */
    span why;      /* it is blocked; empty: it is not */
    int64_t size;
    int64_t received; /* on disk, of an upload that is not whole */
    int64_t expires_ms, created_ms, updated_ms; /* expires: 0: it does not */
    int64_t seq;   /* of its message; 0: not sent yet */
    enum chat_file_state state;
};

/* What is announced. */
struct chat_file_draft {
    span name, mime;
    int64_t size;
    span sha256; /* 64 hexadecimal digits; empty: not said */
    span bytes;  /* all of it; ptr NULL: they come by PUT */
};

#endif
