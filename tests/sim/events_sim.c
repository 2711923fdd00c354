/*
 * The events of devices against the devices: whatever people do and sockets suffer, in every order
 * and with a store that fails, the log told in its order ends at what is stored, each of its
 * events went out once and in that order, and a device comes and goes by turns.
 */
#include "sim/fleet_world.h"

#include <stdio.h>
#include <string.h>

#define DEVICES_MAX 8

/* What somebody knows who has read the events. */
struct known {
    uuid id;
    bool created, deleted, online, flapping;
    char connection[12]; /* connectionStatus */
    char status[16];
    char name[32];
    char capabilities[32];
    unsigned connects, disconnects;
};

struct tale {
    struct known devices[DEVICES_MAX * 2];
    unsigned count;
    uint64_t n;
};

static struct known *known_of(struct tale *t, uuid id)
{
    for (unsigned i = 0; i < t->count; i++) {
        if (uuid_eq(t->devices[i].id, id)) {
            return &t->devices[i];
        }
    }
    SIM_CHECK(t->count < ARRAY_LEN(t->devices));
    t->devices[t->count].id = id;
    return &t->devices[t->count++];
}

/* A member that is a string or a list of strings, as it stands in the text. */
static void member(span json, const char *name, char *out, size_t size)
{
    char quoted[40];
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const uint8_t *at = memmem(json.ptr, json.len, quoted, strlen(quoted));
    SIM_CHECK(at != NULL);
    span rest = span_slice(json, (size_t)(at - json.ptr) + strlen(quoted), json.len);
    ptrdiff_t end = span_find(rest, rest.ptr[0] == '[' ? ']' : ',');
    end = end < 0 ? (ptrdiff_t)rest.len - 1 : end;
    SIM_CHECK((size_t)end < size);
    snprintf(out, size, "%.*s", (int)end, (const char *)rest.ptr);
}

static bool holds(span json, const char *text)
{
    return memmem(json.ptr, json.len, text, strlen(text)) != NULL;
}

static void tell_device(struct known *k, span data)
{
    char connection[12];
    member(data, "status", k->status, sizeof k->status);
    member(data, "name", k->name, sizeof k->name);
    member(data, "capabilities", k->capabilities, sizeof k->capabilities);
    member(data, "connectionStatus", connection, sizeof connection);
    SIM_CHECK((strcmp(connection, "\"offline\"") != 0) == k->online);
    memcpy(k->connection, connection, sizeof connection);
    k->flapping = holds(data, "\"flapping\":true");
}

static void tell(struct known *k, span type, span data)
{
    SIM_CHECK(!k->deleted && (k->created || span_eq(type, SPAN("device:created"))));
    if (span_eq(type, SPAN("device:created"))) {
        SIM_CHECK(!k->created);
        k->created = true;
        tell_device(k, data);
    } else if (span_eq(type, SPAN("device:updated"))) {
        tell_device(k, data);
    } else if (span_eq(type, SPAN("device:status-changed"))) {
        member(data, "status", k->status, sizeof k->status);
        SIM_CHECK(holds(data, "\"updatedAt\":\"20"));
    } else if (span_eq(type, SPAN("device:deleted"))) {
        k->deleted = true;
    } else if (span_eq(type, SPAN("device:connected"))) {
        SIM_CHECK(!k->online && holds(data, "\"connectedAt\":\"20"));
        k->online = true;
        k->connects++;
        snprintf(k->connection, sizeof k->connection, "\"online\"");
    } else {
        SIM_CHECK(span_eq(type, SPAN("device:disconnected")));
        SIM_CHECK(k->online && holds(data, "\"disconnectedAt\":\"20"));
        k->online = false;
        k->disconnects++;
        snprintf(k->connection, sizeof k->connection, "\"offline\"");
    }
}

static struct store_req *read_log(struct world *w)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_EVENT_AFTER, 1);
    store_set_int(req, 0, 0, 0, 0);
    store_set_int(req, 0, 0, 1, 10000);
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    return req;
}

