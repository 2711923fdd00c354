#include "shape/chat_file.h"

#include "base/assert.h"
#include "base/timefmt.h"
#include "codec/json/write.h"

#include <stdio.h>

#define URL_MAX 96

const char *chat_file_state_name(enum chat_file_state s)
{
    static const char *const names[] = {
        [CHAT_FILE_ANNOUNCED] = "announced", [CHAT_FILE_QUARANTINED] = "quarantined",
        [CHAT_FILE_AVAILABLE] = "available", [CHAT_FILE_BLOCKED] = "blocked",
        [CHAT_FILE_GONE] = "gone"};
    ASSERT((size_t)s < ARRAY_LEN(names));
    return names[s];
}

static void put_id(struct json_writer *w, const char *name, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    json_member_string(w, name, span_of(text, UUID_TEXT_LEN));
}

static void put_time(struct json_writer *w, const char *name, int64_t ms)
{
    char text[TIME_MS_LEN + 1];
    time_format_ms(ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

static void put_url(struct json_writer *w, const char *name, const struct chat_file *f)
{
    char id[UUID_TEXT_LEN + 1], url[URL_MAX];
    uuid_format(f->id, id);
    int len = snprintf(url, sizeof url, "/api/v1/chat/files/%s/content", id);
    json_member_string(w, name, span_of(url, (size_t)len));
}

static void put_facts(struct json_writer *w, const struct chat_file *f)
{
    json_member_string(w, "name", f->name);
    json_member_i64(w, "size", f->size);
    json_member_string(w, "mime", f->mime);
}

void chat_file_json(const struct chat_file *f, buf *out)
{
    struct json_writer w = json_writer_of(out);
    bool open = f->state == CHAT_FILE_ANNOUNCED;
    json_open(&w, '{');
    put_id(&w, "fileId", f->id);
    put_id(&w, "roomId", f->room);
    put_id(&w, "uploadedBy", f->uploader);
    put_facts(&w, f);
    json_member_string(&w, "state", span_str(chat_file_state_name(f->state)));
    json_member_i64(&w, "received", open ? f->received : f->size);
    if (f->sha256.len > 0) {
        json_member_string(&w, "sha256", f->sha256);
    }
    if (f->state == CHAT_FILE_AVAILABLE) {
        put_id(&w, "messageId", f->message);
        put_url(&w, "url", f);
    } else if (open) {
        put_url(&w, "uploadUrl", f);
        put_time(&w, "expiresAt", f->expires_ms);
    } else if (f->why.len > 0) {
        json_member_string(&w, "why", f->why);
    }
    put_time(&w, "createdAt", f->created_ms);
    put_time(&w, "updatedAt", f->updated_ms);
    json_close(&w, '}');
}

void chat_file_ack(const struct chat_file *f, buf *out)
{
    buf object = {0};
    struct json_writer w = json_writer_of(&object);
    json_open(&w, '{');
    put_id(&w, "fileId", f->id);
    put_url(&w, "uploadUrl", f);
    put_time(&w, "expiresAt", f->expires_ms);
    json_close(&w, '}');
    buf_append(out, object.ptr + 1, object.len - 2);
    buf_deinit(&object);
}

void chat_file_shown(const struct chat_file *f, buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    put_id(&w, "fileId", f->id);
    put_facts(&w, f);
    put_url(&w, "url", f);
    json_close(&w, '}');
}

void chat_file_uploaded(const struct chat_file *f, buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    put_id(&w, "fileId", f->id);
    put_id(&w, "roomId", f->room);
    put_id(&w, "messageId", f->message);
    put_facts(&w, f);
    put_url(&w, "url", f);
    json_close(&w, '}');
}

void chat_file_status(const struct chat_file *f, buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    put_id(&w, "messageId", f->message);
    put_id(&w, "roomId", f->room);
    json_member_i64(&w, "seq", 0);
    json_member_string(&w, "deliveryStatus", SPAN("batch-delay"));
    put_id(&w, "fileId", f->id);
    json_close(&w, '}');
}

void chat_file_blocked(const struct chat_file *f, span why, buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "code", SPAN("CLIENT_ERROR"));
    json_member_string(&w, "message", why);
    json_member_open(&w, "details", '{');
    put_id(&w, "fileId", f->id);
    put_id(&w, "roomId", f->room);
    json_member_string(&w, "name", f->name);
    json_close(&w, '}');
    json_member_bool(&w, "recoverable", false);
    json_close(&w, '}');
}

void chat_file_held(const struct chat_file *f, buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "level", SPAN("warning"));
    json_member_string(&w, "code", SPAN("FILE_HELD"));
    json_member_string(&w, "message",
                       SPAN("the file is kept until it can be scanned; nothing is lost"));
    put_id(&w, "roomId", f->room);
    put_id(&w, "fileId", f->id);
    json_close(&w, '}');
}
