/*
 * Clients of /ws over loops, mail and a network in every order: they subscribe and unsubscribe
 * rooms, many requests in one go, while rooms are deleted, made, hidden and shown. Every request
 * has one answer; what a client was told is what it hears in the end; and going from
 * all rooms to one and back it misses no change of what it hears before and after.
 */
#include "adapters/store_sqlite/store_sqlite.h"
#include "base/mem.h"
#include "codec/json/read.h"
#include "domain/chat.h"
#include "domain/fleet.h"
#include "domain/house.h"
#include "domain/identity.h"
#include "edge/edge.h"
#include "edge/rest/rest.h"
#include "sim/guest.h"
#include "sim/net.h"
#include "sim/sim.h"
#include "sim/store.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define PORT 3001
#define STEPS_MAX 600000
#define CLIENTS 5
#define ROOMS 3
#define REQUESTS 9 /* of a client: fewer than the refusals that would close it */

static const struct net_limits limits = {
    .connections_max = 1000,
    .http_header_ms = 600000,
    .http_body_ms = 600000,
    .http_idle_ms = 600000,
    .http_header_bytes_max = 8192,
    .http_body_bytes_max = 65536,
    .close_wait_ms = 20000,
};

/* ---- the server ---- */

struct server {
    struct sim *sim;
    struct sim_store *db;
    struct entropy entropy;
    struct edge_conf conf;
    struct domain_conf domain;
    struct home homes[SIM_LOOPS_MAX];
    struct home *home_peers[SIM_LOOPS_MAX];
    struct journal *journals[SIM_LOOPS_MAX];
    struct edge edges[SIM_LOOPS_MAX];
    struct edge *peers[SIM_LOOPS_MAX];
    struct hub *hubs[SIM_LOOPS_MAX];
    struct sockaddr_storage bound[SIM_LOOPS_MAX];
    struct net_shared *shared;
    bool busy; /* a call of the house is on its way */
    int64_t made;
};

static struct server v;

static void fill(struct entropy *e, void *out, size_t len)
{
    (void)e;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)out)[i] = (uint8_t)sim_random_next(sim_random(v.sim));
    }
}

static void make_loop(unsigned i, struct pos start)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct edge *e = &v.edges[i];
    struct home *h = &v.homes[i];
    v.peers[i] = e;
    v.home_peers[i] = h;
    *h = (struct home){.index = i, .count = sim_loop_count(v.sim), .conf = &v.domain,
                       .peers = v.home_peers, .post = sim_post(v.sim),
                       .clock = sim_clock(v.sim), .entropy = &v.entropy,
                       .store = sim_store_port(v.db)};
    home_init(h);
    *e = (struct edge){.conf = &v.conf, .loop = sim_loop(v.sim, i), .peers = v.peers, .home = h};
    edge_init(e, sim_post(v.sim), v.hubs);
    h->hub = e->hub;
    v.journals[i] = h->journal = journal_new(
        &(struct journal_conf){.hub = e->hub, .post = sim_post(v.sim), .store = h->store,
                               .clock = sim_clock(v.sim), .loop = i, .peers = v.journals,
                               .ring_events = 8, .ring_bytes = 1 << 16},
        start);
    e->net = net_new(&(struct net_conf){.loop = e->loop, .limits = &limits, .shared = v.shared,
                                        .http = &rest_handler, .user = e});
    SIM_CHECK(net_listen(e->net, (struct sockaddr *)&addr, sizeof addr, 0, &v.bound[i]) == 0);
}

static void server_start(struct sim *s)
{
    struct store *inner;
    struct pos start;
    v = (struct server){.sim = s,
                        .entropy = {.fill = fill},
                        .conf = {.anonymous_loopback = true,
                                 .allowed_origins = "",
                                 .public_hosts = "",
                                 .ws_fragments_max = 16,
                                 .outbox_messages_max = 1000,
                                 .outbox_bytes_max = 1 << 20,
                                 .home = {.message_bytes_max = 512, .ping_ms = 0, .idle_ms = 0,
                                          .queue_max = 1000, .subscriptions_max = ROOMS}},
                        .domain = {.auth_anonymous_loopback = true,
                                   .connections_per_principal_max = 50,
                                   .device_stale_s = 90,
                                   .device_gone_s = 300,
                                   .retention_history_s = 86400,
                                   .home_rooms_max = 1000,
                                   .home_entities_max = 1000,
                                   .home_scenes_max = 10,
                                   .timezone = "UTC"},
                        .shared = mem_calloc(1, sizeof *v.shared)};
    struct sqlite_store_conf conf = {.path = ":memory:", .synchronous = STORE_SYNC_OFF};
    SIM_CHECK(sqlite_store_open(&conf, NULL, NULL, &inner) == ERR_NONE);
    v.db = sim_store_new(s, inner);
    SIM_CHECK(journal_start(sim_store_port(v.db), 1, &start) == ERR_NONE);
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        make_loop(i, start);
    }
    v.conf.listeners = v.bound;
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        (void)identity_new(&v.homes[i]);
        (void)fleet_new(&v.homes[i]);
        (void)house_new(&v.homes[i]);
        (void)chat_new(&v.homes[i]);
    }
    SIM_CHECK(house_load(&v.homes[HOUSE_HOME]) == ERR_NONE);
}