static void read_tale(struct world *w, struct tale *t)
{
    struct store_req *req = read_log(w);
    *t = (struct tale){0};
    for (unsigned i = 0; i < req->steps[0].row_count; i++) {
        const struct store_value *c = store_cell(req, 0, i, 0);
        span topic = store_text(&c[4]);
        uuid id = {{0}};
        SIM_CHECK(store_int(&c[0]) == (int64_t)t->n + 1); /* no holes */
        SIM_CHECK(uuid_parse(span_slice(topic, 7, UUID_TEXT_LEN), &id));
        t->n++;
        tell(known_of(t, id), store_text(&c[3]), store_text(&c[5]));
    }
    store_req_free(req);
}

/* What is stored of each device is what the events told. */
static void check_stored(struct world *w, struct tale *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        const struct known *k = &t->devices[i];
        char id[UUID_TEXT_LEN + 1], text[64];
        struct store_req *req = store_req_new(0, 1, NULL, NULL);
        store_step_init(req, 0, QUERY_DEVICE_GET, 1);
        uuid_format(k->id, id);
        store_set_text(req, 0, 0, 0, span_of(id, UUID_TEXT_LEN));
        SIM_CHECK(store_run(w->store, req) == ERR_NONE);
        SIM_CHECK((req->steps[0].row_count == 0) == k->deleted);
        if (!k->deleted) {
            const struct store_value *c = store_cell(req, 0, 0, 0);
            snprintf(text, sizeof text, "\"%.*s\"", SPAN_FMT(store_text(&c[1])));
            SIM_CHECK(strcmp(text, k->name) == 0);
            snprintf(text, sizeof text, "\"%.*s\"", SPAN_FMT(store_text(&c[3])));
            SIM_CHECK(strcmp(text, k->status) == 0);
            snprintf(text, sizeof text, "\"%.*s\"", SPAN_FMT(store_text(&c[4])));
            SIM_CHECK(strcmp(text, k->connection) == 0);
            snprintf(text, sizeof text, "%.*s", SPAN_FMT(store_text(&c[6])));
            SIM_CHECK(strncmp(text, k->capabilities, strlen(k->capabilities)) == 0);
        }
        store_req_free(req);
    }
}

/* A watcher of all devices has been sent exactly the log. */
static void check_published(struct world *w, const struct watcher *x)
{
    struct store_req *req = read_log(w);
    buf expected = {0};
    for (unsigned i = 0; i < req->steps[0].row_count; i++) {
        buf_append_span(&expected, store_text(store_cell(req, 0, i, 5)));
        buf_append_byte(&expected, '\n');
    }
    SIM_CHECK(span_eq(buf_span(&expected), buf_span(&x->text)));
    buf_deinit(&expected);
    store_req_free(req);
}

static void check_logs_closed(struct world *w)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CONNECTION_CLOSE_OPEN, 1);
    store_set_int(req, 0, 0, 0, 0);
    store_set_text(req, 0, 0, 1, SPAN("crash"));
    store_set_int(req, 0, 0, 2, 100);
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    SIM_CHECK(req->steps[0].change_count == 0);
    store_req_free(req);
}

static bool settled(void *arg)
{
    struct world *w = arg;
    return world_stats(w).asks == 0 && sim_store_waiting(w->db) == 0;
}

static void settle(struct world *w)
{
    for (unsigned i = 0; i < 3; i++) { /* what failed is tried again after a second */
        SIM_CHECK(sim_until(w->sim, settled, w, 60000));
        sim_run_ms(w->sim, 1500);
    }
}

/* --- people --- */

struct person {
    struct world *w;
    unsigned loop;
    uuid id;
    struct device_change change;
    struct result r;
};

static void do_patch(void *arg)
{
    struct person *p = arg;
    device_patch(&p->w->homes[p->loop], p->id, &p->change, &(struct actor){.name = SPAN("x")},
                 result_take, &p->r);
}

static void do_delete(void *arg)
{
    struct person *p = arg;
    device_delete(&p->w->homes[p->loop], p->id, &(struct actor){.name = SPAN("x")}, result_take,
                  &p->r);
}

