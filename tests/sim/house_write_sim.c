/*
 * States on their way into the store, under every order of loops, mail and answers: what is
 * acknowledged is there after a crash, a failure is told and made good, history is what happened,
 * in its order, and what is too old or nobody's goes.
 */
#include "domain/house.h"
#include "sim/fleet_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTITIES 4
#define BY "0197f000-0000-7000-8000-000000000001"

struct keep {
    struct world world;
    struct house_who who;
    int acknowledged[ENTITIES]; /* the newest state that was */
    int set[ENTITIES];          /* the newest that was tried */
    unsigned waiting, failed;
};

/* One call and its answer. */
struct call {
    struct keep *keep;
    unsigned loop;
    bool done;
    err error;
    bool created;
    buf json, next;
    unsigned entity;
    int state;
    bool counted; /* freed with its answer */
    void (*run)(struct call *c);
    struct house_history_filter look;
    const char *attributes, *text; /* text: instead of the number */
    char name[32];
};

static void taken(void *owner, const struct house_result *r)
{
    struct call *c = owner;
    SIM_CHECK(!c->done);
    c->done = true;
    c->error = r->error;
    c->created = r->created;
    if (c->counted) {
        struct keep *k = c->keep;
        k->waiting--;
        k->failed += r->error != ERR_NONE;
        if (r->error == ERR_NONE && c->state > k->acknowledged[c->entity]) {
            k->acknowledged[c->entity] = c->state;
        }
        free(c);
        return;
    }
    buf_clear(&c->json);
    buf_append_span(&c->json, r->json);
    buf_append_byte(&c->json, '\0');
    buf_clear(&c->next);
    buf_append_span(&c->next, r->next);
}

static void on_loop(void *arg)
{
    struct call *c = arg;
    c->run(c);
    SIM_CHECK(!c->done); /* never inside the call */
}

static struct home *home_at(const struct call *c) { return &c->keep->world.homes[c->loop]; }

static span name(struct call *c)
{
    return span_of(c->name, (size_t)snprintf(c->name, sizeof c->name, "sensor.e%u", c->entity));
}

static void do_create(struct call *c)
{
    house_entity_create(home_at(c), &(struct house_entity_draft){.entity_id = name(c)},
                        &c->keep->who, taken, c);
}

static void do_set(struct call *c)
{
    char text[16];
    span state = span_of(text, (size_t)snprintf(text, sizeof text, "%d", c->state));
    struct house_state_change in = {.entity_id = name(c), .state = state, .create = true};
    in.state = c->text != NULL ? span_str(c->text) : state;
    if (c->attributes != NULL) {
        in.attributes = span_str(c->attributes);
    }
    house_state_set(home_at(c), &in, &c->keep->who, taken, c);
}

static void do_delete(struct call *c)
{
    house_entity_delete(home_at(c), name(c), 0, &c->keep->who, taken, c);
}

static void do_get(struct call *c)
{
    house_entity_get(home_at(c), name(c), &c->keep->who, taken, c);
}

static void do_look(struct call *c)
{
    c->look.entity_id = name(c);
    house_history(home_at(c), &c->look, &c->keep->who, taken, c);
}

static struct call call_of(struct keep *k, unsigned entity, void (*run)(struct call *c))
{
    return (struct call){
        .keep = k, .loop = world_loop(&k->world), .entity = entity, .run = run};
}

static bool is_done(void *arg) { return ((struct call *)arg)->done; }

static err finish(struct call *c)
{
    c->done = false;
    sim_on_loop(c->keep->world.sim, c->loop, on_loop, c);
    SIM_CHECK(sim_until(c->keep->world.sim, is_done, c, 10000));
    return c->error;
}

static void end(struct call *c)
{
    buf_deinit(&c->json);
    buf_deinit(&c->next);
}

static bool holds(const struct call *c, const char *text)
{
    return strstr((const char *)c->json.ptr, text) != NULL;
}

