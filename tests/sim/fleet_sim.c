/*
 * The fleet under every order of loops, mail and answers of the store: one live socket a device,
 * the newest value at every viewer, timers only while somebody watches, what is acknowledged is
 * stored, and nothing left when everybody has gone.
 */
#include "sim/fleet_world.h"

#include <stdio.h>
#include <string.h>

#define BASE_MS INT64_C(1767355200000)

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
        if (s->open && world_chance(&w, 60)) {
            socket_close(s);
        } else if (!s->open) {
            socket_open(&w, s, devices[sim_random_below(sim_random(w.sim), DEVICES)],
                        world_loop(&w));
        } else {
            socket_heartbeat(s, 1);
        }
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 30));
    }
    world_settle(&w);
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
    world_settle(&w);
    result_deinit(&r);
    world_stop(&w);
}

static struct heard_ages ages(const struct world *w)
{
    struct heard_ages sum = {0};
    for (unsigned i = 0; i < w->count; i++) {
        fleet_ages(w->homes[i].fleet, &sum);
    }
    return sum;
}

static void silence_makes_stale_then_ends(uint64_t seed)
{
    struct world w;
    struct socket s;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "quiet");
    socket_open(&w, &s, id, world_loop(&w));
    sim_run_ms(w.sim, 1000);
    SIM_CHECK(ages(&w).buckets[0] == 1);
    sim_run_ms(w.sim, 84000);
    SIM_CHECK(world_stats(&w).stale == 0);
    SIM_CHECK(ages(&w).count == 1 && ages(&w).buckets[5] == 1 && heard_bound_s(5) == 90);
    sim_run_ms(w.sim, 6000);
    world_get(&w, id, &r);
    SIM_CHECK(json_holds(&r, "\"connectionStatus\":\"stale\"") && world_stats(&w).stale == 1);
    socket_heartbeat(&s, 1);
    world_settle(&w);
    world_get(&w, id, &r);
    SIM_CHECK(json_holds(&r, "\"connectionStatus\":\"online\"") && world_stats(&w).stale == 0);
    SIM_CHECK(ages(&w).buckets[0] == 1);
    sim_run_ms(w.sim, 290000);
    SIM_CHECK(s.open && world_stats(&w).stale == 1);
    sim_run_ms(w.sim, 12000);
    SIM_CHECK(s.told && s.reason == CLOSE_TIMEOUT);
    SIM_CHECK(ages(&w).count == 0 && ages(&w).sum_s == 0);
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
        if (one->open && world_chance(&w, 40)) {
            watcher_close(one);
        } else if (!one->open) {
            watcher_open(&w, one, world_loop(&w));
            watcher_subscribe(one, id, HOST_METRICS);
        }
        socket_sample(&s, BASE_MS + i, i);
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 20));
    }
    world_settle(&w);
    snprintf(wanted, sizeof wanted, "{\"cpu\":%d,", SAMPLES);
    for (unsigned i = 0; i < WATCHERS; i++) {
        if (x[i].open) {
            span last = watcher_last(&x[i]);
            SIM_CHECK(memmem(last.ptr, last.len, wanted, strlen(wanted)) != NULL);
        }
        watcher_close(&x[i]);
    }
    socket_close(&s);
    world_settle(&w);
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
    world_settle(&w);
    for (unsigned i = 0; i < WATCHERS; i++) {
        watcher_open(&w, &x[i], world_loop(&w));
        for (int c = 0; c < HOST_CHANNEL_COUNT; c++) {
            watcher_subscribe(&x[i], id, (enum host_channel)c);
        }
    }
    world_settle(&w);
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
        if (world_chance(&w, 50)) {
            for (int c = 0; c < HOST_CHANNEL_COUNT; c++) {
                watcher_unsubscribe(&x[i], id, (enum host_channel)c);
            }
            world_settle(&w);
        }
        SIM_CHECK(world_stats(&w).timers == 5 || i + 1 == WATCHERS);
        watcher_close(&x[i]);
    }
    world_settle(&w);
    SIM_CHECK(world_stats(&w).timers == 0);
    socket_close(&s);
    world_settle(&w);
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
    world_settle(&w);
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
    world_settle(&w);
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
    world_settle(&w);
    SIM_CHECK(x.frames == 6); /* the first values do not wait for a tick */
    watcher_close(&x);
    socket_close(&s);
    world_settle(&w);
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
    world_settle(&w);
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
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
