/* Commands that are sent once more, cancelled, waited for and listed. */
#include "sim/command_scene.h"

#include <stdio.h>
#include <string.h>

static void a_repeat_runs_nothing(uint64_t seed)
{
    struct scene c;
    struct sent twins[5] = {{0}};
    scene_start(&c, seed);
    scene_plug_in(&c, NULL);
    struct command_draft draft = scene_draft(&c, "r1");
    unsigned repeated = 0;
    for (unsigned i = 0; i < 5; i++) {
        draft.at_ms = 1000 + i; /* when it was asked is not what was asked */
        draft.parameters = i % 2 == 0 ? SPAN("{\"n\":3}") : SPAN("{ \"n\" : 3 }");
        command_start(&c.w, &twins[i], &draft, ann);
    }
    for (unsigned i = 0; i < 5; i++) {
        command_wait_for(&c.w, &twins[i]);
        SIM_CHECK(twins[i].error == ERR_NONE && uuid_eq(twins[i].id, twins[0].id));
        repeated += twins[i].repeated;
    }
    for (unsigned i = 0; i < 5; i++) {
        sent_deinit(&twins[i]);
    }
    world_settle(&c.w);
    SIM_CHECK(repeated == 4 && c.g.deliveries == 1);
    struct command_draft others[] = {draft, draft, draft, draft, draft, draft};
    others[0].parameters = SPAN("{\"n\":4}");
    others[1].command = SPAN("blank");
    others[2].queue = true;
    others[3].timeout_ms = 2000;
    others[4].no_response = true;
    others[5].expires_ms = clock_wall_ms(sim_clock(c.w.sim)) + 1000;
    for (unsigned open = 0; open < 2; open++) {
        for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
            command_do(&c.w, &c.s, &others[i], ann);
            SIM_CHECK(c.s.error == ERR_INVALID_MESSAGE_FORMAT &&
                      strcmp(c.s.why, "DUPLICATE_REQUEST") == 0);
        }
        gadget_respond(&c.g, "r1", RESPONSE_SUCCESS, "1");
        world_settle(&c.w);
    }
    draft.request_id = SPAN_NONE;
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE && strlen(c.s.request) == UUID_TEXT_LEN);
    world_settle(&c.w);
    SIM_CHECK(c.g.deliveries == 2);
    scene_stop(&c);
}

static void cancelling_ends_what_is_not_over(uint64_t seed)
{
    struct scene c;
    struct sent end = {0};
    uuid nobody = {{9}};
    scene_start(&c, seed);
    scene_plug_in(&c, NULL);
    uuid id = scene_send(&c, "r1");
    world_settle(&c.w);
    command_watch_start(&c.w, &end, c.g.id, id, 60000);
    command_stop(&c.w, &c.s, c.g.id, id);
    SIM_CHECK(c.s.error == ERR_NONE && c.s.phase == PHASE_CANCELLED);
    command_wait_for(&c.w, &end);
    SIM_CHECK(end.error == ERR_NONE && end.phase == PHASE_CANCELLED);
    command_stop(&c.w, &c.s, c.g.id, id);
    SIM_CHECK(c.s.error == ERR_CONFLICT);
    command_stop(&c.w, &c.s, c.g.id, nobody);
    SIM_CHECK(c.s.error == ERR_NOT_FOUND);
    command_stop(&c.w, &c.s, nobody, id);
    SIM_CHECK(c.s.error == ERR_DEVICE_NOT_FOUND);
    scene_plug_in(&c, NULL);
    SIM_CHECK(c.g.deliveries == 1);
    gadget_respond(&c.g, "r1", RESPONSE_ERROR, "");
    world_settle(&c.w);
    scene_expect_phase(&c, id, PHASE_CANCELLED, "CANCELLED");
    scene_expect_story(&c, "r1", "recorded sent cancelled cancelled!");
    sent_deinit(&end);
    scene_stop(&c);
}

