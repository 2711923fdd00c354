/* Handlers of chat's events: messages, and who types (CONTRACT 5). */
#include "edge/socketio/chat.h"

#include "base/timefmt.h"
#include "shape/chat_message.h"

/* --- sending --- */

static void put_sent(const struct chat_result *r, struct json_writer *w)
{
    char time[TIME_MS_LEN + 1];
    chat_member_uuid(w, "messageId", r->id);
    json_member_i64(w, "seq", r->seq);
    time_format_ms(r->at_ms, time);
    json_member_string(w, "timestamp", span_of(time, TIME_MS_LEN));
}

/* False: refused. */
static bool checked(struct event_call *in, struct chat_draft *draft)
{
    struct shape_ctx ctx = {.arena = in->arena, .now_ms = in->now_ms};
    if (!chat_draft_check(draft, &ctx)) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, ctx.path, ctx.why);
        return false;
    }
    return true;
}

void event_chat_send(struct event_call *in, const struct shape_chat_send *p)
{
    struct chat_draft draft = {.type = (enum chat_message_type)p->type,
                               .content = p->content,
                               .client_id = p->has_clientId ? p->clientId : SPAN_NONE,
                               .metadata = p->has_metadata ? p->metadata : SPAN_NONE,
                               .reply_to = p->replyTo};
    if (checked(in, &draft)) {
        struct chat_request *r = chat_request_new(in, put_sent);
        chat_send(in->edge->home, p->roomId, &draft, &r->who, &r->origin, chat_request_done, r);
    }
}

/* --- changing --- */

static void put_message(const struct chat_result *r, struct json_writer *w)
{
    if (r->json.len > 0) {
        json_member_raw(w, "message", r->json);
    }
}

void event_chat_edit(struct event_call *in, const struct shape_chat_edit *p)
{
    struct chat_draft draft = {.content = p->content};
    if (checked(in, &draft)) {
        struct chat_request *r = chat_request_new(in, put_message);
        chat_edit(in->edge->home, p->messageId, draft.content, draft.object, &r->who, &r->origin,
                  chat_request_done, r);
    }
}

void event_chat_delete(struct event_call *in, const struct shape_chat_message_ref *p)
{
    struct chat_request *r = chat_request_new(in, put_message);
    chat_delete(in->edge->home, p->messageId, &r->who, &r->origin, chat_request_done, r);
}

void event_chat_react(struct event_call *in, const struct shape_chat_react *p)
{
    struct chat_request *r = chat_request_new(in, put_message);
    chat_react(in->edge->home, p->messageId, p->emoji, p->on, &r->who, &r->origin,
               chat_request_done, r);
}

/* --- typing --- */

static void typing(struct event_call *in, uuid room, bool on)
{
    struct chat_request *r = chat_request_new(in, NULL);
    chat_typing(in->edge->home, room, on, &r->who, chat_request_done, r);
}

void event_chat_typing_start(struct event_call *in, const struct shape_chat_room_ref *p)
{
    typing(in, p->roomId, true);
}

void event_chat_typing_stop(struct event_call *in, const struct shape_chat_room_ref *p)
{
    typing(in, p->roomId, false);
}
