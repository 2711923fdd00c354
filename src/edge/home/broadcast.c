#include "edge/home/broadcast.h"

#include "base/mem.h"
#include "base/timefmt.h"
#include "codec/json/read.h"
#include "codec/json/write.h"
#include "edge/clients.h"
#include "edge/home/news.h"
#include "edge/home/session.h"
#include "hub/ratelimit.h"

#include <stdlib.h>

#define MINUTE_MS 60000
#define PRINCIPALS_MAX 4096 /* kept at once; beyond, the one seen longest ago is forgotten */

struct broadcasts {
    struct limiter *limiter; /* of principals whose home is here; NULL until the first */
    uint32_t per_min;        /* with which it was made */
    struct blob *blob;       /* the one that was read last, a reference; NULL: none */
    struct broadcast read;
    struct arena arena;
    bool ok;
};

/* --- what is said --- */

bool broadcast_type_ok(span type)
{
    if (type.len == 0 || type.len > BROADCAST_TYPE_MAX || type.ptr[0] < 'a' || type.ptr[0] > 'z') {
        return false;
    }
    for (size_t i = 0; i < type.len; i++) {
        uint8_t c = type.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            return false;
        }
    }
    return !event_is_spoken(PEER_HOME, (const char *)type.ptr, type.len);
}

bool broadcast_expires(span data, int64_t *out)
{
    span value;
    *out = 0;
    if (!json_get(data, "expires_at", &value) || json_type(value) == JSON_NULL) {
        return true;
    }
    if (json_type(value) == JSON_STRING) { /* a time has no escapes */
        return value.len >= 2 && time_parse(span_slice(value, 1, value.len - 2), out) && *out > 0;
    }
    return json_i64(value, out) && *out > 0;
}

static int by_id(const void *a, const void *b) { return memcmp(a, b, sizeof(uuid)); }

void broadcast_sort(uuid *clients, unsigned count)
{
    qsort(clients, count, sizeof *clients, by_id);
}

enum event broadcast_event(const struct broadcast *b)
{
    return b->room != 0 || b->client_count > 0 || b->expires_ms != 0 ? EVENT_HOME_BROADCAST_SOME
                                                                     : EVENT_HOME_BROADCAST;
}

span broadcast_topic(const struct home *h, const struct broadcast *b, char out[HOUSE_TOPIC_MAX])
{
    const struct house_room_brief *room = b->room == 0 ? NULL : house_room(h, b->room);
    return room == NULL ? SPAN(HOUSE_EVENTS_ALL) : house_events_topic(b->room, room->private, out);
}

void broadcast_write(buf *out, const struct broadcast *b)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "type", b->type);
    json_member_raw(&w, "data", b->data);
    if (b->room != 0) {
        json_member_i64(&w, "room_id", b->room);
    }
    if (b->client_count > 0) {
        json_member_open(&w, "client_ids", '[');
        for (unsigned i = 0; i < b->client_count; i++) {
            char text[UUID_TEXT_LEN + 1];
            uuid_format(b->clients[i], text);
            json_write_string(&w, span_of(text, UUID_TEXT_LEN));
        }
        json_close(&w, ']');
    }
    json_close(&w, '}');
}

static bool read_clients(span list, struct arena *a, struct broadcast *out)
{
    struct json_iter it;
    span value;
    size_t count = json_count(list);
    if (!json_array_begin(&it, list) || count > BROADCAST_CLIENTS_MAX) {
        return false;
    }
    uuid *clients = ARENA_ARRAY(a, uuid, count + 1);
    while (out->client_count < count && json_array_next(&it, &value)) {
        if (!uuid_parse(json_string_in(value, a), &clients[out->client_count++])) {
            return false;
        }
    }
    broadcast_sort(clients, out->client_count);
    out->clients = clients;
    return true;
}

bool broadcast_read(span json, struct arena *a, struct broadcast *out)
{
    span type, value;
    *out = (struct broadcast){0};
    if (!json_get(json, "type", &type) || json_type(type) != JSON_STRING ||
        !json_get(json, "data", &out->data) || !broadcast_expires(out->data, &out->expires_ms)) {
        return false;
    }
    out->type = json_string_in(type, a);
    if (json_get(json, "room_id", &value) && (!json_i64(value, &out->room) || out->room < 1)) {
        return false;
    }
    return !json_get(json, "client_ids", &value) || read_clients(value, a, out);
}

/* Parsed once for all members who are asked about it. */
static const struct broadcast *read_blob(struct edge *e, const struct blob *b)
{
    struct broadcasts *all = e->broadcasts;
    if (all->blob != b) {
        blob_unref(all->blob);
        arena_reset(&all->arena);
        all->blob = blob_ref((struct blob *)b);
        all->ok = broadcast_read(blob_payload(b), &all->arena, &all->read);
    }
    return all->ok ? &all->read : NULL;
}

/* --- for whom --- */

