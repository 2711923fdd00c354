/* Members of a chat room, invitations to it, and who is banned from it. */
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"

#define BAN_S_MAX INT64_C(3153600000) /* 100 years */

static void answer_list(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

/* --- members --- */

void rest_chat_member_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    unsigned limit = rest_query_limit(c);
    if (limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    rest_later(c);
    chat_member_list(c->edge->home, c->uuids[0], rest_query(c, "cursor"), limit, &who, answer_list,
                     c);
}

static void added(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    char room[UUID_TEXT_LEN + 1], id[UUID_TEXT_LEN + 1];
    if (c == NULL) {
        return;
    }
    if (!r->created) {
        rest_ok(c, r->json);
        return;
    }
    uuid_format(r->room, room);
    uuid_format(r->id, id);
    rest_created(c, r->json,
                 span_str(rest_printf(c, "/api/v1/chat/rooms/%s/members/%s", room, id)));
}

/* Who comes in by itself: the member is in the members of the answer. */
static void joined(void *owner, const struct chat_result *r)
{
    struct chat_result in = *r;
    static const char mark[] = "\"member\":";
    const uint8_t *at = r->members.len == 0
                            ? NULL
                            : memmem(r->members.ptr, r->members.len, mark, sizeof mark - 1);
    if (at != NULL) {
        at += sizeof mark - 1;
        in.json = span_of(at, (size_t)(r->members.ptr + r->members.len - at));
    }
    added(owner, &in);
}

void rest_chat_member_add(struct rest_call *c)
{
    struct shape_chat_member_new in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_chat_member_new, &in)) {
        return;
    }
    struct chat_who who = chat_caller(c, address);
    struct chat_join how = {.invitation = in.invitation};
    rest_later(c);
    if (uuid_eq(in.userId, who.actor.id) && !who.monitors) {
        chat_join(c->edge->home, c->uuids[0], &how, &who, NULL, joined, c);
    } else {
        chat_member_add(c->edge->home, c->uuids[0], in.userId,
                        in.has_role ? (enum chat_role)in.role : CHAT_MEMBER, &who, added, c);
    }
}

void rest_chat_member_patch(struct rest_call *c)
{
    struct shape_chat_member_patch in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_chat_member_patch, &in)) {
        return;
    }
    struct chat_who who = chat_caller(c, address);
    struct chat_member_change change = {.role = in.has_role ? in.role : -1,
                                        .has_mute = in.has_muteS,
                                        .mute_s = in.muteS,
                                        .reason = in.reason};
    rest_later(c);
    chat_member_patch(c->edge->home, c->uuids[0], c->uuids[1], &change, &who, chat_answer_json, c);
}

/* "ban_s": seconds; "ever". False: answered. */
static bool ban_of(struct rest_call *c, int64_t *out)
{
    span v = rest_query(c, "ban_s");
    uint64_t s = 0;
    if (span_eq(v, SPAN("ever"))) {
        *out = -1;
        return true;
    }
    if (v.len > 0 && !span_u64(v, BAN_S_MAX, &s)) {
        device_bad_query(c, "ban_s", "must be seconds, or ever");
        return false;
    }
    *out = (int64_t)s;
    return true;
}

void rest_chat_member_remove(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    span reason = rest_query(c, "reason");
    int64_t ban_s;
    if (!ban_of(c, &ban_s)) {
        return;
    }
    if (reason.len > CHAT_REASON_MAX) {
        device_bad_query(c, "reason", "has at most 500 bytes");
        return;
    }
    rest_later(c);
    if (uuid_eq(c->uuids[1], who.actor.id) && ban_s == 0) {
        chat_leave(c->edge->home, c->uuids[0], &who, NULL, chat_answer_done, c);
    } else {
        chat_member_remove(c->edge->home, c->uuids[0], c->uuids[1], ban_s, reason, &who,
                           chat_answer_done, c);
    }
}

/* --- bans --- */

void rest_chat_ban_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_ban_list(c->edge->home, c->uuids[0], &who, answer_list, c);
}

void rest_chat_ban_delete(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_ban_delete(c->edge->home, c->uuids[0], c->uuids[1], &who, chat_answer_done, c);
}

/* --- invitations --- */

static void invited(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    char room[UUID_TEXT_LEN + 1], id[UUID_TEXT_LEN + 1];
    if (c != NULL) {
        uuid_format(r->room, room);
        uuid_format(r->id, id);
        rest_created(c, r->json,
                     span_str(rest_printf(c, "/api/v1/chat/rooms/%s/invitations/%s", room, id)));
    }
}

void rest_chat_invitation_create(struct rest_call *c)
{
    struct shape_chat_invitation_new in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_chat_invitation_new, &in)) {
        return;
    }
    struct chat_who who = chat_caller(c, address);
    bool guest = in.kind == shape_chat_invitation_kind_of(SPAN("guest"));
    if (guest && in.has_userId) {
        device_bad_query(c, "userId", "is for employees: a guest shows the invitation");
        return;
    }
    struct chat_invitation_draft draft = {.principal = in.has_userId ? in.userId : UUID_NIL,
                                          .guest = guest,
                                          .uses = in.has_uses ? (unsigned)in.uses : 1,
                                          .ttl_s = in.ttlS};
    rest_later(c);
    chat_invite(c->edge->home, c->uuids[0], &draft, &who, invited, c);
}

void rest_chat_invitation_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_invitation_list(c->edge->home, c->uuids[0], &who, answer_list, c);
}

void rest_chat_invitation_revoke(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_invitation_revoke(c->edge->home, c->uuids[0], c->uuids[1], &who, chat_answer_done, c);
}
