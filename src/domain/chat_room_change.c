/* A room's name and settings; and its end: its members go in one request, and what was said behind
 * the answer, a batch at a time, also after a restart. */
#include "domain/chat_internal.h"

#include "base/mem.h"
#include "shape/chat.h"
#include "shape/merge.h"

struct changing {
    struct chat_change change; /* first */
    struct chat_room_change in;
    span name, settings; /* as they will be, in the ask's arena */
    bool renamed;
    int64_t now_ms;
};

static void failed(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    (void)r;
    chat_answer(&c->ask, req->error == ERR_CONFLICT ? ERR_PRECONDITION_FAILED : req->error);
}

/* --- patch --- */

enum { PATCH_ROOM, PATCH_EVENT, PATCH_AUDIT, PATCH_STEPS };

/* False: the ask was answered. */
static bool merge(struct changing *x, struct chat_room *r)
{
    struct chat_ask *a = &x->change.ask;
    const struct chat_room_change *in = &x->in;
    size_t chars = chat_chars(in->name);
    x->name = in->name.ptr != NULL ? in->name : chat_copy(a, span_str(r->name));
    x->settings = chat_copy(a, span_str(r->settings));
    if (in->settings.ptr != NULL) {
        x->settings = chat_copy(a, merge_apply(x->settings, in->settings, &a->arena));
    }
    x->renamed = !span_eq(x->name, span_str(r->name));
    if (in->version != 0 && in->version != r->version) {
        chat_answer(a, ERR_PRECONDITION_FAILED);
    } else if (in->name.ptr != NULL && (chars == 0 || chars > CHAT_NAME_MAX)) {
        chat_refuse(a, ERR_INVALID_REQUEST, "name", "has 1 to 100 characters");
    } else if (x->settings.len > CHAT_SETTINGS_MAX) {
        chat_refuse(a, ERR_INVALID_REQUEST, "settings", "is longer than 4,096 bytes");
    } else if (!x->renamed && merge_same(x->settings, span_str(r->settings))) {
        chat_result_room(a, r, chat_member(r, a->who.actor.id));
        chat_answer(a, ERR_NONE);
    } else {
        return true;
    }
    return false;
}

static struct store_req *fill_patch(struct chat_change *c, struct chat_room *r)
{
    struct changing *x = (struct changing *)c;
    struct home *h = r->chat->home;
    struct chat_member_of *me;
    if (!chat_sees(&c->ask, r, &me)) {
        return NULL;
    }
    if (!chat_moderates(&c->ask, r) || r->type == CHAT_DIRECT) {
        chat_refuse(&c->ask, ERR_PERMISSION_DENIED, NULL,
                    r->type == CHAT_DIRECT ? "a direct room is what it is" : "moderators may");
        return NULL;
    }
    if (!merge(x, r)) {
        return NULL;
    }
    x->now_ms = clock_wall_ms(h->clock);
    struct store_req *req = store_req_new(h->index, PATCH_STEPS, NULL, NULL);
    req->row_max = 1;
    store_step_init(req, PATCH_ROOM, QUERY_CHAT_ROOM_UPDATE, 1);
    req->steps[PATCH_ROOM].expect = STORE_SOME;
    chat_set_uuid(req, PATCH_ROOM, 0, 0, r->id);
    store_set_text(req, PATCH_ROOM, 0, 1, x->name);
    store_set_text(req, PATCH_ROOM, 0, 2, x->settings);
    store_set_int(req, PATCH_ROOM, 0, 3, x->now_ms);
    store_set_int(req, PATCH_ROOM, 0, 4, r->version);
    struct chat_room was = *r; /* told as it will be */
    r->name = (char *)(uintptr_t)x->name.ptr;
    r->settings = (char *)(uintptr_t)x->settings.ptr;
    r->version++;
    r->updated_ms = x->now_ms;
    chat_updated_step(r, req, PATCH_EVENT, NULL);
    r->name = was.name;
    r->settings = was.settings;
    r->version = was.version;
    r->updated_ms = was.updated_ms;
    chat_audit_step(r->chat, req, PATCH_AUDIT, &c->ask.who, "chat.room.update", r->id);
    return req;
}

