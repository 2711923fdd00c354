/* Parts of messages as they are read and changed, as JSON (CONTRACT 5). Pure; any thread. */
#ifndef SB_SHAPE_CHAT_HISTORY_H
#define SB_SHAPE_CHAT_HISTORY_H

#include "base/assert.h"
#include "base/buf.h"
#include "domain/chat_types.h"

struct chat_message_file {
    uuid id;
    span name, mime;
    int64_t size;
    bool gone; /* its bytes are not to be had any more */
};
/* {fileId,name,size,mime,url}, with "gone":true */
void chat_put_file(buf *out, const struct chat_message_file *f);

/* {content,editedAt,editedBy}: what a message said until it was changed then; `by` empty: null. */
void chat_put_revision(buf *out, span content, int64_t at_ms, span by);

/* {message,snippet}: of the snippet's text what was found stands between U+0002 and U+0003, which
 * no message holds. */
void chat_put_found(buf *out, span message, span snippet);

#define CHAT_REACTIONS_MAX 20        /* different ones of a message */
#define CHAT_REACTION_USERS_SHOWN 20 /* of each: the first, so that a message stays small */

/* Whether it may be a reaction: 1 to CHAT_EMOJI_MAX bytes without blanks, quotes, backslashes and
 * control characters. */
bool chat_is_reaction(span emoji);

/* One who reacted: of each emoji the first CHAT_REACTION_USERS_SHOWN + 1 and who asks, side by
 * side, in the order of coming. */
struct chat_reaction {
    span emoji;
    uuid who;
    int64_t total; /* of this emoji */
};
enum chat_reacted {
    CHAT_REACTED,      /* *out got the message's reactions, nothing if there are none any more */
    CHAT_REACTED_SAME, /* it is so already */
    CHAT_REACTED_FULL, /* CHAT_REACTIONS_MAX others are there */
};
/* [{emoji,count,userIds}] with `who` reacting so, or not any more. */
enum chat_reacted chat_react_json(const struct chat_reaction *rows, unsigned count, span emoji,
                                  uuid who, bool on, buf *out) MUST_CHECK;

/* retentionDays of a room's settings (a JSON object); 0: none, or no whole number from 1. */
int64_t chat_retention_days(span settings);

#endif
