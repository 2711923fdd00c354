/*
 * The fleet under every order of loops, mail and answers of the store: one live socket a device,
 * the newest value at every viewer, timers only while somebody watches, what is acknowledged is
 * stored, and nothing left when everybody has gone.
 */
#include "sim/fleet_world.h"

#include <stdio.h>
#include <string.h>

#define BASE_MS INT64_C(1767355200000)

static bool settled(void *arg)
{
    struct world *w = arg;
    return world_stats(w).asks == 0 && sim_store_waiting(w->db) == 0;
}

static void settle(struct world *w)
{
    SIM_CHECK(sim_until(w->sim, settled, w, 60000));
    sim_run_ms(w->sim, 300);
    SIM_CHECK(sim_until(w->sim, settled, w, 60000));
}

static bool chance(struct world *w, unsigned percent)
{
    return sim_random_chance(sim_random(w->sim), percent);
}

static int64_t count(struct world *w, enum query q, uuid device, unsigned limit)
{
    char id[UUID_TEXT_LEN + 1];
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    req->row_max = limit;
    store_step_init(req, 0, q, 1);
    uuid_format(device, id);
    store_set_text(req, 0, 0, 0, span_of(id, UUID_TEXT_LEN));
    if (q == QUERY_METRICS_LAST) {
        store_set_int(req, 0, 0, 1, limit);
    }
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    int64_t n = req->steps[0].row_count;
    store_req_free(req);
    return n;
}

/* --- presence --- */

static void one_live_socket_a_device(uint64_t seed)
{
    enum { DEVICES = 3, SOCKETS = 12 };
    struct world w;
    struct socket sockets[SOCKETS] = {0};
    uuid devices[DEVICES];
    struct result r = {0};
    world_start(&w, seed, 0);
    for (unsigned i = 0; i < DEVICES; i++) {
        devices[i] = world_create(&w, "d");
    }
    for (unsigned step = 0; step < 60; step++) {
        struct socket *s = &sockets[sim_random_below(sim_random(w.sim), SOCKETS)];
        if (s->open && chance(&w, 60)) {
            socket_close(s);
        } else if (!s->open) {
            socket_open(&w, s, devices[sim_random_below(sim_random(w.sim), DEVICES)],
                        world_loop(&w));
        } else {
            socket_heartbeat(s, 1);
        }
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 30));
    }
    settle(&w);
    unsigned live = 0;
    for (unsigned d = 0; d < DEVICES; d++) {
        unsigned open = 0;
        for (unsigned i = 0; i < SOCKETS; i++) {
            open += sockets[i].open && uuid_eq(sockets[i].link.device, devices[d]);
            SIM_CHECK(!sockets[i].told || sockets[i].reason == CLOSE_REPLACED);
        }
        SIM_CHECK(open <= 1);
        world_get(&w, devices[d], &r);
        SIM_CHECK(json_holds(&r, open == 1 ? "\"connectionStatus\":\"online\""
                                           : "\"connectionStatus\":\"offline\""));
        live += open;
    }
    SIM_CHECK(world_stats(&w).online == live && world_stats(&w).links == live);
    for (unsigned i = 0; i < SOCKETS; i++) {
        socket_close(&sockets[i]);
    }
    settle(&w);
    result_deinit(&r);
    world_stop(&w);
}

static void silence_makes_stale_then_ends(uint64_t seed)
{
    struct world w;
    struct socket s;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "quiet");
    socket_open(&w, &s, id, world_loop(&w));
    sim_run_ms(w.sim, 85000);
    SIM_CHECK(world_stats(&w).stale == 0);
    sim_run_ms(w.sim, 6000);
    world_get(&w, id, &r);
    SIM_CHECK(json_holds(&r, "\"connectionStatus\":\"stale\"") && world_stats(&w).stale == 1);
    socket_heartbeat(&s, 1);
    settle(&w);
    world_get(&w, id, &r);
    SIM_CHECK(json_holds(&r, "\"connectionStatus\":\"online\"") && world_stats(&w).stale == 0);
    sim_run_ms(w.sim, 290000);
    SIM_CHECK(s.open && world_stats(&w).stale == 1);
    sim_run_ms(w.sim, 12000);
    SIM_CHECK(s.told && s.reason == CLOSE_TIMEOUT);
    world_get(&w, id, &r);
    SIM_CHECK(json_holds(&r, "\"connectionStatus\":\"offline\""));
    result_deinit(&r);
    world_stop(&w);
}

/* --- channels --- */

