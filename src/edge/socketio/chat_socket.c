#include "edge/socketio/chat_socket.h"

#include "base/mem.h"
#include "codec/json/read.h"
#include "edge/socketio/product.h"

#include <string.h>

#define AGAIN_MS_FIRST 1000
#define AGAIN_MS_MAX 30000
#define JOINED SPAN("chat:room:joined")
#define LEFT SPAN("chat:room:left")
#define DELETED SPAN("chat:room:deleted")

static const struct chat_client_ops client_ops;

struct chat_socket *chat_socket_find(const struct sio_socket *s)
{
    const struct product *p = s->user;
    return p == NULL ? NULL : p->chat;
}

static void on_again(struct deadline *d);

struct chat_socket *chat_socket_of(struct sio_socket *s)
{
    struct product *p = product_of(s);
    if (p->chat == NULL) {
        struct chat_socket *c = p->chat = mem_calloc(1, sizeof *c);
        c->socket = s;
        c->client.ops = &client_ops;
        c->again.fire = on_again;
        list_init(&c->places);
        list_init(&c->wishes);
    }
    return p->chat;
}

static struct home *home_of_socket(const struct chat_socket *c)
{
    return sio_edge(c->socket)->home;
}

/* --- wishes --- */

static struct chat_wish *wish_of(const struct chat_socket *c, uuid room, bool leaving)
{
    LIST_EACH(it, &c->wishes) {
        struct chat_wish *w = LIST_ITEM(it, struct chat_wish, link);
        if (w->leaving == leaving && uuid_eq(w->room, room)) {
            return w;
        }
    }
    return NULL;
}

static void wish_free(struct chat_socket *c, struct chat_wish *w)
{
    if (w != NULL) {
        list_remove(&w->link);
        mem_free(w);
        c->wish_count--;
    }
}

/* The oldest gives way: its event never came. */
static struct chat_wish *wish_new(struct chat_socket *c, uuid room, bool leaving, span request_id)
{
    struct chat_wish *w = mem_calloc(1, sizeof *w + request_id.len);
    wish_free(c, wish_of(c, room, leaving));
    if (c->wish_count == CHAT_WISHES_MAX) {
        wish_free(c, LIST_ITEM(c->wishes.next, struct chat_wish, link));
    }
    w->room = room;
    w->leaving = leaving;
    w->id_len = request_id.len;
    if (request_id.len > 0) {
        memcpy(w->request_id, request_id.ptr, request_id.len);
    }
    list_push(&c->wishes, &w->link);
    c->wish_count++;
    return w;
}

static span wish_id(const struct chat_wish *w)
{
    return w == NULL ? SPAN_NONE : span_of(w->request_id, w->id_len);
}

/* --- what is kept --- */

void chat_catching_from(struct chat_socket *c, struct pos pos)
{
    if (!c->settling || pos.epoch != c->low.epoch || pos.n < c->low.n) {
        c->low = pos;
        c->until = 0;
        c->settling = true;
        sio_keep(c->socket);
    }
    c->until = 0;
}

void chat_caught_up(struct chat_socket *c)
{
    c->until = journal_now(home_of_socket(c)->journal).n;
    c->settling = c->gave;
    c->gave = false;
    sio_keep(c->socket);
}

void chat_keep(const struct sio_socket *s, struct json_writer *w)
{
    char text[POS_TEXT_MAX];
    const struct chat_socket *c = chat_socket_find(s);
    if (c == NULL || !c->open) {
        return;
    }
    json_member_open(w, "chat", '{');
    bool all = chat_kept_put(c, w);
    json_member_bool(w, "told", all && (c->told || c->known));
    if (c->settling) {
        json_member_string(w, "since", span_of(text, pos_text(c->low, text)));
        json_member_u64(w, "until", c->until);
    }
    json_close(w, '}');
}

bool chat_is_settled(const struct sio_socket *s)
{
    const struct chat_socket *c = chat_socket_find(s);
    return c == NULL || c->behind == 0;
}

