/* Rooms and members as JSON, from what is in memory. */
#include "domain/chat_internal.h"

#include "shape/chat.h"

/* Why somebody is muted is between that one and who moderates. */
static bool sees_reason(const struct chat_room *r, const struct chat_member_of *m,
                        const struct chat_who *sees)
{
    if (m->mute_reason == NULL || sees == NULL) {
        return false;
    }
    const struct chat_member_of *me =
        chat_member((struct chat_room *)(uintptr_t)r, sees->actor.id);
    return sees->monitors || me == m || (me != NULL && me->role != CHAT_MEMBER);
}

void chat_member_json(const struct chat_room *r, const struct chat_member_of *m,
                      const struct chat_who *sees, buf *out)
{
    bool reason = sees_reason(r, m, sees);
    chat_put_member(out, &(struct chat_member_shape){
                             .id = m->principal,
                             .type = m->type,
                             .role = m->role,
                             .robot = m->kind == PRINCIPAL_ROBOT,
                             .name = span_of(m->name, m->name_len),
                             .online = m->clients > 0,
                             .joined_ms = m->joined_ms,
                             .muted_until_ms = m->muted_until_ms,
                             .mute_reason = reason ? span_str(m->mute_reason) : SPAN_NONE,
                             .read_seq = m->read_seq});
}

void chat_members_json(const struct chat_room *r, const struct chat_who *sees, unsigned max,
                       buf *out)
{
    const char *comma = "";
    buf_append_byte(out, '[');
    for (struct map_node *n = NULL; max > 0 && (n = map_next(&r->members, n)) != NULL;) {
        const struct chat_member_of *m = CONTAINER_OF(n, struct chat_member_of, node);
        if (!m->hidden || r->type == CHAT_DIRECT) {
            buf_append_str(out, comma);
            chat_member_json(r, m, sees, out);
            comma = ",";
            max--;
        }
    }
    buf_append_byte(out, ']');
}

void chat_room_json_of(const struct chat_room *r, const struct chat_member_of *for_whom,
                       const struct chat_who *sees, unsigned members_max, buf *out)
{
    buf members = {0};
    chat_members_json(r, sees, members_max, &members);
    chat_put_room(out, &(struct chat_room_shape){
                           .id = r->id,
                           .name = span_str(r->name),
                           .type = r->type,
                           .settings = span_str(r->settings),
                           .members = buf_span(&members),
                           .member_count = r->member_count,
                           .last_seq = r->last_seq,
                           .unread = for_whom == NULL ? 0 : chat_unread_of(r, for_whom),
                           .created_ms = r->created_ms,
                           .updated_ms = r->updated_ms,
                           .version = r->version});
    buf_deinit(&members);
}

void chat_room_json(const struct chat_room *r, const struct chat_member_of *for_whom,
                    const struct chat_who *sees, buf *out)
{
    chat_room_json_of(r, for_whom, sees, CHAT_MEMBERS_SHOWN, out);
}

void chat_result_room(struct chat_ask *a, const struct chat_room *r,
                      const struct chat_member_of *for_whom)
{
    buf json = {0};
    chat_room_json(r, for_whom, &a->who, &json);
    a->result.json = chat_copy(a, buf_span(&json));
    a->result.id = a->result.room = r->id;
    a->result.version = r->version;
    buf_deinit(&json);
}