static void person_acts(struct world *w, struct person *p, uuid id)
{
    static const char *const names[] = {"a", "b", "c"};
    struct sim_random *random = sim_random(w->sim);
    *p = (struct person){.w = w, .loop = world_loop(w), .id = id};
    if (sim_random_chance(random, 8)) {
        sim_on_loop(w->sim, p->loop, do_delete, p);
        return;
    }
    if (sim_random_chance(random, 60)) {
        p->change.has_name = true;
        p->change.name = span_str(names[sim_random_below(random, ARRAY_LEN(names))]);
    }
    if (sim_random_chance(random, 50)) {
        p->change.has_status = true;
        p->change.status = (enum device_status)sim_random_below(random, DEVICE_STATUS_COUNT);
    }
    sim_on_loop(w->sim, p->loop, do_patch, p);
}

static void the_log_tells_what_is_stored(uint64_t seed)
{
    enum { DEVICES = 4, SOCKETS = 8, PEOPLE = 60 };
    struct world w;
    struct watcher x;
    struct socket sockets[SOCKETS] = {0};
    struct person people[PEOPLE] = {0};
    uuid devices[DEVICES];
    struct tale t;
    struct result r = {0};
    unsigned acted = 0;
    world_start(&w, seed, 0);
    watcher_open(&w, &x, world_loop(&w));
    watcher_subscribe_events(&x);
    sim_run_ms(w.sim, 100);
    for (unsigned i = 0; i < DEVICES; i++) {
        devices[i] = world_create(&w, "d");
    }
    sim_store_set_failures(w.db, (unsigned)sim_random_below(sim_random(w.sim), 30),
                           ERR_STORE_FULL);
    for (unsigned step = 0; step < 150; step++) {
        struct socket *s = &sockets[sim_random_below(sim_random(w.sim), SOCKETS)];
        uuid id = devices[sim_random_below(sim_random(w.sim), DEVICES)];
        if (acted < PEOPLE && sim_random_chance(sim_random(w.sim), 40)) {
            person_acts(&w, &people[acted++], id);
        } else if (!s->open) {
            socket_open(&w, s, id, world_loop(&w));
        } else if (sim_random_chance(sim_random(w.sim), 40)) {
            socket_close(s);
        } else {
            socket_register(s, sim_random_chance(sim_random(w.sim), 50) ? "[\"x\"]" : "[\"y\"]");
        }
        /* now and then long enough for silence to be stale, or the end */
        bool long_pause = sim_random_chance(sim_random(w.sim), 5);
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), long_pause ? 200000 : 30));
    }
    sim_store_set_failures(w.db, 0, ERR_NONE);
    sim_run_ms(w.sim, 310000); /* holds end, the silent are gone */
    settle(&w);
    for (unsigned i = 0; i < DEVICES; i++) { /* a deletion that failed is made up for when asked */
        world_get(&w, devices[i], &r);
    }
    settle(&w);
    read_tale(&w, &t);
    check_stored(&w, &t);
    check_published(&w, &x);
    check_logs_closed(&w);
    for (unsigned i = 0; i < t.count; i++) {
        const struct known *k = &t.devices[i];
        SIM_CHECK(k->deleted ||
                  (!k->online && !k->flapping && k->connects == k->disconnects));
    }
    for (unsigned i = 0; i < acted; i++) {
        SIM_CHECK(people[i].r.done);
        result_deinit(&people[i].r);
    }
    for (unsigned i = 0; i < SOCKETS; i++) {
        socket_close(&sockets[i]);
    }
    watcher_close(&x);
    result_deinit(&r);
    world_stop(&w);
}

/* --- presence --- */

/* A wall clock that jumps. */
struct jumping {
    struct clock clock;
    struct clock *inner;
    int64_t ahead_ms;
};

static int64_t jumping_wall(struct clock *self)
{
    struct jumping *j = CONTAINER_OF(self, struct jumping, clock);
    return clock_wall_ms(j->inner) + j->ahead_ms;
}

static uint64_t jumping_mono(struct clock *self)
{
    return clock_mono_ns(CONTAINER_OF(self, struct jumping, clock)->inner);
}