static void who_waits_hears_the_end_or_the_state(uint64_t seed)
{
    struct scene c;
    struct sent a = {0}, b = {0};
    scene_start(&c, seed);
    scene_plug_in(&c, NULL);
    uuid id = scene_send(&c, "r1");
    world_settle(&c.w);
    command_watch_start(&c.w, &a, c.g.id, id, 2000);
    command_watch_start(&c.w, &b, c.g.id, id, 60000);
    sim_run_ms(c.w.sim, 3000);
    SIM_CHECK(a.done && a.error == ERR_NONE && a.phase == PHASE_SENT && !b.done);
    gadget_respond(&c.g, "r1", RESPONSE_SUCCESS, "5");
    world_settle(&c.w);
    SIM_CHECK(b.done && b.phase == PHASE_DONE && sent_holds(&b, "\"response\":5"));
    command_watch(&c.w, &a, c.g.id, id, 60000);
    SIM_CHECK(a.error == ERR_NONE && a.phase == PHASE_DONE);
    command_watch(&c.w, &a, c.g.id, ann, 60000);
    SIM_CHECK(a.error == ERR_NOT_FOUND);
    sent_deinit(&a);
    sent_deinit(&b);
    scene_stop(&c);
}

static unsigned count_of(const struct sent *s, const char *text)
{
    unsigned n = 0;
    span rest = buf_span(&s->json);
    const uint8_t *at;
    while (rest.len > 0 && (at = memmem(rest.ptr, rest.len, text, strlen(text))) != NULL) {
        rest = span_slice(rest, (size_t)(at - rest.ptr) + 1, rest.len);
        n++;
    }
    return n;
}

static void lists_go_from_the_newest(uint64_t seed)
{
    struct scene c;
    char request[16];
    scene_start(&c, seed);
    scene_plug_in(&c, NULL);
    for (unsigned i = 0; i < 7; i++) {
        snprintf(request, sizeof request, "r%u", i);
        (void)scene_send(&c, request);
    }
    world_settle(&c.w);
    gadget_respond(&c.g, "r3", RESPONSE_SUCCESS, "");
    world_settle(&c.w);
    struct command_filter f = {.device = c.g.id, .status = -1, .limit = 4};
    command_page(&c.w, &c.s, &f);
    SIM_CHECK(c.s.error == ERR_NONE && count_of(&c.s, "\"commandId\"") == 4);
    SIM_CHECK(sent_holds(&c.s, "\"r6\"") && sent_holds(&c.s, "\"r3\"") && c.s.next.len > 0);
    char next[64];
    snprintf(next, sizeof next, "%.*s", SPAN_FMT(buf_span(&c.s.next)));
    f.after = span_str(next);
    command_page(&c.w, &c.s, &f);
    SIM_CHECK(count_of(&c.s, "\"commandId\"") == 3 && sent_holds(&c.s, "\"r0\""));
    SIM_CHECK(c.s.next.len == 0);
    f = (struct command_filter){.device = c.g.id, .status = COMMAND_EXECUTED, .limit = 200};
    command_page(&c.w, &c.s, &f);
    SIM_CHECK(count_of(&c.s, "\"commandId\"") == 1 && sent_holds(&c.s, "\"r3\""));
    f.after = SPAN("nothing of ours");
    command_page(&c.w, &c.s, &f);
    SIM_CHECK(c.s.error == ERR_INVALID_REQUEST);
    f = (struct command_filter){.device = ann, .status = -1, .limit = 1};
    command_page(&c.w, &c.s, &f);
    SIM_CHECK(c.s.error == ERR_DEVICE_NOT_FOUND);
    command_show(&c.w, &c.s, c.g.id, ann);
    SIM_CHECK(c.s.error == ERR_NOT_FOUND);
    command_show(&c.w, &c.s, ann, ann);
    SIM_CHECK(c.s.error == ERR_DEVICE_NOT_FOUND);
    scene_stop(&c);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"a_repeat_runs_nothing", a_repeat_runs_nothing, 20},
        {"cancelling_ends_what_is_not_over", cancelling_ends_what_is_not_over, 20},
        {"who_waits_hears_the_end_or_the_state", who_waits_hears_the_end_or_the_state, 20},
        {"lists_go_from_the_newest", lists_go_from_the_newest, 5},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
