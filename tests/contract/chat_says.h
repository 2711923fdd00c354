/* Saying something in a room, for the tests of what is said. */
#ifndef SB_TESTS_CONTRACT_CHAT_SAYS_H
#define SB_TESTS_CONTRACT_CHAT_SAYS_H

#include "chat_fixture.h"

/* Says that text, or that JSON; returns the message's id. */
uuid says(uuid room, const struct chat_who *who, const char *text);
uuid says_json(uuid room, const struct chat_who *who, const char *json);
/* Members that no function of the domain makes in a test: stored, and the process begins anew. */
void member_stored(uuid room, const struct chat_who *who, const char *role, int64_t first_seq);
/* "1 2 3": what `"seq":` says in the last answer. */
const char *told_seqs(void);

#endif
