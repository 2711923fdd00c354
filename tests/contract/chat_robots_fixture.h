/* Chat with robots, whose receiver is the webhook port's twin. */
#ifndef SB_TESTS_CONTRACT_CHAT_ROBOTS_FIXTURE_H
#define SB_TESTS_CONTRACT_CHAT_ROBOTS_FIXTURE_H

#include "adapters/webhook_twin/webhook_twin.h"
#include "chat_fixture.h"

#include "domain/chat_robot.h"

extern struct webhook *twin;

/* cmocka setup and teardown; 1 home and 5 homes. */
int setup_1(void **state);
int setup_5(void **state);
int teardown(void **state);
/* Another twin for every home, after chat_restart; the one before is the caller's to free. */
void call_twin(void);

/* A robot; without url it has a socket of its own. */
struct chat_who robot_made(const char *name, const char *url);
void patch(uuid id, const struct chat_robot_change *in, err error);
/* The job as `who` sees it is the last answer. */
void job(uuid room, uuid id, const struct chat_who *who, err error);
/* The last answer's JSON contains a text, or does not. */
void told(const char *text);
void not_told(const char *text);

#endif
