/*
 * GET /api/v1/events: the ordered events that the principal may read, as server-sent events
 * (CONTRACT 7). One stream is one member of the hub and one session of its principal.
 *
 * What it reaches is fixed when it opens: every device and every room of the house by patterns, or
 * each that the principal has a binding for; broadcasts come with the rooms. When changed rights
 * change that, the stream ends at once and says so; its client comes back with Last-Event-ID, is
 * judged anew, and has missed nothing. Rooms of chat are followed as they come and go (chat.c).
 */
#include "edge/sse/sse.h"

#include "base/mem.h"
#include "base/timefmt.h"
#include "domain/device.h"
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"
#include "edge/sse/frame.h"
#include "net/stream.h"
#include "tables/events.h"

#define CONTENT_TYPE "text/event-stream"
#define WRITE_MS 10000 /* as on every wire (CONTRACT 6) */
/* How long a client waits before it comes back, spread, for after a restart all of them do. */
#define RETRY_MS_MIN 1000
#define RETRY_MS_SPREAD 2000

_Static_assert(EVENT_COUNT <= 64, "types are bits");

/* --- the stream --- */

void sse_say(struct sse *s, const buf *frame, enum blob_class cls)
{
    hub_send_bytes(s->edge->hub, conn_slot(s->conn), buf_span(frame), cls);
}

static void on_gap(struct resume *r, struct pos from, struct pos to)
{
    struct sse *s = CONTAINER_OF(r, struct sse, resume);
    buf frame = {0};
    sse_gap(&frame, from, to);
    sse_say(s, &frame, BLOB_ORDERED);
    buf_deinit(&frame);
}

static const struct resume_wire resume_wire = {.name = "sse", .on_gap = on_gap};

static void on_writable(struct conn *c)
{
    struct sse *s = stream_user(c);
    edge_on_writable(c);
    resume_writable(&s->resume);
}

static void on_beat(struct conn *c)
{
    struct sse *s = stream_user(c);
    buf frame = {0};
    sse_beat(&frame, resume_pos(&s->resume));
    sse_say(s, &frame, BLOB_EPHEMERAL);
    buf_deinit(&frame);
}

static void sse_free(struct sse *s)
{
    sse_chat_close(s);
    session_close(&s->session);
    reach_free(&s->reach);
    mem_free(s);
}

static void on_close(struct conn *c, close_reason reason)
{
    struct sse *s = stream_user(c);
    struct edge *e = s->edge;
    if (close_code(reason) != 0) {
        buf frame = {0};
        sse_closing(&frame, reason);
        sse_say(s, &frame, BLOB_ORDERED);
        buf_deinit(&frame);
    }
    resume_close(&s->resume, reason);
    clients_leave(e, c, reason);
    edge_leave(e, c);
    stats_close(&e->stats, STATS_SSE,
                s->session.grant->kind == PRINCIPAL_DEVICE ? STATS_DEVICE : STATS_CLIENT,
                (loop_now_ns(e->loop) - s->opened_ns) / 1000);
    sse_free(s);
}

static const struct stream_wire stream_wire = {.name = "sse",
                                               .write_ms = WRITE_MS,
                                               .on_writable = on_writable,
                                               .on_beat = on_beat,
                                               .on_close = on_close};

/* --- rights --- */

/* Of what was asked for: no rooms where only a device was. */
static struct house_rights rooms_of(const struct grant *g, const struct sse *s)
{
    struct house_rights r = {0};
    if (s->room != 0 || (!s->has_device && uuid_is_nil(s->chat.only))) {
        house_rights_of(g, PERM_HOME_READ, &r);
    }
    return r;
}

static bool same_rooms(const struct house_rights *a, const struct house_rights *b)
{
    return a->all == b->all && a->count == b->count &&
           memcmp(a->rooms, b->rooms, a->count * sizeof a->rooms[0]) == 0;
}

static struct reach devices_of(const struct grant *g, const struct sse *s)
{
    bool room = s->room != 0 || !uuid_is_nil(s->chat.only);
    if (room && !s->has_device) {
        return (struct reach){0};
    }
    return reach_of(g, s->has_device ? &s->device : NULL);
}

