/* Runs the cases of a suite over many seeds, and names the seed however a run ends. */
#include "sim/sim.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Written before each run: what happens at its end may not call printf. */
static char now_running[160];

/* Sanitizers end the process without a signal; this is their hook, absent in other builds. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static void say_what_was_running(void)
{
    (void)!write(STDERR_FILENO, now_running, strlen(now_running));
}

static void on_abort(int signal_number)
{
    say_what_was_running();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void sim_fail(const char *cond, const char *file, int line)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, cond);
    abort();
}

static unsigned long number_from(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoul(text, NULL, 10);
}

static void run_seed(const char *suite, const struct sim_case *c, unsigned long seed)
{
    snprintf(now_running, sizeof now_running,
             "simulation case %s: replay with SIM_SEED=%lu %s %s\n", c->name, seed, suite, c->name);
    c->run(seed);
}

int sim_main(int argc, char **argv, const struct sim_case *cases, unsigned count)
{
    signal(SIGABRT, on_abort);
    signal(SIGTERM, on_abort); /* a time-out of the test runner */
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(say_what_was_running);
    } else {
        signal(SIGSEGV, on_abort);
    }
    unsigned long only_seed = number_from("SIM_SEED", 0);
    for (unsigned i = 0; i < count; i++) {
        if (argc > 1 && strcmp(argv[1], cases[i].name) != 0) {
            continue;
        }
        unsigned long seeds = only_seed != 0 ? 1 : number_from("SIM_SEEDS", cases[i].seed_count);
        for (unsigned long n = 1; n <= seeds; n++) {
            run_seed(argv[0], &cases[i], only_seed != 0 ? only_seed : n);
        }
        printf("%s: %lu seeds\n", cases[i].name, seeds);
    }
    return 0;
}
