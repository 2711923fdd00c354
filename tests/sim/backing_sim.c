/*
 * Entities and the devices behind them, under every order of loops, mail and answers of the store:
 * what devices measure and say moves their entities in its order, their presence is the entities',
 * and what was acknowledged is there after a crash.
 */
#include "sim/backing_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
            town_measure(&t, i, "a"); /* before there is an entity */
            last[i][0] = t.value;
        }
        town_plug_in(&t, i);
    }
    for (unsigned n = 0; n < 120; n++) {
        unsigned i = (unsigned)sim_random_below(sim_random(t.world.sim), DEVICES);
        if (n % 40 == 20) {
            town_create(&t, n / 40, "a");
            town_create(&t, n / 40, "b");
        }
        if (world_chance(&t.world, 60)) {
            town_measure(&t, i, "a");
            last[i][0] = t.value;
        } else {
            town_say(&t, i, "b");
            last[i][1] = t.value;
        }
        sim_run_ms(t.world.sim, (int64_t)sim_random_below(sim_random(t.world.sim), 4));
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        town_say(&t, i, "b");
        last[i][1] = t.value;
        town_measure(&t, i, "a");
        last[i][0] = t.value;
    }
    town_quiet(&t);
    for (unsigned i = 0; i < DEVICES; i++) {
        for (unsigned k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "sensor.e%u_%c", i, k == 0 ? 'a' : 'b');
            snprintf(want, sizeof want, "\"state\":\"%d\"", last[i][k]);
            town_get(&t, &c, name);
            SIM_CHECK(call_shows(&c, want) && call_shows(&c, "\"available\":true"));
            SIM_CHECK(k == 1 || call_shows(&c, "\"attributes\":{\"unit\":\"C\"}"));
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
        town_create(&t, i, "a");
        town_measure(&t, i, "a");
    }
    for (unsigned n = 0; n < 30; n++) {
        unsigned i = (unsigned)sim_random_below(sim_random(t.world.sim), DEVICES);
        if (t.sockets[i].open && world_chance(&t.world, 60)) {
            socket_close(&t.sockets[i]);
        } else if (!t.sockets[i].open) {
            town_plug_in(&t, i);
        }
        sim_run_ms(t.world.sim, 20000); /* too seldom to flap */
    }
    town_quiet(&t);
    for (unsigned i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof name, "sensor.e%u_a", i);
        town_get(&t, &c, name);
        SIM_CHECK(call_shows(&c, t.sockets[i].open ? "\"available\":true" : "\"available\":false"));
        SIM_CHECK(t.sockets[i].open != call_shows(&c, "\"state\":\"unavailable\""));
    }
    buf_deinit(&c.json);
    town_stop(&t);
}

static void a_device_that_flaps_is_as_it_was_told(uint64_t seed)
{
    struct town t;
    struct call c = {0};
    town_start(&t, seed, 2);
    town_create(&t, 0, "a");
    for (unsigned n = 0; n < 20; n++) {
        town_plug_in(&t, 0);
        sim_run_ms(t.world.sim, 50);
        socket_close(&t.sockets[0]);
        sim_run_ms(t.world.sim, 50);
    }
    town_plug_in(&t, 0);
    town_quiet(&t);
    town_get(&t, &c, "sensor.e0_a");
    SIM_CHECK(call_shows(&c, "\"available\":false")); /* held as it was when it began to flap */
    for (unsigned n = 0; n < 40; n++) {
        sim_run_ms(t.world.sim, 10000);
        socket_heartbeat(&t.sockets[0], 1);
    }
    town_quiet(&t);
    town_get(&t, &c, "sensor.e0_a");
    SIM_CHECK(call_shows(&c, "\"available\":true"));
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
        town_create(&t, i, "b");
        town_plug_in(&t, i);
    }
    for (unsigned n = 0; n < 40; n++) {
        town_say(&t, (unsigned)sim_random_below(sim_random(t.world.sim), DEVICES), "b");
        sim_run_ms(t.world.sim, (int64_t)sim_random_below(sim_random(t.world.sim), 3));
    }
    memcpy(acknowledged, t.acknowledged, sizeof acknowledged);
    for (unsigned i = 0; i < DEVICES; i++) {
        t.sockets[i].open = false; /* gone with the process */
    }
    world_crash(&t.world);
    SIM_CHECK(t.waiting == 0);
    town_quiet(&t);
    for (unsigned i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof name, "sensor.e%u_b", i);
        town_get(&t, &c, name);
        SIM_CHECK(call_shows(&c, "\"state\":\"unavailable\""));
        SIM_CHECK(call_shows(&c, "\"available\":false"));
        town_plug_in(&t, i);
        town_quiet(&t);
        town_get(&t, &c, name);
        SIM_CHECK(call_shows(&c, "\"available\":true"));
        const char *state = strstr((const char *)c.json.ptr, "\"state\":\"");
        SIM_CHECK(acknowledged[i] == 0 || (int)strtol(state + 9, NULL, 10) >= acknowledged[i]);
        town_measure(&t, i, "b");
        town_quiet(&t);
        town_get(&t, &c, name);
        snprintf(name, sizeof name, "\"state\":\"%d\"", t.value);
        SIM_CHECK(call_shows(&c, name)); /* it is watched again */
    }
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
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
