/*
 * What was said in chat over REST (CONTRACT 5, 7): pages of a room, one message, its changes.
 * Where a page ends is a way and a seq, so `cursor` is the same as `before` or `after`.
 */
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"

#include "shape/chat_message.h"

/* --- pages --- */

static void listed(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

/* "a17" goes on after 17, "b17" before. */
static bool read_cursor(span cursor, struct chat_page *page)
{
    uint64_t seq;
    bool ok = cursor.len > 1 && (cursor.ptr[0] == 'a' || cursor.ptr[0] == 'b') &&
              span_u64(span_slice(cursor, 1, cursor.len), ROUTE_INT_MAX, &seq);
    if (ok) {
        page->way = cursor.ptr[0] == 'a' ? CHAT_AFTER : CHAT_BEFORE;
        page->seq = (int64_t)seq;
    }
    return ok;
}

/* False: answered. */
static bool read_way(struct rest_call *c, struct chat_page *page)
{
    static const struct {
        const char *name;
        int way;
    } ways[] = {{"before", CHAT_BEFORE}, {"after", CHAT_AFTER}, {"around", CHAT_AROUND}};
    span cursor = rest_query(c, "cursor");
    unsigned named = 0;
    if (cursor.len > 0 && !read_cursor(cursor, page)) {
        device_bad_query(c, "cursor", "is not one of ours");
        return false;
    }
    for (unsigned i = 0; cursor.len == 0 && i < ARRAY_LEN(ways); i++) {
        uint64_t seq;
        span text = rest_query(c, ways[i].name);
        if (text.ptr == NULL) {
            continue;
        }
        if (++named > 1 || !span_u64(text, ROUTE_INT_MAX, &seq)) {
            device_bad_query(c, ways[i].name,
                             named > 1 ? "goes with none of before, after and around"
                                       : "must be a whole number");
            return false;
        }
        page->way = ways[i].way;
        page->seq = (int64_t)seq;
    }
    return true;
}

void rest_chat_message_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_page page = {.way = CHAT_BEFORE, .limit = rest_query_limit(c)};
    if (page.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    if (read_way(c, &page)) {
        struct chat_who who = chat_caller(c, address);
        rest_later(c);
        chat_messages(c->edge->home, c->uuids[0], &page, &who, listed, c);
    }
}

void rest_chat_message_get(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_message_get(c->edge->home, c->uuids[0], &who, chat_answer_json, c);
}

void rest_chat_revision_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_revisions(c->edge->home, c->uuids[0], &who, listed, c);
}

/* --- changes --- */

/* Of the version that If-Match names, if it names one. */
struct changing {
    struct rest_call *call;
    span content;
    bool object;
    bool deletes;
};

static void change(struct changing *x, int64_t version)
{
    struct rest_call *c = x->call;
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    if (x->deletes) {
        chat_delete_version(c->edge->home, c->uuids[0], version, &who, NULL, chat_answer_done, c);
    } else {
        chat_edit_version(c->edge->home, c->uuids[0], version, x->content, x->object, &who, NULL,
                          chat_answer_json, c);
    }
}

static void matched(void *owner, const struct chat_result *r)
{
    struct changing *x = owner;
    struct rest_call *c = chat_answer_call(x->call, r);
    if (c == NULL) {
        return;
    }
    err error = rest_if_match(c, r->version);
    if (error != ERR_NONE) {
        rest_error(c, error, NULL);
    } else {
        change(x, r->version);
    }
}

static void change_begin(struct rest_call *c, const struct changing *in)
{
    char address[ADDR_TEXT_MAX];
    struct changing *x = ARENA_NEW(&c->arena, struct changing);
    *x = *in;
    x->call = c;
    if (http1_field(c->x->req, "If-Match").len == 0) {
        change(x, 0);
        return;
    }
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_message_get(c->edge->home, c->uuids[0], &who, matched, x);
}

void rest_chat_message_patch(struct rest_call *c)
{
    struct shape_chat_content in;
    struct shape_ctx ctx = {.arena = &c->arena};
    if (!chat_within_rate(c) || !device_body(c, SCHEMA_chat_content, &in)) {
        return;
    }
    struct chat_draft draft = {.content = in.content};
    if (chat_draft_check(&draft, &ctx)) {
        change_begin(c, &(struct changing){.content = draft.content, .object = draft.object});
    } else {
        device_bad_query(c, ctx.path, ctx.why);
    }
}

void rest_chat_message_delete(struct rest_call *c)
{
    if (chat_within_rate(c)) {
        change_begin(c, &(struct changing){.deletes = true});
    }
}

static void react(struct rest_call *c, bool on, chat_done done)
{
    char address[ADDR_TEXT_MAX];
    if (chat_within_rate(c)) {
        struct chat_who who = chat_caller(c, address);
        rest_later(c);
        chat_react(c->edge->home, c->uuids[0], c->texts[0], on, &who, NULL, done, c);
    }
}

void rest_chat_reaction_put(struct rest_call *c) { react(c, true, chat_answer_json); }

void rest_chat_reaction_delete(struct rest_call *c) { react(c, false, chat_answer_done); }
