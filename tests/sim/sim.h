/*
 * A simulated process: 1 to 8 loops on one thread, a clock, a network and a mail service that all
 * obey one seeded scheduler. Every step it picks one thing that could happen next (a turn of a
 * loop, delivery of some mail between two loops, some bytes of a connection moving on, a
 * completion of the store) and lets it happen; time passes a little now and then, and jumps to
 * the next timer when nothing else is left. The same seed gives the same run.
 *
 *     struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
 *     ... build the product on sim_loop(s, i), sim_clock(s), sim_post(s) ...
 *     SIM_CHECK(sim_until(s, is_done, &state, 10000));
 *     sim_free(s);
 *
 * Product code runs in it unchanged: the loops are real, with a poller, a clock and a courier of
 * the simulation's. Nothing here is thread-safe.
 */
#ifndef SB_TESTS_SIM_SIM_H
#define SB_TESTS_SIM_SIM_H

#include "base/list.h"
#include "loop/loop.h"
#include "sim/random.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_LOOPS_MAX 8

struct sim;

struct sim_faults {
    unsigned resets_per_million; /* network steps after which some connection is reset */
    unsigned emfile_percent;     /* accepts that find no descriptor left */
    unsigned abort_percent;      /* accepts that find the connection gone */
};

struct sim_conf {
    uint64_t seed;
    unsigned loop_count;      /* 0: 1 to 8, by the seed */
    struct sim_faults faults; /* all 0: the network is slow and choppy, never broken */
};

/* Builds clock, network, mail service and loops. Owned by the caller. */
struct sim *sim_new(const struct sim_conf *conf);
/* Frees the loops and the network. What the test built on them must be gone before; mail that
 * was not delivered is dropped. */
void sim_free(struct sim *s);

/* What the product is built on; all owned by the simulation. */
unsigned sim_loop_count(const struct sim *s);
struct loop *sim_loop(struct sim *s, unsigned i);
struct loop **sim_loops(struct sim *s);
struct clock *sim_clock(struct sim *s);
struct post *sim_post(struct sim *s);
struct sim_random *sim_random(struct sim *s);
/* What has been decided so far, as a number: equal for equal seeds. */
uint64_t sim_trace(const struct sim *s);
/* Faults from now on, for instance none while a test winds up. */
void sim_set_faults(struct sim *s, const struct sim_faults *faults);

/* One thing happens. False when nothing ever will again: all loops idle without timers. */
bool sim_step(struct sim *s);
/* Steps until done(arg). False when `ms_max` of simulated time went by or nothing can happen. */
bool sim_until(struct sim *s, bool (*done)(void *arg), void *arg, int64_t ms_max) MUST_CHECK;
/* Steps until `ms` of simulated time went by. */
void sim_run_ms(struct sim *s, int64_t ms);
/* Steps until nothing is under way but timers of the future; fails after a million steps. */
void sim_settle(struct sim *s);
/* Runs one call as if on loop `i`, for a test that reaches into the product: the code may post,
 * start timers and send; nobody else moves meanwhile. */
void sim_on_loop(struct sim *s, unsigned i, void (*call)(void *arg), void *arg);

/* Something of the outside world that acts by itself, like the network: whenever ready() is
 * true it may be picked. The owner keeps it until sim_free. */
struct sim_source {
    struct list link;
    bool (*ready)(struct sim_source *self);
    void (*act)(struct sim_source *self);
};
void sim_add_source(struct sim *s, struct sim_source *source);

/* Ends the process with the seed and the condition on standard error. */
#define SIM_CHECK(cond) ((cond) ? (void)0 : sim_fail(#cond, __FILE__, __LINE__))
void sim_fail(const char *cond, const char *file, int line) __attribute__((noreturn));

struct sim_case {
    const char *name;
    void (*run)(uint64_t seed);
    unsigned seed_count; /* run by default */
};
/*
 * main() of a suite: runs each case with the seeds 1 to seed_count. SIM_SEED=n runs that seed
 * only, SIM_SEEDS=n as many as n of each case, an argument only the cases of that name. However a
 * run ends the process (a failed check, an ASSERT, a sanitizer), the case and seed are printed.
 */
int sim_main(int argc, char **argv, const struct sim_case *cases, unsigned count);

#endif
