/*
 * Entities and the devices behind them, under every order of loops, mail and answers of the store:
 * what devices measure and say moves their entities in its order, their presence is the entities',
 * what was acknowledged is there after a crash, and a device that is deleted leaves its entities
 * behind. A value is a number that grows.
 */
#include "domain/command.h"
#include "domain/device_watch.h"
#include "domain/house.h"
#include "sim/fleet_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES 3
#define NOW INT64_C(1767355200000)

struct town {
    struct world world;
    struct house_who who;
    uuid devices[DEVICES];
    struct socket sockets[DEVICES];
    int value;        /* the newest that was measured or said, of any */
    unsigned waiting; /* answers to telemetry and reports */
    int acknowledged[DEVICES]; /* the newest report that was */
};

/* --- calls --- */

struct call {
    struct town *town;
    unsigned loop;
    unsigned device;
    bool done;
    err error;
    int64_t version;
    buf json;
    char name[32], other[32];
    char text[200];
    uuid id;
    uint32_t wait_ms;
    void (*run)(struct call *c, struct home *h);
};

static void taken(void *owner, const struct house_result *r)
{
    struct call *c = owner;
    SIM_CHECK(!c->done);
    c->done = true;
    c->error = r->error;
    c->version = r->version;
    buf_clear(&c->json);
    buf_append_span(&c->json, r->json);
    buf_append_byte(&c->json, '\0');
}

static void taken_device(void *owner, const struct device_result *r)
{
    struct call *c = owner;
    c->done = true;
    c->error = r->error;
}

static void on_loop(void *arg)
{
    struct call *c = arg;
    c->run(c, &c->town->world.homes[c->loop]);
    SIM_CHECK(!c->done); /* never inside the call */
}

static bool is_done(void *arg) { return ((struct call *)arg)->done; }

static void start(struct call *c, struct town *t, void (*run)(struct call *c, struct home *h))
{
    c->town = t;
    c->done = false;
    c->run = run;
    c->loop = world_loop(&t->world);
    sim_on_loop(t->world.sim, c->loop, on_loop, c);
}

static void wait_for(struct call *c)
{
    SIM_CHECK(sim_until(c->town->world.sim, is_done, c, 600000));
}

static err ask(struct call *c, struct town *t, void (*run)(struct call *c, struct home *h))
{
    start(c, t, run);
    wait_for(c);
    return c->error;
}

static bool shows(const struct call *c, const char *text)
{
    return strstr((const char *)c->json.ptr, text) != NULL;
}

static void do_create(struct call *c, struct home *h)
{
    struct house_entity_draft in = {.entity_id = span_str(c->name),
                                    .device = c->town->devices[c->device],
                                    .capability = span_str(c->other)};
    house_entity_create(h, &in, &c->town->who, taken, c);
}

static void do_get(struct call *c, struct home *h)
{
    house_entity_get(h, span_str(c->name), &c->town->who, taken, c);
}

static void do_rename(struct call *c, struct home *h)
{
    struct house_entity_change in = {.entity_id = span_str(c->other)};
    house_entity_patch(h, span_str(c->name), &in, &c->town->who, taken, c);
}

static void do_unback(struct call *c, struct home *h)
{
    struct house_entity_change in = {.has_backing = true};
    house_entity_patch(h, span_str(c->name), &in, &c->town->who, taken, c);
}

static void do_delete(struct call *c, struct home *h)
{
    house_entity_delete(h, span_str(c->name), 0, &c->town->who, taken, c);
}

static void do_set(struct call *c, struct home *h)
{
    struct house_state_change in = {.entity_id = span_str(c->name), .state = span_str(c->text)};
    house_state_set(h, &in, &c->town->who, taken, c);
}

static void do_act(struct call *c, struct home *h)
{
    struct house_action in = {.entity_id = span_str(c->name),
                              .action = span_str(c->other),
                              .parameters = span_str(c->text),
                              .wait_ms = c->wait_ms};
    house_act(h, &in, &c->town->who, taken, c);
}