static void create(struct keep *k, unsigned entity)
{
    struct call c = call_of(k, entity, do_create);
    SIM_CHECK(finish(&c) == ERR_NONE);
    end(&c);
}

/* Answered. */
static err set(struct keep *k, unsigned entity, int state)
{
    struct call c = call_of(k, entity, do_set);
    c.state = state;
    err error = finish(&c);
    end(&c);
    return error;
}

/* Not waited for; from the house's own loop, so that they come in order. */
static void tell(struct keep *k, unsigned entity)
{
    struct call *c = malloc(sizeof *c);
    *c = call_of(k, entity, do_set);
    c->loop = HOUSE_HOME;
    c->state = ++k->set[entity];
    c->counted = true;
    k->waiting++;
    sim_on_loop(k->world.sim, c->loop, on_loop, c);
}

static void keep_start(struct keep *k, uint64_t seed)
{
    memset(k, 0, sizeof *k);
    world_start(&k->world, seed, 0);
    k->who = (struct house_who){.see = {.all = true}, .may = {.all = true}};
    SIM_CHECK(uuid_parse(SPAN(BY), &k->who.actor.id));
    for (unsigned i = 0; i < ENTITIES; i++) {
        create(k, i);
    }
}

static unsigned unwritten(struct keep *k)
{
    struct house_stats s;
    house_stats(&k->world.homes[0], &s);
    return s.unwritten;
}

static void pass(struct keep *k) { sim_run_ms(k->world.sim, world_chance(&k->world, 5) ? 3 : 0); }

static int shown(struct keep *k, unsigned entity)
{
    struct call c = call_of(k, entity, do_get);
    SIM_CHECK(finish(&c) == ERR_NONE);
    const char *at = strstr((const char *)c.json.ptr, "\"state\":\"");
    SIM_CHECK(at != NULL);
    int state = (int)strtol(at + 9, NULL, 10);
    end(&c);
    return state;
}

static void what_is_acknowledged_is_found_after_a_crash(uint64_t seed)
{
    struct keep k;
    keep_start(&k, seed);
    sim_store_set_failures(k.world.db, world_chance(&k.world, 50) ? 20 : 0, ERR_STORE_FULL);
    for (unsigned i = 0; i < 150; i++) {
        tell(&k, (unsigned)sim_random_below(sim_random(k.world.sim), ENTITIES));
        for (unsigned n = world_loop(&k.world) + 2; n > 0; n--) {
            (void)sim_step(k.world.sim);
        }
        pass(&k);
    }
    int acknowledged[ENTITIES]; /* by then; the crash tells the others that it failed */
    world_crash(&k.world);
    memcpy(acknowledged, k.acknowledged, sizeof acknowledged);
    SIM_CHECK(k.waiting == 0);
    for (unsigned i = 0; i < ENTITIES; i++) {
        int found = shown(&k, i);
        SIM_CHECK(found >= acknowledged[i] && found <= k.set[i]);
    }
    world_settle(&k.world);
    world_stop(&k.world);
}

static void a_failure_is_told_and_made_good(uint64_t seed)
{
    struct keep k;
    keep_start(&k, seed);
    world_settle(&k.world);
    sim_run_ms(k.world.sim, 100);
    SIM_CHECK(unwritten(&k) == 0);
    sim_store_set_failures(k.world.db, 100, ERR_STORE_FULL);
    SIM_CHECK(set(&k, 0, 7) == ERR_STORE_FULL);
    SIM_CHECK(shown(&k, 0) == 7); /* it is true all the same */
    SIM_CHECK(unwritten(&k) == 1);
    sim_store_set_failures(k.world.db, 0, ERR_NONE);
    sim_run_ms(k.world.sim, 3000);
    SIM_CHECK(unwritten(&k) == 0);
    world_crash(&k.world);
    SIM_CHECK(shown(&k, 0) == 7);
    world_settle(&k.world);
    world_stop(&k.world);
}