void chat_received(struct sio_socket *s, uint64_t n)
{
    struct chat_socket *c = chat_socket_find(s);
    if (c == NULL || !c->open) {
        return;
    }
    if (c->settling && c->behind == 0) {
        c->settling = false;
        sio_keep(s);
    }
    chat_client_received(&c->client, n);
}

/* --- topics of its own --- */

static void topic(struct chat_socket *c, span name, bool on)
{
    if (on) {
        (void)sio_subscribe(c->socket, JOURNAL_HOME, name);
    } else if (conn_is_open(sio_engine(c->socket)->conn)) {
        (void)sio_unsubscribe(c->socket, JOURNAL_HOME, name);
    }
}

/* Who waits for somebody is told to who may go there. */
static void take_topics(struct chat_socket *c, bool desk, bool staff)
{
    if (desk != c->desk) {
        topic(c, SPAN(CHAT_DESK_TOPIC), desk);
        c->desk = desk;
    }
    if (staff != c->staff) {
        topic(c, SPAN(CHAT_STAFF_TOPIC), staff);
        c->staff = staff;
    }
}

static void own_topic(struct chat_socket *c, bool on)
{
    char text[CHAT_TOPIC_MAX];
    topic(c, chat_user_topic(c->who.actor.id, text), on);
}

/* --- opening and closing --- */

static bool who_of(const struct sio_socket *s, struct chat_who *out)
{
    const struct grant *g = s->session.grant;
    return sio_edge(s)->home->chat != NULL && g != NULL && chat_who_of(g, SPAN_NONE, out);
}

static void take_who(struct chat_socket *c, const struct chat_who *who)
{
    c->who = *who;
    c->who.actor.name = c->who.actor.address = SPAN_NONE;
    take_topics(c, who->type != CHAT_GUEST && who->kind != PRINCIPAL_ROBOT, who->monitors);
}

static void open_topics(struct sio_socket *s, const struct chat_who *who)
{
    struct chat_socket *c = chat_socket_of(s);
    take_who(c, who);
    own_topic(c, true);
    c->open = true;
}

static void close_all(struct chat_socket *c)
{
    if (!c->open) {
        return;
    }
    c->open = false;
    sio_release_replay(c->socket);
    deadline_clear(&c->again);
    chat_client_close(&c->client);
    LIST_EACH(it, &c->places) { chat_place_close(LIST_ITEM(it, struct chat_place, link)); }
    LIST_EACH(it, &c->wishes) { wish_free(c, LIST_ITEM(it, struct chat_wish, link)); }
    take_topics(c, false, false);
    own_topic(c, false);
    chat_kept_free(c);
    c->told = c->known = c->recovered = c->settling = false;
}

void chat_connect(struct sio_socket *s)
{
    struct chat_who who;
    if (!who_of(s, &who)) {
        return;
    }
    if (!chat_socket_of(s)->open) {
        open_topics(s, &who);
    }
    chat_client_open(sio_edge(s)->home, &chat_socket_of(s)->client, &who);
    sio_keep(s);
}

void chat_disconnect(struct sio_socket *s)
{
    struct product *p = s->user;
    if (p->chat != NULL) {
        close_all(p->chat);
        mem_free(p->chat);
        p->chat = NULL;
    }
}

/* Its rooms must be read from further back than it has seen: *back, instead. */
static bool is_behind(span kept, struct pos *back)
{
    struct arena arena = {0};
    struct pos since;
    int64_t until = 0;
    span value;
    bool behind = json_get(kept, "since", &value) &&
                  pos_parse(json_string_in(value, &arena), &since) &&
                  since.epoch == back->epoch && since.n < back->n &&
                  json_get(kept, "until", &value) && json_i64(value, &until) &&
                  (until == 0 || back->n <= (uint64_t)until);
    arena_reset(&arena);
    *back = behind ? since : *back;
    return behind;
}

bool chat_holds(struct sio_socket *s, span state)
{
    struct chat_who who;
    span kept;
    return who_of(s, &who) && json_get(state, "chat", &kept);
}