static void do_scene(struct call *c, struct home *h)
{
    struct house_scene_draft in = {.name = span_str(c->name), .items = span_str(c->text)};
    house_scene_create(h, &in, &c->town->who, taken, c);
}

static void do_scene_list(struct call *c, struct home *h)
{
    house_scene_list(h, SPAN(""), SPAN(""), 10, &c->town->who, taken, c);
}

static void do_scene_patch(struct call *c, struct home *h)
{
    struct house_scene_draft in = {.description = span_str(c->other)};
    house_scene_patch(h, c->id, c->version, &in, &c->town->who, taken, c);
}

static void do_activate(struct call *c, struct home *h)
{
    house_scene_activate(h, c->id, c->wait_ms, &c->town->who, taken, c);
}

static void do_delete_device(struct call *c, struct home *h)
{
    device_delete(h, c->town->devices[c->device], &c->town->who.actor, taken_device, c);
}

static void do_hurry(struct call *c, struct home *h)
{
    (void)c;
    house_hurry(h);
}

static void town_start(struct town *t, uint64_t seed, unsigned loops)
{
    *t = (struct town){.who = {.actor = {.name = SPAN("tester"), .address = SPAN("::1")},
                               .see = {.all = true},
                               .may = {.all = true}}};
    world_start(&t->world, seed, loops);
    for (unsigned i = 0; i < DEVICES; i++) {
        char name[8];
        snprintf(name, sizeof name, "d%u", i);
        t->devices[i] = world_create(&t->world, name);
    }
}

static void plug_in(struct town *t, unsigned i)
{
    socket_open(&t->world, &t->sockets[i], t->devices[i], world_loop(&t->world));
}

static void town_stop(struct town *t)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        socket_close(&t->sockets[i]);
    }
    world_settle(&t->world);
    world_stop(&t->world);
}

/* Its name is sensor.e<device>_<capability>. */
static void create(struct town *t, unsigned device, const char *capability)
{
    struct call c = {.device = device};
    snprintf(c.name, sizeof c.name, "sensor.e%u_%s", device, capability);
    snprintf(c.other, sizeof c.other, "%s", capability);
    SIM_CHECK(ask(&c, t, do_create) == ERR_NONE);
    buf_deinit(&c.json);
}

static void get(struct town *t, struct call *c, const char *name)
{
    snprintf(c->name, sizeof c->name, "%s", name);
    SIM_CHECK(ask(c, t, do_get) == ERR_NONE);
}

/* --- what devices do --- */

struct put {
    struct town *town;
    unsigned device;
    int value;
    int64_t at_ms;
    char capability[16];
};

static void put_done(void *owner, const struct telemetry_result *r)
{
    struct put *p = owner;
    SIM_CHECK(r->error == ERR_NONE || r->error == ERR_DEVICE_NOT_FOUND ||
              r->error == ERR_STORE_FAILED);
    p->town->waiting--;
    free(p);
}

static void do_put(void *arg)
{
    struct put *p = arg;
    struct town *t = p->town;
    const struct telemetry_sample s = {.sensor_type = span_str(p->capability),
                                       .unit = SPAN("C"),
                                       .value = p->value,
                                       .at_ms = p->at_ms};
    if (t->sockets[p->device].open) {
        telemetry_put_linked(&t->sockets[p->device].link, &s, 1, put_done, p);
    } else {
        telemetry_put(&t->world.homes[0], t->devices[p->device], &s, 1, put_done, p);
    }
}

static struct put *put_new(struct town *t, unsigned device, const char *capability)
{
    struct put *p = calloc(1, sizeof *p);
    *p = (struct put){.town = t, .device = device, .value = ++t->value, .at_ms = NOW + t->value};
    snprintf(p->capability, sizeof p->capability, "%s", capability);
    t->waiting++;
    return p;
}

