/* How many are connected, by what they are, over all loops, and who is watched most (CONTRACT 7).
 * Each loop has kept count; only watched devices are walked over. */
#include "base/mem.h"
#include "domain/fleet.h"
#include "edge/clients.h"
#include "edge/gather.h"
#include "edge/rest/handlers.h"
#include "edge/rest/rest.h"

#include <stdlib.h>

/* Devices that are shown. */
#define WATCHED_MAX 20

struct counted {
    struct clients_count count;
    unsigned viewers; /* of devices whose home the loop is */
    unsigned watched_count;
    struct fleet_watched watched[WATCHED_MAX];
};

static void ask_count(struct edge *e, const void *in, buf *out)
{
    struct counted it = {0};
    struct fleet_stats fleet;
    (void)in;
    fleet_stats(e->home->fleet, &fleet);
    clients_count(e, &it.count);
    it.viewers = fleet.viewers;
    it.watched_count = fleet_watched(e->home->fleet, it.watched, WATCHED_MAX);
    buf_append(out, &it, sizeof it);
}

static int by_viewers(const void *a, const void *b)
{
    const struct fleet_watched *x = a, *y = b;
    return x->viewers != y->viewers ? (x->viewers < y->viewers) - (x->viewers > y->viewers)
                                    : memcmp(&x->device, &y->device, sizeof x->device);
}

static void add_counts(struct clients_count *sum, const struct clients_count *one)
{
    sum->joined_min += one->joined_min;
    sum->left_min += one->left_min;
    for (unsigned w = 0; w < STATS_WIRE_COUNT; w++) {
        for (unsigned t = 0; t < CLIENT_TYPE_COUNT; t++) {
            sum->by[w][t] += one->by[w][t];
        }
    }
}

static uint32_t of_type(const struct clients_count *n, unsigned type)
{
    uint32_t sum = 0;
    for (unsigned w = 0; w < STATS_WIRE_COUNT; w++) {
        sum += n->by[w][type];
    }
    return sum;
}

static uint32_t of_wire(const struct clients_count *n, unsigned wire)
{
    uint32_t sum = 0;
    for (unsigned t = 0; t < CLIENT_TYPE_COUNT; t++) {
        sum += n->by[wire][t];
    }
    return sum;
}

static void put_counts(struct rest_call *c, struct json_writer *w, const struct clients_count *n)
{
    uint32_t total = 0, devices = of_type(n, CLIENT_DEVICE);
    for (unsigned t = 0; t < CLIENT_TYPE_COUNT; t++) {
        total += of_type(n, t);
    }
    json_member_u64(w, "total", total);
    json_member_open(w, "client_type", '{');
    json_member_u64(w, "device", devices);
    json_member_u64(w, "client", total - devices);
    json_close(w, '}');
    json_member_open(w, "user_type", '{');
    for (unsigned t = 0; t < CLIENT_TYPE_COUNT; t++) {
        json_member_u64(w, client_type_name((enum client_type)t), of_type(n, t));
    }
    json_close(w, '}');
    json_member_open(w, "wire", '{');
    json_member_u64(w, "socketio", of_wire(n, STATS_SOCKETIO));
    json_member_u64(w, "monitor", of_wire(n, STATS_MONITOR));
    json_member_u64(w, "sse", of_wire(n, STATS_SSE));
    json_member_u64(w, "home", of_wire(n, STATS_HOME));
    json_close(w, '}');
    json_member_open(w, "node", '{');
    json_key_span(w, span_str(c->edge->conf->node));
    json_write_u64(w, total);
    json_close(w, '}');
    json_member_u64(w, "connects_per_minute", n->joined_min);
    json_member_u64(w, "disconnects_per_minute", n->left_min);
}

static void counted(void *owner, const buf *answers, unsigned count)
{
    struct rest_call *c = rest_resume(owner);
    struct clients_count sum = {0};
    unsigned viewers = 0, watched_count = 0;
    if (c == NULL) {
        return;
    }
    if (answers == NULL) {
        rest_error(c, ERR_SERVER_ERROR, "not every loop answered in time");
        return;
    }
    struct fleet_watched *watched = ARENA_ARRAY(&c->arena, struct fleet_watched,
                                                (size_t)count * WATCHED_MAX);
    for (unsigned i = 0; i < count; i++) {
        struct counted one;
        memcpy(&one, answers[i].ptr, sizeof one);
        add_counts(&sum, &one.count);
        viewers += one.viewers;
        memcpy(watched + watched_count, one.watched, one.watched_count * sizeof *watched);
        watched_count += one.watched_count;
    }
    qsort(watched, watched_count, sizeof *watched, by_viewers);
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '{');
    put_counts(c, &w, &sum);
    json_member_u64(&w, "viewers_total", viewers);
    json_member_open(&w, "viewers", '[');
    for (unsigned i = 0; i < watched_count && i < WATCHED_MAX; i++) {
        json_open(&w, '{');
        rest_member_uuid(&w, "device_id", watched[i].device);
        json_member_u64(&w, "viewers", watched[i].viewers);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    rest_ok(c, buf_span(&c->data));
}

void rest_connection_stats(struct rest_call *c)
{
    rest_later(c);
    gather(c->edge, mem_alloc(1), ask_count, counted, c);
}