static void the_newest_value_arrives(uint64_t seed)
{
    enum { WATCHERS = 20, SAMPLES = 40 };
    struct world w;
    struct socket s;
    struct watcher x[WATCHERS] = {0};
    char wanted[40];
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    for (unsigned i = 1; i <= SAMPLES; i++) {
        struct watcher *one = &x[sim_random_below(sim_random(w.sim), WATCHERS)];
        if (one->open && chance(&w, 40)) {
            watcher_close(one);
        } else if (!one->open) {
            watcher_open(&w, one, world_loop(&w));
            watcher_subscribe(one, id, HOST_METRICS);
        }
        socket_sample(&s, BASE_MS + i, i);
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 20));
    }
    settle(&w);
    snprintf(wanted, sizeof wanted, "{\"cpu\":%d,", SAMPLES);
    for (unsigned i = 0; i < WATCHERS; i++) {
        if (x[i].open) {
            span last = watcher_last(&x[i]);
            SIM_CHECK(memmem(last.ptr, last.len, wanted, strlen(wanted)) != NULL);
        }
        watcher_close(&x[i]);
    }
    socket_close(&s);
    settle(&w);
    world_stop(&w);
}

static void a_timer_runs_while_somebody_watches(uint64_t seed)
{
    enum { WATCHERS = 5 };
    struct world w;
    struct socket s;
    struct watcher x[WATCHERS];
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    socket_state(&s, 1, BASE_MS, "web-1");
    socket_row(&s, 2, BASE_MS, 5);
    settle(&w);
    for (unsigned i = 0; i < WATCHERS; i++) {
        watcher_open(&w, &x[i], world_loop(&w));
        for (int c = 0; c < HOST_CHANNEL_COUNT; c++) {
            watcher_subscribe(&x[i], id, (enum host_channel)c);
        }
    }
    settle(&w);
    SIM_CHECK(world_stats(&w).timers == 5); /* every channel but metrics */
    for (unsigned i = 0; i < WATCHERS; i++) {
        SIM_CHECK(x[i].frames == 6); /* the newest values at once */
    }
    /* three ticks of 30 s for three channels, one of 60 s for two; nobody reports anything */
    sim_run_ms(w.sim, 95000);
    for (unsigned i = 0; i < WATCHERS; i++) {
        SIM_CHECK(x[i].frames == 6 + 3 * 3 + 2);
    }
    for (unsigned i = 0; i < WATCHERS; i++) {
        if (chance(&w, 50)) {
            for (int c = 0; c < HOST_CHANNEL_COUNT; c++) {
                watcher_unsubscribe(&x[i], id, (enum host_channel)c);
            }
            settle(&w);
        }
        SIM_CHECK(world_stats(&w).timers == 5 || i + 1 == WATCHERS);
        watcher_close(&x[i]);
    }
    settle(&w);
    SIM_CHECK(world_stats(&w).timers == 0);
    socket_close(&s);
    settle(&w);
    world_stop(&w);
}

static int64_t uptime_shown(const struct watcher *x)
{
    span last = watcher_last(x);
    const uint8_t *at = memmem(last.ptr, last.len, "\"uptime\":", 9);
    SIM_CHECK(at != NULL);
    span rest = span_slice(last, (size_t)(at - last.ptr) + 9, last.len);
    uint64_t seconds = 0;
    SIM_CHECK(span_u64(span_cut(&rest, ','), INT64_MAX, &seconds));
    return (int64_t)seconds;
}

static void uptime_goes_on_while_the_host_is_there(uint64_t seed)
{
    struct world w;
    struct socket s;
    struct watcher x;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    socket_state(&s, 1, clock_wall_ms(sim_clock(w.sim)), "web-1");
    watcher_open(&w, &x, world_loop(&w));
    watcher_subscribe(&x, id, HOST_SYSTEM_INFO);
    settle(&w);
    int64_t first = uptime_shown(&x);
    sim_run_ms(w.sim, 65000);
    int64_t second = uptime_shown(&x);
    SIM_CHECK(second >= first + 29 && second <= first + 66);
    socket_close(&s);
    sim_run_ms(w.sim, 35000);
    int64_t gone = uptime_shown(&x);
    sim_run_ms(w.sim, 65000);
    SIM_CHECK(uptime_shown(&x) == gone);
    watcher_close(&x);
    settle(&w);
    world_stop(&w);
}

