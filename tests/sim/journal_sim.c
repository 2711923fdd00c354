/*
 * Ordered events from commit to client, over loops, mail and store answers in every order, with
 * publishers on all loops, hand-overs that are lost or doubled, a ring of a few events, a log
 * that loses its old end, a store that fails now and then, and restarts. Clients subscribe one
 * thing after another, stall, are closed when their outbox is full, break off at any byte, and
 * come back with the last pos they saw.
 *
 * A model knows every committed event. Within a connection a client gets of each topic every
 * event after its `since` that is for it, once, in order; over all its connections none is
 * missing, unless a gap that it was told of covers it. Now and then it asks for a topic from where
 * it has all of it, which may be ahead of the gate.
 */
#include "sim/journal_world.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS 500

/* ---- what they must have got ---- */

/* Whether a gap that the connection was told of covers the number. */
static bool told(const struct link *l, uint64_t n)
{
    unsigned i = 0;
    while (i < l->gap_count && (n <= l->gap_from[i] || n > l->gap_to[i])) {
        i++;
    }
    return i < l->gap_count;
}

static bool is_for(const struct client *c, uint64_t n) { return !v.some[n] || is_meant(n, c->id); }

/* Of each topic: the model's events after `since`, once, in order, from the first on; only a gap
 * may leave some out. */
static void check_link(const struct client *c, const struct link *l, unsigned topic)
{
    uint64_t n = l->after[topic] > l->since ? l->after[topic] : l->since;
    for (uint32_t i = 0; i < l->count; i++) {
        uint64_t got = c->seen[l->first + i];
        if (v.topic[got] != (int)topic) {
            continue;
        }
        SIM_CHECK(got > n);
        for (n++; n < got; n++) {
            SIM_CHECK(v.topic[n] != (int)topic || !is_for(c, n) || told(l, n));
        }
    }
}

static bool told_gone(const struct client *c, uint64_t n)
{
    for (unsigned i = 0; i < c->link_count; i++) {
        if (told(&c->links[i], n)) {
            return true;
        }
    }
    return false;
}

uint64_t has_upto(const struct client *c, unsigned topic)
{
    bool has[EVENTS_MAX] = {false};
    uint64_t n = 1;
    for (uint32_t i = 0; i < c->seen_count; i++) {
        has[c->seen[i]] = true;
    }
    while (n <= v.newest && v.topic[n] >= 0 &&
           (v.topic[n] != (int)topic || !is_for(c, n) || has[n] || told_gone(c, n))) {
        n++;
    }
    return n - 1;
}

static bool complete(const struct client *c)
{
    bool has[EVENTS_MAX] = {false};
    for (uint32_t i = 0; i < c->seen_count; i++) {
        has[c->seen[i]] = true;
    }
    for (uint64_t n = 1; n <= v.newest; n++) {
        if (v.topic[n] >= 0 && c->wants((unsigned)v.topic[n], c->id) && is_for(c, n) &&
            !has[n] && !told_gone(c, n)) {
            return false;
        }
    }
    return true;
}

static void check_client(const struct client *c)
{
    for (unsigned i = 0; i < c->link_count; i++) {
        for (unsigned topic = 0; topic < TOPICS; topic++) {
            check_link(c, &c->links[i], topic);
        }
    }
    SIM_CHECK(complete(c));
}

/* ---- a run ---- */

static void client_step(struct client *c)
{
    if (!c->connected) {
        if (chance(30) && c->link_count < LINKS_MAX - 1) {
            come(c);
        }
        return;
    }
    c->stalled = chance(c->stalled ? 2 : 5) ? !c->stalled : c->stalled;
    if (chance(3)) {
        drop(c);
    } else if (c->open && chance(50) && ask(c)) {
        return;
    } else if (c->open && chance(5)) {
        waver(c, chance(50));
    } else if (!c->stalled) {
        read_some(c, 1 + below(600));
    }
}

static void one_step(void)
{
    if (chance(40)) {
        commit(1 + (chance(5) ? below(60) : below(3)));
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_step(&clients[i]);
    }
    if (chance(5)) {
        expire();
    }
    if (chance(5)) {
        err error = chance(50) ? ERR_STORE_BUSY : ERR_STORE_FAILED;
        sim_store_set_failures(v.db, below(4) * 10, error);
    }
    if (chance(1)) {
        sim_store_set_failures(v.db, 0, ERR_NONE);
        world_down();
        world_up();
    }
    unsigned steps = below(40);
    while (steps-- > 0 && sim_step(v.sim)) {
    }
    if (chance(3)) {
        sim_run_ms(v.sim, below(500));
    }
}

static bool all_complete(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &clients[i];
        if (!c->connected) {
            come(c);
        }
        while (c->open && ask(c)) {
        }
        read_some(c, SIZE_MAX);
    }
    sim_run_ms(v.sim, 50);
    bool all = v.pending == 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        all = all && complete(&clients[i]);
    }
    return all;
}

static void nothing_is_lost_or_doubled(uint64_t seed)
{
    world_make(seed);
    world_up();
    for (unsigned i = 0; i < STEPS; i++) {
        one_step();
    }
    v.calm = true;
    sim_store_set_failures(v.db, 0, ERR_NONE);
    commit(1); /* so that what was not handed over before is a hole */
    unsigned rounds = 0;
    while (!all_complete()) {
        SIM_CHECK(++rounds < 2000);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        check_client(&clients[i]);
    }
    world_down();
    if (getenv("SIM_SEED") != NULL) {
        printf("events %llu holes %llu gaps %llu pages %llu replays %llu slow %llu later %llu\n",
               (unsigned long long)v.newest, (unsigned long long)v.seen_holes,
               (unsigned long long)v.seen_gaps, (unsigned long long)v.seen_pages,
               (unsigned long long)v.seen_replays, (unsigned long long)v.seen_slow,
               (unsigned long long)v.seen_later);
    }
    world_free();
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"nothing_is_lost_or_doubled", nothing_is_lost_or_doubled, 40},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
