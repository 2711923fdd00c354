/* Saying something in a room, for the tests of what is said. */
#ifndef SB_TESTS_CONTRACT_CHAT_SAYS_H
#define SB_TESTS_CONTRACT_CHAT_SAYS_H

#include "chat_fixture.h"

/* A message of type chat with that JSON. */
struct chat_draft draft_of(const char *json);
/* Begins to send it, or "hello" with a client's id; `to` is told. */
void sends(uuid room, const struct chat_who *who, const char *json, struct told *to);
void sends_id(uuid room, const struct chat_who *who, const char *client_id, struct told *to);
/* Says that text, or that JSON; returns the message's id. */
uuid says(uuid room, const struct chat_who *who, const char *text);
uuid says_json(uuid room, const struct chat_who *who, const char *json);
/* Members that no function of the domain makes in a test: stored, and the process begins anew. */
void member_stored(uuid room, const struct chat_who *who, const char *role, int64_t first_seq);
/* How many messages of the room are stored, asserted to be 1..n without a hole. */
int64_t stored_messages(uuid room);
/* "1 2 3": what `"seq":` says in the last answer. */
const char *told_seqs(void);

#endif
