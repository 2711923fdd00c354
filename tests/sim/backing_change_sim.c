/*
 * Entities whose device does not stay what it was: it is deleted, or was to be, and entities are
 * renamed, lose their device and are followed by others of the same capability.
 */
#include "sim/backing_world.h"

#include <stdio.h>

static void do_unback(struct call *c, struct home *h)
{
    struct house_entity_change in = {.has_backing = true};
    house_entity_patch(h, span_str(c->name), &in, &c->town->who, call_taken, c);
}

static void do_set(struct call *c, struct home *h)
{
    struct house_state_change in = {.entity_id = span_str(c->name), .state = span_str(c->text)};
    house_state_set(h, &in, &c->town->who, call_taken, c);
}

static void taken_device(void *owner, const struct device_result *r)
{
    struct call *c = owner;
    c->done = true;
    c->error = r->error;
}

static void do_delete_device(struct call *c, struct home *h)
{
    device_delete(h, c->town->devices[c->device], &c->town->who.actor, taken_device, c);
}

static void a_deleted_device_leaves_its_entities_behind(uint64_t seed)
{
    struct town t;
    struct call c = {0}, gone = {.device = 0};
    town_start(&t, seed, 0);
    town_create(&t, 0, "a");
    town_create(&t, 0, "b");
    town_plug_in(&t, 0);
    town_say(&t, 0, "a");
    town_quiet(&t);
    call_start(&gone, &t, do_delete_device);
    if (world_chance(&t.world, 50)) {
        town_say(&t, 0, "b");
        town_measure(&t, 0, "a");
    }
    call_wait(&gone);
    SIM_CHECK(gone.error == ERR_NONE);
    town_quiet(&t);
    town_get(&t, &c, "sensor.e0_a");
    SIM_CHECK(call_shows(&c, "\"state\":\"unavailable\"") && call_shows(&c, "\"device_id\":null"));
    SIM_CHECK(call_shows(&c, "\"capability\":null"));
    snprintf(c.text, sizeof c.text, "by hand");
    SIM_CHECK(call_ask(&c, &t, do_set) == ERR_NONE);
    town_get(&t, &c, "sensor.e0_a");
    SIM_CHECK(call_shows(&c, "\"state\":\"by hand\"") && call_shows(&c, "\"available\":true"));
    world_crash(&t.world);
    town_get(&t, &c, "sensor.e0_b");
    SIM_CHECK(call_shows(&c, "\"state\":\"unavailable\"") && call_shows(&c, "\"device_id\":null"));
    buf_deinit(&c.json);
    town_stop(&t);
}

static void a_deletion_that_fails_leaves_them_as_they_were(uint64_t seed)
{
    struct town t;
    struct call c = {0}, gone = {.device = 0};
    char want[40];
    town_start(&t, seed, 0);
    town_create(&t, 0, "a");
    town_plug_in(&t, 0);
    town_quiet(&t);
    sim_store_set_failures(t.world.db, 100, ERR_STORE_FULL);
    SIM_CHECK(call_ask(&gone, &t, do_delete_device) != ERR_NONE);
    sim_store_set_failures(t.world.db, 0, ERR_NONE);
    sim_run_ms(t.world.sim, 5000);
    town_plug_in(&t, 0);
    town_quiet(&t);
    town_measure(&t, 0, "a");
    town_quiet(&t);
    town_get(&t, &c, "sensor.e0_a");
    snprintf(want, sizeof want, "\"state\":\"%d\"", t.value);
    SIM_CHECK(call_shows(&c, want) && call_shows(&c, "\"available\":true"));
    buf_deinit(&c.json);
    town_stop(&t);
}

static void a_renamed_entity_keeps_its_device_and_one_without_is_peoples(uint64_t seed)
{
    struct town t;
    struct call c = {0};
    char want[40];
    town_start(&t, seed, 0);
    town_create(&t, 0, "a");
    town_plug_in(&t, 0);
    town_measure(&t, 0, "a");
    snprintf(c.name, sizeof c.name, "sensor.e0_a");
    snprintf(c.other, sizeof c.other, "sensor.new");
    call_start(&c, &t, call_rename);
    town_measure(&t, 0, "a");
    call_wait(&c);
    SIM_CHECK(c.error == ERR_NONE);
    town_measure(&t, 0, "a");
    town_quiet(&t);
    town_get(&t, &c, "sensor.e0_a"); /* by its alias */
    snprintf(want, sizeof want, "\"state\":\"%d\"", t.value);
    SIM_CHECK(call_shows(&c, want) && call_shows(&c, "\"entity_id\":\"sensor.new\""));
    snprintf(c.text, sizeof c.text, "mine");
    SIM_CHECK(call_ask(&c, &t, do_set) == ERR_CONFLICT);
    socket_close(&t.sockets[0]);
    town_quiet(&t);
    SIM_CHECK(call_ask(&c, &t, do_unback) == ERR_NONE);
    town_measure(&t, 0, "a");
    town_quiet(&t);
    town_get(&t, &c, "sensor.new");
    SIM_CHECK(call_shows(&c, want)); /* as it was said last */
    SIM_CHECK(call_shows(&c, "\"available\":true"));
    SIM_CHECK(call_ask(&c, &t, do_set) == ERR_NONE);
    town_create(&t, 0, "a"); /* another takes the capability, with its newest value */
    town_plug_in(&t, 0);
    town_quiet(&t);
    town_get(&t, &c, "sensor.e0_a");
    snprintf(want, sizeof want, "\"state\":\"%d\"", t.value);
    SIM_CHECK(call_shows(&c, want));
    snprintf(c.name, sizeof c.name, "sensor.e0_a");
    SIM_CHECK(call_ask(&c, &t, call_delete) == ERR_NONE);
    town_measure(&t, 0, "a");
    town_quiet(&t);
    buf_deinit(&c.json);
    town_stop(&t);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"a_deleted_device_leaves_its_entities_behind",
         a_deleted_device_leaves_its_entities_behind, 20},
        {"a_deletion_that_fails_leaves_them_as_they_were",
         a_deletion_that_fails_leaves_them_as_they_were, 10},
        {"a_renamed_entity_keeps_its_device_and_one_without_is_peoples",
         a_renamed_entity_keeps_its_device_and_one_without_is_peoples, 10},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
