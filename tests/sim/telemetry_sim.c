/*
 * Telemetry under every order of loops, mail and answers of the store: what is acknowledged is
 * stored, once; followers get the newest value, at their rate, and the last one always; nothing
 * runs when nobody listens.
 */
#include "sim/fleet_world.h"

#include <stdio.h>
#include <string.h>

#define BASE_MS INT64_C(1767355200000)

/* --- putting --- */

/* One call, and its answer. */
struct put {
    struct world *world;
    unsigned loop;
    uuid device;
    struct socket *socket; /* NULL: not by a socket */
    struct telemetry_sample samples[3];
    char ids[3][24];
    unsigned count;
    bool done;
    struct telemetry_result result;
};

static void answered(void *owner, const struct telemetry_result *r)
{
    struct put *p = owner;
    SIM_CHECK(!p->done);
    p->done = true;
    p->result = *r;
}

static void do_put(void *arg)
{
    struct put *p = arg;
    if (p->socket != NULL) {
        telemetry_put_linked(&p->socket->link, p->samples, p->count, answered, p);
    } else {
        telemetry_put(&p->world->homes[p->loop], p->device, p->samples, p->count, answered, p);
    }
    SIM_CHECK(!p->done);
}

static struct put put_of(struct world *w, uuid device)
{
    return (struct put){.world = w, .loop = world_loop(w), .device = device, .count = 1};
}

static struct telemetry_sample sample(const char *sensor, double value, int64_t at_ms)
{
    return (struct telemetry_sample){
        .sensor_type = span_str(sensor), .unit = SPAN("C"), .value = value, .at_ms = at_ms};
}

static void put_start(struct put *p)
{
    unsigned loop = p->socket != NULL ? p->socket->loop : p->loop;
    sim_on_loop(p->world->sim, loop, do_put, p);
}

/* One sample, answered without an error. */
static void put_one(struct world *w, uuid device, const char *sensor, double value, int64_t at_ms)
{
    struct put p = put_of(w, device);
    p.samples[0] = sample(sensor, value, at_ms);
    put_start(&p);
    world_settle(w);
    SIM_CHECK(p.done && p.result.error == ERR_NONE);
}

static int64_t stored(struct world *w, uuid device)
{
    char id[UUID_TEXT_LEN + 1];
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    uuid_format(device, id);
    req->row_max = 10000;
    store_step_init(req, 0, QUERY_TELEMETRY_RANGE, 1);
    store_set_text(req, 0, 0, 0, span_of(id, UUID_TEXT_LEN));
    store_set_text(req, 0, 0, 1, SPAN(""));
    store_set_int(req, 0, 0, 2, 0);
    store_set_int(req, 0, 0, 3, INT64_MAX);
    store_set_int(req, 0, 0, 4, 0);
    store_set_int(req, 0, 0, 5, 0);
    store_set_int(req, 0, 0, 6, 10000);
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    int64_t n = req->steps[0].row_count;
    store_req_free(req);
    return n;
}

static void what_is_acknowledged_is_stored_once(uint64_t seed)
{
    enum { DEVICES = 3, PUTS = 60 };
    struct world w;
    uuid devices[DEVICES];
    static struct put puts[PUTS];
    world_start(&w, seed, 0);
    for (unsigned i = 0; i < DEVICES; i++) {
        devices[i] = world_create(&w, "d");
    }
    sim_store_set_failures(w.db, world_chance(&w, 50) ? 20 : 0, ERR_STORE_FULL);
    for (unsigned i = 0; i < PUTS; i++) {
        struct put *p = &puts[i];
        *p = put_of(&w, devices[sim_random_below(sim_random(w.sim), DEVICES)]);
        p->count = 1 + (unsigned)sim_random_below(sim_random(w.sim), 3);
        for (unsigned k = 0; k < p->count; k++) { /* few ids, so that many come again */
            unsigned id = (unsigned)sim_random_below(sim_random(w.sim), 40);
            p->samples[k] = sample("t", id, BASE_MS + id);
            snprintf(p->ids[k], sizeof p->ids[k], "s%u", id);
            p->samples[k].sample_id = span_str(p->ids[k]);
        }
        put_start(p);
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 4));
    }
    world_settle(&w);
    sim_store_set_failures(w.db, 0, ERR_NONE);
    int64_t accepted[DEVICES] = {0};
    for (unsigned i = 0; i < PUTS; i++) {
        const struct put *p = &puts[i];
        SIM_CHECK(p->done);
        bool kept = p->result.error == ERR_NONE;
        SIM_CHECK(kept || p->result.error == ERR_STORE_FULL);
        SIM_CHECK(p->result.accepted + p->result.duplicates == (kept ? p->count : 0));
        for (unsigned d = 0; d < DEVICES; d++) {
            accepted[d] += uuid_eq(p->device, devices[d]) ? p->result.accepted : 0;
        }
    }
    for (unsigned d = 0; d < DEVICES; d++) {
        SIM_CHECK(stored(&w, devices[d]) == accepted[d]);
    }
    world_stop(&w);
}

