/*
 * What people do with devices, and what devices report of themselves, under every order of loops,
 * mail and answers of the store: what is acknowledged is stored, changes come one after the other,
 * and what is deleted is gone.
 */
#include "sim/fleet_world.h"

#include <stdio.h>
#include <string.h>

#define BASE_MS INT64_C(1767355200000)

/* --- rows --- */

static void what_is_acknowledged_is_stored(uint64_t seed)
{
    enum { ROWS = 60 };
    struct world w;
    struct socket s;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    world_settle(&w);
    sim_store_set_failures(w.db, 20, ERR_STORE_FULL);
    for (unsigned i = 0; i < ROWS; i++) {
        /* each time twice: a repeat is no error and no second row */
        socket_row(&s, i, BASE_MS + i / 2 * 60000, i);
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 5));
    }
    world_settle(&w);
    sim_store_set_failures(w.db, 0, ERR_NONE);
    SIM_CHECK(s.acks == ROWS);
    unsigned stored = 0;
    for (unsigned i = 0; i < ROWS; i += 2) {
        stored += (s.good_ids >> i & 3) != 0;
    }
    SIM_CHECK(world_count(&w, QUERY_METRICS_LAST, id, 1000) == stored);
    socket_close(&s);
    world_settle(&w);
    world_stop(&w);
}

static void an_unchanged_state_is_stored_once_an_hour(uint64_t seed)
{
    struct world w;
    struct socket s;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    for (unsigned i = 0; i < 10; i++) {
        socket_state(&s, i, BASE_MS + i * 60000, "web-1");
        world_settle(&w);
    }
    socket_state(&s, 10, BASE_MS + 700000, "web-2");
    world_settle(&w);
    socket_state(&s, 11, BASE_MS + 700000 + 3600000, "web-2");
    world_settle(&w);
    SIM_CHECK(s.good == 12);
    world_get(&w, id, &r);
    SIM_CHECK(json_holds(&r, "\"hostname\":\"web-2\""));
    /* a purge of up to a thousand rows tells how many there were */
    char text[UUID_TEXT_LEN + 1];
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_STATE_PURGE, 1);
    uuid_format(id, text);
    store_set_text(req, 0, 0, 0, span_of(text, UUID_TEXT_LEN));
    store_set_int(req, 0, 0, 1, 1000);
    SIM_CHECK(store_run(w.store, req) == ERR_NONE);
    SIM_CHECK(req->steps[0].change_count == 3);
    store_req_free(req);
    socket_close(&s);
    world_settle(&w);
    result_deinit(&r);
    world_stop(&w);
}

/* --- people --- */

struct people_call {
    struct world *w;
    unsigned loop;
    uuid id;
    struct device_change change;
    struct device_filter filter;
    struct result *r;
};

static void do_patch(void *arg)
{
    struct people_call *c = arg;
    struct actor who = {.name = SPAN("tester")};
    device_patch(&c->w->homes[c->loop], c->id, &c->change, &who, result_take, c->r);
}

static void do_delete(void *arg)
{
    struct people_call *c = arg;
    struct actor who = {.name = SPAN("tester")};
    device_delete(&c->w->homes[c->loop], c->id, &who, result_take, c->r);
}

static void do_list(void *arg)
{
    struct people_call *c = arg;
    device_list(&c->w->homes[c->loop], &c->filter, result_take, c->r);
}

static void changes_are_made_one_after_the_other(uint64_t seed)
{
    enum { PATCHES = 8 };
    static const char *const names[PATCHES] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct world w;
    struct result r[PATCHES] = {0}, last = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    for (unsigned i = 0; i < PATCHES; i++) {
        struct people_call c = {.w = &w, .loop = world_loop(&w), .id = id, .r = &r[i]};
        c.change = (struct device_change){.has_name = true, .name = span_str(names[i]),
                                          .version = i % 2 == 0 ? 0 : 1};
        sim_on_loop(w.sim, c.loop, do_patch, &c);
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 10));
    }
    int64_t version = 1;
    for (unsigned i = 0; i < PATCHES; i++) {
        result_wait(&w, &r[i]);
        SIM_CHECK(r[i].error == ERR_NONE || r[i].error == ERR_PRECONDITION_FAILED ||
                  r[i].error == ERR_CONFLICT);
        version += r[i].error == ERR_NONE;
    }
    world_get(&w, id, &last);
    SIM_CHECK(last.version == version && version > 1);
    for (unsigned i = 0; i < PATCHES; i++) {
        result_deinit(&r[i]);
    }
    result_deinit(&last);
    world_stop(&w);
}

static void disabling_ends_the_socket(uint64_t seed)
{
    struct world w;
    struct socket s;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    struct people_call c = {.w = &w, .loop = world_loop(&w), .id = id, .r = &r};
    c.change = (struct device_change){.has_status = true, .status = DEVICE_DISABLED};
    sim_on_loop(w.sim, c.loop, do_patch, &c);
    result_wait(&w, &r);
    world_settle(&w);
    SIM_CHECK(r.error == ERR_NONE && s.told && s.reason == CLOSE_DISABLED);
    socket_open(&w, &s, id, world_loop(&w));
    world_settle(&w);
    SIM_CHECK(s.told && s.reason == CLOSE_DISABLED);
    result_deinit(&r);
    world_stop(&w);
}

