/* The wire /ws over REST: its statistics, and broadcasts to its clients (CONTRACT 4). */
#include "base/mem.h"
#include "base/timefmt.h"
#include "edge/gather.h"
#include "edge/home/broadcast.h"
#include "edge/home/news.h"
#include "edge/rest/audit.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"
#include "edge/rest/idempotency.h"

/* --- statistics --- */

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

struct sums {
    uint64_t opened, sent, received, active_ms;
};

static void add_loop(struct sums *s, const struct edge_stats *of)
{
    uint64_t active_ms = load(&of->active_ms[STATS_HOME]);
    s->opened += load(&of->opened[STATS_HOME]);
    s->active_ms = active_ms > s->active_ms ? active_ms : s->active_ms;
    for (unsigned f = 0; f < FRAME_NAME_COUNT; f++) {
        s->sent += load(&of->messages_out[STATS_HOME][f]);
        s->received += load(&of->messages_in[STATS_HOME][f]);
    }
}

void rest_websocket_stats(struct rest_call *c)
{
    struct sums s = {0};
    for (unsigned i = 0; i < c->edge->home->count; i++) {
        add_loop(&s, &c->edge->peers[i]->stats);
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '{');
    json_member_u64(&w, "connected_clients", news_clients(c->edge));
    json_member_u64(&w, "total_connections", s.opened);
    json_member_u64(&w, "messages_sent", s.sent);
    json_member_u64(&w, "messages_received", s.received);
    rest_member_second(&w, "last_activity", (int64_t)s.active_ms);
    json_close(&w, '}');
    rest_ok(c, buf_span(&c->data));
}

/* --- broadcasts --- */

static bool refuse(struct rest_call *c, const char *member, const char *why)
{
    struct rest_fault fault = {.member = member, .detail = why};
    rest_invalid(c, rest_printf(c, "%s %s", member, why), &fault, 1);
    return false;
}

static bool read_clients(struct rest_call *c, span texts, struct broadcast *b)
{
    struct json_iter it;
    span value;
    uuid *clients = ARENA_ARRAY(&c->arena, uuid, BROADCAST_CLIENTS_MAX);
    (void)json_array_begin(&it, texts);
    while (json_array_next(&it, &value)) {
        if (!uuid_parse(json_string_in(value, &c->arena), &clients[b->client_count++])) {
            return refuse(c, "client_ids", "must be UUIDs");
        }
    }
    broadcast_sort(clients, b->client_count);
    b->clients = clients;
    return true;
}

static bool read_body(struct rest_call *c, struct broadcast *b)
{
    struct shape_broadcast in;
    if (!device_body(c, SCHEMA_broadcast, &in)) {
        return false;
    }
    if (!json_get(c->json, "data", &b->data)) {
        return refuse(c, "data", "is missing");
    }
    if (!broadcast_type_ok(in.type)) {
        return refuse(c, "type",
                      "must be a letter, then letters, digits and _, all small, and none of /ws's "
                      "own");
    }
    if (!broadcast_expires(b->data, &b->expires_ms)) {
        return refuse(c, "data.expires_at", "must be a time");
    }
    b->type = in.type;
    b->room = in.has_room_id ? in.room_id : 0;
    return !in.has_client_ids || read_clients(c, in.client_ids, b);
}

/* A room's needs the right for that room at least; any other the right for all. */
static bool may_broadcast(struct rest_call *c, const struct broadcast *b)
{
    bool may = rest_can(c, PERM_HOME_BROADCAST, b->room == 0 ? SCOPE_ALL : scope_room(b->room));
    const struct house_room_brief *room = b->room == 0 ? NULL : house_room(c->edge->home, b->room);
    struct house_rights see;
    house_rights_of(c->grant, PERM_HOME_READ, &see);
    if (b->room != 0 && (room == NULL || !(may || house_may(&see, b->room, room->private)))) {
        rest_error(c, ERR_NOT_FOUND, "there is no such room");
        return false;
    }
    if (!may) {
        rest_error(c, ERR_PERMISSION_DENIED, NULL);
    }
    return may;
}

struct broadcast_post {
    struct broadcast broadcast;
    span response;
};

static void stored(struct store_req *req)
{
    struct rest_call *c = req->owner;
    struct edge *e = c->edge;
    err error = req->error;
    struct pos pos = {0};
    if (error == ERR_NONE) {
        pos = journal_publish(e->home->journal, req, 0);
    }
    store_req_free(req);
    idem_end(c);
    c = rest_resume(c);
    if (c == NULL) {
        return;
    }
    if (error != ERR_NONE) {
        rest_error(c, error, NULL);
    } else {
        idem_ok(c, ((struct broadcast_post *)c->user)->response, &pos);
    }
}

static void log_event(struct edge *e, struct store_req *req, const struct broadcast *b)
{
    char topic[HOUSE_TOPIC_MAX];
    buf payload = {0};
    broadcast_write(&payload, b);
    journal_step(req, 0,
                 &(struct journal_event){.id = home_new_id(e->home),
                                         .time_ms = loop_wall_ms(e->loop),
                                         .event = broadcast_event(b),
                                         .topic = broadcast_topic(e->home, b, topic),
                                         .data = buf_span(&payload)});
    buf_deinit(&payload);
}

static void record(struct rest_call *c, uint64_t clients)
{
    char address[ADDR_TEXT_MAX];
    struct broadcast_post *p = c->user;
    struct edge *e = c->edge;
    struct actor who = rest_actor(c, address);
    p->response = span_str(rest_printf(
        c, "{\"message\":\"Message broadcasted successfully\",\"clients_count\":%llu,"
           "\"message_type\":\"%.*s\"}",
        (unsigned long long)clients, SPAN_FMT(p->broadcast.type)));
    struct store_req *req = store_req_new(loop_index(e->loop), 2 + idem_steps(c), stored, c);
    log_event(e, req, &p->broadcast);
    audit_step(e->home, req, 1,
               &(struct audit_entry){.who = &who,
                                     .action = "home.broadcast",
                                     .target_kind = "broadcast",
                                     .target = p->broadcast.type});
    if (idem_steps(c) > 0) {
        idem_step(c, req, 2, p->response, true);
    }
    rest_later(c);
    e->home->store->submit(e->home->store, req);
}

static void addressed(void *owner, const buf *answers, unsigned count)
{
    struct rest_call *c = owner;
    struct broadcast_reach reach = {0};
    if (c->x == NULL || answers == NULL) {
        idem_end(c);
        c = rest_resume(c);
        if (c != NULL) {
            rest_error(c, ERR_SERVER_ERROR, "not every loop answered in time");
        }
        return;
    }
    broadcast_sum(answers, count, &reach);
    if (reach.limited) {
        idem_end(c);
    }
    c = rest_resume(c);
    if (reach.limited) {
        stats_name(&c->edge->stats.rate_limited, "home_broadcast");
        rest_retry_later(c, ERR_RATE_LIMIT_EXCEEDED, reach.retry_ms);
    } else {
        record(c, reach.clients);
    }
}

static void run(struct rest_call *c)
{
    const struct broadcast_post *p = c->user;
    rest_later(c);
    gather(c->edge, broadcast_question(c->edge, c->grant->principal, &p->broadcast), broadcast_ask,
           addressed, c);
}

void rest_websocket_broadcast(struct rest_call *c)
{
    struct broadcast_post *p = ARENA_NEW(&c->arena, struct broadcast_post);
    if (read_body(c, &p->broadcast) && may_broadcast(c, &p->broadcast)) {
        c->user = p;
        idem_begin(c, run);
    }
}
