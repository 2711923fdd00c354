/* Messages of chat rooms as JSON (CONTRACT 5). Pure; any thread. */
#ifndef SB_SHAPE_CHAT_MESSAGE_H
#define SB_SHAPE_CHAT_MESSAGE_H

#include "base/buf.h"
#include "domain/chat_types.h"
#include "shape/decode.h"

/* Whether what a client sends may be kept; all but `object` is filled in from members of schemas
 * chat_send and chat_draft, so its texts are storable. A text has 1 to CHAT_TEXT_MAX characters and
 * gets its plain form (no escapes but those that JSON needs) in ctx->arena; an object stays as it
 * came, up to CHAT_OBJECT_MAX. False: ctx->path names the member, ctx->why says what is wrong. */
MUST_CHECK bool chat_draft_check(struct chat_draft *d, struct shape_ctx *ctx);

/* ChatMessage; null for what the server says (sender), or what is not there any more (content). */
void chat_message_json(const struct chat_message_row *m, buf *out);
/* The data of EVENT_CHAT_MESSAGE_STATUS. */
void chat_status_json(uuid room, uuid message, int64_t seq, enum chat_delivery d, buf *out);
/* The data of EVENT_CHAT_MESSAGE_RECEIPT. */
void chat_receipt_json(uuid room, uuid reader, int64_t seq, buf *out);
/* {code, and the members of `more`}, the content of a system message; more empty: none. */
void chat_system_json(const char *code, span more, buf *out);

#endif
