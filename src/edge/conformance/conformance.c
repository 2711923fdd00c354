/*
 * Echo and publish-subscribe without identity, limits of rate or addresses: what the public
 * conformance suites and the load generators talk to.
 *
 *     s ROOM        subscribe, answered "ok ROOM"      e DATA  answered DATA
 *     p ROOM DATA   DATA to every subscriber of ROOM   i DATA  only counted
 *     c             answered with the count
 *
 * A ROOM may be a pattern (hub/pattern.h), which every home answers with "ok ROOM".
 */
#include "edge/conformance/conformance.h"

#include "edge/edge.h"
#include "hub/pattern.h"

#include <string.h>

/* The echo's limits: Autobahn sends messages of 16 MiB in up to 64 bytes a fragment. */
#define ECHO_MESSAGE_BYTES_MAX (16u << 20)
#define PUBSUB_MESSAGE_BYTES_MAX 65536
#define ROOM_BYTES_MAX 64
/* As often as peers that are measured beside it: what idle connections cost includes this. */
#define PUBSUB_PING_MS 25000
#define ROOM_PREFIX "c/"
#define ROOM_TOPIC_MAX (ROOM_BYTES_MAX + sizeof ROOM_PREFIX)

static _Atomic uint64_t counted; /* `i` messages, over all loops */

static void count_in(struct edge *e, enum frame f)
{
    stats_add(&e->stats.messages_in[STATS_CONFORMANCE][f], 1);
}

static void count_out(struct edge *e, enum frame f)
{
    stats_add(&e->stats.messages_out[STATS_CONFORMANCE][f], 1);
}

static void echo_message(struct conn *c, enum ws_opcode op, span payload)
{
    count_in(edge_of(c), FRAME_ECHO);
    count_out(edge_of(c), FRAME_ECHO);
    edge_send(c, op, payload, BLOB_ORDERED);
}

static void member_closed(struct conn *c, close_reason reason)
{
    (void)reason;
    stats_close_untimed(&edge_of(c)->stats, STATS_CONFORMANCE, STATS_CLIENT);
    edge_leave(edge_of(c), c);
}

static const struct ws_wire echo_wire = {
    .name = "conformance_ws",
    .limits = {.message_bytes_max = ECHO_MESSAGE_BYTES_MAX, .fragments_max = 0},
    .deflate = true,
    .on_message = echo_message,
    .on_writable = edge_on_writable,
    .on_close = member_closed,
};

static unsigned room_home(const struct edge *e, span room)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < room.len; i++) {
        sum = sum * 31 + room.ptr[i];
    }
    return (unsigned)(sum % loop_count(e->loop));
}

/* Rooms are topics under a prefix of their own; `buf` holds the name. */
static span room_topic(span room, char text[ROOM_TOPIC_MAX])
{
    memcpy(text, ROOM_PREFIX, sizeof ROOM_PREFIX - 1);
    memcpy(text + sizeof ROOM_PREFIX - 1, room.ptr, room.len);
    return span_of(text, sizeof ROOM_PREFIX - 1 + room.len);
}

/* At the room's home: from here on nothing published is missed, so now the answer may go. */
static void answer_subscriber(struct edge *e, span topic, struct hub_ticket who)
{
    span room = span_slice(topic, sizeof ROOM_PREFIX - 1, ROOM_BYTES_MAX);
    char answer[ROOM_BYTES_MAX + 3] = "ok ";
    memcpy(answer + 3, room.ptr, room.len);
    span text = span_of(answer, room.len + 3);
    hub_reply(e->hub, who, blob_new(BLOB_ORDERED, 0, loop_wall_ms(e->loop), text));
}

static void room_subscribed(struct topic *t, struct hub_ticket who, void *arg)
{
    answer_subscriber(arg, topic_name(t), who);
}

static void pattern_subscribed(struct hub *h, span pattern, struct hub_ticket who, void *arg)
{
    (void)h;
    answer_subscriber(arg, pattern, who);
}

static const struct topic_owner room_owner = {.on_subscribe = room_subscribed,
                                              .on_subscribe_pattern = pattern_subscribed};

void conformance_init(struct edge *e) { hub_own(e->hub, SPAN(ROOM_PREFIX), &room_owner, e); }