static void recheck(struct sse *s)
{
    const struct grant *g = s->session.grant;
    struct chat_who who;
    struct reach now = devices_of(g, s);
    struct house_rights rooms = rooms_of(g, s);
    bool same = reach_eq(&now, &s->reach) && same_rooms(&rooms, &s->rooms) && sse_chat_same(s, g);
    bool chats = s->chat.wanted && chat_who_of(g, SPAN_NONE, &who);
    bool nothing = !now.all && now.count == 0 && !rooms.all && rooms.count == 0 && !chats;
    reach_free(&now);
    if (!same) {
        conn_close(s->conn, nothing ? CLOSE_REVOKED : CLOSE_MOVED);
    }
}

static void tell_expiring(struct sse *s)
{
    char text[TIME_MS_LEN + 1];
    buf frame = {0}, data = {0};
    time_format_ms(s->session.grant->expires_ms, text);
    buf_printf(&data, "{\"expiresAt\":\"%s\"}", text);
    sse_event(&frame, "auth:expiring", buf_span(&data));
    sse_say(s, &frame, BLOB_ORDERED);
    buf_deinit(&frame);
    buf_deinit(&data);
}

static void on_change(struct session *session, enum session_change change)
{
    struct sse *s = CONTAINER_OF(session, struct sse, session);
    if (s->conn == NULL || !conn_is_open(s->conn)) {
        return;
    }
    switch (change) {
    case SESSION_REVOKED:
        conn_close(s->conn, CLOSE_REVOKED);
        break;
    case SESSION_DISABLED:
        conn_close(s->conn, CLOSE_DISABLED);
        break;
    case SESSION_RIGHTS:
        clients_rights(s->edge, s->conn, s->session.grant);
        recheck(s);
        break;
    case SESSION_EXPIRING:
        tell_expiring(s);
        break;
    case SESSION_EXPIRED:
        conn_close(s->conn, CLOSE_TOKEN_EXPIRED);
        break;
    }
}

/* --- being shown --- */

static void each_row(void *peer, client_show show, void *arg)
{
    struct sse *s = peer;
    char name[CLIENT_NAME_MAX];
    show(arg, &(struct client_row){.number = 1,
                                   .socket_id = client_name(s->conn, name),
                                   .grant = s->session.grant,
                                   .device = s->has_device ? s->device : (uuid){{0}}});
}

static void kick(void *peer) { conn_close(((struct sse *)peer)->conn, CLOSE_KICKED); }

static const struct client_ops client_ops = {.wire = STATS_SSE, .each = each_row, .kick = kick};

/* --- admission --- */

struct wish {
    struct rest_call *call;
    struct resume_ask ask;
    uint64_t events; /* bit per enum event */
    bool has_device;
    uuid device;
    int64_t room; /* of the house; 0: none */
    uuid chat_room; /* nil: none */
};

/* What streams tell of the log, under the name that it has there. */
static bool is_told(enum event e)
{
    return event_spoken(e) == e && (event_row(e)->to >> PEER_STREAM & 1) != 0;
}

/* `types`: names of events, comma separated; absent or empty: all. */
static bool read_types(struct rest_call *c, uint64_t *events)
{
    span rest = rest_query(c, "types");
    *events = rest.len == 0 ? UINT64_MAX : 0;
    while (rest.len > 0) {
        span name = span_trim(span_cut(&rest, ','));
        enum event e = event_by_name((const char *)name.ptr, name.len);
        if (e == EVENT_COUNT || !is_told(e)) {
            device_bad_query(c, "types", "names an event that no stream tells");
            return false;
        }
        *events |= 1ULL << e;
    }
    for (unsigned e = 0; e < EVENT_COUNT; e++) { /* and what is told under these names */
        *events |= (*events >> event_spoken((enum event)e) & 1) << e;
    }
    return true;
}

static bool read_since(struct rest_call *c, struct resume_ask *ask)
{
    span last = http1_field(c->x->req, "Last-Event-ID");
    if (!resume_ask_parse(last.len > 0 ? last : rest_query(c, "since"), SPAN_NONE, ask)) {
        device_bad_query(c, last.len > 0 ? "Last-Event-ID" : "since", "is no position of ours");
        return false;
    }
    return true;
}

