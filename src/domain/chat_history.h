/* What chat_history.c gives to the other files of chat that find, read or change what was said.
 * Nobody else includes this. */
#ifndef SB_DOMAIN_CHAT_HISTORY_H
#define SB_DOMAIN_CHAT_HISTORY_H

#include "domain/chat_internal.h"

#define CHAT_PAGE_MESSAGES_MAX 200
/* What one page may take: whoever wants more comes again, by `next`. */
#define CHAT_PAGE_BYTES_MAX (1u << 20)

#define CHAT_ROW_CELLS 20 /* of MESSAGE_READ (queries.def); a query may have more behind them */
/* A row of CHAT_MESSAGE_GET and its like; its texts are the request's, the file's JSON is the
 * arena's. Returns its version. */
int64_t chat_row_read(const struct store_value *cells, struct arena *arena,
                      struct chat_message_row *out);
/* Such a row as JSON, as it is told now. */
void chat_row_put(const struct store_value *cells, int64_t now_ms, buf *out);
/* The ask's result: the message, its ids, seq and time. */
void chat_result_message(struct chat_ask *a, const struct chat_message_row *row);
/* chat_ask_start at the home of the room in which the message is; answered
 * ERR_ROOM_ACCESS_DENIED if the caller does not see it there. */
void chat_ask_of_message(struct chat_ask *a, uuid message);

/* Whether the caller is confined to another room. */
bool chat_outside(const struct chat_ask *a, uuid room);
/* The first step of a read of the ask's room (CHAT_ROOM_SEEN); and whether its row says that the
 * caller may read there, which is audited of who does so as a monitor. */
#define CHAT_SEEN_STEP 0
void chat_seen_step(struct store_req *req, const struct chat_ask *a);
bool chat_may_read(struct chat_ask *a, const struct store_req *req);

#endif
