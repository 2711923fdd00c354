/* What the routes of chat share. */
#include "edge/rest/chat.h"

#include "edge/rest/audit.h"
#include "edge/rest/internal.h"

/* When to come back after a limit without a time of its own: something has to go first. */
#define CHAT_RETRY_MS 1000

struct chat_who chat_caller(const struct rest_call *c, char text[ADDR_TEXT_MAX])
{
    struct chat_who who;
    struct actor actor = rest_actor(c, text);
    bool chats = chat_who_of(c->grant, actor.address, &who);
    (void)chats; /* each route names the permission it needs */
    return who;
}

static void refuse(struct rest_call *c, const struct chat_result *r)
{
    const char *why = r->why;
    if (r->error == ERR_RATE_LIMIT_EXCEEDED) {
        rest_retry_later(c, r->error, r->retry_after_ms > 0 ? r->retry_after_ms : CHAT_RETRY_MS);
    } else if (r->error == ERR_INVALID_REQUEST) {
        device_bad_query(c, r->member != NULL ? r->member : "cursor",
                         why != NULL ? why : "is not one of ours");
    } else if (r->member != NULL) {
        struct rest_fault fault = {.member = r->member,
                                   .detail = why != NULL ? why : err_text(r->error)};
        answer_error(c, r->error, (unsigned)err_status(r->error), why, &fault, 1);
    } else {
        rest_error(c, r->error, why);
    }
}

struct rest_call *chat_answer_call(void *owner, const struct chat_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c != NULL && r->error != ERR_NONE) {
        refuse(c, r);
        return NULL;
    }
    return c;
}

struct rest_call *chat_answer_matched(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    err error = c == NULL ? ERR_NONE : rest_if_match(c, r->version);
    if (error != ERR_NONE) {
        rest_error(c, error, NULL);
        return NULL;
    }
    return c;
}

void chat_answer_json(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        if (r->version > 0) {
            rest_etag_version(c, r->version);
        }
        rest_ok(c, r->json);
    }
}

void chat_answer_done(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        rest_no_content(c);
    }
}