static bool read_device(struct rest_call *c, struct wish *w)
{
    span text = rest_query(c, "device_id");
    w->has_device = text.len > 0;
    if (w->has_device && !uuid_parse(text, &w->device)) {
        device_bad_query(c, "device_id", "must be a UUID");
        return false;
    }
    if (w->has_device && !can_somewhere(c->grant, PERM_DEVICE_READ)) {
        rest_error(c, ERR_PERMISSION_DENIED, NULL);
        return false;
    }
    if (w->has_device && !rest_can(c, PERM_DEVICE_READ, scope_device(w->device))) {
        rest_error(c, ERR_DEVICE_NOT_FOUND, NULL); /* as if it were not there (CONTRACT 3) */
        return false;
    }
    return true;
}

static bool chats(const struct rest_call *c, struct chat_who *who)
{
    return c->edge->home->chat != NULL && chat_who_of(c->grant, SPAN_NONE, who);
}

static bool read_room(struct rest_call *c, struct wish *w)
{
    uint64_t id = 0;
    struct house_rights see;
    struct chat_who who;
    span text = rest_query(c, "room_id");
    if (text.len == 0) {
        return true;
    }
    if (uuid_parse(text, &w->chat_room) && !uuid_is_nil(w->chat_room)) {
        bool may = chats(c, &who);
        if (!may) {
            rest_error(c, ERR_PERMISSION_DENIED, NULL);
        }
        return may;
    }
    if (!span_u64(text, ROUTE_INT_MAX, &id) || id == 0) {
        device_bad_query(c, "room_id", "must be the number of a room, or the UUID of one of chat");
        return false;
    }
    w->room = (int64_t)id;
    house_rights_of(c->grant, PERM_HOME_READ, &see);
    const struct house_room_brief *room = house_room(c->edge->home, w->room);
    /* Who comes back must hear that the room was deleted. */
    bool there = room != NULL || w->ask.has_since;
    if (!there || !house_may(&see, w->room, room != NULL && room->private)) {
        rest_error(c, ERR_NOT_FOUND, "there is no such room");
        return false;
    }
    return true;
}

/* Its events are on one of two topics, by whether it is private. */
static void subscribe_room(struct sse *s, int64_t room)
{
    char text[HOUSE_TOPIC_MAX];
    resume_subscribe(&s->resume, house_events_topic(room, false, text));
    resume_subscribe(&s->resume, house_events_topic(room, true, text));
}

static void subscribe_rooms(struct sse *s)
{
    if (s->room != 0) {
        subscribe_room(s, s->room);
    } else if (s->rooms.all) {
        resume_subscribe(&s->resume, SPAN(HOUSE_EVENTS_OPEN));
        resume_subscribe(&s->resume, SPAN(HOUSE_EVENTS_PRIVATE));
    } else if (s->rooms.count > 0) {
        resume_subscribe(&s->resume, SPAN(HOUSE_EVENTS_ALL));
        for (unsigned i = 0; i < s->rooms.count; i++) {
            subscribe_room(s, s->rooms.rooms[i]);
        }
    }
}

void sse_subscribe(struct sse *s)
{
    char text[DEVICE_EVENTS_TOPIC_MAX];
    subscribe_rooms(s);
    if (s->reach.all) {
        resume_subscribe(&s->resume, SPAN(DEVICE_EVENTS_PATTERN));
    }
    for (unsigned i = 0; i < s->reach.count; i++) {
        resume_subscribe(&s->resume, device_events_topic(s->reach.devices[i], text));
    }
}

