/* The life of commands, phase by phase, on a fake clock, under every order of loops, mail and
 * answers of the store. */
#include "sim/command_world.h"

#include <stdio.h>
#include <string.h>

static const uuid ann = {{1}}, bob = {{2}};

struct scene {
    struct world w;
    struct gadget g;
    struct watcher x;
    struct sent s;
};

static void scene_start(struct scene *c, uint64_t seed)
{
    world_start(&c->w, seed, 0);
    gadget_init(&c->g, &c->w, world_create(&c->w, "d"));
    watcher_open(&c->w, &c->x, world_loop(&c->w));
    watcher_subscribe_events(&c->x);
    c->s = (struct sent){0};
    sim_run_ms(c->w.sim, 500);
}

static void scene_stop(struct scene *c)
{
    gadget_deinit(&c->g);
    world_settle(&c->w);
    watcher_close(&c->x);
    sent_deinit(&c->s);
    world_stop(&c->w);
}

static struct command_draft draft_of(const struct scene *c, const char *request)
{
    return (struct command_draft){.device = c->g.id, .command = SPAN("blink"),
                                  .parameters = SPAN("{\"n\":3}"), .request_id = span_str(request)};
}

/* Events of the request seen by a follower, as the phases' names. */
static void expect_story(struct scene *c, const char *request, const char *want)
{
    char story[400] = "", key[80];
    size_t len = 0;
    world_settle(&c->w);
    snprintf(key, sizeof key, "\"requestId\":\"%s\"", request);
    span rest = buf_span(&c->x.text);
    while (rest.len > 0) {
        span line = span_cut(&rest, '\n');
        const char *phase = line.len == 0 || memmem(line.ptr, line.len, key, strlen(key)) == NULL
                                ? NULL : memmem(line.ptr, line.len, "\"phase\":\"", 9);
        if (phase != NULL) {
            bool late = memmem(line.ptr, line.len, "\"late\":true", 11) != NULL;
            const char *end = memchr(phase + 9, '"', 20);
            len += (size_t)snprintf(story + len, sizeof story - len, "%s%.*s%s", len > 0 ? " " : "",
                                    (int)(end - phase - 9), phase + 9, late ? "!" : "");
        }
    }
    if (strcmp(story, want) != 0) {
        fprintf(stderr, "%s: %s, expected %s\n", request, story, want);
        SIM_CHECK(!"the story");
    }
}

static void an_online_device_gets_it_and_answers(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    gadget_connect(&c.g);
    world_settle(&c.w);
    struct command_draft draft = draft_of(&c, "r1");
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
    expect_story(&c, "r1", "recorded sent done");
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 1);
    scene_stop(&c);
}

/* --- sending --- */

static uuid send_ok(struct scene *c, const char *request)
{
    struct command_draft draft = draft_of(c, request);
    command_do(&c->w, &c->s, &draft, ann);
    SIM_CHECK(c->s.error == ERR_NONE);
    return c->s.id;
}

static void expect_phase(struct scene *c, uuid id, enum command_phase phase, const char *reason)
{
    command_show(&c->w, &c->s, c->g.id, id);
    SIM_CHECK(c->s.error == ERR_NONE && c->s.phase == phase);
    SIM_CHECK(strcmp(c->s.reason, reason) == 0);
}

static void plug_in(struct scene *c, const char *capabilities)
{
    gadget_connect(&c->g);
    if (capabilities != NULL) {
        gadget_register(&c->g, capabilities);
    }
    world_settle(&c->w);
}

