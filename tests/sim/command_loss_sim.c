/* Commands whose device is disabled or deleted, whose store fails, and whose process dies. */
#include "sim/command_scene.h"

#include <string.h>

/* --- the device's own end --- */

struct change {
    struct scene *scene;
    struct device_change change;
    struct result result;
};

static void do_patch(void *arg)
{
    struct change *x = arg;
    device_patch(&x->scene->w.homes[0], x->scene->g.id, &x->change, &(struct actor){.id = ann},
                 result_take, &x->result);
}

static void do_delete(void *arg)
{
    struct change *x = arg;
    device_delete(&x->scene->w.homes[0], x->scene->g.id, &(struct actor){.id = ann}, result_take,
                  &x->result);
}

static void change(struct scene *c, struct change *x, void (*what)(void *))
{
    x->scene = c;
    sim_on_loop(c->w.sim, 0, what, x);
    result_wait(&c->w, &x->result);
    SIM_CHECK(x->result.error == ERR_NONE);
    result_deinit(&x->result);
}

static void disabling_and_deleting_end_what_waits(uint64_t seed)
{
    struct scene c;
    struct sent end = {0};
    struct change x = {.change = {.has_status = true, .status = DEVICE_DISABLED}};
    scene_start(&c, seed);
    struct command_draft draft = scene_draft(&c, "r1");
    draft.queue = true;
    command_do(&c.w, &c.s, &draft, ann);
    uuid id = c.s.id;
    change(&c, &x, do_patch);
    world_settle(&c.w);
    scene_expect_phase(&c, id, PHASE_REJECTED, "REJECTED");
    scene_expect_story(&c, "r1", "queued rejected");
    draft.request_id = SPAN("r2");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE && c.s.phase == PHASE_REJECTED);
    SIM_CHECK(strcmp(c.s.reason, "REJECTED") == 0);
    x.change.status = DEVICE_ACTIVE;
    change(&c, &x, do_patch);
    draft.request_id = SPAN("r3");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.phase == PHASE_QUEUED);
    command_watch_start(&c.w, &end, c.g.id, c.s.id, 60000);
    sim_run_ms(c.w.sim, 500);
    change(&c, &x, do_delete);
    command_wait_for(&c.w, &end);
    SIM_CHECK(end.error == ERR_DEVICE_NOT_FOUND);
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_DEVICE_NOT_FOUND);
    sent_deinit(&end);
    scene_stop(&c);
}

/* --- a store that fails --- */

static void what_is_not_recorded_is_not_sent(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    scene_plug_in(&c, NULL);
    uuid id = scene_send(&c, "r0");
    world_settle(&c.w);
    sim_store_set_failures(c.w.db, 100, ERR_STORE_FULL);
    struct command_draft draft = scene_draft(&c, "r1");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_STORE_FULL);
    gadget_respond(&c.g, "r0", RESPONSE_SUCCESS, "1");
    world_settle(&c.w);
    SIM_CHECK(c.g.answered == 1 && c.g.good == 0 && c.g.deliveries == 1);
    sim_store_set_failures(c.w.db, 0, ERR_NONE);
    gadget_respond(&c.g, "r0", RESPONSE_SUCCESS, "1");
    sim_run_ms(c.w.sim, 1500);
    world_settle(&c.w);
    SIM_CHECK(c.g.answered == 2 && c.g.good == 1);
    scene_expect_phase(&c, id, PHASE_DONE, "");
    scene_expect_story(&c, "r0", "recorded sent done");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE && !c.s.repeated);
    scene_expect_story(&c, "r1", "recorded sent");
    scene_stop(&c);
}

/* --- the next process --- */

static void crash(struct scene *c)
{
    gadget_cut(&c->g);
    watcher_close(&c->x);
    world_crash(&c->w);
    watcher_open(&c->w, &c->x, world_loop(&c->w));
    watcher_subscribe_events(&c->x);
    sim_run_ms(c->w.sim, 500);
}

static void the_next_process_goes_on(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    scene_plug_in(&c, NULL);
    uuid sent = scene_send(&c, "sent"), acked = scene_send(&c, "acked");
    world_settle(&c.w);
    gadget_respond(&c.g, "acked", RESPONSE_ACCEPTED, "");
    gadget_disconnect(&c.g);
    world_settle(&c.w);
    struct command_draft draft = scene_draft(&c, "queued");
    draft.queue = true;
    command_do(&c.w, &c.s, &draft, ann);
    uuid queued = c.s.id;
    draft.request_id = SPAN("short");
    draft.expires_ms = clock_wall_ms(sim_clock(c.w.sim)) + 10000;
    command_do(&c.w, &c.s, &draft, ann);
    uuid shorter = c.s.id;
    world_settle(&c.w);
    crash(&c);
    scene_expect_phase(&c, sent, PHASE_SENT, "");
    scene_expect_phase(&c, acked, PHASE_ACKNOWLEDGED, "");
    sim_run_ms(c.w.sim, 17000); /* nobody connects, nobody asks: the sweep finds it */
    scene_expect_phase(&c, shorter, PHASE_EXPIRED, "EXPIRED");
    scene_expect_story(&c, "short", "expired");
    draft = scene_draft(&c, "sent");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE && c.s.repeated && uuid_eq(c.s.id, sent));
    if (world_chance(&c.w, 50)) {
        scene_plug_in(&c, NULL); /* what it has not acknowledged comes again, and what waited */
        SIM_CHECK(gadget_got(&c.g, "sent")->times == 2);
        SIM_CHECK(gadget_got(&c.g, "acked")->times == 1);
        SIM_CHECK(gadget_got(&c.g, "queued")->times == 1);
        gadget_respond(&c.g, "acked", RESPONSE_SUCCESS, "1");
        world_settle(&c.w);
        scene_expect_phase(&c, acked, PHASE_DONE, "");
    }
    sim_run_ms(c.w.sim, 20000); /* what remained of 30 s */
    scene_expect_phase(&c, sent, PHASE_TIMED_OUT, "TIMEOUT");
    scene_expect_phase(&c, queued, c.g.plug == NULL ? PHASE_QUEUED : PHASE_SENT, "");
    scene_stop(&c);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"disabling_and_deleting_end_what_waits", disabling_and_deleting_end_what_waits, 20},
        {"what_is_not_recorded_is_not_sent", what_is_not_recorded_is_not_sent, 20},
        {"the_next_process_goes_on", the_next_process_goes_on, 10},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
