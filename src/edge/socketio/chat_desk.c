/* The handler of chat:escalation:create. */
#include "domain/chat_desk.h"
#include "edge/socketio/chat_socket.h"

static void put_escalation(const struct chat_result *r, struct json_writer *w)
{
    json_member_raw(w, "escalation", r->json);
    json_member_bool(w, "created", r->created);
}

void event_chat_escalate(struct event_call *in, const struct shape_chat_escalation_create *p)
{
    struct chat_request *r = chat_request_new(in, put_escalation);
    chat_escalate(in->edge->home, p->roomId, p->reason, p->has_targetLevel ? p->targetLevel : -1,
                  &r->who, &r->origin, chat_request_done, r);
}