static void measure(struct town *t, unsigned device, const char *capability)
{
    struct put *p = put_new(t, device, capability);
    bool open = t->sockets[device].open;
    sim_on_loop(t->world.sim, open ? t->sockets[device].loop : 0, do_put, p);
}

static void say_done(void *owner, err error, unsigned moved)
{
    struct put *p = owner;
    struct town *t = p->town;
    SIM_CHECK(moved <= 1);
    if (error == ERR_NONE && moved == 1 && p->value > t->acknowledged[p->device]) {
        t->acknowledged[p->device] = p->value;
    }
    t->waiting--;
    free(p);
}

static void do_say(void *arg)
{
    struct put *p = arg;
    struct town *t = p->town;
    char text[16];
    snprintf(text, sizeof text, "%d", p->value);
    const struct house_say says[] = {
        {.capability = span_str(p->capability), .state = span_str(text)},
        {.capability = SPAN("nobody's"), .state = SPAN("x")}};
    if (t->sockets[p->device].open) {
        device_link_says(&t->sockets[p->device].link, says, 2, say_done, p);
    } else {
        device_says(&t->world.homes[0], t->devices[p->device], says, 2, say_done, p);
    }
}

static void say(struct town *t, unsigned device, const char *capability)
{
    struct put *p = put_new(t, device, capability);
    bool open = t->sockets[device].open;
    sim_on_loop(t->world.sim, open ? t->sockets[device].loop : 0, do_say, p);
}

static bool is_answered(void *arg) { return ((struct town *)arg)->waiting == 0; }

static void quiet(struct town *t)
{
    SIM_CHECK(sim_until(t->world.sim, is_answered, t, 600000));
    world_settle(&t->world);
    sim_run_ms(t->world.sim, 20); /* the news of the last turn */
    world_settle(&t->world);
}

/* --- followers --- */

struct follow {
    struct watcher *watcher;
};

static void do_follow(void *arg)
{
    struct watcher *x = ((struct follow *)arg)->watcher;
    struct world *w = x->world;
    house_follow(&w->homes[x->loop], x->member, w->sides[x->loop].gens[x->member], 0, true);
}

/* Each of the entity's changes begins where the one before it ended, and numbers grow. */
static unsigned check_order(struct watcher *x, const char *name)
{
    char key[80], was[40] = "", old[40], now[40];
    unsigned changes = 0;
    int newest = -1;
    snprintf(key, sizeof key, "\"entity_id\":\"%s\",\"old_state\":", name);
    buf_append_byte(&x->text, '\0');
    x->text.len--;
    for (const char *at = (const char *)x->text.ptr; (at = strstr(at, key)) != NULL; changes++) {
        at += strlen(key);
        SIM_CHECK(sscanf(at, "%39[^,],\"new_state\":%39[^,]", old, now) == 2);
        SIM_CHECK(was[0] == '\0' || strcmp(was, old) == 0);
        snprintf(was, sizeof was, "%s", now);
        if (now[0] == '"' && now[1] >= '0' && now[1] <= '9') {
            SIM_CHECK((int)strtol(now + 1, NULL, 10) >= newest);
            newest = (int)strtol(now + 1, NULL, 10);
        }
    }
    return changes;
}

/* --- cases --- */

