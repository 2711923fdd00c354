/*
 * What is stored of hosts: which source answers a question about the past, what retention takes,
 * what hosts without a socket report, and that memory is bounded when nobody needs a device.
 */
#include "sim/fleet_world.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)

struct call {
    struct world *w;
    unsigned loop;
    uuid id;
    struct host_range range;
    int64_t at_ms;
    bool commands;
    struct host_facts facts;
    const struct host_point *row;
    struct result *r;
};

static void do_metrics(void *arg)
{
    struct call *c = arg;
    host_metrics(&c->w->homes[c->loop], c->id, &c->range, result_take, c->r);
}

static void do_processes(void *arg)
{
    struct call *c = arg;
    host_processes_at(&c->w->homes[c->loop], c->id, c->at_ms, c->commands, result_take, c->r);
}

static void do_state(void *arg)
{
    struct call *c = arg;
    host_state(&c->w->homes[c->loop], c->id, c->commands, result_take, c->r);
}

static void do_report(void *arg)
{
    struct call *c = arg;
    host_report(&c->w->homes[c->loop], c->id, &c->facts, c->row, result_take, c->r);
}

static void run(struct call *c, void (*what)(void *))
{
    result_deinit(c->r);
    c->loop = world_loop(c->w);
    sim_on_loop(c->w->sim, c->loop, what, c);
    result_wait(c->w, c->r);
}

static int64_t now_ms(struct world *w) { return clock_wall_ms(sim_clock(w->sim)); }

/* A row of the past, put into the store directly. */
static void put_row(struct world *w, uuid device, int64_t at_ms, double cpu)
{
    char id[UUID_TEXT_LEN + 1];
    struct store_req *req = store_req_new(0, 2, NULL, NULL);
    uuid_format(device, id);
    store_step_init(req, 0, QUERY_METRICS_INSERT, 1);
    store_set_text(req, 0, 0, 0, span_of(id, UUID_TEXT_LEN));
    store_set_int(req, 0, 0, 1, at_ms);
    store_set_real(req, 0, 0, 2, cpu);
    store_step_init(req, 1, QUERY_PROCESS_INSERT, 1);
    store_set_text(req, 1, 0, 0, span_of(id, UUID_TEXT_LEN));
    store_set_int(req, 1, 0, 1, at_ms);
    store_set_text(req, 1, 0, 2, SPAN("[{\"pid\":1,\"name\":\"a\",\"command\":\"secret\"}]"));
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    store_req_free(req);
}

static unsigned points(const struct result *r)
{
    unsigned n = 0;
    span rest = buf_span(&r->json);
    const char *mark = "\"ts\":";
    for (;;) {
        const uint8_t *at = rest.len > 0 ? memmem(rest.ptr, rest.len, mark, 5) : NULL;
        if (at == NULL) {
            return n;
        }
        n++;
        rest = span_slice(rest, (size_t)(at - rest.ptr) + 5, rest.len);
    }
}

static void the_finest_source_that_is_kept_answers(uint64_t seed)
{
    struct world w;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    int64_t now = now_ms(&w) / 3600000 * 3600000;
    struct call c = {.w = &w, .id = id, .r = &r};
    for (int i = 0; i < 120; i++) {
        put_row(&w, id, now - 7200000 + i * 60000, i);
    }
    c.range = (struct host_range){.from_ms = now - 3600000, .to_ms = now, .points = 60};
    run(&c, do_metrics);
    SIM_CHECK(json_holds(&r, "\"source\":\"raw\"") && points(&r) == 60);
    SIM_CHECK(json_holds(&r, "\"cpu\":119,"));
    c.range.points = 6;
    c.range.aggregate = HOST_GREATEST;
    run(&c, do_metrics);
    SIM_CHECK(json_holds(&r, "\"source\":\"1m\"") && points(&r) == 6);
    SIM_CHECK(json_holds(&r, "\"resolution_ms\":600000") && json_holds(&r, "\"cpu\":119,"));
    c.range.from_ms = now - 10 * DAY_MS;
    c.range.points = 100;
    run(&c, do_metrics);
    SIM_CHECK(json_holds(&r, "\"source\":\"1h\"") && points(&r) == 1);
    c.range.points = 2000;
    c.range.from_ms = now - 31 * DAY_MS;
    run(&c, do_metrics);
    SIM_CHECK(json_holds(&r, "\"source\":\"1m\""));
    c.range.from_ms = now - 91 * DAY_MS;
    c.range.to_ms = c.range.from_ms + 3600000;
    run(&c, do_metrics);
    SIM_CHECK(json_holds(&r, "\"source\":\"1h\"") && points(&r) == 0);
    c.id = UUID_NIL;
    run(&c, do_metrics);
    SIM_CHECK(r.error == ERR_DEVICE_NOT_FOUND);
    result_deinit(&r);
    world_stop(&w);
}

