/* Chat on a stream (sse.h). */
#include "base/mem.h"
#include "edge/socketio/chat.h"
#include "edge/sse/frame.h"
#include "edge/sse/sse.h"
#include "shape/chat.h"
#include "tables/events.h"

static struct sse *of_client(struct chat_client *c)
{
    return CONTAINER_OF(CONTAINER_OF(c, struct sse_chat, client), struct sse, chat);
}

uint64_t sse_chat_events(void)
{
    uint64_t events = 0;
    for (unsigned e = 0; e < EVENT_COUNT; e++) {
        events |= (uint64_t)event_is_chat((enum event)e) << e;
    }
    return events;
}

/* --- what it says itself --- */

/* The stream is in a room, or is not: events without a place in the log. What comes next of a room
 * that it came into may be older than what it has had: its reader goes on from `at`. */
static void say(struct sse *s, enum event e, span data, const struct pos *at)
{
    buf frame = {0};
    if ((s->events >> e & 1) != 0) {
        if (at != NULL) {
            sse_at(&frame, *at);
        }
        sse_event(&frame, event_name(e), data);
        sse_say(s, &frame, BLOB_ORDERED);
    } else if (at != NULL) {
        sse_beat(&frame, *at);
        sse_say(s, &frame, BLOB_ORDERED);
    }
    buf_deinit(&frame);
}

static void say_joined(struct sse *s, const struct chat_arrival *a)
{
    buf data = {0};
    struct pos at = resume_pos(&s->resume);
    buf_append_byte(&data, '{');
    buf_append_span(&data, a->json);
    buf_append_byte(&data, '}');
    say(s, EVENT_CHAT_ROOM_JOINED, buf_span(&data), &at);
    buf_deinit(&data);
}

static void say_out(struct sse *s, uuid room, enum chat_out why)
{
    buf data = {0};
    if (why == CHAT_OUT_GONE) {
        chat_put_room_ref(&data, room);
    } else {
        chat_put_left(&data, room, s->chat.who.actor.id, s->chat.who.type);
    }
    say(s, why == CHAT_OUT_GONE ? EVENT_CHAT_ROOM_DELETED : EVENT_CHAT_ROOM_LEFT, buf_span(&data),
        NULL);
    buf_deinit(&data);
}

/* --- rooms --- */

static unsigned place_of(const struct sse_chat *c, uuid room)
{
    unsigned i = 0;
    while (i < c->count && !uuid_eq(c->rooms[i], room)) {
        i++;
    }
    return i;
}

static void place_add(struct sse_chat *c, const struct chat_arrival *a)
{
    if (c->count == c->cap) {
        c->cap = c->cap == 0 ? 8 : 2 * c->cap;
        c->rooms = mem_realloc(c->rooms, c->cap * sizeof *c->rooms);
    }
    c->rooms[c->count++] = a->room;
    if (a->guest) { /* who has one room */
        c->first_seq = a->first_seq;
        c->joined_ms = a->joined_ms;
    }
}

static void on_room(struct chat_client *client, const struct chat_arrival *a)
{
    struct sse *s = of_client(client);
    char topic[CHAT_TOPIC_MAX];
    if (place_of(&s->chat, a->room) < s->chat.count) {
        return; /* who watched has become a member */
    }
    place_add(&s->chat, a);
    if (s->chat.told) {
        resume_subscribe_after(&s->resume, chat_room_topic(a->room, topic), a->pos);
        say_joined(s, a);
    }
}

static void on_out(struct chat_client *client, uuid room, enum chat_out why)
{
    struct sse *s = of_client(client);
    struct sse_chat *c = &s->chat;
    char topic[CHAT_TOPIC_MAX];
    unsigned i = place_of(c, room);
    if (i == c->count) {
        return;
    }
    c->rooms[i] = c->rooms[--c->count];
    if (c->told) {
        (void)resume_unsubscribe(&s->resume, chat_room_topic(room, topic));
        say_out(s, room, why);
    }
    if (!uuid_is_nil(c->only)) { /* a supervisor may come back, and watch */
        conn_close(s->conn, c->who.monitors && why != CHAT_OUT_GONE ? CLOSE_MOVED : CLOSE_REVOKED);
    }
}

/* Those that go to the principal itself, and who waits for somebody where it may go there. */
static void subscribe_own(struct sse *s)
{
    const struct chat_who *who = &s->chat.who;
    char topic[CHAT_TOPIC_MAX];
    resume_subscribe(&s->resume, chat_user_topic(who->actor.id, topic));
    if (who->type != CHAT_GUEST && who->kind != PRINCIPAL_ROBOT) {
        resume_subscribe(&s->resume, SPAN(CHAT_DESK_TOPIC));
    }
    if (who->monitors) {
        resume_subscribe(&s->resume, SPAN(CHAT_STAFF_TOPIC));
    }
}

static void on_listed(struct chat_client *client, err error)
{
    struct sse *s = of_client(client);
    struct sse_chat *c = &s->chat;
    char topic[CHAT_TOPIC_MAX];
    if (error != ERR_NONE) {
        LOG(loop_log(s->edge->loop), LOG_WARN, "error", LOG_STR("what", "rooms of a stream"),
            LOG_STR("error", err_name(error)), LOG_U64("conn", conn_slot(s->conn)));
        conn_close(s->conn, CLOSE_SLOW); /* it has to come back */
        return;
    }
    if (!uuid_is_nil(c->only) && c->count == 0) { /* removed since it was let in */
        conn_close(s->conn, CLOSE_REVOKED);
        return;
    }
    c->told = true;
    sse_subscribe(s);
    if (uuid_is_nil(c->only)) {
        subscribe_own(s);
    }
    for (unsigned i = 0; i < c->count; i++) {
        resume_subscribe(&s->resume, chat_room_topic(c->rooms[i], topic));
    }
}

static const struct chat_client_ops client_ops = {
    .unseen = true, .on_room = on_room, .on_out = on_out, .on_listed = on_listed};

/* --- the stream --- */

void sse_chat_open(struct sse *s)
{
    struct sse_chat *c = &s->chat;
    struct home *h = s->edge->home;
    c->client.ops = &client_ops;
    if (uuid_is_nil(c->only)) {
        chat_client_open(h, &c->client, &c->who);
    } else {
        chat_client_open_room(h, &c->client, &c->who, c->only);
    }
}

void sse_chat_close(struct sse *s)
{
    chat_client_close(&s->chat.client);
    mem_free(s->chat.rooms);
    s->chat.rooms = NULL;
    s->chat.count = s->chat.cap = 0;
}

bool sse_chat_same(const struct sse *s, const struct grant *g)
{
    const struct chat_who *had = &s->chat.who;
    struct chat_who who;
    if (!s->chat.asked || chat_who_of(g, SPAN_NONE, &who) != s->chat.wanted) {
        return !s->chat.asked;
    }
    return !s->chat.wanted || (who.type == had->type && who.monitors == had->monitors &&
                               uuid_eq(who.only, had->only));
}

/* --- what a guest hears --- */

bool sse_had(const struct edge *e, uint32_t member, const struct blob *b)
{
    const struct sse *s = clients_peer(e, STATS_SSE, member);
    if (s == NULL || s->chat.who.type != CHAT_GUEST || !event_is_chat((enum event)b->event)) {
        return true;
    }
    return b->event == EVENT_CHAT_MESSAGE_RECEIVED || b->event == EVENT_CHAT_MESSAGE_UPDATED
               ? chat_stored_seq(blob_payload(b)) > s->chat.first_seq
               : b->time_ms >= s->chat.joined_ms;
}