static void welcome(struct sse *s, const struct wish *w)
{
    struct edge *e = s->edge;
    buf hello = {0};
    char name[CLIENT_NAME_MAX];
    uint32_t slot = conn_slot(s->conn);
    bool device = s->session.grant->kind == PRINCIPAL_DEVICE;
    s->opened_ns = loop_now_ns(e->loop);
    stats_open(&e->stats, STATS_SSE, device ? STATS_DEVICE : STATS_CLIENT);
    LOG(loop_log(e->loop), LOG_INFO, "conn.open", LOG_U64("conn", slot), LOG_STR("wire", "sse"),
        LOG_STR("client_type", device ? "device" : "client"));
    edge_join(e, s->conn, WIRE_SSE, 0);
    clients_join(e, s->conn, &client_ops, s, s->session.grant, client_name(s->conn, name));
    if (s->events != UINT64_MAX) {
        hub_member_events(e->hub, slot, s->events);
    }
    resume_open(&s->resume, &resume_wire, s->conn, s->session.grant->principal, &w->ask, NULL);
    sse_hello(&hello, RETRY_MS_MIN + (slot * 2654435761u >> 16) % RETRY_MS_SPREAD,
              resume_start(&s->resume));
    sse_say(s, &hello, BLOB_ORDERED);
    buf_deinit(&hello);
    if (s->chat.wanted) {
        sse_chat_open(s);
    } else {
        sse_subscribe(s);
    }
}

/* Whether it would tell of chat, to who chats. */
static bool asks_for_chat(const struct wish *w)
{
    bool all = !w->has_device && w->room == 0 && (w->events & sse_chat_events()) != 0;
    return all || !uuid_is_nil(w->chat_room);
}

static struct sse *sse_new(const struct wish *w)
{
    const struct rest_call *c = w->call;
    struct sse *s = mem_calloc(1, sizeof *s);
    struct sse_chat *chat = &s->chat;
    s->edge = c->edge;
    s->events = w->events;
    s->has_device = w->has_device;
    s->device = w->device;
    s->room = w->room;
    s->session.on_change = on_change;
    chat->only = w->chat_room;
    chat->asked = asks_for_chat(w) && c->edge->home->chat != NULL;
    chat->wanted = chat->asked && chats(c, &chat->who);
    s->reach = devices_of(c->grant, s);
    s->rooms = rooms_of(c->grant, s);
    return s;
}

static void begin(struct wish *w)
{
    struct rest_call *c = w->call;
    struct sse *s = sse_new(w);
    struct wish wish = *w; /* its memory ends with the call */
    if (s->reach.count > REACH_DEVICES_MAX) {
        sse_free(s);
        device_bad_query(c, "device_id", "is needed: your bindings name too many devices");
        return;
    }
    if (!session_open(c->edge->home, &s->session, rest_take_grant(c))) {
        rest_error(c, ERR_RATE_LIMIT_EXCEEDED, "too many sessions of this principal");
        sse_free(s);
        return;
    }
    s->conn = rest_stream(c, CONTENT_TYPE, &stream_wire, s);
    if (s->conn == NULL) { /* a HEAD */
        sse_free(s);
        return;
    }
    welcome(s, &wish);
}

static void room_is_there(void *owner, const struct chat_result *r)
{
    struct wish *w = owner;
    if (chat_answer_call(w->call, r) != NULL) {
        begin(w);
    }
}

static void look_at_room(struct wish *w)
{
    struct rest_call *c = w->call;
    char address[ADDR_TEXT_MAX];
    struct chat_who who;
    if (uuid_is_nil(w->chat_room)) {
        begin(w);
        return;
    }
    who = chat_caller(c, address);
    rest_later(c);
    chat_may_hear(c->edge->home, w->chat_room, &who, room_is_there, w);
}

static void device_is_there(void *owner, const struct device_result *r)
{
    struct wish *w = owner;
    if (device_answer(w->call, r) != NULL) {
        look_at_room(w);
    }
}

static bool may_listen(const struct rest_call *c)
{
    struct chat_who who;
    return can_somewhere(c->grant, PERM_DEVICE_READ) || can_somewhere(c->grant, PERM_HOME_READ) ||
           chats(c, &who);
}

void rest_events(struct rest_call *c)
{
    struct wish *w = ARENA_NEW(&c->arena, struct wish);
    w->call = c;
    if (!may_listen(c)) {
        rest_error(c, ERR_PERMISSION_DENIED, NULL);
        return;
    }
    if (!read_types(c, &w->events) || !read_since(c, &w->ask) || !read_device(c, w) ||
        !read_room(c, w)) {
        return;
    }
    if (w->has_device && !w->ask.has_since) {
        rest_later(c);
        device_get(c->edge->home, w->device, device_is_there, w);
    } else { /* who comes back must hear that the device was deleted */
        look_at_room(w);
    }
}