static void only_who_acknowledges_gets_it_again(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    plug_in(&c, "[\"x\",\"command-ack\"]");
    uuid id = send_ok(&c, "r1");
    sim_run_ms(c.w.sim, 700);
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 1);
    sim_run_ms(c.w.sim, 700); /* 0.8 to 1.2 s */
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 2);
    sim_run_ms(c.w.sim, 2600); /* and 1.6 to 2.4 */
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 3);
    sim_run_ms(c.w.sim, 5000); /* and 3.2 to 4.8 */
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 4);
    expect_phase(&c, id, PHASE_SENT, "");
    sim_run_ms(c.w.sim, 22000); /* 30 s from sending */
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 4);
    expect_phase(&c, id, PHASE_TIMED_OUT, "TIMEOUT");
    SIM_CHECK(sent_holds(&c.s, "\"error\":{\"code\":\"TIMEOUT\""));
    expect_story(&c, "r1", "recorded sent timed_out");

    plug_in(&c, "[\"x\"]");
    id = send_ok(&c, "r2");
    sim_run_ms(c.w.sim, 10000);
    SIM_CHECK(gadget_got(&c.g, "r2")->times == 1);
    plug_in(&c, NULL);
    SIM_CHECK(gadget_got(&c.g, "r2")->times == 2);
    gadget_disconnect(&c.g);
    world_settle(&c.w);
    sim_run_ms(c.w.sim, 10000);
    expect_phase(&c, id, PHASE_SENT, "");
    plug_in(&c, NULL);
    SIM_CHECK(gadget_got(&c.g, "r2")->times == 3 && gadget_got(&c.g, "r1")->times == 4);
    gadget_respond(&c.g, "r2", RESPONSE_SUCCESS, "");
    expect_story(&c, "r2", "recorded sent done");
    scene_stop(&c);
}

static void what_a_device_says_changes_the_phase(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    c.g.acks = true;
    plug_in(&c, "[\"command-ack\"]");
    uuid id = send_ok(&c, "r1");
    sim_run_ms(c.w.sim, 9000);
    SIM_CHECK(gadget_got(&c.g, "r1")->times == 1);
    expect_phase(&c, id, PHASE_ACKNOWLEDGED, "");
    gadget_respond(&c.g, "r1", RESPONSE_ACCEPTED, "");
    gadget_respond(&c.g, "r1", RESPONSE_PROGRESS, "10");
    world_settle(&c.w);
    gadget_respond(&c.g, "r1", RESPONSE_PROGRESS, "20");
    gadget_respond(&c.g, "r1", RESPONSE_PROGRESS, "30");
    world_settle(&c.w);
    expect_phase(&c, id, PHASE_ACKNOWLEDGED, "");
    SIM_CHECK(sent_holds(&c.s, "\"response\":30") && c.g.good == 4);
    gadget_respond(&c.g, "r1", RESPONSE_ERROR, "");
    gadget_respond(&c.g, "r1", RESPONSE_ERROR, "");
    world_settle(&c.w);
    expect_phase(&c, id, PHASE_FAILED, "DEVICE_ERROR");
    SIM_CHECK(sent_holds(&c.s, "\"error\":{\"code\":\"E_BUSY\",\"message\":\"not now\"}"));
    expect_story(&c, "r1",
                 "recorded sent acknowledged acknowledged acknowledged acknowledged failed");
    SIM_CHECK(c.g.good == 6);
    gadget_respond(&c.g, "r1", RESPONSE_SUCCESS, "1"); /* it has said error: that stays */
    world_settle(&c.w);
    gadget_respond(&c.g, "nobody", RESPONSE_SUCCESS, "1");
    world_settle(&c.w);
    SIM_CHECK(c.g.good == 7 && c.g.answered == 8 && c.g.last == ERR_NOT_FOUND);
    expect_phase(&c, id, PHASE_FAILED, "DEVICE_ERROR");

    struct command_draft draft = draft_of(&c, "r2");
    draft.no_response = true;
    command_do(&c.w, &c.s, &draft, ann);
    id = c.s.id;
    world_settle(&c.w);
    expect_phase(&c, id, PHASE_DONE, "");
    expect_story(&c, "r2", "recorded sent done");
    c.g.acks = false;
    id = send_ok(&c, "r3");
    world_settle(&c.w);
    gadget_respond(&c.g, "r3", RESPONSE_PROGRESS, "1");
    expect_story(&c, "r3", "recorded sent acknowledged");
    gadget_respond(&c.g, "r3", RESPONSE_SUCCESS, "");
    world_settle(&c.w);
    expect_phase(&c, id, PHASE_DONE, "");
    SIM_CHECK(sent_holds(&c.s, "\"response\":1"));
    scene_stop(&c);
}

