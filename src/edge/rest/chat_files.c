/* Files of chat over REST (CONTRACT 5): announced, listed, shown, deleted. Their bytes: chat_put.c
 * and chat_get.c. */
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"
#include "edge/rest/idempotency.h"

#include "domain/chat_file.h"

/* --- announcing --- */

struct announcing {
    struct rest_call *call;
    struct chat_file_draft draft;
    uuid id;
    span response;
};

static void answer(struct announcing *p, const struct chat_result *r)
{
    idem_end(p->call);
    struct rest_call *c = chat_answer_call(p->call, r);
    if (c != NULL) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(p->id, id);
        rest_created(c, p->response, span_str(rest_printf(c, "/api/v1/chat/files/%s", id)));
    }
}

static void answer_stored(struct store_req *req)
{
    struct announcing *p = req->owner;
    struct chat_result r = {.error = req->error};
    store_req_free(req);
    answer(p, &r);
}

/* An announcement that is made twice because its answer was lost expires by itself. */
static void announced(void *owner, const struct chat_result *r)
{
    struct announcing *p = owner;
    struct rest_call *c = p->call;
    if (r->error == ERR_NONE) {
        p->id = r->id;
        p->response = arena_dup(&c->arena, r->json);
    }
    if (r->error != ERR_NONE || idem_steps(c) == 0) {
        answer(p, r);
        return;
    }
    struct store_req *req = store_req_new(c->edge->home->index, 1, answer_stored, p);
    idem_step(c, req, 0, p->response, false);
    c->edge->home->store->submit(c->edge->home->store, req);
}

static void announce(struct rest_call *c)
{
    struct announcing *p = c->user;
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_file_announce(c->edge->home, c->uuids[0], &p->draft, &who, NULL, announced, p);
}

void rest_chat_file_announce(struct rest_call *c)
{
    struct shape_chat_announce in;
    if (!device_body(c, SCHEMA_chat_announce, &in)) {
        return;
    }
    struct announcing *p = ARENA_NEW(&c->arena, struct announcing);
    *p = (struct announcing){
        .call = c,
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