/* --- history --- */

/* All pages of an entity's states, as text: "1,2,3," */
static void look(struct keep *k, unsigned entity, unsigned limit, int64_t from_ms, int64_t to_ms,
                 buf *out)
{
    struct call c = call_of(k, entity, do_look);
    c.look = (struct house_history_filter){.from_ms = from_ms, .to_ms = to_ms, .limit = limit};
    buf after = {0};
    buf_clear(out);
    do {
        c.look.after = buf_span(&after);
        SIM_CHECK(finish(&c) == ERR_NONE);
        unsigned rows = 0;
        const char *at = (const char *)c.json.ptr;
        while ((at = strstr(at, "\"state\":\"")) != NULL) {
            at += 9;
            buf_append(out, at, strcspn(at, "\""));
            buf_append_byte(out, ',');
            rows++;
        }
        SIM_CHECK(rows == limit || (rows < limit && c.next.len == 0));
        buf_clear(&after);
        buf_append_span(&after, buf_span(&c.next));
    } while (after.len > 0);
    buf_append_byte(out, '\0');
    buf_deinit(&after);
    end(&c);
}

static void history_is_what_happened(uint64_t seed)
{
    struct keep k;
    buf all = {0}, want = {0};
    keep_start(&k, seed);
    sim_store_set_failures(k.world.db, world_chance(&k.world, 30) ? 10 : 0, ERR_STORE_FULL);
    for (unsigned i = 0; i < 200; i++) {
        tell(&k, (unsigned)sim_random_below(sim_random(k.world.sim), ENTITIES));
        pass(&k);
    }
    sim_store_set_failures(k.world.db, 0, ERR_NONE); /* what waits is read, too */
    for (unsigned i = 0; i < ENTITIES; i++) {
        look(&k, i, 1 + (unsigned)sim_random_below(sim_random(k.world.sim), 20), 0, INT64_MAX,
             &all);
        buf_clear(&want);
        buf_append_str(&want, "unknown,");
        for (int n = 1; n <= k.set[i]; n++) {
            buf_printf(&want, "%d,", n);
        }
        SIM_CHECK(strcmp((const char *)all.ptr, (const char *)want.ptr) == 0 ||
                  strncmp((const char *)all.ptr, (const char *)want.ptr, want.len) == 0);
    }
    buf_deinit(&all);
    buf_deinit(&want);
    world_settle(&k.world);
    SIM_CHECK(k.waiting == 0);
    world_stop(&k.world);
}

static void a_page_begins_with_what_held(uint64_t seed)
{
    struct keep k;
    buf rows = {0};
    keep_start(&k, seed);
    struct clock *clock = sim_clock(k.world.sim);
    int64_t times[4];
    for (int n = 1; n <= 3; n++) {
        sim_run_ms(k.world.sim, 50);
        SIM_CHECK(set(&k, 0, n) == ERR_NONE);
        sim_run_ms(k.world.sim, 50);
        times[n] = clock_wall_ms(clock);
    }
    look(&k, 0, 5, times[1], times[2], &rows);
    SIM_CHECK(strcmp((const char *)rows.ptr, "1,2,") == 0);
    look(&k, 0, 1, times[2], INT64_MAX, &rows);
    SIM_CHECK(strcmp((const char *)rows.ptr, "2,3,") == 0);
    look(&k, 0, 5, times[3], INT64_MAX, &rows);
    SIM_CHECK(strcmp((const char *)rows.ptr, "3,") == 0);
    struct call c = call_of(&k, 0, do_look);
    c.look = (struct house_history_filter){.from_ms = times[2], .to_ms = INT64_MAX, .limit = 9};
    SIM_CHECK(finish(&c) == ERR_NONE && holds(&c, "\"changed_by\":\"" BY "\""));
    c.look.after = SPAN("none of ours");
    SIM_CHECK(finish(&c) == ERR_INVALID_REQUEST);
    end(&c);
    sim_run_ms(k.world.sim, 10);
    struct call a = call_of(&k, 0, do_set);
    a.state = 3;
    a.attributes = "{\"brightness\":7}"; /* a change, too */
    SIM_CHECK(finish(&a) == ERR_NONE && holds(&a, "\"attributes\":{\"brightness\":7}"));
    SIM_CHECK(finish(&a) == ERR_NONE); /* and this is none */
    end(&a);
    look(&k, 0, 5, times[3], INT64_MAX, &rows);
    SIM_CHECK(strcmp((const char *)rows.ptr, "3,3,") == 0);
    buf_deinit(&rows);
    world_settle(&k.world);
    world_stop(&k.world);
}

