/* See fleet_world.h. */
#include "sim/fleet_world.h"

#include "adapters/store_sqlite/store_sqlite.h"
#include "adapters/tokens_hs256/tokens_hs256.h"
#include "base/mem.h"
#include "domain/chat.h"
#include "domain/house.h"
#include "domain/identity.h"
#include "domain/recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 100
#define WAIT_MS 400000 /* a device that flapped is held for 5 min */

/* --- loops: what edge/ does for homes and members --- */

static void take(struct watcher *x, span text)
{
    buf_append_span(&x->text, text);
    for (size_t k = 0; k < text.len; k++) {
        x->frames += text.ptr[k] == '\n';
    }
}

static size_t sink_send(struct hub_sink *self, uint32_t member, const struct iovec *iov, int count)
{
    struct side *side = CONTAINER_OF(self, struct side, sink);
    struct watcher *x = side->members[member];
    size_t sent = 0;
    for (int i = 0; i < count && x->begun.len == 0; i++) {
        size_t len = iov[i].iov_len;
        size_t n = x->stalls && x->room < len ? x->room : len;
        take(x, span_of(iov[i].iov_base, n));
        x->room -= x->stalls ? n : 0;
        sent += n;
    }
    return sent;
}

static void sink_rest(struct hub_sink *self, uint32_t member, span bytes)
{
    struct side *side = CONTAINER_OF(self, struct side, sink);
    SIM_CHECK(side->members[member]->stalls);
    buf_append_span(&side->members[member]->begun, bytes);
}

static bool sink_wants(struct hub_sink *self, uint32_t member, const struct blob *b)
{
    (void)self;
    (void)member;
    (void)b;
    return true;
}

static void sink_encode(struct hub_sink *self, unsigned wire, const struct blob *b, buf *out)
{
    (void)self;
    (void)wire;
    buf_append_span(out, blob_payload(b));
    buf_append_byte(out, '\n');
}

static void sink_close(struct hub_sink *self, uint32_t member, close_reason reason)
{
    struct side *side = CONTAINER_OF(self, struct side, sink);
    struct watcher *x = side->members[member];
    SIM_CHECK(x->patient && reason == CLOSE_SLOW);
    x->slow = true;
    x->open = false;
    hub_member_close(side->world->hubs[side->loop], member);
    side->members[member] = NULL;
}

static void turn_end(struct loop_hook *hook)
{
    struct side *side = CONTAINER_OF(hook, struct side, hook);
    home_tick(&side->world->homes[side->loop]);
    journal_tick(side->world->journals[side->loop]);
    hub_turn_end(side->world->hubs[side->loop]);
}

static void tick(struct timer *t)
{
    struct side *side = CONTAINER_OF(t, struct side, timer);
    timer_start(sim_loop(side->world->sim, side->loop), t, TICK_MS);
}

static void fill(struct entropy *e, void *out, size_t len)
{
    struct world *w = CONTAINER_OF(e, struct world, entropy);
    struct sim_random r = {w->entropy_state};
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)out)[i] = (uint8_t)sim_random_next(&r);
    }
    w->entropy_state = r.state;
}

static void make_journal(struct world *w, unsigned i, struct pos start)
{
    struct journal_conf conf = {.hub = w->hubs[i],
                                .post = sim_post(w->sim),
                                .store = w->store,
                                .clock = sim_clock(w->sim),
                                .loop = i,
                                .peers = w->journals,
                                .ring_events = 32,
                                .ring_bytes = 1 << 16};
    w->journals[i] = w->homes[i].journal = journal_new(&conf, start);
}

static void make_home(struct world *w, unsigned i)
{
    w->hubs[i] = hub_new(&(struct hub_conf){.loop = i,
                                            .post = sim_post(w->sim),
                                            .sink = &w->sides[i].sink,
                                            .outbox_messages_max = 256,
                                            .outbox_bytes_max = 1 << 20,
                                            .peers = w->hubs});
    w->homes[i] = (struct home){.index = i,
                                .count = w->count,
                                .conf = &w->conf,
                                .peers = w->peers,
                                .post = sim_post(w->sim),
                                .clock = sim_clock(w->sim),
                                .entropy = &w->entropy,
                                .store = w->store,
                                .tokens = w->tokens,
                                .hub = w->hubs[i]};
    w->peers[i] = &w->homes[i];
    home_init(&w->homes[i]);
}

static void make_side(struct world *w, unsigned i)
{
    struct side *side = &w->sides[i];
    *side = (struct side){.world = w,
                          .loop = i,
                          .sink = {.send = sink_send, .rest = sink_rest, .encode = sink_encode,
                                   .wants = sink_wants, .close = sink_close},
                          .hook = {.run = turn_end},
                          .timer = {.fire = tick}};
    loop_add_hook(sim_loop(w->sim, i), &side->hook);
    timer_start(sim_loop(w->sim, i), &side->timer, TICK_MS);
}

