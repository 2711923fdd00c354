/* Roles and mutes: what moderators change of a member. */
#include "domain/chat_desk_internal.h"
#include "domain/chat_internal.h"

#include "base/mem.h"
#include "shape/chat.h"
#include "shape/chat_desk.h"

#include <string.h>

/* Of those who moderate the room so many are told of a mute; all see it in the list of members. */
#define TOLD_MAX 50

struct patch {
    struct chat_change change; /* first */
    uuid principal;
    int role;                  /* enum chat_role; -1: unchanged */
    bool has_mute;
    int64_t mute_s;
    span reason;               /* in the ask's arena */
    struct chat_member_of made; /* as it will be; in no map; its texts another's */
};

enum { PATCH_MEMBER, PATCH_EVENT, PATCH_AUDIT, PATCH_NOTICES, PATCH_STEPS };

void chat_member_mute_reason(struct chat_member_of *m, span reason)
{
    char *text = NULL;
    if (reason.len > 0) {
        text = mem_alloc(reason.len + 1);
        memcpy(text, reason.ptr, reason.len);
        text[reason.len] = '\0';
    }
    mem_free(m->mute_reason);
    m->mute_reason = text;
}

void chat_member_set_step(struct chat_room *r, struct store_req *req, unsigned step,
                          const struct chat_member_of *m)
{
    store_step_init(req, step, QUERY_CHAT_MEMBER_SET, 1);
    chat_set_uuid(req, step, 0, 0, r->id);
    chat_set_uuid(req, step, 0, 1, m->principal);
    store_set_text(req, step, 0, 2, span_str(chat_role_name(m->role)));
    if (m->muted_until_ms != 0) {
        store_set_int(req, step, 0, 3, m->muted_until_ms);
    }
    if (m->mute_reason != NULL) {
        store_set_text(req, step, 0, 4, span_str(m->mute_reason));
    }
}

/* Until when; INT64_MAX: ever. */
static int64_t until(int64_t now_ms, int64_t seconds)
{
    return seconds < 0 ? INT64_MAX : seconds == 0 ? 0 : now_ms + seconds * 1000;
}

/* --- who is told --- */

static bool hears(const struct patch *x, const struct chat_member_of *m)
{
    return m->role != CHAT_MEMBER && !uuid_eq(m->principal, x->principal) &&
           !uuid_eq(m->principal, x->change.ask.who.actor.id);
}

static unsigned hearers(const struct patch *x, const struct chat_room *r)
{
    unsigned count = 0;
    for (struct map_node *n = NULL; (n = map_next(&r->members, n)) != NULL;) {
        count += hears(x, CONTAINER_OF(n, struct chat_member_of, node));
    }
    return count < TOLD_MAX ? count : TOLD_MAX;
}

static void notice(struct patch *x, struct chat_room *r, struct store_req *req, unsigned set,
                   uuid to, const struct chat_notice *n)
{
    char topic[CHAT_TOPIC_MAX];
    buf data = {0};
    chat_put_notice(&data, n);
    chat_event_set(r->chat, req, PATCH_NOTICES, set, EVENT_CHAT_NOTIFICATION,
                   chat_user_topic(to, topic), buf_span(&data), NULL);
    buf_deinit(&data);
}

/* Who is muted hears why, and so do the others who moderate. */
static void notices_step(struct patch *x, struct chat_room *r, struct store_req *req)
{
    int64_t until_ms = x->made.muted_until_ms;
    bool muted = until_ms != 0;
    unsigned left = hearers(x, r), set = 1;
    struct chat_notice n = {.level = muted ? CHAT_WARNING : CHAT_INFO,
                            .code = muted ? "muted" : "unmuted",
                            .message = muted ? "you are muted in this room"
                                             : "you may write in this room again",
                            .room = r->id,
                            .user = x->principal,
                            .until_ms = until_ms < CHAT_EVER_MS ? until_ms : CHAT_EVER_MS,
                            .reason = x->reason};
    journal_steps(req, PATCH_NOTICES, 1 + left);
    notice(x, r, req, 0, x->principal, &n);
    n.level = CHAT_INFO;
    n.code = muted ? "member_muted" : "member_unmuted";
    n.message = muted ? "somebody was muted in this room" : "somebody may write here again";
    for (struct map_node *at = NULL; left > 0 && (at = map_next(&r->members, at)) != NULL;) {
        const struct chat_member_of *m = CONTAINER_OF(at, struct chat_member_of, node);
        if (hears(x, m)) {
            notice(x, r, req, set++, m->principal, &n);
            left--;
        }
    }
}

/* --- patch --- */