/* What a query of (before, limit) would delete. */
static unsigned left(struct keep *k, enum query q)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, q, 1);
    store_set_int(req, 0, 0, 0, INT64_MAX);
    store_set_int(req, 0, 0, 1, 1000);
    SIM_CHECK(store_run(k->world.store, req) == ERR_NONE);
    unsigned count = req->steps[0].change_count;
    store_req_free(req);
    return count;
}

static void what_is_old_or_gone_goes(uint64_t seed)
{
    struct keep k;
    buf rows = {0};
    keep_start(&k, seed);
    k.world.conf.retention_history_s = 60;
    for (int n = 1; n <= 20; n++) {
        SIM_CHECK(set(&k, 0, n) == ERR_NONE && set(&k, 1, n) == ERR_NONE);
    }
    for (unsigned i = 0; i < 30; i++) {
        tell(&k, 1); /* on their way while it is deleted */
    }
    struct call c = call_of(&k, 1, do_delete);
    SIM_CHECK(finish(&c) == ERR_NONE);
    c.run = do_look;
    c.look.limit = 9;
    SIM_CHECK(finish(&c) == ERR_NOT_FOUND);
    end(&c);
    world_settle(&k.world);
    SIM_CHECK(k.waiting == 0);
    sim_run_ms(k.world.sim, 660000);
    look(&k, 0, 50, 0, INT64_MAX, &rows);
    SIM_CHECK(strcmp((const char *)rows.ptr, "20,") == 0); /* what still is */
    SIM_CHECK(left(&k, QUERY_ENTITY_HISTORY_PURGE) == 0);
    SIM_CHECK(left(&k, QUERY_ENTITY_GONE_END) == 0);
    buf_deinit(&rows);
    world_stop(&k.world);
}

static void history_goes_under_the_disk_budget(uint64_t seed)
{
    enum { ROWS = 2500, AGO_MS = 2 * 3600000 };
    struct keep k;
    buf rows = {0};
    keep_start(&k, seed);
    int64_t then_ms = clock_wall_ms(sim_clock(k.world.sim)) - AGO_MS;
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_ENTITY_HISTORY_INSERT, ROWS);
    for (unsigned i = 0; i < ROWS; i++) {
        store_set_int(req, 0, i, 0, 1); /* the first entity's number */
        store_set_int(req, 0, i, 1, then_ms);
        store_set_int(req, 0, i, 2, i);
        store_set_text(req, 0, i, 3, i + 1 == ROWS ? SPAN("8") : SPAN("7"));
        store_set_text(req, 0, i, 4, SPAN("{}"));
    }
    SIM_CHECK(store_run(k.world.store, req) == ERR_NONE);
    store_req_free(req);
    k.world.conf.disk_budget_bytes = 1;
    sim_run_ms(k.world.sim, 60000);
    look(&k, 0, 200, 0, INT64_MAX, &rows);
    SIM_CHECK(strcmp((const char *)rows.ptr, "8,unknown,") == 0);
    buf_deinit(&rows);
    world_settle(&k.world);
    world_stop(&k.world);
}