/* What a process is, on the store. */
static void make_process(struct world *w, uint64_t seed)
{
    struct pos start;
    SIM_CHECK(journal_start(w->store, seed, &start) == ERR_NONE);
    for (unsigned i = 0; i < w->count; i++) {
        make_home(w, i);
        make_journal(w, i, start);
    }
    for (unsigned i = 0; i < w->count; i++) {
        (void)identity_new(&w->homes[i]);
        (void)fleet_new(&w->homes[i]);
        (void)recovery_new(&w->homes[i], 0);
        (void)house_new(&w->homes[i]);
        (void)chat_new(&w->homes[i]);
    }
    SIM_CHECK(house_load(&w->homes[HOUSE_HOME]) == ERR_NONE);
}

static void free_process(struct world *w)
{
    for (unsigned i = 0; i < w->count; i++) {
        chat_free(w->homes[i].chat);
        house_free(w->homes[i].house);
        recovery_free(w->homes[i].recovery);
        fleet_free(w->homes[i].fleet);
        identity_free(w->homes[i].identity);
    }
    for (unsigned i = 0; i < w->count; i++) {
        journal_free(w->journals[i]);
        hub_free(w->hubs[i]);
    }
}

void world_start(struct world *w, uint64_t seed, unsigned loops)
{
    struct store *inner;
    *w = (struct world){.sim = sim_new(&(struct sim_conf){.seed = seed, .loop_count = loops}),
                        .conf = {.connections_per_principal_max = 50,
                                 .device_stale_s = 90,
                                 .device_gone_s = 300,
                                 .viewers_per_device_max = 5,
                                 .telemetry_per_s = 200,
                                 .telemetry_burst = 400,
                                 .telemetry_sensors_max = 256,
                                 .retention_raw_s = 30 * 86400,
                                 .retention_minute_s = 90 * 86400,
                                 .retention_hour_s = 730 * 86400,
                                 .retention_log_s = 30 * 86400,
                                 .retention_history_s = 86400,
                                 .home_rooms_max = 1000,
                                 .home_entities_max = 10000,
                                 .home_scenes_max = 1000,
                                 .retention_events_s = 86400,
                                 .events_max = 1000000,
                                 .recovery_ms = 120000,
                                 .recovery_bytes_max = 64000000,
                                 .timezone = "UTC"},
                        .entropy = {.fill = fill},
                        .entropy_state = seed};
    err e = sqlite_store_open(&(struct sqlite_store_conf){.path = ":memory:",
                                                          .synchronous = STORE_SYNC_OFF,
                                                          .settle_ms = 1},
                              NULL, NULL, &inner);
    SIM_CHECK(e == ERR_NONE);
    w->db = sim_store_new(w->sim, inner);
    w->store = sim_store_port(w->db);
    w->tokens = tokens_hs256_new(&(struct tokens_conf){
        .secret = SPAN("0123456789abcdef0123456789abcdef"), .issuer = "sim", .audience = ""});
    w->count = sim_loop_count(w->sim);
    for (unsigned i = 0; i < w->count; i++) {
        make_side(w, i);
    }
    make_process(w, seed);
}

static void stop_fleets(struct world *w)
{
    for (unsigned i = 0; i < w->count; i++) {
        fleet_stop(w->homes[i].fleet);
        house_stop(w->homes[i].house);
        chat_stop(w->homes[i].chat);
    }
}

static bool is_quiet(void *arg)
{
    struct world *w = arg;
    return world_stats(w).asks == 0 && sim_store_waiting(w->db) == 0;
}

void world_crash(struct world *w)
{
    sim_store_set_failures(w->db, 100, ERR_STORE_FAILED);
    for (unsigned round = 0; !is_quiet(w); round++) {
        SIM_CHECK(round < 100);
        stop_fleets(w);
        sim_run_ms(w->sim, 20);
    }
    sim_settle(w->sim);
    free_process(w);
    sim_settle(w->sim);
    sim_store_set_failures(w->db, 0, ERR_NONE);
    SIM_CHECK(fleet_reset(w->store, &w->entropy, clock_wall_ms(sim_clock(w->sim))) == ERR_NONE);
    make_process(w, 1);
}

struct fleet_stats world_stats(const struct world *w)
{
    struct fleet_stats sum = {0}, one;
    for (unsigned i = 0; i < w->count; i++) {
        struct chat_stats chat;
        fleet_stats(w->homes[i].fleet, &one);
        chat_stats(&w->homes[i], &chat);
        sum.loaded += one.loaded;
        sum.idle += one.idle;
        sum.followed += one.followed;
        sum.online += one.online;
        sum.stale += one.stale;
        sum.viewers += one.viewers;
        sum.timers += one.timers;
        sum.links += one.links;
        sum.asks += one.asks + house_asks(w->homes[i].house) + chat.asks;
    }
    return sum;
}

