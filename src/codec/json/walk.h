/*
 * A pass over JSON that json_check has accepted, token by token: for what looks at every value
 * once, whatever its place. read.h is for what knows where to look. Giving text that was not
 * accepted breaks no memory bound but yields meaningless tokens. Pure; any thread.
 *
 *     struct json_walk w;
 *     span text;
 *     json_walk_begin(&w, json);
 *     for (enum json_token t; (t = json_walk_next(&w, &text)) != JSON_T_END;) {
 *         switch (t) ...
 */
#ifndef SB_CODEC_JSON_WALK_H
#define SB_CODEC_JSON_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* How deep it can be: twice what json_check takes, for what is put around accepted JSON. */
#define JSON_WALK_DEPTH_MAX 128

enum json_token {
    JSON_T_END,
    JSON_T_OPEN,   /* text is "{" or "[" */
    JSON_T_CLOSE,  /* text is "}" or "]" */
    JSON_T_KEY,    /* a member's name with its quotes; its value follows */
    JSON_T_SCALAR, /* the text of a string, number, true, false or null (json_type) */
};

struct json_walk {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t objects[2]; /* bit 0 of [0]: the innermost container is an object; [1]: further out */
    bool key;            /* a string would be a name */
};

/* Deeper than JSON_WALK_DEPTH_MAX the outer names come as scalars. */
void json_walk_begin(struct json_walk *w, span json);
/* The next token, whose text points into the document. Cost: one pass over all tokens. */
enum json_token json_walk_next(struct json_walk *w, span *text);

#endif
