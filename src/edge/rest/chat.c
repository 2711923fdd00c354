/* What the routes of chat share. */
#include "edge/rest/chat.h"

#include "edge/rest/audit.h"
#include "edge/rest/idempotency.h"
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

/* --- what is made once --- */

static void answer_made(struct chat_made *m, const struct chat_result *r)
{
    idem_end(m->call);
    struct rest_call *c = chat_answer_call(m->call, r);
    char id[UUID_TEXT_LEN + 1];
    if (c == NULL) {
        return;
    }
    if (!m->created) {
        rest_ok(c, m->response);
        return;
    }
    uuid_format(m->id, id);
    rest_created(c, m->response, span_str(rest_printf(c, "%s%s", m->path, id)));
}

static void answer_stored(struct store_req *req)
{
    struct chat_made *m = req->owner;
    struct chat_result r = {.error = req->error};
    store_req_free(req);
    answer_made(m, &r);
}

void chat_answer_made(void *owner, const struct chat_result *r)
{
    struct chat_made *m = owner;
    struct rest_call *c = m->call;
    if (r->error == ERR_NONE) {
        m->id = r->id;
        m->created = r->created;
        m->response = arena_dup(&c->arena, r->json);
    }
    if (r->error != ERR_NONE || idem_steps(c) == 0) {
        answer_made(m, r);
        return;
    }
    struct store_req *req = store_req_new(c->edge->home->index, 1, answer_stored, m);
    idem_step(c, req, 0, m->response, false);
    c->edge->home->store->submit(c->edge->home->store, req);
}