void chat_restore(struct sio_socket *s, span state)
{
    struct chat_who who;
    bool told = false;
    span kept, value;
    if (!who_of(s, &who)) {
        return;
    }
    open_topics(s, &who);
    struct chat_socket *c = chat_socket_of(s);
    c->recovered = json_get(state, "chat", &kept);
    c->known = c->recovered && json_get(kept, "told", &value) && json_bool(value, &told) && told &&
               chat_kept_take(c, kept);
    c->back = sio_replay_start(s);
    c->alone = c->recovered && is_behind(kept, &c->back);
}

/* Nothing was refused that it asked for, so this counts nowhere. */
static void say_error(struct sio_socket *s, err error, const char *why)
{
    chat_say_error(s, SPAN_NONE, &(struct event_refusal){.error = error, .why = why}, false);
}

void chat_rights(struct sio_socket *s)
{
    struct chat_socket *c = chat_socket_find(s);
    struct chat_who who;
    bool chats = who_of(s, &who);
    if (chats && (c == NULL || !c->open)) {
        chat_connect(s);
    } else if (chats) {
        take_who(c, &who);
        chat_client_rights(&c->client, &who);
    } else if (c != NULL && c->open) {
        close_all(c);
        sio_keep(s);
        say_error(s, ERR_PERMISSION_DENIED, "the rights were changed");
    }
}

void chat_closing(struct sio_socket *s, close_reason reason)
{
    const struct chat_socket *c = chat_socket_find(s);
    bool who = reason == CLOSE_REVOKED || reason == CLOSE_DISABLED || reason == CLOSE_TOKEN_EXPIRED;
    if (who && c != NULL && c->open) {
        say_error(s, ERR_AUTHENTICATION_FAILED, close_text(reason));
    }
}

void chat_writable(struct sio_socket *s)
{
    struct chat_socket *c = chat_socket_find(s);
    if (c != NULL && c->open) {
        chat_places_writable(c);
    }
}

void chat_each_room(const struct sio_socket *s, void (*visit)(void *arg, uuid room), void *arg)
{
    const struct chat_socket *c = chat_socket_find(s);
    if (c == NULL) {
        return;
    }
    LIST_EACH(it, &c->places) { visit(arg, LIST_ITEM(it, struct chat_place, link)->room); }
}

/* --- rooms --- */

static void emit_object(struct chat_socket *c, span name, span members, span request_id)
{
    buf data = {0};
    buf_append_byte(&data, '{');
    buf_append_span(&data, members);
    buf_append_byte(&data, '}');
    chat_emit(c->socket, name, buf_span(&data), request_id);
    buf_deinit(&data);
}

static void on_room(struct chat_client *client, const struct chat_arrival *a)
{
    struct chat_socket *c = CONTAINER_OF(client, struct chat_socket, client);
    struct chat_place *p = chat_place_of(c, a->room);
    struct chat_wish *w = wish_of(c, a->room, false);
    bool old = c->recovered && !c->told; /* one that it had when it went, or came into meanwhile */
    bool shared = old && w == NULL && !c->alone && sio_replay_is_held(c->socket);
    if (p != NULL) { /* who watched has become a member */
        p->watching = a->watching;
        if (w != NULL) {
            emit_object(c, JOINED, a->json, wish_id(w));
        }
    } else {
        int64_t since = w != NULL && w->has_since ? w->since : -1;
        bool back = old && since < 0 && c->back.epoch == a->pos.epoch && c->back.n < a->pos.n;
        if (!(old && c->known) || w != NULL) {
            emit_object(c, JOINED, a->json, wish_id(w));
        }
        if (shared) {
            chat_place_share(c, a);
        } else {
            chat_place_open(c, a, back ? c->back : a->pos, since);
        }
        if (c->told) {
            sio_keep(c->socket);
        }
    }
    wish_free(c, w);
}

static void say_left(struct chat_socket *c, uuid room, enum chat_out why, span request_id)
{
    buf members = {0};
    struct json_writer w = json_writer_of(&members);
    chat_member_uuid(&w, "roomId", room);
    if (why != CHAT_OUT_GONE) {
        chat_member_uuid(&w, "userId", c->who.actor.id);
        json_member_string(&w, "userType", span_str(chat_user_type_name(c->who.type)));
    }
    emit_object(c, why == CHAT_OUT_GONE ? DELETED : LEFT, buf_span(&members), request_id);
    buf_deinit(&members);
}