static bool nothing_left(void *arg)
{
    size_t count = v.shared->connections + sim_store_waiting(v.db);
    (void)arg;
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        count += net_count(v.edges[i].net) + house_asks(v.homes[i].house);
    }
    return count == 0;
}

static void server_stop(void)
{
    SIM_CHECK(sim_until(v.sim, nothing_left, NULL, 60000));
    sim_run_ms(v.sim, 500);
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        fleet_stop(v.homes[i].fleet);
        house_stop(v.homes[i].house);
        chat_stop(v.homes[i].chat);
    }
    SIM_CHECK(sim_until(v.sim, nothing_left, NULL, 60000));
    sim_run_ms(v.sim, 500);
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        SIM_CHECK(hub_stats(v.hubs[i])->subscriptions == 0);
        net_free(v.edges[i].net);
        journal_stop(v.journals[i]);
    }
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        chat_free(v.homes[i].chat);
        house_free(v.homes[i].house);
        fleet_free(v.homes[i].fleet);
        identity_free(v.homes[i].identity);
    }
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        journal_free(v.journals[i]);
        edge_deinit(&v.edges[i]);
    }
    sim_store_free(v.db);
    mem_free(v.shared);
}

/* ---- the house ---- */

static const struct house_who somebody = {.see = {.all = true}, .may = {.all = true}};

static void on_done(void *owner, const struct house_result *r)
{
    (void)owner;
    SIM_CHECK(r->error == ERR_NONE);
    v.made = r->id;
    v.busy = false;
}

static bool is_done(void *arg)
{
    (void)arg;
    return !v.busy;
}

static void wait_done(void) { SIM_CHECK(sim_until(v.sim, is_done, NULL, 60000)); }

static struct home *some_home(void)
{
    return &v.homes[sim_random_below(sim_random(v.sim), sim_loop_count(v.sim))];
}

/* What the test does to the house, on some loop. */
struct act {
    enum { MAKE, DROP, HIDE, SHOW, ENTITY, STATE } what;
    int64_t room;
    unsigned entity;
    unsigned value;
};

static span entity_id(unsigned i, char text[32])
{
    int len = snprintf(text, 32, "light.e%u", i);
    return span_of(text, (size_t)len);
}

static void run_act(void *arg)
{
    const struct act *a = arg;
    struct home *h = some_home(); /* asks are mail: any home of this thread may start one */
    char id[32], value[16];
    snprintf(value, sizeof value, "%u", a->value);
    v.busy = true;
    switch (a->what) {
    case MAKE:
        house_room_create(h, &(struct house_room_draft){.name = SPAN("room")}, &somebody, on_done,
                          NULL);
        break;
    case DROP:
        house_room_delete(h, a->room, 0, true, &somebody, on_done, NULL);
        break;
    case HIDE:
    case SHOW:
        house_room_patch(h, a->room,
                         &(struct house_room_change){.has_private = true,
                                                     .private = a->what == HIDE},
                         &somebody, on_done, NULL);
        break;
    case ENTITY:
        house_entity_create(h,
                            &(struct house_entity_draft){.entity_id = entity_id(a->entity, id),
                                                         .room = a->room},
                            &somebody, on_done, NULL);
        break;
    case STATE:
        house_state_set(h,
                        &(struct house_state_change){.entity_id = entity_id(a->entity, id),
                                                     .state = span_str(value)},
                        &somebody, on_done, NULL);
        break;
    }
}

static void start_act(struct act a)
{
    SIM_CHECK(!v.busy);
    sim_on_loop(v.sim, 0, run_act, &a);
}

static void do_act(struct act a)
{
    start_act(a);
    wait_done();
}

/* ---- a client ---- */

