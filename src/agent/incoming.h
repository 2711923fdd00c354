/* What the server says to the agent: acks, errors, commands (CONTRACT 6). Pure; any thread.
 * Fuzzed by agent_incoming. */
#ifndef SB_AGENT_INCOMING_H
#define SB_AGENT_INCOMING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* Nesting of a frame: payloads' own 16 levels and what is around them. More is not a frame of
 * ours. */
#define INCOMING_DEPTH_MAX 20
#define INCOMING_CODE_MAX 63

enum incoming_type {
    INCOMING_ACK,     /* id, ok; if not ok: code, retry_after_ms */
    INCOMING_ERROR,   /* code */
    INCOMING_COMMAND, /* request_id */
    INCOMING_OTHER,   /* nothing that the agent has to act on */
};

struct incoming {
    enum incoming_type type;
    uint64_t id;
    bool ok;
    char code[INCOMING_CODE_MAX + 1]; /* of the table of errors; empty when none was given */
    int64_t retry_after_ms;           /* 0: not given; at most an hour */
    span request_id;                  /* a JSON string, borrowed from the text */
};

/* Reads one frame; false when it is not a JSON object with a type, or a known type lacks what it
 * must have. */
bool incoming_parse(span text, struct incoming *out);

/* Is a refusal with this code about the frame itself, so that sending it again is of no use? */
bool incoming_code_is_final(const char *code);

#endif
