/* See backing_world.h. */
#include "sim/backing_world.h"

#include "domain/device_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1767355200000)

/* --- calls --- */

void call_taken(void *owner, const struct house_result *r)
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

static void on_loop(void *arg)
{
    struct call *c = arg;
    c->run(c, &c->town->world.homes[c->loop]);
    SIM_CHECK(!c->done); /* never inside the call */
}

static bool is_done(void *arg) { return ((struct call *)arg)->done; }

void call_start(struct call *c, struct town *t, void (*run)(struct call *c, struct home *h))
{
    c->town = t;
    c->done = false;
    c->run = run;
    c->loop = world_loop(&t->world);
    sim_on_loop(t->world.sim, c->loop, on_loop, c);
}

void call_wait(struct call *c)
{
    SIM_CHECK(sim_until(c->town->world.sim, is_done, c, 600000));
}

err call_ask(struct call *c, struct town *t, void (*run)(struct call *c, struct home *h))
{
    call_start(c, t, run);
    call_wait(c);
    return c->error;
}

bool call_shows(const struct call *c, const char *text)
{
    return strstr((const char *)c->json.ptr, text) != NULL;
}

static void do_create(struct call *c, struct home *h)
{
    struct house_entity_draft in = {.entity_id = span_str(c->name),
                                    .device = c->town->devices[c->device],
                                    .capability = span_str(c->other)};
    house_entity_create(h, &in, &c->town->who, call_taken, c);
}

static void do_get(struct call *c, struct home *h)
{
    house_entity_get(h, span_str(c->name), &c->town->who, call_taken, c);
}

void call_rename(struct call *c, struct home *h)
{
    struct house_entity_change in = {.entity_id = span_str(c->other)};
    house_entity_patch(h, span_str(c->name), &in, &c->town->who, call_taken, c);
}

void call_delete(struct call *c, struct home *h)
{
    house_entity_delete(h, span_str(c->name), 0, &c->town->who, call_taken, c);
}

/* --- the town --- */

void town_start(struct town *t, uint64_t seed, unsigned loops)
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

void town_plug_in(struct town *t, unsigned i)
{
    socket_open(&t->world, &t->sockets[i], t->devices[i], world_loop(&t->world));
}

void town_stop(struct town *t)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        socket_close(&t->sockets[i]);
    }
    world_settle(&t->world);
    world_stop(&t->world);
}

void town_create(struct town *t, unsigned device, const char *capability)
{
    struct call c = {.device = device};
    snprintf(c.name, sizeof c.name, "sensor.e%u_%s", device, capability);
    snprintf(c.other, sizeof c.other, "%s", capability);
    SIM_CHECK(call_ask(&c, t, do_create) == ERR_NONE);
    buf_deinit(&c.json);
}

void town_get(struct town *t, struct call *c, const char *name)
{
    snprintf(c->name, sizeof c->name, "%s", name);
    SIM_CHECK(call_ask(c, t, do_get) == ERR_NONE);
}

static bool is_answered(void *arg) { return ((struct town *)arg)->waiting == 0; }

void town_quiet(struct town *t)
{
    SIM_CHECK(sim_until(t->world.sim, is_answered, t, 600000));
    world_settle(&t->world);
    sim_run_ms(t->world.sim, 20); /* the news of the last turn */
    world_settle(&t->world);
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

void town_measure(struct town *t, unsigned device, const char *capability)
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

void town_say(struct town *t, unsigned device, const char *capability)
{
    struct put *p = put_new(t, device, capability);
    bool open = t->sockets[device].open;
    sim_on_loop(t->world.sim, open ? t->sockets[device].loop : 0, do_say, p);
}
