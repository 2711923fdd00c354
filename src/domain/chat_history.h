/* What chat_history.c gives to the other files of chat that read or change what was said. Nobody
 * else includes this. */
#ifndef SB_DOMAIN_CHAT_HISTORY_H
#define SB_DOMAIN_CHAT_HISTORY_H

#include "domain/chat_internal.h"

/* A row of CHAT_MESSAGE_GET and its like; its texts are the request's, the file's JSON is the
 * arena's. Returns its version. */
int64_t chat_row_read(const struct store_value *cells, struct arena *arena,
                      struct chat_message_row *out);
/* The ask's result: the message, its ids, seq and time. */
void chat_result_message(struct chat_ask *a, const struct chat_message_row *row);
/* chat_ask_start at the home of the room in which the message is; answered
 * ERR_ROOM_ACCESS_DENIED if the caller does not see it there. */
void chat_ask_of_message(struct chat_ask *a, uuid message);

#endif
