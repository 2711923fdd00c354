#include "edge/command.h"

#include "codec/json/read.h"

#include <string.h>

static void member_uuid(struct json_writer *w, const char *name, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    json_member_string(w, name, span_of(text, UUID_TEXT_LEN));
}

static void name_command(struct json_writer *w, const struct command_result *r)
{
    member_uuid(w, "commandId", r->id);
    json_member_string(w, "requestId", r->request_id);
}

void command_members(struct json_writer *w, const struct command_result *r)
{
    name_command(w, r);
    json_member_string(w, "status", span_str(command_status_name(command_status_of(r->phase))));
    json_member_string(w, "phase", span_str(command_phase_name(r->phase)));
}

/* Which member of the request a refusal by the domain is about. */
static const char *member_of(const struct command_result *r)
{
    return r->error == ERR_DEVICE_NOT_FOUND         ? "deviceId"
           : r->error == ERR_INVALID_MESSAGE_FORMAT ? "requestId"
                                                    : NULL;
}

bool command_refused(const struct command_result *r, buf *details, struct event_refusal *out)
{
    *out = (struct event_refusal){.error = r->error, .member = member_of(r), .why = r->why};
    if (r->error != ERR_NONE) {
        out->retry_after_ms = r->error == ERR_RATE_LIMIT_EXCEEDED ? COMMAND_RETRY_MS : 0;
        return true;
    }
    if (r->phase != PHASE_REJECTED) {
        return false;
    }
    struct json_writer w = json_writer_of(details);
    name_command(&w, r);
    out->error = ERR_COMMAND_EXECUTION_FAILED;
    out->why = r->reason;
    out->details = buf_span(details);
    return true;
}

struct command_response command_response_of(const struct shape_command_response *p, int64_t now_ms)
{
    return (struct command_response){.request_id = p->requestId,
                                     .status = (enum response_status)p->status,
                                     .result = p->result,
                                     .error_code = p->error.code,
                                     .error_message = p->error.message,
                                     .at_ms = p->has_timestamp ? p->timestamp : now_ms};
}

static bool is_refusal(span answer)
{
    span ok;
    bool good = true;
    return json_get(answer, "ok", &ok) && json_bool(ok, &good) && !good;
}

/* What a refusal says of itself, in whatever form; only {code,message} is kept. */
static struct shape_command_error error_of(span answer, struct shape_ctx *ctx)
{
    span error;
    struct shape_command_error p;
    if (!json_get(answer, "error", &error) ||
        !shape_decode(SCHEMA_command_error, error, ctx, &p)) {
        memset(&p, 0, sizeof p);
    }
    return p;
}

void device_acknowledged(struct device_link *l, uint64_t token, span request_id, span answer,
                         int64_t now_ms)
{
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena, .now_ms = now_ms};
    if (request_id.len > 0 && is_refusal(answer)) {
        struct shape_command_error error = error_of(answer, &ctx);
        device_link_response(l, SPAN_NONE,
                             &(struct command_response){.request_id = request_id,
                                                        .status = RESPONSE_ERROR,
                                                        .error_code = error.code,
                                                        .error_message = error.message,
                                                        .at_ms = now_ms});
    } else {
        device_link_delivered(l, token);
    }
    arena_reset(&arena);
}

void delivery_request_id(const struct link_delivery *d, buf *out)
{
    span id;
    if (d->event == OUT_DEVICE_COMMAND && json_get(d->payload, "requestId", &id) &&
        json_type(id) == JSON_STRING) {
        (void)json_string(id, out);
    }
}
