/*
 * Actions and scenes of the house: a device that hangs is not waited for when the process ends, and
 * scenes are what was acknowledged, whoever asks at once, dies, or fails to store.
 */
#include "sim/backing_world.h"

#include <stdio.h>

static void do_act(struct call *c, struct home *h)
{
    struct house_action in = {.entity_id = span_str(c->name),
                              .action = span_str(c->other),
                              .parameters = span_str(c->text),
                              .wait_ms = c->wait_ms};
    house_act(h, &in, &c->town->who, call_taken, c);
}

static void do_scene(struct call *c, struct home *h)
{
    struct house_scene_draft in = {.name = span_str(c->name), .items = span_str(c->text)};
    house_scene_create(h, &in, &c->town->who, call_taken, c);
}

static void do_scene_list(struct call *c, struct home *h)
{
    house_scene_list(h, SPAN(""), SPAN(""), 10, &c->town->who, call_taken, c);
}

static void do_scene_patch(struct call *c, struct home *h)
{
    struct house_scene_draft in = {.description = span_str(c->other)};
    house_scene_patch(h, c->id, c->version, &in, &c->town->who, call_taken, c);
}

static void do_activate(struct call *c, struct home *h)
{
    house_scene_activate(h, c->id, c->wait_ms, &c->town->who, call_taken, c);
}

static void do_hurry(struct call *c, struct home *h)
{
    (void)c;
    house_hurry(h);
}

static void a_device_that_hangs_is_not_waited_for_when_the_process_ends(uint64_t seed)
{
    struct town t;
    struct call c = {.wait_ms = 30000}, s = {.wait_ms = 30000}, hurry = {0};
    town_start(&t, seed, 0);
    town_create(&t, 0, "a");
    town_create(&t, 1, "a");
    town_plug_in(&t, 0);
    town_quiet(&t);
    snprintf(c.name, sizeof c.name, "sensor.e1_a");
    snprintf(c.other, sizeof c.other, "turn_on");
    SIM_CHECK(call_ask(&c, &t, do_act) == ERR_COMMAND_EXECUTION_FAILED);
    SIM_CHECK(call_shows(&c, "\"reason\":\"DEVICE_OFFLINE\""));
    SIM_CHECK(call_shows(&c, "\"status\":\"failed\""));
    snprintf(s.name, sizeof s.name, "scene");
    snprintf(s.text, sizeof s.text, "[{\"entity_id\":\"sensor.e0_a\",\"state\":\"on\"}]");
    SIM_CHECK(call_ask(&s, &t, do_scene) == ERR_NONE);
    SIM_CHECK(uuid_parse(span_of(s.json.ptr + 7, UUID_TEXT_LEN), &s.id));
    snprintf(c.name, sizeof c.name, "sensor.e0_a");
    call_start(&c, &t, do_act);
    call_start(&s, &t, do_activate);
    call_start(&hurry, &t, do_hurry);
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
    town_create(&t, 0, "a");
    town_create(&t, 0, "b");
    snprintf(a.name, sizeof a.name, "evening");
    snprintf(a.text, sizeof a.text,
             "[{\"entity_id\":\"sensor.e0_a\",\"action\":\"turn_on\"},"
             "{\"entity_id\":\"sensor.e0_b\",\"state\":\"low\"}]");
    b = a;
    call_start(&a, &t, do_scene);
    call_start(&b, &t, do_scene); /* of one name: one of them is refused */
    call_wait(&a);
    call_wait(&b);
    SIM_CHECK((a.error == ERR_NONE) + (b.error == ERR_NONE) == 1);
    struct call *made = a.error == ERR_NONE ? &a : &b, *other = made == &a ? &b : &a;
    SIM_CHECK(other->error == ERR_CONFLICT);
    SIM_CHECK(uuid_parse(span_of(made->json.ptr + 7, UUID_TEXT_LEN), &made->id));
    other->id = made->id;
    other->version = made->version = 1;
    snprintf(made->other, sizeof made->other, "first");
    snprintf(other->other, sizeof other->other, "second");
    call_start(made, &t, do_scene_patch);
    call_start(other, &t, do_scene_patch); /* tied to one version: one is made */
    call_wait(made);
    call_wait(other);
    SIM_CHECK((made->error == ERR_NONE) + (other->error == ERR_NONE) == 1);
    snprintf(c.name, sizeof c.name, "sensor.e0_a");
    snprintf(c.other, sizeof c.other, "sensor.lamp");
    SIM_CHECK(call_ask(&c, &t, call_rename) == ERR_NONE);
    snprintf(c.name, sizeof c.name, "sensor.e0_b");
    SIM_CHECK(call_ask(&c, &t, call_delete) == ERR_NONE);
    for (unsigned crash = 0; crash < 2; crash++) {
        SIM_CHECK(call_ask(&c, &t, do_scene_list) == ERR_NONE);
        SIM_CHECK(call_shows(&c, "\"items\":[{\"entity_id\":\"sensor.lamp\",\"action\":\"turn_on\","
                                 "\"parameters\":{}}]"));
        SIM_CHECK(call_shows(&c, "\"version\":2"));
        if (crash == 0) {
            world_crash(&t.world);
        }
    }
    sim_store_set_failures(t.world.db, 100, ERR_STORE_FULL);
    snprintf(a.name, sizeof a.name, "morning");
    snprintf(a.text, sizeof a.text, "[]");
    SIM_CHECK(call_ask(&a, &t, do_scene) != ERR_NONE);
    sim_store_set_failures(t.world.db, 0, ERR_NONE);
    SIM_CHECK(call_ask(&c, &t, do_scene_list) == ERR_NONE);
    SIM_CHECK(!call_shows(&c, "morning"));
    buf_deinit(&a.json);
    buf_deinit(&b.json);
    buf_deinit(&c.json);
    town_stop(&t);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"a_device_that_hangs_is_not_waited_for_when_the_process_ends",
         a_device_that_hangs_is_not_waited_for_when_the_process_ends, 10},
        {"scenes_are_what_was_acknowledged", scenes_are_what_was_acknowledged, 20},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
