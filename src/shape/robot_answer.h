/*
 * What a robot answers, in any of the forms in which it may (CONTRACT 5, docs/CHAT.md), read as it
 * comes: text that grows, and at the end the content of a message.
 *
 *     application/json       {content}: a string, or an object; whole
 *     text/plain             the text itself
 *     application/x-ndjson   lines {chunk} and at last {final:true,content?}; {error} gives up
 *     text/event-stream      events whose data is such a line, or text itself; [DONE] is final
 *
 * Pure but for memory; any thread. Fuzzed by robot_answer_fuzz.c.
 */
#ifndef SB_SHAPE_ROBOT_ANSWER_H
#define SB_SHAPE_ROBOT_ANSWER_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/buf.h"

#define ROBOT_ACCEPT                                                                               \
    "application/json, application/x-ndjson, text/event-stream, text/plain"

/* Zeroed it is at the beginning of text that is given by robot_answer_add. */
struct robot_answer {
    enum {
        ROBOT_ANSWER_TEXT,
        ROBOT_ANSWER_JSON,
        ROBOT_ANSWER_LINES,
        ROBOT_ANSWER_EVENTS
    } form;
    /* All of the text so far: UTF-8 that may be stored, up to CHAT_TEXT_MAX characters. It only
     * grows, unless `replaced`: the content at the end was another text, which it is now. */
    buf text;
    size_t characters; /* of the text */
    buf object;        /* content that is an object, as JSON; empty: the text is the content */
    bool replaced;
    bool final;
    const char *why;   /* of a refusal, a predicate: "is too long"; static */
    buf line;          /* private: what is not whole yet */
    buf event;         /* private: data of an event */
};

/* False, with why: a media type that is none of ours; its parameters do not matter. */
MUST_CHECK bool robot_answer_init(struct robot_answer *a, span content_type);
void robot_answer_deinit(struct robot_answer *a);
/* The next bytes, cut anywhere. False, and ever after: it is no answer. What comes behind the
 * final line is ignored. */
MUST_CHECK bool robot_answer_feed(struct robot_answer *a, span data);
/* There is no more. False: it was not whole, or holds nothing. Else it is final. */
MUST_CHECK bool robot_answer_end(struct robot_answer *a);
/* More text: a chunk of a robot that has a socket. False as by feed. */
MUST_CHECK bool robot_answer_add(struct robot_answer *a, span text);
/* No more comes by robot_answer_add; `content` as JSON is the whole, ptr NULL: what was added.
 * False as by end. */
MUST_CHECK bool robot_answer_finish(struct robot_answer *a, span content);
/* Of a final one: the content of a message as JSON, appended. */
void robot_answer_content(const struct robot_answer *a, buf *out);

#endif
