/* Handlers of chat's events: rooms and cursors (CONTRACT 5). */
#include "edge/socketio/chat_socket.h"

#include "base/mem.h"
#include "codec/json/read.h"

/* The socket that asked, if it is still there. */
static struct chat_socket *asker(const struct chat_request *r)
{
    struct sio_socket *s = sio_answered(r->edge, &r->to);
    return s == NULL ? NULL : chat_socket_find(s);
}

/* --- rooms --- */

static void put_room(const struct chat_result *r, struct json_writer *w)
{
    if (r->json.len > 0) {
        json_member_raw(w, "room", r->json);
    }
}

static void put_created(const struct chat_result *r, struct json_writer *w)
{
    put_room(r, w);
    json_member_bool(w, "created", r->created);
}

struct joining {
    struct chat_request *request;
    uuid room;
    bool has_since;
    int64_t since;
};

static void joined(void *owner, const struct chat_result *r)
{
    struct joining *j = owner;
    struct chat_socket *c = asker(j->request);
    buf id = {0}; /* the answer comes first, and frees the request */
    buf_append_span(&id, j->request->origin.request_id);
    chat_request_done(j->request, r);
    if (r->error == ERR_NONE && c != NULL) {
        chat_socket_joined(c, j->room, buf_span(&id), j->has_since ? &j->since : NULL, r);
    }
    buf_deinit(&id);
    mem_free(j);
}

void event_chat_join(struct event_call *in, const struct shape_chat_join *p)
{
    struct joining *j = mem_calloc(1, sizeof *j);
    struct chat_join how = {.invitation = p->invitation, .watch = p->watch};
    *j = (struct joining){.request = chat_request_new(in, put_room),
                          .room = p->roomId,
                          .has_since = p->has_since,
                          .since = p->since};
    chat_join(in->edge->home, p->roomId, &how, &j->request->who, &j->request->origin, joined, j);
}

/* False: refused. */
static bool read_members(struct event_call *in, span list, uuid *out, unsigned *count)
{
    struct json_iter it;
    span text;
    *count = 0;
    if (list.len == 0 || !json_array_begin(&it, list)) {
        return true;
    }
    while (json_array_next(&it, &text)) {
        if (!uuid_parse(json_string_in(text, in->arena), &out[*count])) {
            event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, "members", "must be UUIDs");
            return false;
        }
        ++*count;
    }
    return true;
}

void event_chat_create(struct event_call *in, const struct shape_chat_create *p)
{
    uuid members[CHAT_MEMBERS_SHOWN];
    struct chat_room_draft draft = {.name = p->name,
                                    .type = (enum chat_room_type)p->type,
                                    .members = members,
                                    .settings = p->settings};
    if (read_members(in, p->members, members, &draft.member_count)) {
        struct chat_request *r = chat_request_new(in, put_created);
        chat_room_create(in->edge->home, &draft, &r->who, &r->origin, chat_request_done, r);
    }
}

/* --- leaving --- */

static void left(void *owner, const struct chat_result *r)
{
    struct chat_request *request = owner;
    struct chat_socket *c = asker(request);
    if (r->error != ERR_NONE && c != NULL) {
        chat_socket_stays(c, request->room);
    }
    chat_request_done(request, r);
}

void event_chat_leave(struct event_call *in, const struct shape_chat_room_ref *p)
{
    struct chat_request *r = chat_request_new(in, NULL);
    struct chat_socket *c = chat_socket_of(in->peer);
    r->room = p->roomId;
    chat_socket_leaving(c, p->roomId, r->origin.request_id);
    if (chat_socket_unwatch(c, p->roomId)) {
        chat_request_ok(r, SPAN_NONE);
        return;
    }
    chat_leave(in->edge->home, p->roomId, &r->who, &r->origin, left, r);
}

/* --- cursors --- */

void event_chat_read(struct event_call *in, const struct shape_chat_cursor *p)
{
    struct chat_request *r = chat_request_new(in, NULL);
    chat_read(in->edge->home, p->roomId, p->seq, &r->who, chat_request_done, r);
}

void event_chat_delivered(struct event_call *in, const struct shape_chat_cursor *p)
{
    struct chat_request *r = chat_request_new(in, NULL);
    chat_delivered(in->edge->home, p->roomId, p->seq, &r->who, chat_request_done, r);
}