static void what_waits_for_a_failing_store_is_bounded(uint64_t seed)
{
    enum { CHANGES = 700 };
    struct keep k;
    struct house_stats s;
    buf rows = {0};
    keep_start(&k, seed);
    world_settle(&k.world);
    sim_store_set_failures(k.world.db, 100, ERR_STORE_FULL);
    for (unsigned i = 0; i < CHANGES; i++) {
        tell(&k, 0);
    }
    world_settle(&k.world);
    SIM_CHECK(k.failed == CHANGES);
    sim_store_set_failures(k.world.db, 0, ERR_NONE);
    sim_run_ms(k.world.sim, 3000);
    house_stats(&k.world.homes[0], &s);
    SIM_CHECK(s.merged > 0 && s.unwritten == 0);
    look(&k, 0, 200, 0, INT64_MAX, &rows);
    unsigned count = 0;
    for (size_t i = 0; i < rows.len; i++) {
        count += rows.ptr[i] == ',';
    }
    SIM_CHECK(count == CHANGES + 1 - s.merged); /* and `unknown` */
    SIM_CHECK(rows.len > 5 && memcmp(rows.ptr + rows.len - 5, "700,", 5) == 0);
    buf_deinit(&rows);
    world_settle(&k.world);
    world_stop(&k.world);
}

/* Nobody's state keeps others' from the store. */
static void a_state_is_255_characters_at_most(uint64_t seed)
{
    struct keep k;
    struct call c;
    static char state[4 * 300 + 1];
    for (unsigned i = 0; i < 300; i++) {
        memcpy(state + 2 * i, "\xc3\xa9", 2); /* e acute */
    }
    keep_start(&k, seed);
    c = call_of(&k, ENTITIES, do_set);
    c.text = state;
    SIM_CHECK(finish(&c) == ERR_NONE && c.created);
    c.entity = 0;
    SIM_CHECK(finish(&c) == ERR_NONE && !c.created);
    state[2 * 255] = '\0';
    SIM_CHECK(holds(&c, state));
    world_settle(&k.world);
    SIM_CHECK(unwritten(&k) == 0);
    world_crash(&k.world);
    c.run = do_get;
    SIM_CHECK(finish(&c) == ERR_NONE && holds(&c, state));
    end(&c);
    world_settle(&k.world);
    world_stop(&k.world);
}

static void a_state_of_nothing_makes_it(uint64_t seed)
{
    struct keep k;
    struct call c;
    keep_start(&k, seed);
    c = call_of(&k, ENTITIES, do_set);
    c.state = 5;
    SIM_CHECK(finish(&c) == ERR_NONE && c.created && holds(&c, "\"state\":\"5\""));
    SIM_CHECK(finish(&c) == ERR_NONE && !c.created);
    c.run = do_look;
    c.look = (struct house_history_filter){.to_ms = INT64_MAX, .limit = 9};
    SIM_CHECK(finish(&c) == ERR_NONE && holds(&c, "\"changed_by\":\"" BY "\""));
    world_crash(&k.world);
    SIM_CHECK(shown(&k, ENTITIES) == 5);
    end(&c);
    world_settle(&k.world);
    world_stop(&k.world);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"what_is_acknowledged_is_found_after_a_crash",
         what_is_acknowledged_is_found_after_a_crash, 20},
        {"a_failure_is_told_and_made_good", a_failure_is_told_and_made_good, 10},
        {"history_is_what_happened", history_is_what_happened, 20},
        {"a_page_begins_with_what_held", a_page_begins_with_what_held, 10},
        {"what_is_old_or_gone_goes", what_is_old_or_gone_goes, 5},
        {"history_goes_under_the_disk_budget", history_goes_under_the_disk_budget, 3},
        {"what_waits_for_a_failing_store_is_bounded",
         what_waits_for_a_failing_store_is_bounded, 5},
        {"a_state_of_nothing_makes_it", a_state_of_nothing_makes_it, 10},
        {"a_state_is_255_characters_at_most", a_state_is_255_characters_at_most, 3},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