static void what_devices_measure_and_say_moves_entities_in_order(uint64_t seed)
{
    struct town t;
    struct watcher x;
    struct call c = {0};
    char name[32], want[40];
    int last[DEVICES][2] = {{0}};
    town_start(&t, seed, 0);
    t.world.conf.telemetry_after_commit = seed % 2 == 0;
    watcher_open(&t.world, &x, world_loop(&t.world));
    struct follow f = {&x};
    sim_on_loop(t.world.sim, x.loop, do_follow, &f);
    sim_settle(t.world.sim);
    for (unsigned i = 0; i < DEVICES; i++) {
        if (world_chance(&t.world, 50)) {
            measure(&t, i, "a"); /* before there is an entity */
            last[i][0] = t.value;
        }
        plug_in(&t, i);
    }
    for (unsigned n = 0; n < 120; n++) {
        unsigned i = (unsigned)sim_random_below(sim_random(t.world.sim), DEVICES);
        if (n % 40 == 20) {
            create(&t, n / 40, "a");
            create(&t, n / 40, "b");
        }
        if (world_chance(&t.world, 60)) {
            measure(&t, i, "a");
            last[i][0] = t.value;
        } else {
            say(&t, i, "b");
            last[i][1] = t.value;
        }
        sim_run_ms(t.world.sim, (int64_t)sim_random_below(sim_random(t.world.sim), 4));
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        say(&t, i, "b");
        last[i][1] = t.value;
        measure(&t, i, "a");
        last[i][0] = t.value;
    }
    quiet(&t);
    for (unsigned i = 0; i < DEVICES; i++) {
        for (unsigned k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "sensor.e%u_%c", i, k == 0 ? 'a' : 'b');
            snprintf(want, sizeof want, "\"state\":\"%d\"", last[i][k]);
            get(&t, &c, name);
            SIM_CHECK(shows(&c, want) && shows(&c, "\"available\":true"));
            SIM_CHECK(k == 1 || shows(&c, "\"attributes\":{\"unit\":\"C\"}"));
            SIM_CHECK(check_order(&x, name) > 0);
        }
        SIM_CHECK(t.acknowledged[i] == last[i][1]);
    }
    buf_deinit(&c.json);
    watcher_close(&x);
    town_stop(&t);
}

static void presence_is_the_entities_availability(uint64_t seed)
{
    struct town t;
    struct call c = {0};
    char name[32];
    town_start(&t, seed, 0);
    for (unsigned i = 0; i < DEVICES; i++) {
        create(&t, i, "a");
        measure(&t, i, "a");
    }
    for (unsigned n = 0; n < 30; n++) {
        unsigned i = (unsigned)sim_random_below(sim_random(t.world.sim), DEVICES);
        if (t.sockets[i].open && world_chance(&t.world, 60)) {
            socket_close(&t.sockets[i]);
        } else if (!t.sockets[i].open) {
            plug_in(&t, i);
        }
        sim_run_ms(t.world.sim, 20000); /* too seldom to flap */
    }
    quiet(&t);
    for (unsigned i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof name, "sensor.e%u_a", i);
        get(&t, &c, name);
        SIM_CHECK(shows(&c, t.sockets[i].open ? "\"available\":true" : "\"available\":false"));
        SIM_CHECK(t.sockets[i].open != shows(&c, "\"state\":\"unavailable\""));
    }
    buf_deinit(&c.json);
    town_stop(&t);
}

static void a_device_that_flaps_is_as_it_was_told(uint64_t seed)
{
    struct town t;
    struct call c = {0};
    town_start(&t, seed, 2);
    create(&t, 0, "a");
    for (unsigned n = 0; n < 20; n++) {
        plug_in(&t, 0);
        sim_run_ms(t.world.sim, 50);
        socket_close(&t.sockets[0]);
        sim_run_ms(t.world.sim, 50);
    }
    plug_in(&t, 0);
    quiet(&t);
    get(&t, &c, "sensor.e0_a");
    SIM_CHECK(shows(&c, "\"available\":false")); /* held as it was when it began to flap */
    for (unsigned n = 0; n < 40; n++) {
        sim_run_ms(t.world.sim, 10000);
        socket_heartbeat(&t.sockets[0], 1);
    }
    quiet(&t);
    get(&t, &c, "sensor.e0_a");
    SIM_CHECK(shows(&c, "\"available\":true"));
    buf_deinit(&c.json);
    town_stop(&t);
}