static void a_device_that_is_not_there_stores_nothing(uint64_t seed)
{
    struct world w;
    world_start(&w, seed, 0);
    struct put p = put_of(&w, (uuid){{7}});
    p.samples[0] = sample("t", 1, BASE_MS);
    put_start(&p);
    world_settle(&w);
    SIM_CHECK(p.done && p.result.error == ERR_DEVICE_NOT_FOUND);
    world_stop(&w);
}

static void one_device_has_its_rate_over_all_connections(uint64_t seed)
{
    enum { BURST = 8, PUTS = 12 };
    struct world w;
    struct put puts[PUTS];
    unsigned refused = 0;
    world_start(&w, seed, 0);
    w.conf.telemetry_per_s = 1;
    w.conf.telemetry_burst = 2; /* four times that */
    uuid id = world_create(&w, "d");
    for (unsigned i = 0; i < PUTS; i++) {
        puts[i] = put_of(&w, id);
        puts[i].samples[0] = sample("t", i, BASE_MS + i);
        put_start(&puts[i]);
    }
    world_settle(&w);
    for (unsigned i = 0; i < PUTS; i++) {
        SIM_CHECK(puts[i].done);
        if (puts[i].result.error != ERR_NONE) {
            SIM_CHECK(puts[i].result.error == ERR_RATE_LIMIT_EXCEEDED);
            SIM_CHECK(puts[i].result.retry_after_ms > 0);
            refused++;
        }
    }
    SIM_CHECK(refused >= 1 && refused <= PUTS - BURST);
    SIM_CHECK(stored(&w, id) == PUTS - refused);
    world_stop(&w);
}

static void telemetry_is_a_sign_of_life(uint64_t seed)
{
    struct world w;
    struct socket s;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    for (unsigned i = 0; i < 10; i++) {
        struct put p = put_of(&w, id);
        p.socket = &s;
        p.samples[0] = sample("t", i, BASE_MS + i);
        put_start(&p);
        sim_run_ms(w.sim, 60000);
        SIM_CHECK(p.done && p.result.error == ERR_NONE);
        SIM_CHECK(s.open && world_stats(&w).stale == 0);
    }
    socket_close(&s);
    world_settle(&w);
    world_stop(&w);
}

static void done_deleting(void *owner, const struct device_result *r)
{
    SIM_CHECK(r->error == ERR_NONE);
    *(bool *)owner = true;
}

struct deleting {
    struct home *home;
    uuid id;
    bool done;
};

static void do_delete(void *arg)
{
    struct deleting *d = arg;
    struct actor who = {0};
    device_delete(d->home, d->id, &who, done_deleting, &d->done);
}

static void a_device_may_be_deleted_at_any_moment(uint64_t seed)
{
    enum { PUTS = 20 };
    struct world w;
    struct watcher x;
    struct put puts[PUTS];
    world_start(&w, seed, 0);
    struct deleting del = {.home = &w.homes[world_loop(&w)], .id = world_create(&w, "d")};
    watcher_open(&w, &x, world_loop(&w));
    watcher_follow(&x, del.id, telemetry_rate_of(1));
    watcher_follow(&x, del.id, 0);
    unsigned when = (unsigned)sim_random_below(sim_random(w.sim), PUTS);
    for (unsigned i = 0; i < PUTS; i++) {
        puts[i] = put_of(&w, del.id);
        puts[i].samples[0] = sample("t", i, BASE_MS + i);
        put_start(&puts[i]);
        if (i == when) {
            sim_on_loop(w.sim, del.home->index, do_delete, &del);
        }
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 3));
    }
    world_settle(&w);
    SIM_CHECK(del.done);
    for (unsigned i = 0; i < PUTS; i++) {
        err e = puts[i].result.error;
        SIM_CHECK(puts[i].done && (e == ERR_NONE || e == ERR_DEVICE_NOT_FOUND));
    }
    SIM_CHECK(stored(&w, del.id) == 0);
    SIM_CHECK(world_stats(&w).timers == 0);
    watcher_close(&x);
    world_settle(&w);
    world_stop(&w);
}

