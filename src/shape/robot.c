#include "shape/robot.h"

#include "base/timefmt.h"
#include "codec/json/read.h"
#include "codec/json/write.h"
#include "shape/decode.h"

static void member_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_MS_LEN + 1];
    if (epoch_ms != 0) {
        time_format_ms(epoch_ms, text);
        json_member_string(w, name, span_of(text, TIME_MS_LEN));
    }
}

/* Nil is left out. */
static void member_uuid(struct json_writer *w, const char *name, uuid value)
{
    char id[UUID_TEXT_LEN + 1];
    if (!uuid_is_nil(value)) {
        uuid_format(value, id);
        json_member_string(w, name, span_of(id, UUID_TEXT_LEN));
    }
}

static void member_text(struct json_writer *w, const char *name, span text)
{
    if (text.len > 0) {
        json_member_string(w, name, text);
    }
}

static void member_name(struct json_writer *w, const char *name, const char *text)
{
    json_member_string(w, name, span_str(text));
}

void robot_put(buf *out, const struct chat_robot_row *row, const struct robot_shown *shown)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "id", row->id);
    json_member_string(&w, "name", row->name);
    json_member_string(&w, "description", row->description);
    member_name(&w, "kind", row->url.len > 0 ? "webhook" : "socket");
    if (shown->whole) {
        member_text(&w, "webhookUrl", row->url);
    }
    json_member_bool(&w, "enabled", row->enabled);
    if (shown->state >= 0) {
        member_name(&w, "state", shape_chat_robot_state_name(shown->state));
    }
    member_text(&w, "secret", shown->secret);
    member_text(&w, "key", shown->key);
    json_member_i64(&w, "version", row->version);
    member_time(&w, "createdAt", row->created_ms);
    member_time(&w, "updatedAt", row->updated_ms);
    json_close(&w, '}');
}

void robot_put_job(buf *out, const struct chat_job_row *row)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "id", row->id);
    member_uuid(&w, "roomId", row->room);
    member_uuid(&w, "robotId", row->robot);
    member_uuid(&w, "userId", row->asker);
    json_member_string(&w, "prompt", row->prompt);
    member_name(&w, "visibility", shape_chat_visibility_name((int)row->visibility));
    member_name(&w, "state", shape_chat_job_state_name((int)row->state));
    if (row->state == CHAT_JOB_OPEN) { /* its answer waits for the robot */
        member_name(&w, "deliveryStatus", chat_delivery_name(CHAT_BATCH_DELAY));
    }
    member_text(&w, "error", row->error);
    member_uuid(&w, "messageId", row->message);
    if (row->answer.len > 0) {
        json_member_raw(&w, "content", row->answer);
    }
    member_time(&w, "createdAt", row->created_ms);
    member_time(&w, "endedAt", row->ended_ms);
    json_close(&w, '}');
}

static void put_names(struct json_writer *w, const struct chat_job_row *row)
{
    member_uuid(w, "jobId", row->id);
    member_uuid(w, "roomId", row->room);
    member_uuid(w, "robotId", row->robot);
}

void robot_put_request(buf *out, const struct chat_job_row *row,
                       const struct chat_context_row *context, unsigned count)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    put_names(&w, row);
    member_uuid(&w, "userId", row->asker);
    json_member_string(&w, "prompt", row->prompt);
    member_name(&w, "visibility", shape_chat_visibility_name((int)row->visibility));
    json_member_open(&w, "context", '[');
    for (unsigned i = 0; i < count; i++) {
        const struct chat_context_row *c = &context[i];
        json_open(&w, '{');
        json_member_i64(&w, "seq", c->seq);
        member_name(&w, "type", shape_chat_message_type_name((int)c->type));
        member_uuid(&w, "senderId", c->sender);
        member_text(&w, "name", c->name);
        json_member_raw(&w, "content", c->content);
        member_time(&w, "timestamp", c->at_ms);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
}

void robot_put_response(buf *out, const struct chat_job_row *row, int64_t index, span chunk,
                        bool final)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    put_names(&w, row);
    json_member_i64(&w, "index", index);
    json_member_string(&w, "chunk", chunk);
    json_member_bool(&w, "final", final);
    member_uuid(&w, "messageId", row->message);
    json_close(&w, '}');
}

void robot_put_error(buf *out, const struct chat_job_row *row, const char *code,
                     const char *message)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_name(&w, "code", code);
    member_name(&w, "message", message);
    json_member_open(&w, "details", '{');
    put_names(&w, row);
    json_close(&w, '}');
    json_member_bool(&w, "recoverable", true);
    json_close(&w, '}');
}

void robot_put_released(buf *out, const char *code, uuid robot, uuid by, const char *text)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_name(&w, "code", code);
    member_name(&w, "text", text);
    member_uuid(&w, "robotId", robot);
    member_uuid(&w, "userId", by);
    json_close(&w, '}');
}

void robot_put_prompt(buf *out, span content, bool object)
{
    if (object || !json_string(content, out)) {
        buf_append_span(out, content);
    }
}

bool robot_of_settings(span settings, uuid *out)
{
    struct arena arena = {0};
    span value;
    bool ok = true;
    *out = UUID_NIL;
    if (json_get(json_root(settings), "robotId", &value) && json_type(value) != JSON_NULL) {
        ok = uuid_parse(json_string_in(value, &arena), out);
    }
    arena_reset(&arena);
    return ok;
}
