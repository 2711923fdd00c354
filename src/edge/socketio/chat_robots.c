/* Handlers of chat's events: robots are asked, and answer by their own sockets (CONTRACT 5). */
#include "edge/socketio/chat.h"

#include "domain/chat_robot.h"

static void put_job(const struct chat_result *r, struct json_writer *w)
{
    chat_member_uuid(w, "jobId", r->id);
    json_member_string(w, "deliveryStatus", span_str(chat_delivery_name(CHAT_BATCH_DELAY)));
}

void event_chat_robot_interact(struct event_call *in, const struct shape_chat_robot_interact *p)
{
    struct chat_robot_question q = {
        .robot = p->robotId,
        .prompt = p->prompt,
        .visibility =
            p->has_visibility ? (enum chat_visibility)p->visibility : CHAT_VISIBLE_ROOM};
    struct chat_request *r = chat_request_new(in, put_job);
    chat_robot_interact(in->edge->home, p->roomId, &q, &r->who, &r->origin, chat_request_done, r);
}

static void put_message(const struct chat_result *r, struct json_writer *w)
{
    if (!uuid_is_nil(r->id)) { /* a private answer is none */
        chat_member_uuid(w, "messageId", r->id);
    }
}

void event_chat_robot_answer(struct event_call *in, const struct shape_chat_robot_answer *p)
{
    struct chat_robot_piece piece = {.job = p->jobId,
                                     .index = p->index,
                                     .chunk = p->has_chunk ? p->chunk : SPAN(""),
                                     .final = p->has_final && p->final,
                                     .content = p->has_content ? p->content : SPAN_NONE,
                                     .error = p->has_error ? p->error : SPAN_NONE};
    struct chat_request *r = chat_request_new(in, put_message);
    chat_robot_answer(in->edge->home, &piece, &r->who, chat_request_done, r);
}
