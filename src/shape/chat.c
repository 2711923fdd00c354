#include "shape/chat.h"

#include "base/timefmt.h"
#include "codec/json/write.h"

static void member_uuid(struct json_writer *w, const char *name, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    json_member_string(w, name, span_of(text, UUID_TEXT_LEN));
}

static void member_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_MS_LEN + 1];
    time_format_ms(epoch_ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

static void member_name(struct json_writer *w, const char *name, const char *value)
{
    json_member_string(w, name, span_str(value));
}

void chat_put_member(buf *out, const struct chat_member_shape *m)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "userId", m->id);
    member_name(&w, "userType", chat_user_type_name(m->type));
    member_name(&w, "role", chat_role_name(m->role));
    if (m->robot) {
        member_name(&w, "kind", "robot");
    }
    json_member_string(&w, "name", m->name);
    json_member_bool(&w, "isOnline", m->online);
    member_time(&w, "joinedAt", m->joined_ms);
    if (m->muted_until_ms > 0) {
        member_time(&w, "mutedUntil",
                    m->muted_until_ms < CHAT_EVER_MS ? m->muted_until_ms : CHAT_EVER_MS);
    }
    if (m->mute_reason.len > 0) {
        json_member_string(&w, "muteReason", m->mute_reason);
    }
    if (m->read_seq >= 0) {
        json_member_i64(&w, "lastReadSeq", m->read_seq);
    }
    json_close(&w, '}');
}

void chat_put_room(buf *out, const struct chat_room_shape *r)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "id", r->id);
    json_member_string(&w, "name", r->name);
    member_name(&w, "type", chat_room_type_name(r->type));
    json_member_raw(&w, "settings", r->settings);
    if (r->members.ptr != NULL) {
        json_member_raw(&w, "members", r->members);
    }
    json_member_u64(&w, "memberCount", r->member_count);
    json_member_i64(&w, "lastSeq", r->last_seq);
    json_member_i64(&w, "unread", r->unread);
    member_time(&w, "createdAt", r->created_ms);
    member_time(&w, "updatedAt", r->updated_ms);
    json_member_i64(&w, "version", r->version);
    if (r->invited) {
        json_member_bool(&w, "invited", true);
    }
    json_close(&w, '}');
}

void chat_put_joined(buf *out, const struct chat_joined_shape *j)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "roomId", j->room);
    member_uuid(&w, "userId", j->user);
    member_name(&w, "userType", chat_user_type_name(j->type));
    if (j->members.ptr != NULL) {
        json_member_raw(&w, "members", j->members);
    }
    if (j->counts) {
        json_member_i64(&w, "lastSeq", j->last_seq);
        json_member_i64(&w, "unread", j->unread);
    }
    if (j->room_members) {
        json_member_string(&w, "name", j->name);
        member_name(&w, "type", chat_room_type_name(j->room_type));
    }
    if (j->room_members && j->watching) {
        json_member_bool(&w, "watching", true);
    } else if (j->room_members) {
        member_name(&w, "role", chat_role_name(j->role));
    }
    json_close(&w, '}');
}

void chat_put_member_change(buf *out, enum chat_role role, int64_t until_ms, span reason)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_name(&w, "role", chat_role_name(role));
    if (until_ms != 0) {
        member_time(&w, "mutedUntil", until_ms < CHAT_EVER_MS ? until_ms : CHAT_EVER_MS);
    }
    if (reason.len > 0) {
        json_member_string(&w, "reason", reason);
    }
    json_close(&w, '}');
}

void chat_put_reason(buf *out, span reason)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    if (reason.len > 0) {
        json_member_string(&w, "reason", reason);
    }
    json_close(&w, '}');
}

void chat_put_left(buf *out, uuid room, uuid user, enum chat_user_type type)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "roomId", room);
    member_uuid(&w, "userId", user);
    member_name(&w, "userType", chat_user_type_name(type));
    json_close(&w, '}');
}

void chat_put_room_ref(buf *out, uuid room)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "roomId", room);
    json_close(&w, '}');
}

void chat_put_renamed(buf *out, span name, uuid by)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "name", name);
    member_uuid(&w, "userId", by);
    json_close(&w, '}');
}

static void member_somebody(struct json_writer *w, const char *name, uuid id)
{
    if (uuid_is_nil(id)) {
        json_member_null(w, name);
    } else {
        member_uuid(w, name, id);
    }
}

void chat_put_invitation(buf *out, const struct chat_invitation_shape *i)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "id", i->id);
    member_uuid(&w, "roomId", i->room);
    member_name(&w, "kind", i->guest ? "guest" : "employee");
    if (!uuid_is_nil(i->principal)) {
        member_uuid(&w, "userId", i->principal);
    }
    json_member_i64(&w, "usesLeft", i->uses_left);
    member_time(&w, "expiresAt", i->expires_ms);
    member_somebody(&w, "createdBy", i->created_by);
    member_time(&w, "createdAt", i->created_ms);
    if (i->revoked_ms != 0) {
        member_time(&w, "revokedAt", i->revoked_ms);
    }
    if (i->secret.len > 0) {
        json_member_string(&w, "invitation", i->secret);
    }
    json_close(&w, '}');
}

void chat_put_ban(buf *out, const struct chat_ban_shape *b)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "userId", b->user);
    json_member_string(&w, "name", b->name);
    if (b->until_ms == 0) {
        json_member_null(&w, "until");
    } else {
        member_time(&w, "until", b->until_ms);
    }
    json_member_string(&w, "reason", b->reason);
    member_somebody(&w, "createdBy", b->created_by);
    member_time(&w, "createdAt", b->created_ms);
    json_close(&w, '}');
}

void chat_put_logged(buf *out, span payload, const struct chat_origin *origin)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '[');
    json_write_raw(&w, payload);
    if (origin != NULL && origin->sid.len > 0 && origin->request_id.len > 0) {
        json_write_string(&w, origin->sid);
        json_write_string(&w, origin->request_id);
    }
    json_close(&w, ']');
}
