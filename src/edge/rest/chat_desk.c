/* The queue of rooms that need somebody (CONTRACT 5). */
#include "domain/chat_desk.h"

#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"

/* --- lists --- */

static void listed(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

/* A filter of a list of choices; false: answered. */
static bool query_enum(struct rest_call *c, const char *name, int (*of)(span), int *out)
{
    span text = rest_query(c, name);
    *out = text.len == 0 ? -1 : of(text);
    if (text.len > 0 && *out < 0) {
        device_bad_query(c, name, "is none of its values");
        return false;
    }
    return true;
}

void rest_chat_escalation_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_escalation_filter f = {.after = rest_query(c, "cursor"),
                                       .limit = rest_query_limit(c)};
    span assigned = rest_query(c, "assigned_to");
    if (!query_enum(c, "status", shape_chat_escalation_status_of, &f.status) ||
        !query_enum(c, "level", shape_chat_tier_of, &f.level)) {
        return;
    }
    if (f.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    if (assigned.len > 0 && !uuid_parse(assigned, &f.assigned_to)) {
        device_bad_query(c, "assigned_to", "must be a UUID");
        return;
    }
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_escalation_list(c->edge->home, &f, &who, listed, c);
}

/* --- one --- */

void rest_chat_escalation_get(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_escalation_get(c->edge->home, c->uuids[0], &who, chat_answer_json, c);
}

static void created(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    char id[UUID_TEXT_LEN + 1];
    if (c == NULL) {
        return;
    }
    rest_etag_version(c, r->version);
    if (r->created) {
        uuid_format(r->id, id);
        rest_created(c, r->json, span_str(rest_printf(c, "/api/v1/chat/escalations/%s", id)));
    } else {
        rest_ok(c, r->json);
    }
}

void rest_chat_escalation_create(struct rest_call *c)
{
    struct shape_chat_escalation_create in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_chat_escalation_create, &in)) {
        return;
    }
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_escalate(c->edge->home, in.roomId, in.reason, in.has_targetLevel ? in.targetLevel : -1,
                  &who, NULL, created, c);
}

/* --- what becomes of it: of the version that If-Match names, if it names one --- */

struct change {
    struct rest_call *call;
    struct chat_desk_change in;
};

static void change(struct change *x)
{
    struct rest_call *c = x->call;
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_escalation_change(c->edge->home, c->uuids[0], &x->in, &who, chat_answer_json, c);
}

static void matched(void *owner, const struct chat_result *r)
{
    struct change *x = owner;
    if (chat_answer_matched(x->call, r) != NULL) {
        x->in.version = r->version;
        change(x);
    }
}

static void begin(struct rest_call *c, const struct chat_desk_change *in)
{
    struct change *x = ARENA_NEW(&c->arena, struct change);
    char address[ADDR_TEXT_MAX];
    *x = (struct change){.call = c, .in = *in};
    if (http1_field(c->x->req, "If-Match").len == 0) {
        change(x);
        return;
    }
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_escalation_get(c->edge->home, c->uuids[0], &who, matched, x);
}

void rest_chat_escalation_take(struct rest_call *c)
{
    begin(c, &(struct chat_desk_change){.act = CHAT_TAKE});
}

void rest_chat_escalation_release(struct rest_call *c)
{
    begin(c, &(struct chat_desk_change){.act = CHAT_RELEASE});
}

void rest_chat_escalation_assign(struct rest_call *c)
{
    struct shape_chat_escalation_assign in;
    if (device_body(c, SCHEMA_chat_escalation_assign, &in)) {
        begin(c, &(struct chat_desk_change){.act = CHAT_ASSIGN, .assignee = in.userId});
    }
}

void rest_chat_escalation_conclude(struct rest_call *c)
{
    struct shape_chat_escalation_conclude in;
    if (device_body(c, SCHEMA_chat_escalation_conclude, &in)) {
        begin(c, &(struct chat_desk_change){.act = CHAT_CONCLUDE, .outcome = in.outcome});
    }
}