static unsigned owners(const struct chat_room *r)
{
    unsigned count = 0;
    for (struct map_node *n = NULL; (n = map_next(&r->members, n)) != NULL;) {
        count += CONTAINER_OF(n, struct chat_member_of, node)->role == CHAT_OWNER;
    }
    return count;
}

/* False: the ask was answered with why not. */
static bool patchable(struct patch *x, struct chat_room *r, const struct chat_member_of *m)
{
    struct chat_ask *a = &x->change.ask;
    struct chat_member_of *me;
    if (!chat_sees(a, r, &me)) {
        return false;
    }
    bool owns = a->who.monitors || (me != NULL && me->role == CHAT_OWNER);
    if (!chat_moderates(a, r) || (x->role >= 0 && !owns)) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, "roles are the owner's to give");
    } else if (m == NULL) {
        chat_answer(a, ERR_NOT_FOUND);
    } else if (x->role > CHAT_MEMBER && m->type == CHAT_GUEST) {
        chat_refuse(a, ERR_INVALID_REQUEST, "role", "guests are members");
    } else if (x->role >= 0 && x->role != CHAT_OWNER && m->role == CHAT_OWNER && owners(r) == 1) {
        chat_refuse(a, ERR_CONFLICT, NULL, "the room keeps an owner");
    } else if (x->has_mute && x->mute_s != 0 && m->role == CHAT_OWNER && !a->who.monitors) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, "the owner is muted by supervisors only");
    } else {
        return true;
    }
    return false;
}

static char *text_of_reason(struct patch *x)
{
    char *text = ARENA_ARRAY(&x->change.ask.arena, char, x->reason.len + 1);
    memcpy(text, x->reason.ptr, x->reason.len);
    return text; /* an arena's bytes are zero */
}

static struct store_req *fill_patch(struct chat_change *c, struct chat_room *r)
{
    struct patch *x = (struct patch *)c;
    struct home *h = r->chat->home;
    struct chat_member_of *m = chat_member(r, x->principal);
    if (!patchable(x, r, m)) {
        return NULL;
    }
    struct chat_member_of was = *m;
    bool muted = x->has_mute && x->mute_s != 0;
    x->made = *m;
    x->made.role = x->role >= 0 ? (enum chat_role)x->role : m->role;
    if (x->has_mute) {
        x->made.muted_until_ms = until(clock_wall_ms(h->clock), x->mute_s);
        x->made.mute_reason = muted && x->reason.len > 0 ? text_of_reason(x) : NULL;
    }
    struct store_req *req =
        store_req_new(h->index, x->has_mute ? PATCH_STEPS : PATCH_NOTICES, NULL, NULL);
    req->row_max = 1 + TOLD_MAX; /* the numbers of the events */
    chat_member_set_step(r, req, PATCH_MEMBER, &x->made);
    m->role = x->made.role; /* as it will be, for what is told */
    m->muted_until_ms = x->made.muted_until_ms;
    chat_updated_step(r, req, PATCH_EVENT, NULL);
    m->role = was.role;
    m->muted_until_ms = was.muted_until_ms;
    buf detail = {0};
    chat_put_member_change(&detail, x->made.role, x->has_mute ? x->made.muted_until_ms : 0,
                           x->reason);
    chat_audit_member_step(r, req, PATCH_AUDIT, &c->ask.who,
                           x->has_mute ? "chat.member.mute" : "chat.member.role", x->principal,
                           buf_span(&detail));
    buf_deinit(&detail);
    if (x->has_mute) {
        notices_step(x, r, req);
    }
    return req;
}

static void committed_patch(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    struct patch *x = (struct patch *)c;
    struct chat_member_of *m = chat_member(r, x->principal);
    m->role = x->made.role;
    if (x->has_mute) {
        m->muted_until_ms = x->made.muted_until_ms;
        chat_member_mute_reason(m, x->mute_s != 0 ? x->reason : SPAN_NONE);
    }
    chat_publish(r->chat, r, req);
    buf json = {0};
    chat_member_json(r, m, &c->ask.who, &json);
    c->ask.result.json = chat_copy(&c->ask, buf_span(&json));
    buf_deinit(&json);
    chat_answer(&c->ask, ERR_NONE);
}

void chat_member_patch(struct home *h, uuid room, uuid principal,
                       const struct chat_member_change *in, const struct chat_who *who,
                       chat_done done, void *owner)
{
    struct patch *x =
        chat_ask_new(h, sizeof *x, room, chat_change_at_home, who, NULL, done, owner);
    x->change.fill = fill_patch;
    x->change.committed = committed_patch;
    x->principal = principal;
    x->change.ask.result.id = principal;
    x->role = in->role;
    x->has_mute = in->has_mute;
    x->mute_s = in->mute_s;
    x->reason = chat_copy(&x->change.ask, in->reason);
    chat_ask_start(&x->change.ask);
}