static void room_subscribe(struct conn *c, span room)
{
    struct edge *e = edge_of(c);
    char text[ROOM_TOPIC_MAX];
    span topic = room_topic(room, text);
    if (hub_subscribed(e->hub, conn_slot(c), topic)) {
        char answer[ROOM_BYTES_MAX + 3] = "ok ";
        memcpy(answer + 3, room.ptr, room.len);
        edge_send_text(c, span_of(answer, room.len + 3), BLOB_ORDERED);
        return;
    }
    unsigned home = pattern_is(topic) ? HUB_EVERY_HOME : room_home(e, room);
    if (!hub_subscribe(e->hub, conn_slot(c), home, topic)) {
        conn_close(c, CLOSE_POLICY); /* a pattern out of bounds */
    }
}

static void room_publish(struct edge *e, span room, span data)
{
    char text[ROOM_TOPIC_MAX];
    struct blob *b = blob_new(BLOB_ORDERED, 0, loop_wall_ms(e->loop), data);
    hub_publish(e->hub, room_home(e, room), room_topic(room, text), b);
}

static void pubsub_message(struct conn *c, enum ws_opcode op, span payload)
{
    struct edge *e = edge_of(c);
    (void)op;
    if (payload.len == 0 || (payload.len > 1 && payload.ptr[1] != ' ')) {
        conn_close(c, CLOSE_POLICY);
        return;
    }
    span rest = span_slice(payload, 2, payload.len);
    switch (payload.ptr[0]) {
    case 's':
        count_in(e, FRAME_SUBSCRIBE);
        if (rest.len == 0 || rest.len > ROOM_BYTES_MAX) {
            conn_close(c, CLOSE_POLICY);
        } else {
            room_subscribe(c, rest);
        }
        break;
    case 'p': {
        count_in(e, FRAME_PUBLISH);
        span room = span_cut(&rest, ' ');
        if (room.len > 0 && room.len <= ROOM_BYTES_MAX) {
            room_publish(e, room, rest);
        }
        break;
    }
    case 'e':
        count_in(e, FRAME_ECHO);
        count_out(e, FRAME_ECHO);
        edge_send_text(c, rest, BLOB_ORDERED);
        break;
    case 'i':
        count_in(e, FRAME_INGEST);
        atomic_fetch_add_explicit(&counted, 1, memory_order_relaxed);
        break;
    case 'c': {
        buf text = {0};
        count_in(e, FRAME_COUNT);
        count_out(e, FRAME_COUNT);
        buf_append_u64(&text, atomic_load_explicit(&counted, memory_order_relaxed));
        edge_send_text(c, buf_span(&text), BLOB_ORDERED);
        buf_deinit(&text);
        break;
    }
    default:
        count_in(e, FRAME_UNKNOWN);
        conn_close(c, CLOSE_POLICY);
    }
}

static const struct ws_wire pubsub_wire = {
    .name = "conformance_pubsub",
    .limits = {.message_bytes_max = PUBSUB_MESSAGE_BYTES_MAX, .fragments_max = 64},
    .ping_ms = PUBSUB_PING_MS,
    .text_only = true,
    .deflate = true,
    .on_message = pubsub_message,
    .on_writable = edge_on_writable,
    .on_close = member_closed,
};

static void join(struct http_exchange *x, const struct ws_wire *wire)
{
    struct edge *e = edge_of(x->conn);
    struct conn *c = ws_upgrade(x, wire, NULL, SPAN_NONE);
    if (c != NULL) {
        stats_open(&e->stats, STATS_CONFORMANCE, STATS_CLIENT);
        edge_join(e, c, WIRE_TEXT, 0);
    }
}

bool conformance_request(struct http_exchange *x)
{
    if (span_eq(x->path, SPAN("/conformance/ws"))) {
        join(x, &echo_wire);
    } else if (span_eq(x->path, SPAN("/conformance/pubsub"))) {
        join(x, &pubsub_wire);
    } else if (span_eq(x->path, SPAN("/conformance/http"))) {
        http_respond(x, 200, "application/octet-stream", x->body);
    } else {
        return false;
    }
    return true;
}