struct client {
    struct guest guest;
    unsigned asked, answered, done;
    struct {
        bool join, answered;
        int64_t room;
    } requests[REQUESTS];
    bool chosen; /* rooms, as it was told */
    int64_t rooms[REQUESTS];
    unsigned count;
    unsigned newest[ROOMS * REQUESTS]; /* state of each entity that it heard; 0: none */
    unsigned times[ROOMS * REQUESTS];  /* that it heard that */
    bool contiguous; /* each state must be the one behind the last */
};

static void forget_room(struct client *c, int64_t room)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (c->rooms[i] == room) {
            c->rooms[i--] = c->rooms[--c->count];
        }
    }
}

static void take_result(struct client *c, span data)
{
    span value;
    int64_t id;
    bool ok;
    SIM_CHECK(json_get(data, "id", &value) && json_i64(value, &id) && id < c->asked);
    SIM_CHECK(json_get(data, "ok", &value) && json_bool(value, &ok));
    int64_t room = c->requests[id].room;
    bool join = c->requests[id].join;
    SIM_CHECK(!c->requests[id].answered && (!ok || id >= c->done));
    c->requests[id].answered = true;
    c->done = ok ? (unsigned)id : c->done; /* what is done is told in its order */
    c->answered++;
    SIM_CHECK(ok || join); /* giving up is never refused */
    if (ok && join) {
        forget_room(c, room);
        c->rooms[c->count++] = room;
        c->chosen = true;
    } else if (ok) {
        forget_room(c, room);
        c->chosen = c->chosen && c->count > 0;
    }
}

static void take_ended(struct client *c, span data)
{
    span value;
    int64_t room;
    SIM_CHECK(json_get(data, "room_id", &value) && json_i64(value, &room));
    forget_room(c, room);
    c->chosen = true; /* also before it has heard that it was subscribed */
}

static void take_state(struct client *c, span data)
{
    span id, value;
    unsigned entity, state;
    char text[64];
    SIM_CHECK(json_get(data, "entity_id", &id) && json_get(data, "new_state", &value));
    snprintf(text, sizeof text, "%.*s %.*s", SPAN_FMT(id), SPAN_FMT(value));
    if (sscanf(text, "\"light.e%u\" \"%u\"", &entity, &state) != 2) {
        return; /* null, or unknown */
    }
    SIM_CHECK(entity < ARRAY_LEN(c->newest));
    if (c->contiguous && entity == 0 && c->newest[0] != 0) {
        SIM_CHECK(state == c->newest[0] + 1);
    }
    c->times[entity] = c->newest[entity] == state ? c->times[entity] + 1 : 1;
    c->newest[entity] = state;
}

static void read_all(struct client *c)
{
    unsigned op;
    span payload, type, data;
    while (guest_next(&c->guest, &op, &payload)) {
        SIM_CHECK(op == GUEST_TEXT);
        SIM_CHECK(json_get(payload, "type", &type) && json_get(payload, "data", &data));
        if (json_string_eq(type, SPAN("result"))) {
            take_result(c, data);
        } else if (json_string_eq(type, SPAN("error"))) {
            take_ended(c, data);
        } else if (json_string_eq(type, SPAN("entity_state_changed"))) {
            take_state(c, data);
        }
    }
}

static void ask(struct client *c, bool join, int64_t room)
{
    char text[128];
    unsigned id = c->asked++;
    c->requests[id].join = join;
    c->requests[id].room = room;
    int len = snprintf(text, sizeof text, "{\"type\":\"%s\",\"data\":{\"room_id\":%lld},\"id\":%u}",
                       join ? "subscribe_room" : "unsubscribe_room", (long long)room, id);
    guest_send(&c->guest, GUEST_TEXT, span_of(text, (size_t)len));
}

static bool client_has(const struct client *c, int64_t room)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (c->rooms[i] == room) {
            return true;
        }
    }
    return false;
}

static void join_all(struct client *clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        clients[i] = (struct client){0};
        guest_join(&clients[i].guest, v.sim, PORT, "/ws", "");
    }
    sim_run_ms(v.sim, 500);
}

static void leave_all(struct client *clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        SIM_CHECK(!guest_over(&clients[i].guest));
        guest_leave(&clients[i].guest, sim_random_chance(sim_random(v.sim), 50));
    }
}

/* ---- rooms that come and go ---- */

struct place {
    int64_t room; /* 0: it is gone */
    bool hidden;
    unsigned entity;
};

