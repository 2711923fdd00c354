/* What the routes of chat share. */
#ifndef SB_EDGE_REST_CHAT_H
#define SB_EDGE_REST_CHAT_H

#include "domain/chat.h"
#include "edge/rest/devices.h"
#include "edge/rest/rest.h"
#include "loop/addr.h"

#include <stdbool.h>

/* The caller. The address is written into `text`, which the answer borrows. */
struct chat_who chat_caller(const struct rest_call *c, char text[ADDR_TEXT_MAX]);
/* Takes of the principal's bucket for what it says here (chat_send.c). False: too much, answered
 * 429. */
bool chat_within_rate(struct rest_call *c) MUST_CHECK;
/* The call of an answer, if its peer is still there and nothing failed; else NULL (answered). */
struct rest_call *chat_answer_call(void *owner, const struct chat_result *r);
/* The same, if the result's version is one that If-Match takes; else NULL (answered). */
struct rest_call *chat_answer_matched(void *owner, const struct chat_result *r);
/* A chat_done that answers 200 with the result's JSON, and its ETag when it has a version. */
void chat_answer_json(void *owner, const struct chat_result *r);
/* A chat_done that answers 204. */
void chat_answer_done(void *owner, const struct chat_result *r);

/* What a POST with an Idempotency-Key makes, of the call's arena. The domain commits it by itself;
 * its answer is stored behind it (idempotency.h). */
struct chat_made {
    struct rest_call *call;
    const char *path; /* of what is made, the id goes behind: "/api/v1/chat/messages/" */
    bool created;
    uuid id;
    span response;
};
/* A chat_done of owner struct chat_made *, after idem_begin: stores the answer if the request has
 * a key, then answers 201 with the result's JSON, 200 if it had been there. */
void chat_answer_made(void *owner, const struct chat_result *r);

#endif
