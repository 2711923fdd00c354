/*
 * Robots of chat and what is asked of them (CONTRACT 5). Whoever may ask a robot sees which there
 * are; where its webhook is, and all changes, are for who has chat:robot:write.
 */
#include "edge/rest/audit.h"
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"

#include "domain/chat_robot.h"

static bool writes(const struct rest_call *c)
{
    return rest_can(c, PERM_CHAT_ROBOT_WRITE, SCOPE_ALL);
}

static void answer_robot(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c == NULL) {
        return;
    }
    rest_etag_version(c, r->version);
    c->cache = "no-store"; /* a secret may be in it, once */
    if (r->created) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(r->id, id);
        rest_created(c, r->json, span_str(rest_printf(c, "/api/v1/chat/robots/%s", id)));
    } else {
        rest_ok(c, r->json);
    }
}

/* --- robots --- */

static void listed(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

void rest_chat_robot_list(struct rest_call *c)
{
    struct chat_robot_filter f = {.text = rest_query(c, "q"),
                                  .after = rest_query(c, "cursor"),
                                  .limit = rest_query_limit(c),
                                  .whole = writes(c)};
    if (f.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    rest_later(c);
    chat_robot_list(c->edge->home, &f, listed, c);
}

void rest_chat_robot_get(struct rest_call *c)
{
    bool whole = writes(c);
    rest_later(c);
    chat_robot_get(c->edge->home, c->uuids[0], whole, answer_robot, c);
}

void rest_chat_robot_create(struct rest_call *c)
{
    struct shape_chat_robot_create in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_chat_robot_create, &in)) {
        return;
    }
    struct actor who = rest_actor(c, address);
    struct chat_robot_draft draft = {
        .name = in.name,
        .description = in.has_description ? in.description : SPAN(""),
        .url = in.has_webhookUrl ? in.webhookUrl : SPAN_NONE};
    rest_later(c);
    chat_robot_create(c->edge->home, &draft, &who, answer_robot, c);
}

/* A change, or the end, of the version that If-Match names, if it names one. */
struct change {
    struct rest_call *call;
    struct chat_robot_change in;
    bool ends;
};

static void change(struct change *x)
{
    struct rest_call *c = x->call;
    char address[ADDR_TEXT_MAX];
    struct actor who = rest_actor(c, address);
    rest_later(c);
    if (x->ends) {
        chat_robot_delete(c->edge->home, c->uuids[0], x->in.version, &who, chat_answer_done, c);
    } else {
        chat_robot_patch(c->edge->home, c->uuids[0], &x->in, &who, answer_robot, c);
    }
}

static void change_if_match(void *owner, const struct chat_result *r)
{
    struct change *x = owner;
    if (chat_answer_matched(x->call, r) != NULL) {
        x->in.version = r->version;
        change(x);
    }
}

static void change_begin(struct rest_call *c, const struct change *in)
{
    struct change *x = ARENA_NEW(&c->arena, struct change);
    *x = *in;
    x->call = c;
    if (http1_field(c->x->req, "If-Match").len > 0) {
        rest_later(c);
        chat_robot_get(c->edge->home, c->uuids[0], false, change_if_match, x);
    } else {
        change(x);
    }
}

static span text_of(bool has, span text)
{
    return !has ? SPAN_NONE : text.len == 0 ? SPAN("") : text;
}

void rest_chat_robot_patch(struct rest_call *c)
{
    struct shape_chat_robot_patch in;
    if (device_body(c, SCHEMA_chat_robot_patch, &in)) {
        change_begin(c, &(struct change){
                            .in = {.version = in.has_version ? in.version : 0,
                                   .name = text_of(in.has_name, in.name),
                                   .description = text_of(in.has_description, in.description),
                                   .url = text_of(in.has_webhookUrl, in.webhookUrl),
                                   .new_secret = in.has_newSecret && in.newSecret,
                                   .enabled = in.has_enabled ? in.enabled : -1}});
    }
}

void rest_chat_robot_delete(struct rest_call *c)
{
    change_begin(c, &(struct change){.ends = true});
}

/* --- a key for its socket --- */

struct key {
    struct rest_call *call;
    span name;
};

static void key_of_robot(void *owner, const struct chat_result *r)
{
    struct key *k = owner;
    struct rest_call *c = chat_answer_call(k->call, r);
    if (c != NULL) {
        char address[ADDR_TEXT_MAX];
        struct actor who = rest_actor(c, address);
        rest_later(c);
        identity_key_rotate(c->edge->home, c->uuids[0], k->name, &who, identity_answer_key, c);
    }
}

void rest_chat_robot_key(struct rest_call *c)
{
    struct shape_chat_robot_key in;
    if (device_body(c, SCHEMA_chat_robot_key, &in)) {
        struct key *k = ARENA_NEW(&c->arena, struct key);
        *k = (struct key){.call = c, .name = text_of(true, in.name)};
        rest_later(c);
        chat_robot_get(c->edge->home, c->uuids[0], false, key_of_robot, k);
    }
}

/* --- questions --- */

static void asked(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    char room[UUID_TEXT_LEN + 1], job[UUID_TEXT_LEN + 1];
    if (c != NULL) {
        uuid_format(r->room, room);
        uuid_format(r->id, job);
        rest_accepted(c, r->json,
                      span_str(rest_printf(c, "/api/v1/chat/rooms/%s/robots/%s", room, job)));
    }
}

void rest_chat_robot_ask(struct rest_call *c)
{
    struct shape_chat_robot_ask in;
    char address[ADDR_TEXT_MAX];
    if (device_body(c, SCHEMA_chat_robot_ask, &in)) {
        struct chat_who who = chat_caller(c, address);
        struct chat_robot_question q = {
            .robot = in.robotId,
            .prompt = in.prompt,
            .visibility = in.has_visibility ? (enum chat_visibility)in.visibility
                                            : CHAT_VISIBLE_ROOM};
        rest_later(c);
        chat_robot_interact(c->edge->home, c->uuids[0], &q, &who, NULL, asked, c);
    }
}

void rest_chat_robot_job(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_robot_job_get(c->edge->home, c->uuids[0], c->uuids[1], &who, chat_answer_json, c);
}
