/* Messages: what may be kept of them, and how they are shown. */
#include "shape/chat_message.h"

#include "base/timefmt.h"
#include "codec/json/read.h"
#include "codec/json/write.h"

#include <stdio.h>

static bool refuse(struct shape_ctx *ctx, const char *path, const char *why)
{
    (void)snprintf(ctx->path, sizeof ctx->path, "%s", path);
    ctx->why = why;
    return false;
}

static size_t characters(span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += (text.ptr[i] & 0xc0) != 0x80;
    }
    return n;
}

static bool check_text(struct chat_draft *d, struct shape_ctx *ctx)
{
    span text = json_string_in(d->content, ctx->arena);
    size_t n = characters(text);
    if (n == 0 || n > CHAT_TEXT_MAX) {
        return refuse(ctx, "content",
                      n == 0 ? "must not be empty" : "is longer than 8000 characters");
    }
    buf plain = {0};
    json_put_string(&plain, text);
    d->content = arena_dup(ctx->arena, buf_span(&plain));
    buf_deinit(&plain);
    return true;
}

bool chat_draft_check(struct chat_draft *d, struct shape_ctx *ctx)
{
    d->object = json_type(d->content) == JSON_OBJECT;
    if (!d->object && json_type(d->content) != JSON_STRING) {
        return refuse(ctx, "content", "must be a text or an object");
    }
    if (d->object && d->content.len > CHAT_OBJECT_MAX) {
        return refuse(ctx, "content", "is larger than 32768 bytes");
    }
    return d->object || check_text(d, ctx);
}

/* --- as JSON --- */

static void put_id(struct json_writer *w, const char *name, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    json_member_string(w, name, span_of(text, UUID_TEXT_LEN));
}

static void put_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_MS_LEN + 1];
    time_format_ms(epoch_ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

static void put_more(struct json_writer *w, const struct chat_message_row *m)
{
    if (m->client_id.ptr != NULL) {
        json_member_string(w, "clientId", m->client_id);
    }
    if (!uuid_is_nil(m->reply_to)) {
        put_id(w, "replyTo", m->reply_to);
    }
    if (m->edited_ms != 0) {
        put_time(w, "editedAt", m->edited_ms);
    }
    if (m->deleted_ms != 0) {
        json_member_bool(w, "deleted", true);
    }
    if (m->reactions.ptr != NULL) {
        json_member_raw(w, "reactions", m->reactions);
    }
    if (m->file_json.ptr != NULL) {
        json_member_raw(w, "file", m->file_json);
    }
}

void chat_message_json(const struct chat_message_row *m, buf *out)
{
    struct json_writer w = json_writer_of(out);
    bool gone = m->deleted_ms != 0;
    json_open(&w, '{');
    put_id(&w, "id", m->id);
    json_member_string(&w, "type", span_str(chat_message_type_name(m->type)));
    put_id(&w, "roomId", m->room);
    if (uuid_is_nil(m->sender)) {
        json_member_null(&w, "senderId");
    } else {
        put_id(&w, "senderId", m->sender);
    }
    json_member_raw(&w, "content", gone || m->content.len == 0 ? SPAN("null") : m->content);
    put_time(&w, "timestamp", m->at_ms);
    json_member_string(&w, "deliveryStatus", span_str(chat_delivery_name(m->delivery)));
    if (m->metadata.ptr != NULL && !gone) {
        json_member_raw(&w, "metadata", m->metadata);
    }
    json_member_i64(&w, "seq", m->seq);
    put_more(&w, m);
    json_close(&w, '}');
}

void chat_status_json(uuid room, uuid message, int64_t seq, enum chat_delivery d, buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    put_id(&w, "messageId", message);
    put_id(&w, "roomId", room);
    json_member_i64(&w, "seq", seq);
    json_member_string(&w, "deliveryStatus", span_str(chat_delivery_name(d)));
    json_close(&w, '}');
}

void chat_receipt_json(uuid room, uuid reader, int64_t seq, buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    put_id(&w, "roomId", room);
    put_id(&w, "userId", reader);
    json_member_i64(&w, "seq", seq);
    json_close(&w, '}');
}

void chat_system_json(const char *code, span more, buf *out)
{
    struct json_writer w = json_writer_of(out);
    struct json_iter it;
    span key, value;
    json_open(&w, '{');
    json_member_string(&w, "code", span_str(code));
    if (json_object_begin(&it, more)) {
        while (json_object_next(&it, &key, &value)) {
            buf_append_byte(out, ',');
            buf_append_span(out, key);
            buf_append_byte(out, ':');
            buf_append_span(out, value);
        }
    }
    json_close(&w, '}');
}
