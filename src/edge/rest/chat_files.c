/* Files of chat over REST (CONTRACT 5): announced, listed, shown, deleted. Their bytes: chat_put.c
 * and chat_get.c. */
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"
#include "edge/rest/idempotency.h"

#include "domain/chat_file.h"

/* --- announcing --- */

struct announcing {
    struct chat_made made;
    struct chat_file_draft draft;
};

/* An announcement that is made twice because its answer was lost expires by itself. */
static void announce(struct rest_call *c)
{
    struct announcing *p = c->user;
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_file_announce(c->edge->home, c->uuids[0], &p->draft, &who, NULL, chat_answer_made,
                       &p->made);
}

void rest_chat_file_announce(struct rest_call *c)
{
    struct shape_chat_announce in;
    if (!device_body(c, SCHEMA_chat_announce, &in)) {
        return;
    }
    struct announcing *p = ARENA_NEW(&c->arena, struct announcing);
    *p = (struct announcing){
        .made = {.call = c, .path = "/api/v1/chat/files/"},
        .draft = {.name = in.name,
                  .mime = in.mime,
                  .size = in.size,
                  .sha256 = in.has_sha256 ? in.sha256 : SPAN_NONE},
    };
    c->user = p;
    idem_begin(c, announce);
}

/* --- seen and deleted --- */

static void listed(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

void rest_chat_file_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    unsigned limit = rest_query_limit(c);
    span after = rest_query(c, "cursor");
    uuid id;
    if (limit == 0 || (after.len > 0 && !uuid_parse(after, &id))) {
        device_bad_query(c, limit == 0 ? "limit" : "cursor", "is not one of ours");
        return;
    }
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_file_list(c->edge->home, c->uuids[0], after, limit, &who, listed, c);
}

static void shown(void *owner, const struct chat_result *r, const struct chat_file *f)
{
    (void)f;
    chat_answer_json(owner, r);
}

void rest_chat_file_get(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_file_find(c->edge->home, c->uuids[0], CHAT_FILE_TO_SEE, &who, shown, c);
}

void rest_chat_file_delete(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_file_delete(c->edge->home, c->uuids[0], &who, chat_answer_done, c);
}