static void what_was_acknowledged_is_there_after_a_crash(uint64_t seed)
{
    struct town t;
    struct call c = {0};
    int acknowledged[DEVICES];
    char name[32];
    town_start(&t, seed, 0);
    for (unsigned i = 0; i < DEVICES; i++) {
        create(&t, i, "b");
        plug_in(&t, i);
    }
    for (unsigned n = 0; n < 40; n++) {
        say(&t, (unsigned)sim_random_below(sim_random(t.world.sim), DEVICES), "b");
        sim_run_ms(t.world.sim, (int64_t)sim_random_below(sim_random(t.world.sim), 3));
    }
    memcpy(acknowledged, t.acknowledged, sizeof acknowledged);
    for (unsigned i = 0; i < DEVICES; i++) {
        t.sockets[i].open = false; /* gone with the process */
    }
    world_crash(&t.world);
    SIM_CHECK(t.waiting == 0);
    quiet(&t);
    for (unsigned i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof name, "sensor.e%u_b", i);
        get(&t, &c, name);
        SIM_CHECK(shows(&c, "\"state\":\"unavailable\"") && shows(&c, "\"available\":false"));
        plug_in(&t, i);
        quiet(&t);
        get(&t, &c, name);
        SIM_CHECK(shows(&c, "\"available\":true"));
        const char *state = strstr((const char *)c.json.ptr, "\"state\":\"");
        SIM_CHECK(acknowledged[i] == 0 || (int)strtol(state + 9, NULL, 10) >= acknowledged[i]);
        measure(&t, i, "b");
        quiet(&t);
        get(&t, &c, name);
        snprintf(name, sizeof name, "\"state\":\"%d\"", t.value);
        SIM_CHECK(shows(&c, name)); /* it is watched again */
    }
    buf_deinit(&c.json);
    town_stop(&t);
}

static void a_deleted_device_leaves_its_entities_behind(uint64_t seed)
{
    struct town t;
    struct call c = {0}, gone = {.device = 0};
    town_start(&t, seed, 0);
    create(&t, 0, "a");
    create(&t, 0, "b");
    plug_in(&t, 0);
    say(&t, 0, "a");
    quiet(&t);
    start(&gone, &t, do_delete_device);
    if (world_chance(&t.world, 50)) {
        say(&t, 0, "b");
        measure(&t, 0, "a");
    }
    wait_for(&gone);
    SIM_CHECK(gone.error == ERR_NONE);
    quiet(&t);
    get(&t, &c, "sensor.e0_a");
    SIM_CHECK(shows(&c, "\"state\":\"unavailable\"") && shows(&c, "\"device_id\":null"));
    SIM_CHECK(shows(&c, "\"capability\":null"));
    snprintf(c.text, sizeof c.text, "by hand");
    SIM_CHECK(ask(&c, &t, do_set) == ERR_NONE);
    get(&t, &c, "sensor.e0_a");
    SIM_CHECK(shows(&c, "\"state\":\"by hand\"") && shows(&c, "\"available\":true"));
    world_crash(&t.world);
    get(&t, &c, "sensor.e0_b");
    SIM_CHECK(shows(&c, "\"state\":\"unavailable\"") && shows(&c, "\"device_id\":null"));
    buf_deinit(&c.json);
    town_stop(&t);
}

static void a_deletion_that_fails_leaves_them_as_they_were(uint64_t seed)
{
    struct town t;
    struct call c = {0}, gone = {.device = 0};
    char want[40];
    town_start(&t, seed, 0);
    create(&t, 0, "a");
    plug_in(&t, 0);
    quiet(&t);
    sim_store_set_failures(t.world.db, 100, ERR_STORE_FULL);
    SIM_CHECK(ask(&gone, &t, do_delete_device) != ERR_NONE);
    sim_store_set_failures(t.world.db, 0, ERR_NONE);
    sim_run_ms(t.world.sim, 5000);
    plug_in(&t, 0);
    quiet(&t);
    measure(&t, 0, "a");
    quiet(&t);
    get(&t, &c, "sensor.e0_a");
    snprintf(want, sizeof want, "\"state\":\"%d\"", t.value);
    SIM_CHECK(shows(&c, want) && shows(&c, "\"available\":true"));
    buf_deinit(&c.json);
    town_stop(&t);
}