static void committed_patch(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    struct changing *x = (struct changing *)c;
    chat_room_texts(r, x->name, x->settings);
    r->version++;
    r->updated_ms = x->now_ms;
    chat_publish(r->chat, r, req);
    chat_result_room(&c->ask, r, chat_member(r, c->ask.who.actor.id));
    chat_answer(&c->ask, ERR_NONE);
    if (x->renamed) {
        buf more = {0};
        chat_put_renamed(&more, x->name, c->ask.who.actor.id);
        chat_post_system(r, "room_renamed", buf_span(&more));
        buf_deinit(&more);
    }
}

void chat_room_patch(struct home *h, uuid room, const struct chat_room_change *in,
                     const struct chat_who *who, chat_done done, void *owner)
{
    struct changing *x =
        chat_ask_new(h, sizeof *x, room, chat_change_at_home, who, NULL, done, owner);
    x->change.fill = fill_patch;
    x->change.committed = committed_patch;
    x->change.failed = failed;
    x->in = *in;
    x->in.name = chat_copy(&x->change.ask, in->name);
    x->in.settings = chat_copy(&x->change.ask, in->settings);
    chat_ask_start(&x->change.ask);
}

/* --- delete --- */

enum { END_ROOM, END_MEMBERS, END_INVITATIONS, END_EVENT, END_AUDIT, END_STEPS };

static struct store_req *fill_delete(struct chat_change *c, struct chat_room *r)
{
    struct changing *x = (struct changing *)c;
    struct home *h = r->chat->home;
    struct chat_member_of *me;
    char topic[CHAT_TOPIC_MAX];
    buf data = {0};
    if (!chat_sees(&c->ask, r, &me)) {
        return NULL;
    }
    bool owns = me != NULL && me->role == CHAT_OWNER && r->type != CHAT_DIRECT;
    if (!c->ask.who.monitors && !owns) {
        chat_refuse(&c->ask, ERR_PERMISSION_DENIED, NULL, "the owner and supervisors may");
        return NULL;
    }
    if (x->in.version != 0 && x->in.version != r->version) {
        chat_answer(&c->ask, ERR_PRECONDITION_FAILED);
        return NULL;
    }
    struct store_req *req = store_req_new(h->index, END_STEPS, NULL, NULL);
    req->row_max = 1;
    store_step_init(req, END_ROOM, QUERY_CHAT_ROOM_END, 1);
    req->steps[END_ROOM].expect = STORE_SOME;
    chat_set_uuid(req, END_ROOM, 0, 0, r->id);
    store_set_int(req, END_ROOM, 0, 1, clock_wall_ms(h->clock));
    store_step_init(req, END_MEMBERS, QUERY_CHAT_MEMBER_CLEAR, 1);
    chat_set_uuid(req, END_MEMBERS, 0, 0, r->id);
    store_step_init(req, END_INVITATIONS, QUERY_CHAT_INVITATION_CLEAR, 1);
    chat_set_uuid(req, END_INVITATIONS, 0, 0, r->id);
    chat_put_room_ref(&data, r->id);
    chat_event_step(r->chat, req, END_EVENT, EVENT_CHAT_ROOM_DELETED,
                    chat_room_topic(r->id, topic), buf_span(&data), NULL);
    buf_deinit(&data);
    chat_audit_step(r->chat, req, END_AUDIT, &c->ask.who, "chat.room.delete", r->id);
    return req;
}

static void everybody_is_out(void *arg)
{
    struct chat_change *c = arg;
    struct chat_room *r = c->ask.room;
    struct chat *chat = r->chat;
    chat_publish(chat, r, c->req);
    chat_answer(&c->ask, ERR_NONE);
    store_req_free(c->req);
    chat_item_over(r);
    chat_ends_now(chat->home);
}

static void committed_delete(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    (void)req;
    c->held_open = true;
    r->state = CHAT_ROOM_GONE;
    chat_spread_out(r, UUID_NIL, CHAT_OUT_GONE, everybody_is_out, c);
}

void chat_room_delete(struct home *h, uuid room, int64_t version, const struct chat_who *who,
                      chat_done done, void *owner)
{
    struct changing *x =
        chat_ask_new(h, sizeof *x, room, chat_change_at_home, who, NULL, done, owner);
    x->change.fill = fill_delete;
    x->change.committed = committed_delete;
    x->change.failed = failed;
    x->in.version = version;
    chat_ask_start(&x->change.ask);
}
