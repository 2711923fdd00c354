/*
 * Sessions that outlive their connection, under every order of loops, mail and answers of the
 * store: handed over once, to their principal, within the window counted from the drop, also
 * across an end of the process; bounded; and nothing is left behind.
 */
#include "domain/recovery.h"
#include "sim/fleet_world.h"

#include <stdio.h>
#include <string.h>

struct answer {
    struct world *w;
    unsigned loop;
    char pid[RECOVERY_PID_LEN + 1];
    uuid principal;
    const char *wire;
    bool done;
    err error;
    char state[64];
    struct pos pos;
};

struct session {
    struct world *w;
    unsigned loop;
    char pid[RECOVERY_PID_LEN + 1];
    uuid principal;
    char state[64];
    uint64_t n;
};

static uuid principal_of(unsigned i)
{
    uuid u = {{1, 2, 3, (uint8_t)i}};
    return u;
}

static void do_pid(void *arg)
{
    struct session *s = arg;
    recovery_pid(&s->w->homes[s->loop], s->pid);
}

static void do_save(void *arg)
{
    struct session *s = arg;
    struct recovery_state state = {
        .wire = "test", .state = span_str(s->state), .pos = {.epoch = UINT64_MAX, .n = s->n}};
    SIM_CHECK(recovery_save(&s->w->homes[s->loop], span_str(s->pid), s->principal, &state));
}

static void do_drop(void *arg)
{
    struct session *s = arg;
    recovery_drop(&s->w->homes[s->loop], span_str(s->pid), s->principal,
                  &(struct pos){.epoch = UINT64_MAX, .n = s->n});
}

static void do_end(void *arg)
{
    struct session *s = arg;
    recovery_end(&s->w->homes[s->loop], span_str(s->pid), s->principal);
}

static void on_claimed(void *owner, const struct recovery_result *r)
{
    struct answer *a = owner;
    SIM_CHECK(!a->done && r->state.len < sizeof a->state);
    a->done = true;
    a->error = r->error;
    a->pos = r->pos;
    snprintf(a->state, sizeof a->state, "%.*s", SPAN_FMT(r->state));
}

static void do_claim(void *arg)
{
    struct answer *a = arg;
    recovery_claim(&a->w->homes[a->loop], span_str(a->pid), a->principal, a->wire, on_claimed, a);
}

static void call(struct session *s, void (*what)(void *arg))
{
    sim_on_loop(s->w->sim, s->loop, what, s);
}

static void session_start(struct world *w, struct session *s, unsigned principal)
{
    *s = (struct session){.w = w, .loop = world_loop(w), .principal = principal_of(principal)};
    call(s, do_pid);
}

static void save(struct session *s, uint64_t n)
{
    s->n = n;
    snprintf(s->state, sizeof s->state, "{\"n\":%llu}", (unsigned long long)n);
    call(s, do_save);
}

static void claim_start(struct answer *a, const struct session *s)
{
    *a = (struct answer){.w = s->w, .loop = world_loop(s->w), .principal = s->principal,
                         .wire = "test"};
    memcpy(a->pid, s->pid, sizeof a->pid);
    sim_on_loop(a->w->sim, a->loop, do_claim, a);
}

static bool answered(void *arg) { return ((struct answer *)arg)->done; }

static err claim(struct answer *a, const struct session *s)
{
    claim_start(a, s);
    SIM_CHECK(sim_until(a->w->sim, answered, a, 60000));
    return a->error;
}

static bool quiet(void *arg)
{
    return sim_store_waiting(((struct world *)arg)->db) == 0;
}

static void settle(struct world *w)
{
    sim_run_ms(w->sim, 200);
    SIM_CHECK(sim_until(w->sim, quiet, w, 60000));
    sim_run_ms(w->sim, 50);
}

static int64_t rows(struct world *w)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_RECOVERY_COUNT, 1);
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    int64_t n = store_int(store_cell(req, 0, 0, 0));
    store_req_free(req);
    return n;
}

static struct recovery_stats stats(struct world *w)
{
    struct recovery_stats sum = {0}, one;
    for (unsigned i = 0; i < w->count; i++) {
        recovery_stats(w->homes[i].recovery, &one);
        sum.alive += one.alive;
        sum.dropped += one.dropped;
        sum.bytes += one.bytes;
        sum.refused += one.refused;
    }
    return sum;
}