static void a_late_answer_is_kept_and_marked(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    plug_in(&c, NULL);
    struct command_draft draft = draft_of(&c, "r1");
    draft.timeout_ms = 1000;
    command_do(&c.w, &c.s, &draft, ann);
    uuid id = c.s.id;
    sim_run_ms(c.w.sim, 1500);
    expect_phase(&c, id, PHASE_TIMED_OUT, "TIMEOUT");
    gadget_respond(&c.g, "r1", RESPONSE_PROGRESS, "1");
    gadget_respond(&c.g, "r1", RESPONSE_SUCCESS, "2");
    gadget_respond(&c.g, "r1", RESPONSE_ERROR, "3");
    world_settle(&c.w);
    SIM_CHECK(c.g.good == 3);
    expect_phase(&c, id, PHASE_TIMED_OUT, "TIMEOUT");
    SIM_CHECK(sent_holds(&c.s, "\"late\":true") && sent_holds(&c.s, "executedAt"));
    SIM_CHECK(sent_holds(&c.s, "\"response\":2") || sent_holds(&c.s, "\"response\":3"));
    expect_story(&c, "r1", "recorded sent timed_out timed_out!");
    scene_stop(&c);
}

static void one_that_is_offline_rejects_or_queues(uint64_t seed)
{
    struct scene c;
    uuid ids[COMMAND_QUEUED_MAX];
    char request[16];
    scene_start(&c, seed);
    uuid id = send_ok(&c, "r1");
    SIM_CHECK(c.s.phase == PHASE_REJECTED && strcmp(c.s.reason, "DEVICE_OFFLINE") == 0);
    expect_phase(&c, id, PHASE_REJECTED, "DEVICE_OFFLINE");
    expect_story(&c, "r1", "rejected");
    struct command_draft draft = draft_of(&c, NULL);
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
    plug_in(&c, NULL);
    for (unsigned i = 0; i < COMMAND_QUEUED_MAX; i++) {
        snprintf(request, sizeof request, "q%u", i);
        struct got *got = gadget_got(&c.g, request);
        SIM_CHECK(got != NULL && got->times == 1 && got == &c.g.got[i]);
        expect_phase(&c, ids[i], PHASE_DONE, "");
    }
    expect_story(&c, "q9", "queued sent acknowledged done");
    scene_stop(&c);
}

static void one_that_waits_too_long_expires(uint64_t seed)
{
    struct scene c;
    scene_start(&c, seed);
    struct command_draft draft = draft_of(&c, "r1");
    draft.queue = true;
    draft.expires_ms = clock_wall_ms(sim_clock(c.w.sim)) + 60000;
    command_do(&c.w, &c.s, &draft, ann);
    uuid id = c.s.id;
    sim_run_ms(c.w.sim, 59000);
    expect_phase(&c, id, PHASE_QUEUED, "");
    sim_run_ms(c.w.sim, 7000);
    expect_phase(&c, id, PHASE_EXPIRED, "EXPIRED");
    expect_story(&c, "r1", "queued expired");
    plug_in(&c, NULL);
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
    plug_in(&c, NULL);
    memset(large, '1', sizeof large);
    struct command_draft draft = draft_of(&c, NULL);
    draft.parameters = span_of(large, sizeof large);
    for (unsigned i = 0; i < COMMAND_OPEN_BYTES_MAX / sizeof large; i++) {
        snprintf(request, sizeof request, "r%u", i);
        draft.request_id = span_str(request);
        command_do(&c.w, &c.s, &draft, ann);
        SIM_CHECK(c.s.error == ERR_NONE);
    }
    draft = draft_of(&c, "more");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_RATE_LIMIT_EXCEEDED);
    draft.parameters = SPAN_NONE;
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE);
    gadget_respond(&c.g, "r0", RESPONSE_SUCCESS, "1");
    world_settle(&c.w);
    draft = draft_of(&c, "again");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE);
    scene_stop(&c);
}

/* --- the same again --- */

