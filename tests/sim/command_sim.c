/* The life of commands, phase by phase, on a fake clock, under every order of loops, mail and
 * answers of the store. */
#include "sim/command_scene.h"

#include <stdio.h>
#include <string.h>

static void an_online_device_gets_it_and_answers(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    gadget_connect(&c.g);
    world_settle(&c.w);
    struct command_draft draft = scene_draft(&c, "r1");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE && c.s.phase == PHASE_RECORDED && !c.s.repeated);
    uuid id = c.s.id;
    world_settle(&c.w);
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 1);
    gadget_respond(&c.g, "r1", RESPONSE_SUCCESS, "{\"lit\":true}");
    world_settle(&c.w);
    SIM_CHECK(c.g.good == 1);
    command_show(&c.w, &c.s, c.g.id, id);
    SIM_CHECK(c.s.error == ERR_NONE && c.s.phase == PHASE_DONE);
    SIM_CHECK(sent_holds(&c.s, "\"response\":{\"lit\":true}"));
    SIM_CHECK(sent_holds(&c.s, "\"status\":\"executed\""));
    SIM_CHECK(sent_holds(&c.s, "\"parameters\":{\"n\":3}") && sent_holds(&c.s, "executedAt"));
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE && c.s.repeated && c.s.phase == PHASE_DONE);
    SIM_CHECK(uuid_eq(c.s.id, id));
    command_do(&c.w, &c.s, &draft, bob);
    SIM_CHECK(c.s.error == ERR_INVALID_MESSAGE_FORMAT && strcmp(c.s.why, "DUPLICATE_REQUEST") == 0);
    scene_expect_story(&c, "r1", "recorded sent done");
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 1);
    scene_stop(&c);
}

static void only_who_acknowledges_gets_it_again(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    scene_plug_in(&c, "[\"x\",\"command-ack\"]");
    uuid id = scene_send(&c, "r1");
    sim_run_ms(c.w.sim, 700);
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 1);
    sim_run_ms(c.w.sim, 700); /* 0.8 to 1.2 s */
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 2);
    sim_run_ms(c.w.sim, 2600); /* and 1.6 to 2.4 */
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 3);
    sim_run_ms(c.w.sim, 5000); /* and 3.2 to 4.8 */
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 4);
    scene_expect_phase(&c, id, PHASE_SENT, "");
    sim_run_ms(c.w.sim, 22000); /* 30 s from sending */
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 4);
    scene_expect_phase(&c, id, PHASE_TIMED_OUT, "TIMEOUT");
    SIM_CHECK(sent_holds(&c.s, "\"error\":{\"code\":\"TIMEOUT\""));
    scene_expect_story(&c, "r1", "recorded sent timed_out");

    scene_plug_in(&c, "[\"x\"]");
    id = scene_send(&c, "r2");
    sim_run_ms(c.w.sim, 10000);
    SIM_CHECK(gadget_got(&c.g, "r2")->times == 1);
    scene_plug_in(&c, NULL);
    SIM_CHECK(gadget_got(&c.g, "r2")->times == 2);
    gadget_disconnect(&c.g);
    world_settle(&c.w);
    sim_run_ms(c.w.sim, 10000);
    scene_expect_phase(&c, id, PHASE_SENT, "");
    scene_plug_in(&c, NULL);
    SIM_CHECK(gadget_got(&c.g, "r2")->times == 3 && gadget_got(&c.g, "r1")->times == 4);
    gadget_respond(&c.g, "r2", RESPONSE_SUCCESS, "");
    scene_expect_story(&c, "r2", "recorded sent done");
    scene_stop(&c);
}

