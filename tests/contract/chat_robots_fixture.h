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

/* The processes stop, and others serve what is stored, with a twin that has been asked nothing. */
void robots_restart(void);

/* A robot; without url it has a socket of its own. */
struct chat_who robot_made(const char *name, const char *url);
/* A support room of the owner that a robot answers in, and a guest in it, as if invited; then
 * robots_restart. */
uuid robot_room(const struct chat_who *robot, const struct chat_who *owner, struct chat_who *guest);
void patch(uuid id, const struct chat_robot_change *in, err error);
/* The job as `who` sees it is the last answer. */
void job(uuid room, uuid id, const struct chat_who *who, err error);
/* The last answer's JSON contains a text, or does not. */
void told(const char *text);
void not_told(const char *text);

#endif
