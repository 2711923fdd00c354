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

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"an_online_device_gets_it_and_answers", an_online_device_gets_it_and_answers, 20},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
