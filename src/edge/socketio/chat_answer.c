#include "edge/socketio/chat.h"
#include "tables/frames.h"

#include <string.h>

#define CHAT_ERROR SPAN("chat:error")

/* --- errors --- */

const char *chat_error_code(err e)
{
    static const struct {
        err error;
        const char *code;
    } codes[] = {{ERR_AUTHENTICATION_FAILED, "AUTH_FAILED"},
                 {ERR_UNAUTHENTICATED, "AUTH_FAILED"},
                 {ERR_PERMISSION_DENIED, "PERMISSION_DENIED"},
                 {ERR_ROOM_ACCESS_DENIED, "ROOM_ACCESS_DENIED"},
                 {ERR_RATE_LIMIT_EXCEEDED, "RATE_LIMITED"},
                 {ERR_CONNECTION_LOST, "CONNECTION_LOST"}};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i].error == e) {
            return codes[i].code;
        }
    }
    return strcmp(err_code(e), "SERVER_ERROR") == 0 ? "SERVER_ERROR" : "CLIENT_ERROR";
}

bool chat_error_recoverable(err e)
{
    return e == ERR_RATE_LIMIT_EXCEEDED || e == ERR_CONNECTION_LOST ||
           strcmp(err_code(e), "SERVER_ERROR") == 0;
}

void chat_error_members(struct json_writer *w, const struct event_refusal *r, bool protocol)
{
    bool closed = r->error == ERR_ROOM_ACCESS_DENIED;
    json_member_string(w, "code",
                       span_str(protocol ? "PROTOCOL_ERROR" : chat_error_code(r->error)));
    json_member_string(w, "message", span_str(err_text(r->error)));
    json_member_open(w, "details", '{');
    if (!closed && r->member != NULL && r->member[0] != '\0') {
        json_member_string(w, "member", span_str(r->member));
    }
    if (!closed && r->why != NULL) {
        json_member_string(w, "reason", span_str(r->why));
    }
    if (r->retry_after_ms > 0) {
        json_member_i64(w, "retryAfterMs", r->retry_after_ms);
    }
    if (!closed && r->details.len > 0) {
        buf_append_str(w->out, w->comma ? "," : "");
        buf_append_span(w->out, r->details);
        w->comma = true;
    }
    json_close(w, '}');
    json_member_bool(w, "recoverable", !protocol && chat_error_recoverable(r->error));
}

/* --- to one socket --- */

static void emit_enveloped(struct sio_socket *s, span name, span data, span request_id)
{
    buf out = {0};
    buf_append_byte(&out, '[');
    json_put_string(&out, name);
    buf_append_byte(&out, ',');
    chat_envelope_put(&out, name, data, SPAN_NONE, request_id);
    buf_append_byte(&out, ']');
    sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
}

void chat_emit(struct sio_socket *s, span name, span data, span request_id)
{
    struct edge *e = sio_edge(s);
    enum event which = event_by_name((const char *)name.ptr, name.len);
    ASSERT(which < EVENT_COUNT);
    stats_add(&e->stats.messages_out[STATS_SOCKETIO][FRAME_EVENTS + which], 1);
    emit_enveloped(s, name, data, request_id);
}

/* --- answers --- */

void chat_answer_ok(struct edge *e, const struct sio_answer *to, span request_id, span members)
{
    buf out = {0};
    if (!to->wanted) {
        return;
    }
    buf_append_str(&out, "[{\"ok\":true");
    if (request_id.len > 0) {
        buf_append_str(&out, ",\"requestId\":");
        json_put_string(&out, request_id);
    }
    buf_append_str(&out, members.len > 0 ? "," : "");
    buf_append_span(&out, members);
    buf_append_str(&out, "}]");
    sio_answer(e, to, buf_span(&out), NULL, 0);
    buf_deinit(&out);
}

static void put_refused(struct json_writer *w, span request_id, const struct event_refusal *r,
                        bool protocol)
{
    json_open(w, '[');
    json_open(w, '{');
    json_member_bool(w, "ok", false);
    if (request_id.len > 0) {
        json_member_string(w, "requestId", request_id);
    }
    json_member_open(w, "error", '{');
    chat_error_members(w, r, protocol);
    json_close(w, '}');
    json_close(w, '}');
    json_close(w, ']');
}

void chat_say_error(struct sio_socket *s, span request_id, const struct event_refusal *r,
                    bool protocol)
{
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    json_open(&w, '{');
    chat_error_members(&w, r, protocol);
    json_close(&w, '}');
    chat_emit(s, CHAT_ERROR, buf_span(&out), request_id);
    buf_deinit(&out);
}

void chat_answer_refusal(struct edge *e, const struct sio_answer *to, span request_id,
                         const struct event_refusal *r, bool protocol)
{
    struct sio_socket *s = sio_answered(e, to);
    stats_add(&e->stats.errors[STATS_SOCKETIO][r->error], 1);
    if (s == NULL) {
        return;
    }
    if (!to->wanted) {
        chat_say_error(s, request_id, r, protocol);
        return;
    }
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    put_refused(&w, request_id, r, protocol);
    sio_answer(e, to, buf_span(&out), NULL, 0);
    buf_deinit(&out);
}