/* --- following --- */

static bool holds(span text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static unsigned times(const struct watcher *x, const char *part)
{
    span rest = buf_span(&x->text);
    unsigned n = 0;
    for (const uint8_t *at; (at = memmem(rest.ptr, rest.len, part, strlen(part))) != NULL; n++) {
        rest = span_of(at + 1, rest.len - (size_t)(at + 1 - rest.ptr));
    }
    return n;
}

static void followers_get_the_newest_value_and_nothing_older(uint64_t seed)
{
    enum { WATCHERS = 8, PUTS = 40 };
    struct world w;
    struct watcher x[WATCHERS] = {0};
    char wanted[40];
    world_start(&w, seed, 0);
    w.conf.telemetry_after_commit = world_chance(&w, 50);
    uuid id = world_create(&w, "d");
    unsigned loop = world_loop(&w); /* of one loop they keep their order */
    static struct put puts[PUTS];
    for (unsigned i = 0; i < PUTS; i++) {
        struct watcher *one = &x[sim_random_below(sim_random(w.sim), WATCHERS)];
        if (one->open && world_chance(&w, 30)) {
            watcher_close(one);
        } else if (!one->open) {
            watcher_open(&w, one, world_loop(&w));
            watcher_follow(one, id, 0);
        }
        puts[i] = put_of(&w, id);
        puts[i].loop = loop;
        puts[i].samples[0] = sample("t", i, BASE_MS + i);
        puts[i].samples[1] = sample("t", 1000 + i, BASE_MS - 1 - i); /* stored, and not told */
        puts[i].count = 2;
        put_start(&puts[i]);
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 20));
    }
    world_settle(&w);
    snprintf(wanted, sizeof wanted, "\"value\":%d,", PUTS - 1);
    for (unsigned i = 0; i < WATCHERS; i++) {
        if (x[i].open) {
            SIM_CHECK(holds(watcher_last(&x[i]), wanted));
            SIM_CHECK(times(&x[i], "\"value\":1") <= 11); /* 1, 10-19, and no 1000 */
            SIM_CHECK(times(&x[i], "\"initial\":true") <= 1);
        }
        watcher_close(&x[i]);
    }
    SIM_CHECK(stored(&w, id) == 2 * PUTS);
    world_settle(&w);
    world_stop(&w);
}

static void who_begins_to_follow_is_told_the_last_values(uint64_t seed)
{
    struct world w;
    struct watcher x;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    put_one(&w, id, "a", 1, BASE_MS);
    put_one(&w, id, "b", 2, BASE_MS);
    put_one(&w, id, "a", 3, BASE_MS + 1);
    put_one(&w, id, "b", 9, BASE_MS - 1);
    for (unsigned rate = 0; rate < TELEMETRY_RATES; rate++) {
        watcher_open(&w, &x, world_loop(&w));
        watcher_follow(&x, id, rate);
        world_settle(&w);
        SIM_CHECK(x.frames == 2 && times(&x, "\"initial\":true") == 2);
        SIM_CHECK(times(&x, "[\"telemetry:update\",{\"deviceId\":") == 2);
        SIM_CHECK(times(&x, "\"sensorType\":\"a\",\"value\":3,") == 1);
        SIM_CHECK(times(&x, "\"sensorType\":\"b\",\"value\":2,") == 1);
        watcher_close(&x);
        world_settle(&w);
    }
    world_stop(&w);
}