static void a_renamed_entity_keeps_its_device_and_one_without_is_peoples(uint64_t seed)
{
    struct town t;
    struct call c = {0};
    char want[40];
    town_start(&t, seed, 0);
    create(&t, 0, "a");
    plug_in(&t, 0);
    measure(&t, 0, "a");
    snprintf(c.name, sizeof c.name, "sensor.e0_a");
    snprintf(c.other, sizeof c.other, "sensor.new");
    start(&c, &t, do_rename);
    measure(&t, 0, "a");
    wait_for(&c);
    SIM_CHECK(c.error == ERR_NONE);
    measure(&t, 0, "a");
    quiet(&t);
    get(&t, &c, "sensor.e0_a"); /* by its alias */
    snprintf(want, sizeof want, "\"state\":\"%d\"", t.value);
    SIM_CHECK(shows(&c, want) && shows(&c, "\"entity_id\":\"sensor.new\""));
    snprintf(c.text, sizeof c.text, "mine");
    SIM_CHECK(ask(&c, &t, do_set) == ERR_CONFLICT);
    socket_close(&t.sockets[0]);
    quiet(&t);
    SIM_CHECK(ask(&c, &t, do_unback) == ERR_NONE);
    measure(&t, 0, "a");
    quiet(&t);
    get(&t, &c, "sensor.new");
    SIM_CHECK(shows(&c, want) && shows(&c, "\"available\":true")); /* as it was said last */
    SIM_CHECK(ask(&c, &t, do_set) == ERR_NONE);
    create(&t, 0, "a"); /* another takes the capability, with its newest value */
    plug_in(&t, 0);
    quiet(&t);
    get(&t, &c, "sensor.e0_a");
    snprintf(want, sizeof want, "\"state\":\"%d\"", t.value);
    SIM_CHECK(shows(&c, want));
    snprintf(c.name, sizeof c.name, "sensor.e0_a");
    SIM_CHECK(ask(&c, &t, do_delete) == ERR_NONE);
    measure(&t, 0, "a");
    quiet(&t);
    buf_deinit(&c.json);
    town_stop(&t);
}

/* --- actions and scenes --- */

static void a_device_that_hangs_is_not_waited_for_when_the_process_ends(uint64_t seed)
{
    struct town t;
    struct call c = {.wait_ms = 30000}, s = {.wait_ms = 30000}, hurry = {0};
    town_start(&t, seed, 0);
    create(&t, 0, "a");
    create(&t, 1, "a");
    plug_in(&t, 0);
    quiet(&t);
    snprintf(c.name, sizeof c.name, "sensor.e1_a");
    snprintf(c.other, sizeof c.other, "turn_on");
    SIM_CHECK(ask(&c, &t, do_act) == ERR_COMMAND_EXECUTION_FAILED);
    SIM_CHECK(shows(&c, "\"reason\":\"DEVICE_OFFLINE\"") && shows(&c, "\"status\":\"failed\""));
    snprintf(s.name, sizeof s.name, "scene");
    snprintf(s.text, sizeof s.text, "[{\"entity_id\":\"sensor.e0_a\",\"state\":\"on\"}]");
    SIM_CHECK(ask(&s, &t, do_scene) == ERR_NONE);
    SIM_CHECK(uuid_parse(span_of(s.json.ptr + 7, UUID_TEXT_LEN), &s.id));
    snprintf(c.name, sizeof c.name, "sensor.e0_a");
    start(&c, &t, do_act);
    start(&s, &t, do_activate);
    start(&hurry, &t, do_hurry);
    sim_run_ms(t.world.sim, 2000);
    SIM_CHECK(c.done && s.done);
    buf_deinit(&c.json);
    buf_deinit(&s.json);
    town_stop(&t);
}