static void nothing_is_sent_while_there_is_nothing(uint64_t seed)
{
    struct world w;
    struct socket s;
    struct watcher x;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    watcher_open(&w, &x, world_loop(&w));
    for (int c = 0; c < HOST_CHANNEL_COUNT; c++) {
        watcher_subscribe(&x, id, (enum host_channel)c);
    }
    sim_run_ms(w.sim, 61000);
    SIM_CHECK(x.frames == 0);
    socket_open(&w, &s, id, world_loop(&w));
    socket_state(&s, 1, BASE_MS, "web-1");
    socket_row(&s, 2, BASE_MS, 5);
    settle(&w);
    SIM_CHECK(x.frames == 6); /* the first values do not wait for a tick */
    watcher_close(&x);
    socket_close(&s);
    settle(&w);
    world_stop(&w);
}

static void command_lines_have_a_channel_of_their_own(uint64_t seed)
{
    struct world w;
    struct socket s;
    struct watcher all, some;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    watcher_open(&w, &all, world_loop(&w));
    watcher_open(&w, &some, world_loop(&w));
    watcher_subscribe(&all, id, HOST_PROCESSES_ALL);
    watcher_subscribe(&some, id, HOST_PROCESSES);
    socket_row(&s, 1, BASE_MS, 5);
    sim_run_ms(w.sim, 130000);
    SIM_CHECK(all.frames == 3 && some.frames == 3);
    SIM_CHECK(memmem(all.text.ptr, all.text.len, "secret", 6) != NULL);
    SIM_CHECK(memmem(some.text.ptr, some.text.len, "secret", 6) == NULL);
    SIM_CHECK(memmem(some.text.ptr, some.text.len, "\"type\":\"processes\"", 18) != NULL);
    watcher_close(&all);
    watcher_close(&some);
    socket_close(&s);
    settle(&w);
    world_stop(&w);
}

/* --- rows --- */

static void what_is_acknowledged_is_stored(uint64_t seed)
{
    enum { ROWS = 60 };
    struct world w;
    struct socket s;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    socket_open(&w, &s, id, world_loop(&w));
    settle(&w);
    sim_store_set_failures(w.db, 20, ERR_STORE_FULL);
    for (unsigned i = 0; i < ROWS; i++) {
        /* each time twice: a repeat is no error and no second row */
        socket_row(&s, i, BASE_MS + i / 2 * 60000, i);
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 5));
    }
    settle(&w);
    sim_store_set_failures(w.db, 0, ERR_NONE);
    SIM_CHECK(s.acks == ROWS);
    unsigned stored = 0;
    for (unsigned i = 0; i < ROWS; i += 2) {
        stored += (s.good_ids >> i & 3) != 0;
    }
    SIM_CHECK(count(&w, QUERY_METRICS_LAST, id, 1000) == stored);
    socket_close(&s);
    settle(&w);
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
        settle(&w);
    }
    socket_state(&s, 10, BASE_MS + 700000, "web-2");
    settle(&w);
    socket_state(&s, 11, BASE_MS + 700000 + 3600000, "web-2");
    settle(&w);
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
    settle(&w);
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
    settle(&w);
    SIM_CHECK(r.error == ERR_NONE && s.told && s.reason == CLOSE_DISABLED);
    socket_open(&w, &s, id, world_loop(&w));
    settle(&w);
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
    settle(&w);
    SIM_CHECK(r.error == ERR_NONE && s.told);
    SIM_CHECK(s.reason == CLOSE_REVOKED);
    SIM_CHECK(count(&w, QUERY_METRICS_LAST, id, 1000) == 0);
    SIM_CHECK(count(&w, QUERY_DEVICE_GET, id, 1) == 0);
    world_get(&w, id, &again);
    SIM_CHECK(again.error == ERR_DEVICE_NOT_FOUND);
    watcher_close(&x);
    settle(&w);
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
    settle(&w);
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
    settle(&w);
    world_stop(&w);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"one_live_socket_a_device", one_live_socket_a_device, 40},
        {"silence_makes_stale_then_ends", silence_makes_stale_then_ends, 10},
        {"the_newest_value_arrives", the_newest_value_arrives, 40},
        {"a_timer_runs_while_somebody_watches", a_timer_runs_while_somebody_watches, 15},
        {"uptime_goes_on_while_the_host_is_there", uptime_goes_on_while_the_host_is_there, 15},
        {"nothing_is_sent_while_there_is_nothing", nothing_is_sent_while_there_is_nothing, 10},
        {"command_lines_have_a_channel_of_their_own", command_lines_have_a_channel_of_their_own,
         10},
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