static bool at_rest(void *arg)
{
    struct fleet_stats s = world_stats(arg);
    return s.asks == 0 && s.idle + s.followed == s.loaded &&
           sim_store_waiting(((struct world *)arg)->db) == 0;
}

void world_stop(struct world *w)
{
    SIM_CHECK(sim_until(w->sim, at_rest, w, WAIT_MS));
    struct fleet_stats s = world_stats(w);
    struct heard_ages ages = {0};
    for (unsigned i = 0; i < w->count; i++) {
        fleet_ages(w->homes[i].fleet, &ages);
    }
    SIM_CHECK(ages.count == 0 && ages.sum_s == 0);
    SIM_CHECK(s.online == 0 && s.stale == 0 && s.viewers == 0 && s.timers == 0 && s.links == 0);
    for (unsigned i = 0; i < w->count; i++) {
        timer_stop(sim_loop(w->sim, i), &w->sides[i].timer);
    }
    sim_settle(w->sim);
    free_process(w);
    sim_store_free(w->db);
    tokens_hs256_free(w->tokens);
    sim_free(w->sim);
}

unsigned world_loop(struct world *w)
{
    return (unsigned)sim_random_below(sim_random(w->sim), w->count);
}

/* --- calls --- */

static void copy(buf *to, span s)
{
    buf_clear(to);
    buf_append_span(to, s);
}

void result_take(void *owner, const struct device_result *r)
{
    struct result *x = owner;
    SIM_CHECK(!x->done);
    x->done = true;
    x->error = r->error;
    x->id = r->id;
    x->version = r->version;
    x->viewers = r->viewers;
    copy(&x->json, r->json);
    copy(&x->next, r->next);
    snprintf(x->key, sizeof x->key, "%.*s", SPAN_FMT(r->key));
}

static bool is_done(void *arg) { return ((struct result *)arg)->done; }

void result_wait(struct world *w, struct result *r)
{
    SIM_CHECK(sim_until(w->sim, is_done, r, WAIT_MS));
}

void result_deinit(struct result *r)
{
    buf_deinit(&r->json);
    buf_deinit(&r->next);
    *r = (struct result){0};
}

struct call {
    struct world *world;
    unsigned loop;
    uuid id;
    const char *name;
    struct result *result;
};

static void create(void *arg)
{
    struct call *c = arg;
    struct actor who = {0};
    struct device_draft draft = {.name = span_str(c->name)};
    device_create(&c->world->homes[c->loop], &draft, &who, result_take, c->result);
}

uuid world_create(struct world *w, const char *name)
{
    struct result r = {0};
    struct call c = {.world = w, .loop = world_loop(w), .name = name, .result = &r};
    sim_on_loop(w->sim, c.loop, create, &c);
    result_wait(w, &r);
    SIM_CHECK(r.error == ERR_NONE && strlen(r.key) == 47);
    uuid id = r.id;
    result_deinit(&r);
    return id;
}

static void get(void *arg)
{
    struct call *c = arg;
    device_get(&c->world->homes[c->loop], c->id, result_take, c->result);
}

void world_get(struct world *w, uuid id, struct result *r)
{
    struct call c = {.world = w, .loop = world_loop(w), .id = id, .result = r};
    result_deinit(r);
    sim_on_loop(w->sim, c.loop, get, &c);
    result_wait(w, r);
}

bool json_holds(const struct result *r, const char *text)
{
    return r->json.len > 0 && memmem(r->json.ptr, r->json.len, text, strlen(text)) != NULL;
}

static bool settled(void *arg)
{
    struct world *w = arg;
    return world_stats(w).asks == 0 && sim_store_waiting(w->db) == 0;
}

void world_settle(struct world *w)
{
    SIM_CHECK(sim_until(w->sim, settled, w, 60000));
    sim_run_ms(w->sim, 300);
    SIM_CHECK(sim_until(w->sim, settled, w, 60000));
}

bool world_chance(struct world *w, unsigned percent)
{
    return sim_random_chance(sim_random(w->sim), percent);
}

int64_t world_count(struct world *w, enum query q, uuid device, unsigned limit)
{
    char id[UUID_TEXT_LEN + 1];
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    req->row_max = limit;
    store_step_init(req, 0, q, 1);
    uuid_format(device, id);
    store_set_text(req, 0, 0, 0, span_of(id, UUID_TEXT_LEN));
    if (q == QUERY_METRICS_LAST) {
        store_set_int(req, 0, 0, 1, limit);
    }
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    int64_t n = req->steps[0].row_count;
    store_req_free(req);
    return n;
}