static void what_a_device_says_changes_the_phase(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    c.g.acks = true;
    scene_plug_in(&c, "[\"command-ack\"]");
    uuid id = scene_send(&c, "r1");
    sim_run_ms(c.w.sim, 9000);
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 1);
    scene_expect_phase(&c, id, PHASE_ACKNOWLEDGED, "");
    gadget_respond(&c.g, "r1", RESPONSE_ACCEPTED, "");
    gadget_respond(&c.g, "r1", RESPONSE_PROGRESS, "10");
    world_settle(&c.w);
    gadget_respond(&c.g, "r1", RESPONSE_PROGRESS, "20");
    gadget_respond(&c.g, "r1", RESPONSE_PROGRESS, "30");
    world_settle(&c.w);
    scene_expect_phase(&c, id, PHASE_ACKNOWLEDGED, "");
    SIM_CHECK(sent_holds(&c.s, "\"response\":30") && c.g.good == 4);
    gadget_respond(&c.g, "r1", RESPONSE_ERROR, "");
    gadget_respond(&c.g, "r1", RESPONSE_ERROR, "");
    world_settle(&c.w);
    scene_expect_phase(&c, id, PHASE_FAILED, "DEVICE_ERROR");
    SIM_CHECK(sent_holds(&c.s, "\"error\":{\"code\":\"E_BUSY\",\"message\":\"not now\"}"));
    scene_expect_story(&c, "r1",
                 "recorded sent acknowledged acknowledged acknowledged acknowledged failed");
    SIM_CHECK(c.g.good == 6);
    gadget_respond(&c.g, "r1", RESPONSE_SUCCESS, "1"); /* it has said error: that stays */
    world_settle(&c.w);
    gadget_respond(&c.g, "nobody", RESPONSE_SUCCESS, "1");
    world_settle(&c.w);
    SIM_CHECK(c.g.good == 7 && c.g.answered == 8 && c.g.last == ERR_NOT_FOUND);
    scene_expect_phase(&c, id, PHASE_FAILED, "DEVICE_ERROR");

    struct command_draft draft = scene_draft(&c, "r2");
    draft.no_response = true;
    command_do(&c.w, &c.s, &draft, ann);
    id = c.s.id;
    world_settle(&c.w);
    scene_expect_phase(&c, id, PHASE_DONE, "");
    scene_expect_story(&c, "r2", "recorded sent done");
    c.g.acks = false;
    id = scene_send(&c, "r3");
    world_settle(&c.w);
    gadget_respond(&c.g, "r3", RESPONSE_PROGRESS, "1");
    scene_expect_story(&c, "r3", "recorded sent acknowledged");
    gadget_respond(&c.g, "r3", RESPONSE_SUCCESS, "");
    world_settle(&c.w);
    scene_expect_phase(&c, id, PHASE_DONE, "");
    SIM_CHECK(sent_holds(&c.s, "\"response\":1"));
    scene_stop(&c);
}

static void a_late_answer_is_kept_and_marked(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    scene_plug_in(&c, NULL);
    struct command_draft draft = scene_draft(&c, "r1");
    draft.timeout_ms = 1000;
    command_do(&c.w, &c.s, &draft, ann);
    uuid id = c.s.id;
    sim_run_ms(c.w.sim, 1500);
    scene_expect_phase(&c, id, PHASE_TIMED_OUT, "TIMEOUT");
    gadget_respond(&c.g, "r1", RESPONSE_PROGRESS, "1");
    gadget_respond(&c.g, "r1", RESPONSE_SUCCESS, "2");
    gadget_respond(&c.g, "r1", RESPONSE_ERROR, "3");
    world_settle(&c.w);
    SIM_CHECK(c.g.good == 3);
    scene_expect_phase(&c, id, PHASE_TIMED_OUT, "TIMEOUT");
    SIM_CHECK(sent_holds(&c.s, "\"late\":true") && sent_holds(&c.s, "executedAt"));
    SIM_CHECK(sent_holds(&c.s, "\"response\":2") || sent_holds(&c.s, "\"response\":3"));
    scene_expect_story(&c, "r1", "recorded sent timed_out timed_out!");
    scene_stop(&c);
}

