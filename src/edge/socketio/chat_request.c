#include "base/mem.h"
#include "edge/socketio/chat.h"
#include "edge/socketio/product.h"

#include <string.h>

struct chat_request *chat_request_new(const struct event_call *in,
                                      void (*ok)(const struct chat_result *r,
                                                 struct json_writer *w))
{
    struct sio_socket *s = in->peer;
    span id = span_slice(in->id, sizeof(struct sio_answer), in->id.len - sizeof(struct sio_answer));
    struct chat_request *r = mem_calloc(1, sizeof *r + id.len);
    r->edge = in->edge;
    r->ok = ok;
    memcpy(&r->to, in->id.ptr, sizeof r->to);
    memcpy(r->sid, sio_sid(s).ptr, sizeof r->sid);
    if (id.len > 0) {
        memcpy(r->request_id, id.ptr, id.len);
    }
    r->origin = (struct chat_origin){.sid = span_of(r->sid, sizeof r->sid),
                                     .request_id = span_of(r->request_id, id.len)};
    (void)chat_who_of(in->grant, product_address(s, r->address), &r->who); /* the row asked */
    return r;
}

void chat_request_ok(struct chat_request *r, span members)
{
    chat_answer_ok(r->edge, &r->to, r->origin.request_id, members);
    mem_free(r);
}

void chat_request_refuse(struct chat_request *r, const struct event_refusal *why)
{
    chat_answer_refusal(r->edge, &r->to, r->origin.request_id, why, false);
    mem_free(r);
}

void chat_request_done(void *owner, const struct chat_result *result)
{
    struct chat_request *r = owner;
    buf members = {0};
    struct json_writer w = json_writer_of(&members);
    if (result->error != ERR_NONE) {
        chat_request_refuse(r, &(struct event_refusal){.error = result->error,
                                                       .member = result->member,
                                                       .why = result->why,
                                                       .retry_after_ms = result->retry_after_ms});
        return;
    }
    if (r->to.wanted) {
        buf_append_span(&members, result->members);
        w.comma = members.len > 0;
        if (r->ok != NULL) {
            r->ok(result, &w);
        }
    }
    chat_request_ok(r, buf_span(&members));
    buf_deinit(&members);
}

void chat_member_uuid(struct json_writer *w, const char *name, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    json_member_string(w, name, span_of(text, UUID_TEXT_LEN));
}