static void rows_closer_than_minutes_are_put_together(uint64_t seed)
{
    struct world w;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    int64_t now = now_ms(&w) / 60000 * 60000;
    struct call c = {.w = &w, .id = id, .r = &r};
    for (int i = 0; i < 60; i++) {
        put_row(&w, id, now - 60000 + i * 1000, i);
    }
    c.range = (struct host_range){.from_ms = now - 60000, .to_ms = now, .points = 10};
    run(&c, do_metrics);
    SIM_CHECK(json_holds(&r, "\"source\":\"raw\"") && points(&r) == 10);
    SIM_CHECK(json_holds(&r, "\"resolution_ms\":6000") && json_holds(&r, "\"cpu\":2.5,"));
    c.range.aggregate = HOST_LAST;
    run(&c, do_metrics);
    SIM_CHECK(json_holds(&r, "\"cpu\":59,"));
    result_deinit(&r);
    world_stop(&w);
}

static void what_ran_is_known_for_two_minutes(uint64_t seed)
{
    struct world w;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    int64_t at = now_ms(&w) - DAY_MS;
    struct call c = {.w = &w, .id = id, .r = &r, .commands = true};
    put_row(&w, id, at, 1);
    c.at_ms = at + 120000;
    run(&c, do_processes);
    SIM_CHECK(r.error == ERR_NONE && json_holds(&r, "secret"));
    c.commands = false;
    run(&c, do_processes);
    SIM_CHECK(r.error == ERR_NONE && !json_holds(&r, "secret"));
    c.at_ms = at + 120001;
    run(&c, do_processes);
    SIM_CHECK(r.error == ERR_NOT_FOUND);
    c.at_ms = at - 1;
    run(&c, do_processes);
    SIM_CHECK(r.error == ERR_NOT_FOUND);
    result_deinit(&r);
    world_stop(&w);
}

static void retention_takes_what_is_too_old(uint64_t seed)
{
    struct world w;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    int64_t now = now_ms(&w);
    for (int i = 0; i < 1500; i++) { /* more than a batch */
        put_row(&w, id, now - 31 * DAY_MS + i * 1000, 1);
    }
    put_row(&w, id, now - 29 * DAY_MS, 2);
    sim_run_ms(w.sim, 40000);
    struct call c = {.w = &w, .id = id, .r = &r};
    c.range = (struct host_range){.from_ms = now - 31 * DAY_MS, .to_ms = now, .points = 2000};
    run(&c, do_metrics); /* minutes: they are kept for longer */
    SIM_CHECK(json_holds(&r, "\"source\":\"1m\"") && points(&r) >= 3);
    w.conf.retention_raw_s = 100 * 86400; /* so that rows are asked for the old range */
    c.range.to_ms = c.range.from_ms + 3600000;
    run(&c, do_metrics);
    SIM_CHECK(json_holds(&r, "\"source\":\"raw\"") && points(&r) == 0);
    c.range.from_ms = now - 29 * DAY_MS;
    c.range.to_ms = c.range.from_ms + 1;
    run(&c, do_metrics);
    SIM_CHECK(points(&r) == 1);
    result_deinit(&r);
    world_stop(&w);
}

/* Bytes of the store in use, by its own word. */
static int64_t store_bytes(struct world *w)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_STORE_BYTES, 1);
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    int64_t bytes = store_int(store_cell(req, 0, 0, 0));
    store_req_free(req);
    return bytes;
}