/* The device's newest connection has ended and lasted so long. */
static int64_t last_duration_s(struct world *w, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CONNECTION_LIST, 1);
    uuid_format(id, text);
    store_set_text(req, 0, 0, 0, span_of(text, UUID_TEXT_LEN));
    store_set_int(req, 0, 0, 1, INT64_MAX);
    store_set_int(req, 0, 0, 2, 10);
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    SIM_CHECK(req->steps[0].row_count > 0);
    for (unsigned i = 0; i < req->steps[0].row_count; i++) {
        SIM_CHECK(store_cell(req, 0, i, 4)->type == STORE_INT);
    }
    int64_t seconds = store_int(store_cell(req, 0, 0, 5));
    store_req_free(req);
    return seconds;
}

static void a_clock_that_jumps_ends_nothing(uint64_t seed)
{
    static const int64_t jumps_ms[] = {INT64_C(86400000) * 365, -3600000, 0};
    struct world w;
    struct socket s;
    struct tale t;
    struct result r = {0};
    struct jumping j = {.clock = {.wall_ms = jumping_wall, .mono_ns = jumping_mono}};
    world_start(&w, seed, 0);
    j.inner = sim_clock(w.sim);
    for (unsigned i = 0; i < w.count; i++) {
        w.homes[i].clock = &j.clock;
    }
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    for (unsigned i = 0; i < ARRAY_LEN(jumps_ms); i++) {
        sim_run_ms(w.sim, 40000);
        socket_heartbeat(&s, 1);
        j.ahead_ms = jumps_ms[i];
        sim_run_ms(w.sim, 40000);
        socket_heartbeat(&s, 1);
        settle(&w);
        SIM_CHECK(s.open);
        world_get(&w, id, &r);
        SIM_CHECK(json_holds(&r, "\"connectionStatus\":\"online\""));
    }
    read_tale(&w, &t);
    SIM_CHECK(t.n == 2); /* created, connected */
    socket_close(&s);
    settle(&w);
    SIM_CHECK(last_duration_s(&w, id) >= 240 && last_duration_s(&w, id) < 300);
    world_get(&w, id, &r);
    char created[40], seen[40];
    member(buf_span(&r.json), "createdAt", created, sizeof created);
    member(buf_span(&r.json), "lastSeen", seen, sizeof seen);
    SIM_CHECK(memcmp(created, seen, strlen("\"2025")) == 0);
    result_deinit(&r);
    world_stop(&w);
}

static void a_link_that_closes_at_once_leaves_nobody_online(uint64_t seed)
{
    enum { DEVICES = 6 };
    struct world w;
    struct socket s;
    struct tale t;
    struct result r = {0};
    world_start(&w, seed, 0);
    for (unsigned i = 0; i < DEVICES; i++) { /* none is in memory yet */
        socket_open(&w, &s, world_create(&w, "d"), world_loop(&w));
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 3));
        socket_close(&s);
    }
    settle(&w);
    read_tale(&w, &t);
    check_stored(&w, &t);
    for (unsigned i = 0; i < DEVICES; i++) {
        SIM_CHECK(!t.devices[i].online);
        world_get(&w, t.devices[i].id, &r);
        SIM_CHECK(json_holds(&r, "\"connectionStatus\":\"offline\""));
    }
    SIM_CHECK(world_stats(&w).online == 0);
    result_deinit(&r);
    world_stop(&w);
}

static void a_take_over_is_no_disconnect(uint64_t seed)
{
    struct world w;
    struct socket a, b;
    struct tale t;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &a, id, world_loop(&w));
    sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 300));
    socket_open(&w, &b, id, world_loop(&w));
    settle(&w);
    SIM_CHECK(a.told && a.reason == CLOSE_REPLACED && b.open);
    read_tale(&w, &t);
    SIM_CHECK(t.n == 2 && t.devices[0].connects == 1 && t.devices[0].disconnects == 0);
    socket_close(&b);
    settle(&w);
    read_tale(&w, &t);
    SIM_CHECK(t.n == 3 && t.devices[0].disconnects == 1);
    world_stop(&w);
}