/* The process ends and the next one starts on the same store. */
static void restart(struct world *w)
{
    int64_t until_ms = 0;
    settle(w);
    for (unsigned i = 0; i < w->count; i++) {
        recovery_free(w->homes[i].recovery);
    }
    SIM_CHECK(recovery_start(w->store, clock_wall_ms(sim_clock(w->sim)), w->conf.recovery_ms,
                             &until_ms) == ERR_NONE);
    for (unsigned i = 0; i < w->count; i++) {
        (void)recovery_new(&w->homes[i], until_ms);
    }
}

static void a_dropped_session_is_handed_over_once(uint64_t seed)
{
    enum { CLAIMS = 5 };
    struct world w;
    struct session s;
    struct answer a[CLAIMS], other;
    unsigned got = 0;
    world_start(&w, seed, 0);
    session_start(&w, &s, 1);
    for (unsigned i = 1; i <= 8; i++) {
        save(&s, i);
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 3));
    }
    SIM_CHECK(claim(&other, &s) == ERR_NOT_FOUND); /* alive */
    s.n = 9;
    call(&s, do_drop);
    settle(&w);
    struct session thief = s;
    thief.principal = principal_of(2);
    SIM_CHECK(claim(&other, &thief) == ERR_NOT_FOUND);
    other = (struct answer){.w = &w, .principal = s.principal, .wire = "other"};
    memcpy(other.pid, s.pid, sizeof other.pid);
    sim_on_loop(w.sim, 0, do_claim, &other);
    SIM_CHECK(sim_until(w.sim, answered, &other, 60000) && other.error == ERR_NOT_FOUND);
    if (sim_random_chance(sim_random(w.sim), 50)) {
        restart(&w);
    }
    for (unsigned i = 0; i < CLAIMS; i++) {
        claim_start(&a[i], &s);
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 3));
    }
    for (unsigned i = 0; i < CLAIMS; i++) {
        SIM_CHECK(sim_until(w.sim, answered, &a[i], 60000));
        got += a[i].error == ERR_NONE;
        SIM_CHECK(a[i].error == ERR_NONE || a[i].error == ERR_NOT_FOUND);
        SIM_CHECK(a[i].error != ERR_NONE || (strcmp(a[i].state, "{\"n\":8}") == 0 &&
                                             a[i].pos.n == 9 && a[i].pos.epoch == UINT64_MAX));
    }
    SIM_CHECK(got == 1);
    call(&s, do_drop); /* alive again under its pid, dropped again */
    settle(&w);
    SIM_CHECK(claim(&other, &s) == ERR_NONE);
    call(&s, do_end);
    settle(&w);
    SIM_CHECK(rows(&w) == 0 && stats(&w).alive + stats(&w).dropped == 0 && stats(&w).bytes == 0);
    world_stop(&w);
}

static void the_window_begins_at_the_drop(uint64_t seed)
{
    struct world w;
    struct session s, late;
    struct answer a;
    world_start(&w, seed, 0);
    session_start(&w, &s, 1);
    session_start(&w, &late, 2);
    save(&s, 1);
    save(&late, 1);
    sim_run_ms(w.sim, 600000); /* five windows alive */
    call(&late, do_drop);
    sim_run_ms(w.sim, 119000);
    call(&s, do_drop);
    SIM_CHECK(claim(&a, &late) == ERR_NONE);
    call(&late, do_drop);
    sim_run_ms(w.sim, 121000);
    SIM_CHECK(claim(&a, &s) == ERR_NOT_FOUND && claim(&a, &late) == ERR_NOT_FOUND);
    sim_run_ms(w.sim, 120000);
    SIM_CHECK(rows(&w) == 0 && stats(&w).bytes == 0);
    world_stop(&w);
}