/* A value every 10 ms for 10 s. */
static void a_rate_is_kept_and_the_last_value_arrives(uint64_t seed)
{
    enum { SAMPLES = 1000 };
    static const double rates[] = {100, 10, 3, 1, 0.5};
    struct world w;
    struct watcher x[ARRAY_LEN(rates)];
    static struct put puts[SAMPLES];
    world_start(&w, seed, 1);
    uuid id = world_create(&w, "d");
    for (unsigned i = 0; i < ARRAY_LEN(rates); i++) {
        watcher_open(&w, &x[i], 0);
        watcher_follow(&x[i], id, telemetry_rate_of(rates[i]));
    }
    world_settle(&w);
    int64_t began = clock_mono_ms(sim_clock(w.sim));
    for (unsigned i = 0; i < SAMPLES; i++) {
        puts[i] = put_of(&w, id);
        puts[i].samples[0] = sample("t", i, BASE_MS + i);
        put_start(&puts[i]);
        sim_run_ms(w.sim, 10);
        if (i == 0) {
            for (unsigned k = 0; k < ARRAY_LEN(rates); k++) {
                SIM_CHECK(x[k].frames == 1); /* the leading one at once */
            }
        }
    }
    double seconds = (double)(clock_mono_ms(sim_clock(w.sim)) - began) / 1000;
    sim_run_ms(w.sim, 2200);
    SIM_CHECK(world_stats(&w).timers == 0);
    for (unsigned i = 0; i < ARRAY_LEN(rates); i++) {
        SIM_CHECK(holds(watcher_last(&x[i]), "\"value\":999,"));
        SIM_CHECK((double)x[i].frames <= rates[i] * (seconds + 0.1) + 2);
        SIM_CHECK((double)x[i].frames >= rates[i] * seconds * 0.7);
        watcher_close(&x[i]);
    }
    world_settle(&w);
    world_stop(&w);
}

static void a_timer_runs_while_a_value_waits_and_somebody_listens(uint64_t seed)
{
    struct world w;
    struct watcher x, y;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    unsigned rate = telemetry_rate_of(0.1);
    watcher_open(&w, &x, world_loop(&w));
    watcher_open(&w, &y, world_loop(&w));
    watcher_follow(&x, id, rate);
    watcher_follow(&y, id, rate);
    world_settle(&w);
    put_one(&w, id, "t", 1, BASE_MS);
    SIM_CHECK(world_stats(&w).timers == 0 && x.frames == 1);
    put_one(&w, id, "t", 2, BASE_MS + 1);
    put_one(&w, id, "t", 3, BASE_MS + 2);
    SIM_CHECK(world_stats(&w).timers == 1 && x.frames == 1);
    sim_run_ms(w.sim, 11000);
    SIM_CHECK(world_stats(&w).timers == 0 && x.frames == 2);
    SIM_CHECK(holds(watcher_last(&x), "\"value\":3,"));
    put_one(&w, id, "t", 4, BASE_MS + 3);
    SIM_CHECK(world_stats(&w).timers == 1);
    watcher_unfollow(&x, id, rate);
    world_settle(&w);
    SIM_CHECK(world_stats(&w).timers == 1);
    watcher_close(&y);
    world_settle(&w);
    SIM_CHECK(world_stats(&w).timers == 0);
    watcher_close(&x);
    world_settle(&w);
    world_stop(&w);
}

static void of_too_many_sensors_the_one_told_longest_ago_is_forgotten(uint64_t seed)
{
    struct world w;
    struct watcher x, y;
    world_start(&w, seed, 0);
    w.conf.telemetry_sensors_max = 2;
    uuid id = world_create(&w, "d");
    watcher_open(&w, &x, world_loop(&w));
    watcher_follow(&x, id, telemetry_rate_of(0.01));
    world_settle(&w);
    put_one(&w, id, "a", 1, BASE_MS + 10);
    put_one(&w, id, "a", 2, BASE_MS + 11); /* waits for its time, */
    put_one(&w, id, "b", 3, BASE_MS);
    SIM_CHECK(x.frames == 2);
    put_one(&w, id, "c", 4, BASE_MS); /* and is told when its sensor goes */
    SIM_CHECK(x.frames == 4 && times(&x, "\"value\":2,") == 1 && times(&x, "\"value\":4,") == 1);
    put_one(&w, id, "a", 5, BASE_MS); /* older than what was known of it */
    SIM_CHECK(x.frames == 5 && stored(&w, id) == 5);
    watcher_open(&w, &y, world_loop(&w));
    watcher_follow(&y, id, 0);
    world_settle(&w);
    SIM_CHECK(y.frames == 2 && times(&y, "\"sensorType\":\"b\"") == 0);
    w.conf.telemetry_sensors_max = 1; /* it may change at any time */
    put_one(&w, id, "d", 6, BASE_MS);
    w.conf.telemetry_sensors_max = 3;
    put_one(&w, id, "e", 7, BASE_MS);
    put_one(&w, id, "f", 8, BASE_MS);
    SIM_CHECK(x.frames == 8);
    put_one(&w, id, "d", 9, BASE_MS + 1); /* each waits for its own time, */
    put_one(&w, id, "e", 10, BASE_MS + 1);
    put_one(&w, id, "f", 11, BASE_MS + 1);
    SIM_CHECK(x.frames == 8 && world_stats(&w).timers == 1);
    sim_run_ms(w.sim, 101000); /* and is told then */
    SIM_CHECK(x.frames == 11 && world_stats(&w).timers == 0);
    watcher_close(&x);
    watcher_close(&y);
    world_settle(&w);
    world_stop(&w);
}