static void a_repeat_runs_nothing(uint64_t seed)
{
    struct scene c;
    struct sent twins[5] = {{0}};
    scene_start(&c, seed);
    plug_in(&c, NULL);
    struct command_draft draft = draft_of(&c, "r1");
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

/* --- cancelling, waiting, lists --- */

static void cancelling_ends_what_is_not_over(uint64_t seed)
{
    struct scene c;
    struct sent end = {0};
    uuid nobody = {{9}};
    scene_start(&c, seed);
    plug_in(&c, NULL);
    uuid id = send_ok(&c, "r1");
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
    plug_in(&c, NULL);
    SIM_CHECK(c.g.deliveries == 1);
    gadget_respond(&c.g, "r1", RESPONSE_ERROR, "");
    world_settle(&c.w);
    expect_phase(&c, id, PHASE_CANCELLED, "CANCELLED");
    expect_story(&c, "r1", "recorded sent cancelled cancelled!");
    sent_deinit(&end);
    scene_stop(&c);
}

static void who_waits_hears_the_end_or_the_state(uint64_t seed)
{
    struct scene c;
    struct sent a = {0}, b = {0};
    scene_start(&c, seed);
    plug_in(&c, NULL);
    uuid id = send_ok(&c, "r1");
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
    plug_in(&c, NULL);
    for (unsigned i = 0; i < 7; i++) {
        snprintf(request, sizeof request, "r%u", i);
        (void)send_ok(&c, request);
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
    struct command_draft draft = draft_of(&c, "r1");
    draft.queue = true;
    command_do(&c.w, &c.s, &draft, ann);
    uuid id = c.s.id;
    change(&c, &x, do_patch);
    world_settle(&c.w);
    expect_phase(&c, id, PHASE_REJECTED, "REJECTED");
    expect_story(&c, "r1", "queued rejected");
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
    plug_in(&c, NULL);
    uuid id = send_ok(&c, "r0");
    world_settle(&c.w);
    sim_store_set_failures(c.w.db, 100, ERR_STORE_FULL);
    struct command_draft draft = draft_of(&c, "r1");
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
    expect_phase(&c, id, PHASE_DONE, "");
    expect_story(&c, "r0", "recorded sent done");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE && !c.s.repeated);
    expect_story(&c, "r1", "recorded sent");
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
    plug_in(&c, NULL);
    uuid sent = send_ok(&c, "sent"), acked = send_ok(&c, "acked");
    world_settle(&c.w);
    gadget_respond(&c.g, "acked", RESPONSE_ACCEPTED, "");
    gadget_disconnect(&c.g);
    world_settle(&c.w);
    struct command_draft draft = draft_of(&c, "queued");
    draft.queue = true;
    command_do(&c.w, &c.s, &draft, ann);
    uuid queued = c.s.id;
    draft.request_id = SPAN("short");
    draft.expires_ms = clock_wall_ms(sim_clock(c.w.sim)) + 10000;
    command_do(&c.w, &c.s, &draft, ann);
    uuid shorter = c.s.id;
    world_settle(&c.w);
    crash(&c);
    expect_phase(&c, sent, PHASE_SENT, "");
    expect_phase(&c, acked, PHASE_ACKNOWLEDGED, "");
    sim_run_ms(c.w.sim, 17000); /* nobody connects, nobody asks: the sweep finds it */
    expect_phase(&c, shorter, PHASE_EXPIRED, "EXPIRED");
    expect_story(&c, "short", "expired");
    draft = draft_of(&c, "sent");
    command_do(&c.w, &c.s, &draft, ann);
    SIM_CHECK(c.s.error == ERR_NONE && c.s.repeated && uuid_eq(c.s.id, sent));
    if (world_chance(&c.w, 50)) {
        plug_in(&c, NULL); /* what it has not acknowledged comes again, and what waited */
        SIM_CHECK(gadget_got(&c.g, "sent")->times == 2);
        SIM_CHECK(gadget_got(&c.g, "acked")->times == 1);
        SIM_CHECK(gadget_got(&c.g, "queued")->times == 1);
        gadget_respond(&c.g, "acked", RESPONSE_SUCCESS, "1");
        world_settle(&c.w);
        expect_phase(&c, acked, PHASE_DONE, "");
    }
    sim_run_ms(c.w.sim, 20000); /* what remained of 30 s */
    expect_phase(&c, sent, PHASE_TIMED_OUT, "TIMEOUT");
    expect_phase(&c, queued, c.g.plug == NULL ? PHASE_QUEUED : PHASE_SENT, "");
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
        {"a_repeat_runs_nothing", a_repeat_runs_nothing, 20},
        {"cancelling_ends_what_is_not_over", cancelling_ends_what_is_not_over, 20},
        {"who_waits_hears_the_end_or_the_state", who_waits_hears_the_end_or_the_state, 20},
        {"lists_go_from_the_newest", lists_go_from_the_newest, 5},
        {"disabling_and_deleting_end_what_waits", disabling_and_deleting_end_what_waits, 20},
        {"what_is_not_recorded_is_not_sent", what_is_not_recorded_is_not_sent, 20},
        {"the_next_process_goes_on", the_next_process_goes_on, 10},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