static void put_samples(struct world *w, uuid device, int64_t from_ms, unsigned count)
{
    char id[UUID_TEXT_LEN + 1];
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    uuid_format(device, id);
    store_step_init(req, 0, QUERY_TELEMETRY_APPEND, count);
    for (unsigned i = 0; i < count; i++) {
        store_set_text(req, 0, i, 0, span_of(id, UUID_TEXT_LEN));
        store_set_text(req, 0, i, 1, i % 2 == 0 ? SPAN("a") : SPAN("b"));
        store_set_real(req, 0, i, 2, i);
        store_set_text(req, 0, i, 3, SPAN("C"));
        store_set_int(req, 0, i, 5, from_ms + i * 1000);
        store_set_int(req, 0, i, 6, from_ms);
    }
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    store_req_free(req);
}

static unsigned samples(struct world *w, uuid device, int64_t from_ms, int64_t to_ms)
{
    char id[UUID_TEXT_LEN + 1];
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    uuid_format(device, id);
    req->row_max = 10000;
    store_step_init(req, 0, QUERY_TELEMETRY_RANGE, 1);
    store_set_text(req, 0, 0, 0, span_of(id, UUID_TEXT_LEN));
    store_set_text(req, 0, 0, 1, SPAN(""));
    store_set_int(req, 0, 0, 2, from_ms);
    store_set_int(req, 0, 0, 3, to_ms);
    store_set_int(req, 0, 0, 4, 0);
    store_set_int(req, 0, 0, 5, 0);
    store_set_int(req, 0, 0, 6, 10000);
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    unsigned n = req->steps[0].row_count;
    store_req_free(req);
    return n;
}