static void one_that_is_offline_rejects_or_queues(uint64_t seed)
{
    struct scene c;
    uuid ids[COMMAND_QUEUED_MAX];
    char request[16];
    scene_start(&c, seed);
    uuid id = scene_send(&c, "r1");
    SIM_CHECK(c.s.phase == PHASE_REJECTED && strcmp(c.s.reason, "DEVICE_OFFLINE") == 0);
    scene_expect_phase(&c, id, PHASE_REJECTED, "DEVICE_OFFLINE");
    scene_expect_story(&c, "r1", "rejected");
    struct command_draft draft = scene_draft(&c, NULL);
    draft.queue = true;
    for (unsigned i = 0; i <= COMMAND_QUEUED_MAX; i++) {
        snprintf(request, sizeof request, "q%u", i);
        draft.request_id = span_str(request);
        command_do(&c.w, &c.s, &draft, ann);
        if (i == COMMAND_QUEUED_MAX) {
            SIM_CHECK(c.s.error == ERR_RATE_LIMIT_EXCEEDED);
        } else {
            SIM_CHECK(c.s.error == ERR_NONE && c.s.phase == PHASE_QUEUED);
            ids[i] = c.s.id;
        }
    }
    draft.request_id = SPAN("q7");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE && c.s.repeated && uuid_eq(c.s.id, ids[7]));
    draft.request_id = SPAN("r1");
    draft.queue = false;
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE && c.s.repeated && c.s.phase == PHASE_REJECTED);
    SIM_CHECK(world_stats(&c.w).idle == world_stats(&c.w).loaded); /* nothing is held for them */
    c.g.acks = c.g.answers = true;
    scene_plug_in(&c, NULL);
    for (unsigned i = 0; i < COMMAND_QUEUED_MAX; i++) {
        snprintf(request, sizeof request, "q%u", i);
        struct got *got = gadget_got(&c.g, request);
        SIM_CHECK(got != NULL && got->times == 1 && got == &c.g.got[i]);
        scene_expect_phase(&c, ids[i], PHASE_DONE, "");
    }
    scene_expect_story(&c, "q9", "queued sent acknowledged done");
    scene_stop(&c);
}

static void one_that_waits_too_long_expires(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    struct command_draft draft = scene_draft(&c, "r1");
    draft.queue = true;
    draft.expires_ms = clock_wall_ms(sim_clock(c.w.sim)) + 60000;
    command_do(&c.w, &c.s, &draft, ann);
    uuid id = c.s.id;
    sim_run_ms(c.w.sim, 59000);
    scene_expect_phase(&c, id, PHASE_QUEUED, "");
    sim_run_ms(c.w.sim, 7000);
    scene_expect_phase(&c, id, PHASE_EXPIRED, "EXPIRED");
    scene_expect_story(&c, "r1", "queued expired");
    scene_plug_in(&c, NULL);
    SIM_CHECK(c.g.deliveries == 0);
    draft.request_id = SPAN("r2");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_INVALID_MESSAGE_FORMAT && c.s.why[0] != '\0');
    draft.expires_ms += 2 * (int64_t)COMMAND_EXPIRY_MS;
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_INVALID_MESSAGE_FORMAT);
    draft.expires_ms = 0;
    draft.timeout_ms = 999;
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_INVALID_MESSAGE_FORMAT);
    SIM_CHECK(c.g.deliveries == 0);
    scene_stop(&c);
}

static void what_is_open_is_bounded(uint64_t seed)
{
    struct scene c;
    char request[16];
    static char large[16384];
    scene_start(&c, seed);
    scene_plug_in(&c, NULL);
    memset(large, '1', sizeof large);
    struct command_draft draft = scene_draft(&c, NULL);
    draft.parameters = span_of(large, sizeof large);
    for (unsigned i = 0; i < COMMAND_OPEN_BYTES_MAX / sizeof large; i++) {
        snprintf(request, sizeof request, "r%u", i);
        draft.request_id = span_str(request);
        command_do(&c.w, &c.s, &draft, ann);
        SIM_CHECK(c.s.error == ERR_NONE);
    }
    draft = scene_draft(&c, "more");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_RATE_LIMIT_EXCEEDED);
    draft.parameters = SPAN_NONE;
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE);
    gadget_respond(&c.g, "r0", RESPONSE_SUCCESS, "1");
    world_settle(&c.w);
    draft = scene_draft(&c, "again");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE);
    scene_stop(&c);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"an_online_device_gets_it_and_answers", an_online_device_gets_it_and_answers, 20},
        {"only_who_acknowledges_gets_it_again", only_who_acknowledges_gets_it_again, 5},
        {"what_a_device_says_changes_the_phase", what_a_device_says_changes_the_phase, 20},
        {"a_late_answer_is_kept_and_marked", a_late_answer_is_kept_and_marked, 20},
        {"one_that_is_offline_rejects_or_queues", one_that_is_offline_rejects_or_queues, 5},
        {"one_that_waits_too_long_expires", one_that_waits_too_long_expires, 5},
        {"what_is_open_is_bounded", what_is_open_is_bounded, 3},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