static void on_out(struct chat_client *client, uuid room, enum chat_out why)
{
    struct chat_socket *c = CONTAINER_OF(client, struct chat_socket, client);
    struct chat_place *p = chat_place_of(c, room);
    struct chat_wish *w = wish_of(c, room, true);
    if (p != NULL) {
        chat_place_close(p);
        say_left(c, room, why, wish_id(w));
        sio_keep(c->socket);
    }
    wish_free(c, w);
}

void chat_socket_left(struct chat_socket *c, uuid room)
{
    say_left(c, room, CHAT_OUT_LEFT, SPAN_NONE);
}

static void on_listed(struct chat_client *client, err error)
{
    struct chat_socket *c = CONTAINER_OF(client, struct chat_socket, client);
    if (error == ERR_NONE) {
        c->told = true;
        c->again_ms = 0;
        chat_kept_tell(c);
        sio_keep(c->socket);
        sio_release_replay(c->socket);
        return;
    }
    sio_release_replay(c->socket);
    c->again_ms = c->again_ms == 0 ? AGAIN_MS_FIRST : c->again_ms * 2;
    c->again_ms = c->again_ms > AGAIN_MS_MAX ? AGAIN_MS_MAX : c->again_ms;
    deadline_set(home_of_socket(c), &c->again, c->again_ms);
}

/* The store failed: its rooms are asked for again, those that it has stay. */
static void on_again(struct deadline *d)
{
    struct chat_socket *c = CONTAINER_OF(d, struct chat_socket, again);
    chat_client_close(&c->client);
    chat_client_open(home_of_socket(c), &c->client, &c->who);
}

static const struct chat_client_ops client_ops = {
    .on_room = on_room, .on_out = on_out, .on_listed = on_listed};

/* --- join and leave --- */

/* {roomId,userId,userType,members,lastSeq,unread} of the room as the answer shows it. */
static void say_joined(struct chat_socket *c, const struct chat_result *r, span request_id)
{
    static const char *const shown[] = {"members", "lastSeq", "unread", "name", "type"};
    buf members = {0};
    struct json_writer w = json_writer_of(&members);
    span value;
    chat_member_uuid(&w, "roomId", r->room);
    chat_member_uuid(&w, "userId", c->who.actor.id);
    json_member_string(&w, "userType", span_str(chat_user_type_name(c->who.type)));
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        if (json_get(r->json, shown[i], &value)) {
            json_member_raw(&w, shown[i], value);
        }
    }
    emit_object(c, JOINED, buf_span(&members), request_id);
    buf_deinit(&members);
}

void chat_socket_joined(struct chat_socket *c, uuid room, span request_id, const int64_t *since,
                        const struct chat_result *r)
{
    struct chat_place *p = chat_place_of(c, room);
    if (!c->open) {
        return;
    }
    if (p != NULL) {
        say_joined(c, r, request_id);
        if (since != NULL) {
            chat_place_since(p, *since);
        }
        return;
    }
    struct chat_wish *w = wish_new(c, room, false, request_id);
    w->has_since = since != NULL;
    w->since = since == NULL ? 0 : *since;
    if (!r->created && c->who.monitors) {
        chat_watch(&c->client, room, NULL, NULL); /* a member is one there, too */
    }
}

void chat_socket_leaving(struct chat_socket *c, uuid room, span request_id)
{
    if (request_id.len > 0) {
        (void)wish_new(c, room, true, request_id);
    }
}

void chat_socket_stays(struct chat_socket *c, uuid room)
{
    wish_free(c, wish_of(c, room, true));
}

bool chat_socket_unwatch(struct chat_socket *c, uuid room)
{
    const struct chat_place *p = chat_place_of(c, room);
    if (p == NULL || !p->watching) {
        return false;
    }
    chat_unwatch(&c->client, room);
    on_out(&c->client, room, CHAT_OUT_LEFT);
    return true;
}