/* The store settles in its own time, and retention takes what is settled. */
static void run_until_gone(struct world *w, uuid id, int64_t from_ms, int64_t to_ms)
{
    for (unsigned i = 0; i < 1000 && samples(w, id, from_ms, to_ms) > 0; i++) {
        sim_run_ms(w->sim, 700000); /* a sweep, and the rest before the next */
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    SIM_CHECK(samples(w, id, from_ms, to_ms) == 0);
}

static void telemetry_goes_by_age_and_by_the_disk_budget(uint64_t seed)
{
    struct world w;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    int64_t now = now_ms(&w);
    put_samples(&w, id, now - 31 * DAY_MS, 6000); /* more than a batch, and more than an hour */
    put_samples(&w, id, now - 20 * DAY_MS, 500);
    put_samples(&w, id, now, 10);
    run_until_gone(&w, id, 0, now - 30 * DAY_MS);
    SIM_CHECK(samples(&w, id, 0, INT64_MAX) == 510);
    w.conf.disk_budget_bytes = 1;
    put_samples(&w, id, now_ms(&w), 20); /* the last hour stays */
    run_until_gone(&w, id, 0, now - 10 * DAY_MS);
    SIM_CHECK(samples(&w, id, now, INT64_MAX) >= 20);
    world_stop(&w);
}

static void above_the_disk_budget_the_oldest_rows_go_early(uint64_t seed)
{
    struct world w;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    int64_t now = now_ms(&w);
    int64_t empty = store_bytes(&w);
    for (int i = 0; i < 4000; i++) { /* four batches, none too old */
        put_row(&w, id, now - 20 * DAY_MS + i * 60000, 1);
    }
    put_row(&w, id, now - 60000, 2);
    int64_t full = store_bytes(&w);
    sim_run_ms(w.sim, 60000); /* without a budget nothing goes */
    SIM_CHECK(store_bytes(&w) >= full);
    w.conf.disk_budget_bytes = empty + (full - empty) / 2;
    sim_run_ms(w.sim, 130000);
    SIM_CHECK(store_bytes(&w) <= w.conf.disk_budget_bytes);
    struct call c = {.w = &w, .id = id, .r = &r};
    c.range = (struct host_range){.from_ms = now - 61000, .to_ms = now, .points = 10};
    run(&c, do_metrics); /* the last hour stays */
    SIM_CHECK(points(&r) == 1);
    w.conf.disk_budget_bytes = 1;
    sim_run_ms(w.sim, 300000);
    SIM_CHECK(store_bytes(&w) > 1);
    run(&c, do_metrics);
    SIM_CHECK(points(&r) == 1);
    result_deinit(&r);
    world_stop(&w);
}

static void a_report_keeps_what_it_does_not_say(uint64_t seed)
{
    struct world w;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    int64_t now = now_ms(&w);
    struct host_point row = {.at_ms = now, .v = {[METRIC_CPU] = 7}};
    struct call c = {.w = &w, .id = id, .r = &r, .commands = true};
    run(&c, do_state);
    SIM_CHECK(r.error == ERR_NOT_FOUND);
    c.facts = (struct host_facts){.os = SPAN("Debian"), .hostname = SPAN("web-1"),
                                  .uptime_s = 5, .cpu_cores = 4, .interfaces = SPAN("[]"),
                                  .processes = SPAN("[{\"pid\":9,\"name\":\"x\"}]"),
                                  .at_ms = now};
    c.row = &row;
    run(&c, do_report);
    SIM_CHECK(r.error == ERR_NONE);
    c.facts = (struct host_facts){.hostname = SPAN("web-2"), .uptime_s = 6, .cpu_cores = -1,
                                  .at_ms = now + 60000};
    c.row = NULL;
    run(&c, do_report);
    run(&c, do_state);
    SIM_CHECK(json_holds(&r, "\"os\":\"Debian\"") && json_holds(&r, "\"hostname\":\"web-2\""));
    SIM_CHECK(json_holds(&r, "\"uptime\":6") && json_holds(&r, "\"cpuCores\":4"));
    SIM_CHECK(json_holds(&r, "\"pid\":9"));
    world_get(&w, id, &r);
    SIM_CHECK(json_holds(&r, "\"cpu\":7,") && json_holds(&r, "\"connectionStatus\":\"offline\""));
    SIM_CHECK(!json_holds(&r, "\"lastSeen\":null"));
    result_deinit(&r);
    world_stop(&w);
}

static void a_store_that_fails_is_said_and_forgotten(uint64_t seed)
{
    struct world w;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    sim_store_set_failures(w.db, 100, ERR_STORE_FULL);
    world_get(&w, id, &r);
    SIM_CHECK(r.error == ERR_STORE_FULL);
    sim_store_set_failures(w.db, 0, ERR_NONE);
    world_get(&w, id, &r);
    SIM_CHECK(r.error == ERR_NONE);
    result_deinit(&r);
    world_stop(&w);
}

static void devices_that_nobody_needs_give_way(uint64_t seed)
{
    enum { DEVICES = FLEET_IDLE_MAX + 20 };
    static uuid ids[DEVICES];
    char name[16];
    struct world w;
    struct result r = {0};
    world_start(&w, seed, 1);
    for (unsigned i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof name, "d%u", i);
        ids[i] = world_create(&w, name);
        world_get(&w, ids[i], &r);
    }
    SIM_CHECK(world_stats(&w).loaded == FLEET_IDLE_MAX);
    world_get(&w, ids[0], &r);
    SIM_CHECK(r.error == ERR_NONE && json_holds(&r, "\"name\":\"d0\""));
    SIM_CHECK(world_stats(&w).loaded == FLEET_IDLE_MAX);
    result_deinit(&r);
    world_stop(&w);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"the_finest_source_that_is_kept_answers", the_finest_source_that_is_kept_answers, 5},
        {"rows_closer_than_minutes_are_put_together", rows_closer_than_minutes_are_put_together,
         5},
        {"what_ran_is_known_for_two_minutes", what_ran_is_known_for_two_minutes, 5},
        {"retention_takes_what_is_too_old", retention_takes_what_is_too_old, 2},
        {"telemetry_goes_by_age_and_by_the_disk_budget",
         telemetry_goes_by_age_and_by_the_disk_budget, 2},
        {"above_the_disk_budget_the_oldest_rows_go_early",
         above_the_disk_budget_the_oldest_rows_go_early, 2},
        {"a_report_keeps_what_it_does_not_say", a_report_keeps_what_it_does_not_say, 20},
        {"a_store_that_fails_is_said_and_forgotten", a_store_that_fails_is_said_and_forgotten, 10},
        {"devices_that_nobody_needs_give_way", devices_that_nobody_needs_give_way, 1},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
