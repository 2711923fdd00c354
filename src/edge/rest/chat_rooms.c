/* Rooms of chat: made, listed, shown, changed, deleted. Who may is the domain's question. */
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"

#include "codec/json/read.h"

static void answer_list(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

static bool flag(struct rest_call *c, const char *name)
{
    span v = rest_query(c, name);
    return span_eq(v, SPAN("1")) || span_eq(v, SPAN("true"));
}

void rest_chat_room_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    span type = rest_query(c, "type");
    struct chat_room_filter f = {.all = flag(c, "all"),
                                 .public = flag(c, "public"),
                                 .text = rest_query(c, "q"),
                                 .type = type.len == 0 ? -1 : shape_chat_room_type_of(type),
                                 .after = rest_query(c, "cursor"),
                                 .limit = rest_query_limit(c)};
    if (f.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
    } else if (type.len > 0 && f.type < 0) {
        device_bad_query(c, "type", "is no type of rooms");
    } else if (f.all && !who.monitors) {
        rest_error(c, ERR_PERMISSION_DENIED, "supervisors see every room");
    } else {
        rest_later(c);
        chat_room_list(c->edge->home, &f, &who, answer_list, c);
    }
}

void rest_chat_room_get(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_room_get(c->edge->home, c->uuids[0], &who, chat_answer_json, c);
}

static void created(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    char id[UUID_TEXT_LEN + 1];
    if (c == NULL) {
        return;
    }
    uuid_format(r->room, id);
    rest_etag_version(c, r->version);
    if (r->created) {
        rest_created(c, r->json, span_str(rest_printf(c, "/api/v1/chat/rooms/%s", id)));
    } else {
        rest_ok(c, r->json);
    }
}

/* False: one is no UUID (answered). */
static bool read_members(struct rest_call *c, span list, struct chat_room_draft *out)
{
    struct json_iter it;
    span text;
    uuid *ids = ARENA_ARRAY(&c->arena, uuid, CHAT_MEMBERS_SHOWN);
    out->members = ids;
    if (list.len == 0 || !json_array_begin(&it, list)) {
        return true;
    }
    while (json_array_next(&it, &text)) {
        bool fits = out->member_count < CHAT_MEMBERS_SHOWN;
        if (!fits || !uuid_parse(json_string_in(text, &c->arena), &ids[out->member_count])) {
            device_bad_query(c, "members", "must be at most 200 UUIDs");
            return false;
        }
        out->member_count++;
    }
    return true;
}

void rest_chat_room_create(struct rest_call *c)
{
    struct shape_chat_create in;
    char address[ADDR_TEXT_MAX];
    struct chat_room_draft draft;
    if (!device_body(c, SCHEMA_chat_create, &in)) {
        return;
    }
    draft = (struct chat_room_draft){
        .name = in.name, .type = (enum chat_room_type)in.type, .settings = in.settings};
    if (read_members(c, in.members, &draft)) {
        struct chat_who who = chat_caller(c, address);
        rest_later(c);
        chat_room_create(c->edge->home, &draft, &who, NULL, created, c);
    }
}

/* A change, or the end, of the version that If-Match names, if it names one. */
struct change {
    struct rest_call *call;
    struct chat_room_change in;
    bool ends;
};

static void change(struct change *x)
{
    struct rest_call *c = x->call;
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    if (x->ends) {
        chat_room_delete(c->edge->home, c->uuids[0], x->in.version, &who, chat_answer_done, c);
    } else {
        chat_room_patch(c->edge->home, c->uuids[0], &x->in, &who, chat_answer_json, c);
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
    char address[ADDR_TEXT_MAX];
    *x = *in;
    x->call = c;
    if (http1_field(c->x->req, "If-Match").len > 0) {
        struct chat_who who = chat_caller(c, address);
        rest_later(c);
        chat_room_get(c->edge->home, c->uuids[0], &who, change_if_match, x);
    } else {
        change(x);
    }
}

void rest_chat_room_patch(struct rest_call *c)
{
    struct shape_chat_room_patch in;
    if (device_body(c, SCHEMA_chat_room_patch, &in)) {
        change_begin(c, &(struct change){
                            .in = {.version = in.has_version ? in.version : 0,
                                   .name = in.has_name ? in.name : SPAN_NONE,
                                   .settings = in.has_settings ? in.settings : SPAN_NONE}});
    }
}

void rest_chat_room_delete(struct rest_call *c)
{
    change_begin(c, &(struct change){.ends = true});
}
