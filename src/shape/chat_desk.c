#include "shape/chat_desk.h"

#include "base/timefmt.h"
#include "codec/json/write.h"
#include "shape/decode.h"

static void member_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_MS_LEN + 1];
    if (epoch_ms == 0) {
        json_member_null(w, name);
        return;
    }
    time_format_ms(epoch_ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

static void member_uuid(struct json_writer *w, const char *name, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    if (uuid_is_nil(id)) {
        json_member_null(w, name);
        return;
    }
    uuid_format(id, text);
    json_member_string(w, name, span_of(text, UUID_TEXT_LEN));
}

static void member_name(struct json_writer *w, const char *name, const char *value)
{
    json_member_string(w, name, span_str(value));
}

void chat_put_escalation(buf *out, const struct chat_escalation_row *row)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "id", row->id);
    member_uuid(&w, "roomId", row->room);
    json_member_string(&w, "reason", row->reason);
    member_name(&w, "level", shape_chat_tier_name((int)row->level));
    member_name(&w, "status", shape_chat_escalation_status_name((int)row->status));
    member_uuid(&w, "createdBy", row->created_by);
    if (!uuid_is_nil(row->assigned_to)) {
        member_uuid(&w, "assignedTo", row->assigned_to);
    }
    member_time(&w, "dueAt", row->due_ms);
    member_time(&w, "createdAt", row->created_ms);
    if (row->taken_ms != 0) {
        member_time(&w, "takenAt", row->taken_ms);
    }
    if (row->status == CHAT_CONCLUDED) {
        member_time(&w, "concludedAt", row->concluded_ms);
        member_name(&w, "outcome", shape_chat_outcome_name(row->outcome));
    }
    json_member_i64(&w, "version", row->version);
    json_close(&w, '}');
}

void chat_put_notice(buf *out, const struct chat_notice *n)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_name(&w, "level", shape_chat_level_name((int)n->level));
    member_name(&w, "code", n->code);
    member_name(&w, "message", n->message);
    if (!uuid_is_nil(n->room)) {
        member_uuid(&w, "roomId", n->room);
    }
    if (!uuid_is_nil(n->user)) {
        member_uuid(&w, "userId", n->user);
    }
    if (n->until_ms != 0) {
        member_time(&w, "until", n->until_ms);
    }
    if (n->reason.len > 0) {
        json_member_string(&w, "reason", n->reason);
    }
    json_close(&w, '}');
}

void chat_put_guest(buf *out, const struct chat_guest_row *row, span token)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "id", row->id);
    member_uuid(&w, "roomId", row->room);
    json_member_string(&w, "name", row->name);
    member_time(&w, "expiresAt", row->expires_ms);
    json_member_bool(&w, "revoked", row->revoked);
    member_uuid(&w, "createdBy", row->created_by);
    member_time(&w, "createdAt", row->created_ms);
    if (token.len > 0) {
        json_member_string(&w, "token", token);
    }
    json_close(&w, '}');
}