static void deleting_takes_everything(uint64_t seed)
{
    struct world w;
    struct socket s;
    struct watcher x;
    struct result r = {0}, again = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    watcher_open(&w, &x, world_loop(&w));
    watcher_subscribe(&x, id, HOST_HISTORY);
    for (unsigned i = 0; i < 30; i++) {
        socket_row(&s, i, BASE_MS + i * 60000, i);
    }
    sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 30));
    struct people_call c = {.w = &w, .loop = world_loop(&w), .id = id, .r = &r};
    sim_on_loop(w.sim, c.loop, do_delete, &c);
    for (unsigned i = 30; i < 40; i++) {
        socket_row(&s, i, BASE_MS + i * 60000, i);
        sim_run_ms(w.sim, 1);
    }
    result_wait(&w, &r);
    world_settle(&w);
    SIM_CHECK(r.error == ERR_NONE && s.told);
    SIM_CHECK(s.reason == CLOSE_REVOKED);
    SIM_CHECK(world_count(&w, QUERY_METRICS_LAST, id, 1000) == 0);
    SIM_CHECK(world_count(&w, QUERY_DEVICE_GET, id, 1) == 0);
    world_get(&w, id, &again);
    SIM_CHECK(again.error == ERR_DEVICE_NOT_FOUND);
    watcher_close(&x);
    world_settle(&w);
    SIM_CHECK(world_stats(&w).loaded == 0);
    result_deinit(&again);
    result_deinit(&r);
    world_stop(&w);
}

static void lists_come_in_pages(uint64_t seed)
{
    enum { DEVICES = 7 };
    struct world w;
    unsigned seen = 0, pages = 0;
    char name[16];
    struct result r = {0};
    buf after = {0};
    world_start(&w, seed, 0);
    for (unsigned i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof name, "dev-%u", i);
        (void)world_create(&w, name);
    }
    do {
        struct people_call c = {.w = &w, .loop = world_loop(&w), .r = &r};
        c.filter = (struct device_filter){.status = -1, .connection = -1, .limit = 3,
                                          .text = SPAN("DEV-"), .after = buf_span(&after)};
        result_deinit(&r);
        sim_on_loop(w.sim, c.loop, do_list, &c);
        result_wait(&w, &r);
        SIM_CHECK(r.error == ERR_NONE);
        for (; seen < DEVICES; seen++) {
            snprintf(name, sizeof name, "\"dev-%u\"", seen);
            if (!json_holds(&r, name)) {
                break;
            }
        }
        buf_clear(&after);
        buf_append_span(&after, buf_span(&r.next));
        pages++;
    } while (after.len > 0);
    SIM_CHECK(seen == DEVICES && pages == 3);
    buf_deinit(&after);
    result_deinit(&r);
    world_stop(&w);
}

/* --- viewers --- */

struct admission {
    struct world *w;
    unsigned loop;
    uuid id;
    bool done;
    err error;
};

static void admitted(void *owner, err error)
{
    struct admission *a = owner;
    a->done = true;
    a->error = error;
}

static void do_admit(void *arg)
{
    struct admission *a = arg;
    device_viewer_admit(&a->w->homes[a->loop], a->id, admitted, a);
}

static void do_leave(void *arg)
{
    struct admission *a = arg;
    device_viewer_leave(&a->w->homes[a->loop], a->id);
}

static void viewers_are_counted(uint64_t seed)
{
    enum { VIEWERS = 9 };
    struct world w;
    struct admission a[VIEWERS], nobody;
    unsigned in = 0;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    for (unsigned i = 0; i < VIEWERS; i++) {
        a[i] = (struct admission){.w = &w, .loop = world_loop(&w), .id = id};
        sim_on_loop(w.sim, a[i].loop, do_admit, &a[i]);
    }
    nobody = (struct admission){.w = &w, .loop = world_loop(&w)};
    sim_on_loop(w.sim, nobody.loop, do_admit, &nobody);
    world_settle(&w);
    SIM_CHECK(nobody.done && nobody.error == ERR_DEVICE_NOT_FOUND);
    for (unsigned i = 0; i < VIEWERS; i++) {
        SIM_CHECK(a[i].done);
        in += a[i].error == ERR_NONE;
        SIM_CHECK(a[i].error == ERR_NONE || a[i].error == ERR_RATE_LIMIT_EXCEEDED);
    }
    SIM_CHECK(in == 5 && world_stats(&w).viewers == 5);
    for (unsigned i = 0; i < VIEWERS; i++) {
        if (a[i].error == ERR_NONE) {
            sim_on_loop(w.sim, a[i].loop, do_leave, &a[i]);
        }
    }
    world_settle(&w);
    world_stop(&w);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"what_is_acknowledged_is_stored", what_is_acknowledged_is_stored, 40},
        {"an_unchanged_state_is_stored_once_an_hour", an_unchanged_state_is_stored_once_an_hour,
         10},
        {"changes_are_made_one_after_the_other", changes_are_made_one_after_the_other, 40},
        {"disabling_ends_the_socket", disabling_ends_the_socket, 20},
        {"deleting_takes_everything", deleting_takes_everything, 70},
        {"lists_come_in_pages", lists_come_in_pages, 10},
        {"viewers_are_counted", viewers_are_counted, 20},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