static void scenes_are_what_was_acknowledged(uint64_t seed)
{
    struct town t;
    struct call a = {0}, b = {0}, c = {0};
    town_start(&t, seed, 0);
    create(&t, 0, "a");
    create(&t, 0, "b");
    snprintf(a.name, sizeof a.name, "evening");
    snprintf(a.text, sizeof a.text,
             "[{\"entity_id\":\"sensor.e0_a\",\"action\":\"turn_on\"},"
             "{\"entity_id\":\"sensor.e0_b\",\"state\":\"low\"}]");
    b = a;
    start(&a, &t, do_scene);
    start(&b, &t, do_scene); /* of one name: one of them is refused */
    wait_for(&a);
    wait_for(&b);
    SIM_CHECK((a.error == ERR_NONE) + (b.error == ERR_NONE) == 1);
    struct call *made = a.error == ERR_NONE ? &a : &b, *other = made == &a ? &b : &a;
    SIM_CHECK(other->error == ERR_CONFLICT);
    SIM_CHECK(uuid_parse(span_of(made->json.ptr + 7, UUID_TEXT_LEN), &made->id));
    other->id = made->id;
    other->version = made->version = 1;
    snprintf(made->other, sizeof made->other, "first");
    snprintf(other->other, sizeof other->other, "second");
    start(made, &t, do_scene_patch);
    start(other, &t, do_scene_patch); /* tied to one version: one is made */
    wait_for(made);
    wait_for(other);
    SIM_CHECK((made->error == ERR_NONE) + (other->error == ERR_NONE) == 1);
    snprintf(c.name, sizeof c.name, "sensor.e0_a");
    snprintf(c.other, sizeof c.other, "sensor.lamp");
    SIM_CHECK(ask(&c, &t, do_rename) == ERR_NONE);
    snprintf(c.name, sizeof c.name, "sensor.e0_b");
    SIM_CHECK(ask(&c, &t, do_delete) == ERR_NONE);
    for (unsigned crash = 0; crash < 2; crash++) {
        SIM_CHECK(ask(&c, &t, do_scene_list) == ERR_NONE);
        SIM_CHECK(shows(&c, "\"items\":[{\"entity_id\":\"sensor.lamp\",\"action\":\"turn_on\","
                            "\"parameters\":{}}]"));
        SIM_CHECK(shows(&c, "\"version\":2"));
        if (crash == 0) {
            world_crash(&t.world);
        }
    }
    sim_store_set_failures(t.world.db, 100, ERR_STORE_FULL);
    snprintf(a.name, sizeof a.name, "morning");
    snprintf(a.text, sizeof a.text, "[]");
    SIM_CHECK(ask(&a, &t, do_scene) != ERR_NONE);
    sim_store_set_failures(t.world.db, 0, ERR_NONE);
    SIM_CHECK(ask(&c, &t, do_scene_list) == ERR_NONE);
    SIM_CHECK(!shows(&c, "morning"));
    buf_deinit(&a.json);
    buf_deinit(&b.json);
    buf_deinit(&c.json);
    town_stop(&t);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"what_devices_measure_and_say_moves_entities_in_order",
         what_devices_measure_and_say_moves_entities_in_order, 20},
        {"presence_is_the_entities_availability", presence_is_the_entities_availability, 10},
        {"a_device_that_flaps_is_as_it_was_told", a_device_that_flaps_is_as_it_was_told, 3},
        {"what_was_acknowledged_is_there_after_a_crash",
         what_was_acknowledged_is_there_after_a_crash, 20},
        {"a_deleted_device_leaves_its_entities_behind",
         a_deleted_device_leaves_its_entities_behind, 20},
        {"a_deletion_that_fails_leaves_them_as_they_were",
         a_deletion_that_fails_leaves_them_as_they_were, 10},
        {"a_renamed_entity_keeps_its_device_and_one_without_is_peoples",
         a_renamed_entity_keeps_its_device_and_one_without_is_peoples, 10},
        {"a_device_that_hangs_is_not_waited_for_when_the_process_ends",
         a_device_that_hangs_is_not_waited_for_when_the_process_ends, 10},
        {"scenes_are_what_was_acknowledged", scenes_are_what_was_acknowledged, 20},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