/* One thing changes in the house, and one client asks for something, or both in some order. */
static void stir(struct client *clients, struct place *places, unsigned *entities)
{
    struct sim_random *r = sim_random(v.sim);
    struct place *p = &places[sim_random_below(r, ROOMS)];
    struct client *c = &clients[sim_random_below(r, CLIENTS)];
    for (unsigned n = (unsigned)sim_random_below(r, 4); n > 0 && c->asked < REQUESTS; n--) {
        ask(c, sim_random_chance(r, 60), places[sim_random_below(r, ROOMS)].room);
    }
    if (sim_random_chance(r, 30)) {
        bool hide = sim_random_chance(r, 50);
        do_act((struct act){.what = hide ? HIDE : SHOW, .room = p->room});
        p->hidden = hide;
    } else if (sim_random_chance(r, 20) && *entities < ROOMS * REQUESTS) {
        do_act((struct act){.what = DROP, .room = p->room});
        do_act((struct act){.what = MAKE});
        *p = (struct place){.room = v.made, .entity = (*entities)++};
        do_act((struct act){.what = ENTITY, .room = p->room, .entity = p->entity});
    }
}

/* Every entity there is becomes something new, which each client hears once, or not at all. */
static void probe(struct client *clients, const struct place *places, unsigned entities)
{
    for (unsigned i = 0; i < entities; i++) {
        do_act((struct act){.what = STATE, .entity = i, .value = 1000 + i});
    }
    sim_run_ms(v.sim, 2000);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &clients[i];
        read_all(c);
        for (unsigned n = 0; n < entities; n++) {
            const struct place *p = NULL;
            for (unsigned k = 0; k < ROOMS; k++) {
                p = places[k].entity == n ? &places[k] : p;
            }
            bool hears = p == NULL ? !c->chosen
                                   : !p->hidden && (!c->chosen || client_has(c, p->room));
            SIM_CHECK((c->newest[n] == 1000 + n) == hears);
            SIM_CHECK(!hears || c->times[n] == 1);
        }
    }
}

static void what_a_client_was_told_is_what_it_hears(uint64_t seed)
{
    static struct client clients[CLIENTS];
    struct place places[ROOMS] = {0};
    unsigned entities = 0;
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    server_start(s);
    for (unsigned i = 0; i < ROOMS; i++) {
        do_act((struct act){.what = MAKE});
        places[i] = (struct place){.room = v.made, .entity = entities++};
        do_act((struct act){.what = ENTITY, .room = v.made, .entity = places[i].entity});
    }
    join_all(clients, CLIENTS);
    for (unsigned round = 0; round < 30; round++) {
        stir(clients, places, &entities);
        sim_run_ms(s, (int64_t)sim_random_below(sim_random(s), 20));
        for (unsigned i = 0; i < CLIENTS; i++) {
            read_all(&clients[i]);
        }
    }
    sim_run_ms(s, 2000);
    for (unsigned i = 0; i < CLIENTS; i++) {
        read_all(&clients[i]);
        SIM_CHECK(clients[i].answered == clients[i].asked);
    }
    probe(clients, places, entities);
    leave_all(clients, CLIENTS);
    server_stop();
    sim_free(s);
}

/* ---- from all rooms to one and back ---- */

static uint64_t merged(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        sum += hub_stats(v.hubs[i])->merged;
    }
    return sum;
}

static void choosing_a_room_misses_nothing_of_it(uint64_t seed)
{
    static struct client c;
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    struct sim_random *r = sim_random(s);
    unsigned value = 0;
    server_start(s);
    do_act((struct act){.what = MAKE});
    int64_t room = v.made;
    do_act((struct act){.what = MAKE});
    do_act((struct act){.what = ENTITY, .room = room, .entity = 0});
    do_act((struct act){.what = ENTITY, .room = v.made, .entity = 1});
    join_all(&c, 1);
    while (value < 60) {
        if (!v.busy) {
            start_act((struct act){.what = STATE, .entity = 0, .value = ++value});
        }
        if (c.asked < REQUESTS && sim_random_chance(r, 2)) {
            ask(&c, c.asked % 2 == 0, room);
        }
        SIM_CHECK(sim_step(s));
        c.contiguous = merged() == 0; /* its socket took all so far */
        read_all(&c);
    }
    wait_done();
    sim_run_ms(s, 2000);
    read_all(&c);
    SIM_CHECK(c.newest[0] == value && c.answered == c.asked);
    leave_all(&c, 1);
    server_stop();
    sim_free(s);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"what_a_client_was_told_is_what_it_hears", what_a_client_was_told_is_what_it_hears, 40},
        {"choosing_a_room_misses_nothing_of_it", choosing_a_room_misses_nothing_of_it, 40},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