static void silence_is_told(uint64_t seed)
{
    struct world w;
    struct socket s;
    struct tale t;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    sim_run_ms(w.sim, 92000);
    settle(&w);
    read_tale(&w, &t);
    SIM_CHECK(strcmp(t.devices[0].connection, "\"stale\"") == 0 && t.n == 3);
    check_stored(&w, &t);
    socket_heartbeat(&s, 1);
    settle(&w);
    read_tale(&w, &t);
    SIM_CHECK(strcmp(t.devices[0].connection, "\"online\"") == 0 && t.n == 4);
    for (unsigned i = 0; i < 20; i++) { /* being seen is no event */
        sim_run_ms(w.sim, 30000);
        socket_heartbeat(&s, 1);
    }
    settle(&w);
    read_tale(&w, &t);
    SIM_CHECK(t.n == 4);
    socket_close(&s);
    settle(&w);
    world_stop(&w);
}

static void who_flaps_is_told_to_and_then_the_truth(uint64_t seed)
{
    struct world w;
    struct socket s = {0};
    struct tale t;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    bool ends_online = sim_random_chance(sim_random(w.sim), 50);
    for (unsigned i = 0; i < 40; i++) {
        socket_open(&w, &s, id, world_loop(&w));
        sim_run_ms(w.sim, 500);
        if (i < 39 || !ends_online) {
            socket_close(&s);
        }
        sim_run_ms(w.sim, 500);
    }
    settle(&w);
    read_tale(&w, &t);
    SIM_CHECK(t.devices[0].flapping);
    SIM_CHECK(t.devices[0].connects <= 15 && t.devices[0].connects >= 13);
    world_get(&w, id, &r);
    SIM_CHECK(json_holds(&r, "\"flapping\":true"));
    SIM_CHECK(json_holds(&r, ends_online ? "\"connectionStatus\":\"online\""
                                         : "\"connectionStatus\":\"offline\""));
    for (unsigned i = 0; i < 10 && ends_online; i++) {
        sim_run_ms(w.sim, 30000);
        socket_heartbeat(&s, 1);
    }
    sim_run_ms(w.sim, ends_online ? 10000 : 310000);
    settle(&w);
    read_tale(&w, &t);
    check_stored(&w, &t);
    SIM_CHECK(!t.devices[0].flapping && t.devices[0].online == ends_online);
    socket_close(&s);
    settle(&w);
    read_tale(&w, &t);
    SIM_CHECK(!t.devices[0].online);
    result_deinit(&r);
    world_stop(&w);
}

static void a_start_tells_who_is_gone(uint64_t seed)
{
    enum { DEVICES = 5 };
    struct world w;
    struct socket s[DEVICES];
    struct tale t;
    world_start(&w, seed, 0);
    for (unsigned i = 0; i < DEVICES; i++) {
        socket_open(&w, &s[i], world_create(&w, "d"), world_loop(&w));
    }
    settle(&w);
    SIM_CHECK(fleet_reset(w.store, &w.entropy, clock_wall_ms(sim_clock(w.sim))) == ERR_NONE);
    read_tale(&w, &t);
    check_stored(&w, &t);
    SIM_CHECK(t.n == DEVICES * 3);
    for (unsigned i = 0; i < DEVICES; i++) {
        SIM_CHECK(!t.devices[i].online);
    }
    SIM_CHECK(fleet_reset(w.store, &w.entropy, clock_wall_ms(sim_clock(w.sim))) == ERR_NONE);
    read_tale(&w, &t);
    SIM_CHECK(t.n == DEVICES * 3); /* once */
    for (unsigned i = 0; i < DEVICES; i++) {
        socket_close(&s[i]);
    }
    world_stop(&w);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"the_log_tells_what_is_stored", the_log_tells_what_is_stored, 40},
        {"a_clock_that_jumps_ends_nothing", a_clock_that_jumps_ends_nothing, 10},
        {"a_link_that_closes_at_once_leaves_nobody_online",
         a_link_that_closes_at_once_leaves_nobody_online, 40},
        {"a_take_over_is_no_disconnect", a_take_over_is_no_disconnect, 20},
        {"silence_is_told", silence_is_told, 10},
        {"who_flaps_is_told_to_and_then_the_truth", who_flaps_is_told_to_and_then_the_truth, 20},
        {"a_start_tells_who_is_gone", a_start_tells_who_is_gone, 10},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