static bool reaches_room(const struct edge *e, const struct home_client *m, int64_t id)
{
    struct house_rights see;
    const struct house_room_brief *room = house_room(e->home, id);
    if (room == NULL || (m->rooms != NULL && !home_rooms_have(m, id))) {
        return false;
    }
    house_rights_of(m->session.grant, PERM_HOME_READ, &see);
    return house_may(&see, id, room->private);
}

static bool is_for(const struct edge *e, const struct home_client *m, const struct broadcast *b)
{
    bool named = b->client_count == 0 ||
                 bsearch(&m->id, b->clients, b->client_count, sizeof m->id, by_id) != NULL;
    return named && (b->room == 0 || reaches_room(e, m, b->room));
}

/* Whether it comes from the log and not from the gate: before a reader is live none of its topics
 * is. */
static bool is_replayed(const struct edge *e, uint32_t member, const struct broadcast *b)
{
    char text[HOUSE_TOPIC_MAX];
    return !hub_hears(e->hub, member, JOURNAL_HOME, SPAN(HOUSE_EVENTS_ALL)) &&
           !hub_hears(e->hub, member, JOURNAL_HOME, broadcast_topic(e->home, b, text));
}

bool broadcast_wants(struct edge *e, uint32_t member, const struct blob *blob)
{
    const struct broadcast *b = read_blob(e, blob);
    const struct home_client *m = clients_peer(e, STATS_HOME, member);
    if (b == NULL) {
        return false;
    }
    if (b->expires_ms != 0 && b->expires_ms <= loop_wall_ms(e->loop) && is_replayed(e, member, b)) {
        return false;
    }
    if (m != NULL) {
        return is_for(e, m, b);
    }
    /* A stream of events has the topics of what it may see. */
    return clients_peer(e, STATS_SSE, member) != NULL && b->client_count == 0;
}

/* --- how many --- */

struct question {
    uuid principal;
    unsigned home;
    struct broadcast broadcast; /* its room and clients */
    uuid clients[];
};

void *broadcast_question(const struct edge *e, uuid principal, const struct broadcast *b)
{
    size_t bytes = b->client_count * sizeof(uuid);
    struct question *q = mem_calloc(1, sizeof *q + bytes);
    q->principal = principal;
    q->home = home_of(e->home, principal);
    q->broadcast = (struct broadcast){.room = b->room, .client_count = b->client_count};
    if (bytes > 0) {
        memcpy(q->clients, b->clients, bytes);
    }
    return q;
}

/* What all may send comes at once if need be, then one by one. */
static bool within_rate(struct edge *e, uuid principal, uint32_t *retry_ms)
{
    struct broadcasts *all = e->broadcasts;
    uint32_t per_min = e->conf->home.broadcasts_per_min;
    if (all->limiter == NULL || all->per_min != per_min) { /* the setting has changed */
        struct bucket_rule rule = {.count = per_min, .period_ms = MINUTE_MS, .burst = per_min};
        limiter_free(all->limiter);
        all->limiter = limiter_new(&rule, PRINCIPALS_MAX);
        all->per_min = per_min;
    }
    return limiter_take(all->limiter, span_of(&principal, sizeof principal),
                        loop_now_ms(e->loop), retry_ms);
}

static uint64_t count_reached(struct edge *e, const struct broadcast *b)
{
    uint64_t count = 0;
    buf slots = {0};
    clients_slots(e, STATS_HOME, 0, 1, &slots);
    const uint32_t *slot = (const uint32_t *)(const void *)slots.ptr;
    for (size_t i = 0; i < slots.len / sizeof *slot; i++) {
        count += is_for(e, clients_peer(e, STATS_HOME, slot[i]), b);
    }
    buf_deinit(&slots);
    return count;
}

void broadcast_ask(struct edge *e, const void *in, buf *out)
{
    const struct question *q = in;
    struct broadcast b = q->broadcast;
    struct broadcast_reach part = {0};
    b.clients = q->clients;
    part.clients = count_reached(e, &b);
    part.limited = q->home == loop_index(e->loop) && !within_rate(e, q->principal, &part.retry_ms);
    buf_append(out, &part, sizeof part);
}

void broadcast_sum(const buf *answers, unsigned count, struct broadcast_reach *out)
{
    *out = (struct broadcast_reach){0};
    for (unsigned i = 0; i < count; i++) {
        struct broadcast_reach part;
        memcpy(&part, answers[i].ptr, sizeof part);
        out->clients += part.clients;
        out->limited = out->limited || part.limited;
        out->retry_ms = part.limited ? part.retry_ms : out->retry_ms;
    }
}

/* --- the edge's --- */

void broadcast_init(struct edge *e) { e->broadcasts = mem_calloc(1, sizeof *e->broadcasts); }

void broadcast_deinit(struct edge *e)
{
    struct broadcasts *all = e->broadcasts;
    if (all != NULL) {
        blob_unref(all->blob);
        arena_reset(&all->arena);
        limiter_free(all->limiter);
        mem_free(all);
        e->broadcasts = NULL;
    }
}