/* --- what is known --- */

struct shown {
    struct home *home;
    uuid id;
    bool done;
    err error;
    buf json;
};

static void take_shown(void *owner, err error, span json)
{
    struct shown *s = owner;
    SIM_CHECK(!s->done);
    s->done = true;
    s->error = error;
    buf_append_span(&s->json, json);
}

static void do_latest(void *arg)
{
    struct shown *s = arg;
    telemetry_latest(s->home, s->id, take_shown, s);
}

static void the_newest_values_are_shown_by_sensor(uint64_t seed)
{
    struct world w;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    put_one(&w, id, "b", 1, BASE_MS);
    put_one(&w, id, "a", 2, BASE_MS);
    put_one(&w, id, "b", 3, BASE_MS + 5);
    put_one(&w, id, "ab", 4.25, BASE_MS);
    for (unsigned i = 0; i < 3; i++) {
        struct shown s = {.home = &w.homes[world_loop(&w)], .id = i == 2 ? (uuid){{9}} : id};
        sim_on_loop(w.sim, s.home->index, do_latest, &s);
        world_settle(&w);
        SIM_CHECK(s.done && s.error == (i == 2 ? ERR_DEVICE_NOT_FOUND : ERR_NONE));
        if (i < 2) {
            const uint8_t *a = memmem(s.json.ptr, s.json.len, "\"a\",\"value\":2,", 14);
            const uint8_t *ab = memmem(s.json.ptr, s.json.len, "\"ab\",\"value\":4.25,", 18);
            const uint8_t *b = memmem(s.json.ptr, s.json.len, "\"b\",\"value\":3,", 14);
            SIM_CHECK(a != NULL && ab > a && b > ab);
            SIM_CHECK(s.json.ptr[0] == '[' && s.json.ptr[s.json.len - 1] == ']');
        }
        buf_deinit(&s.json);
    }
    world_stop(&w);
}

static void a_wanted_rate_becomes_the_next_lower_one(uint64_t seed)
{
    static const double rows[][2] = {{1000, 100}, {100, 100}, {99, 50}, {1, 1},    {0.9, 0.5},
                                     {4, 3},      {0.01, 0.01}, {0.001, 0.01}, {29.9, 20}};
    (void)seed;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        SIM_CHECK(telemetry_rate_hz(telemetry_rate_of(rows[i][0])) == rows[i][1]);
    }
    SIM_CHECK(telemetry_rate_hz(0) == 0);
    for (unsigned r = 1; r < TELEMETRY_RATES; r++) {
        char text[TELEMETRY_TOPIC_MAX];
        SIM_CHECK(telemetry_rate_of(telemetry_rate_hz(r)) == r);
        SIM_CHECK(telemetry_topic((uuid){{0}}, r, text).len < TELEMETRY_TOPIC_MAX);
    }
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"what_is_acknowledged_is_stored_once", what_is_acknowledged_is_stored_once, 40},
        {"a_device_that_is_not_there_stores_nothing", a_device_that_is_not_there_stores_nothing, 5},
        {"one_device_has_its_rate_over_all_connections",
         one_device_has_its_rate_over_all_connections, 10},
        {"telemetry_is_a_sign_of_life", telemetry_is_a_sign_of_life, 10},
        {"a_device_may_be_deleted_at_any_moment", a_device_may_be_deleted_at_any_moment, 40},
        {"followers_get_the_newest_value_and_nothing_older",
         followers_get_the_newest_value_and_nothing_older, 30},
        {"who_begins_to_follow_is_told_the_last_values",
         who_begins_to_follow_is_told_the_last_values, 5},
        {"a_rate_is_kept_and_the_last_value_arrives", a_rate_is_kept_and_the_last_value_arrives, 3},
        {"a_timer_runs_while_a_value_waits_and_somebody_listens",
         a_timer_runs_while_a_value_waits_and_somebody_listens, 10},
        {"of_too_many_sensors_the_one_told_longest_ago_is_forgotten",
         of_too_many_sensors_the_one_told_longest_ago_is_forgotten, 10},
        {"the_newest_values_are_shown_by_sensor", the_newest_values_are_shown_by_sensor, 5},
        {"a_wanted_rate_becomes_the_next_lower_one", a_wanted_rate_becomes_the_next_lower_one, 1},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