static void what_lived_is_dropped_at_the_next_start(uint64_t seed)
{
    enum { SESSIONS = 40 };
    struct world w;
    struct session s[SESSIONS];
    struct answer a;
    world_start(&w, seed, 0);
    for (unsigned i = 0; i < SESSIONS; i++) {
        session_start(&w, &s[i], i % 4);
        save(&s[i], i);
    }
    call(&s[0], do_drop);
    settle(&w);
    SIM_CHECK(rows(&w) == SESSIONS);
    sim_run_ms(w.sim, 100000);
    restart(&w);
    sim_run_ms(w.sim, 30000); /* the first was dropped 130 s ago, the others 30 */
    SIM_CHECK(claim(&a, &s[0]) == ERR_NOT_FOUND);
    for (unsigned i = 1; i < SESSIONS; i++) {
        SIM_CHECK(claim(&a, &s[i]) == ERR_NONE && a.pos.n == i);
    }
    restart(&w); /* claimed, so alive, and cut off again */
    SIM_CHECK(claim(&a, &s[1]) == ERR_NONE);
    sim_run_ms(w.sim, 200000);
    SIM_CHECK(claim(&a, &s[2]) == ERR_NOT_FOUND && rows(&w) == 1);
    call(&s[1], do_end);
    settle(&w);
    world_stop(&w);
}

static void a_failing_store_loses_nothing_while_the_process_lives(uint64_t seed)
{
    enum { SESSIONS = 20 };
    struct world w;
    struct session s[SESSIONS];
    struct answer a;
    world_start(&w, seed, 0);
    sim_store_set_failures(w.db, 40, ERR_STORE_FULL);
    for (unsigned i = 0; i < SESSIONS; i++) {
        session_start(&w, &s[i], i);
        for (unsigned k = 1; k <= 4; k++) {
            save(&s[i], k);
            sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 3));
        }
        if (i % 2 == 0) {
            call(&s[i], do_end);
        }
    }
    sim_store_set_failures(w.db, 0, ERR_NONE);
    sim_run_ms(w.sim, 3000);
    settle(&w);
    SIM_CHECK(rows(&w) == SESSIONS / 2);
    restart(&w);
    for (unsigned i = 0; i < SESSIONS; i++) {
        SIM_CHECK(claim(&a, &s[i]) == (i % 2 == 0 ? ERR_NOT_FOUND : ERR_NONE));
        SIM_CHECK(i % 2 == 0 || a.pos.n == 4);
        call(&s[i], do_end);
    }
    settle(&w);
    SIM_CHECK(rows(&w) == 0 && stats(&w).bytes == 0);
    world_stop(&w);
}

static void sessions_are_bounded(uint64_t seed)
{
    enum { SESSIONS = 30, MAX = 10 };
    struct world w;
    struct session s[SESSIONS];
    struct answer a;
    world_start(&w, seed, 0);
    w.conf.connections_per_principal_max = MAX;
    for (unsigned i = 0; i < SESSIONS; i++) {
        session_start(&w, &s[i], 1);
        save(&s[i], i);
        call(&s[i], do_drop);
        sim_run_ms(w.sim, 20); /* in this order at its home */
    }
    settle(&w);
    SIM_CHECK(stats(&w).dropped == MAX && stats(&w).refused == SESSIONS - MAX);
    SIM_CHECK(rows(&w) == MAX);
    SIM_CHECK(claim(&a, &s[SESSIONS - MAX - 1]) == ERR_NOT_FOUND);
    SIM_CHECK(claim(&a, &s[SESSIONS - MAX]) == ERR_NONE);
    w.conf.recovery_bytes_max = 1; /* no room for anything more */
    struct session more;
    session_start(&w, &more, 2);
    save(&more, 1);
    settle(&w);
    SIM_CHECK(claim(&a, &more) == ERR_NOT_FOUND);
    call(&more, do_drop);
    for (unsigned i = 0; i < SESSIONS; i++) {
        call(&s[i], do_end);
    }
    settle(&w);
    SIM_CHECK(rows(&w) == 0 && stats(&w).bytes == 0);
    world_stop(&w);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"a_dropped_session_is_handed_over_once", a_dropped_session_is_handed_over_once, 60},
        {"the_window_begins_at_the_drop", the_window_begins_at_the_drop, 5},
        {"what_lived_is_dropped_at_the_next_start", what_lived_is_dropped_at_the_next_start, 15},
        {"a_failing_store_loses_nothing_while_the_process_lives",
         a_failing_store_loses_nothing_while_the_process_lives, 30},
        {"sessions_are_bounded", sessions_are_bounded, 20},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
