/* See command_scene.h. */
#include "sim/command_scene.h"

#include <stdio.h>
#include <string.h>

const uuid ann = {{1}}, bob = {{2}};

void scene_start(struct scene *c, uint64_t seed)
{
    world_start(&c->w, seed, 0);
    gadget_init(&c->g, &c->w, world_create(&c->w, "d"));
    watcher_open(&c->w, &c->x, world_loop(&c->w));
    watcher_subscribe_events(&c->x);
    c->s = (struct sent){0};
    sim_run_ms(c->w.sim, 500);
}

void scene_stop(struct scene *c)
{
    gadget_deinit(&c->g);
    world_settle(&c->w);
    watcher_close(&c->x);
    sent_deinit(&c->s);
    world_stop(&c->w);
}

struct command_draft scene_draft(const struct scene *c, const char *request)
{
    return (struct command_draft){.device = c->g.id, .command = SPAN("blink"),
                                  .parameters = SPAN("{\"n\":3}"), .request_id = span_str(request)};
}

uuid scene_send(struct scene *c, const char *request)
{
    struct command_draft draft = scene_draft(c, request);
    command_do(&c->w, &c->s, &draft, ann);
    SIM_CHECK(c->s.error == ERR_NONE);
    return c->s.id;
}

void scene_plug_in(struct scene *c, const char *capabilities)
{
    gadget_connect(&c->g);
    if (capabilities != NULL) {
        gadget_register(&c->g, capabilities);
    }
    world_settle(&c->w);
}

void scene_expect_phase(struct scene *c, uuid id, enum command_phase phase, const char *reason)
{
    command_show(&c->w, &c->s, c->g.id, id);
    SIM_CHECK(c->s.error == ERR_NONE && c->s.phase == phase);
    SIM_CHECK(strcmp(c->s.reason, reason) == 0);
}

void scene_expect_story(struct scene *c, const char *request, const char *want)
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
