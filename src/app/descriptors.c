#include "app/descriptors.h"

#include "loop/loop.h"

#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPARE_PART 4

void descriptors_raise_limit(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
        lim.rlim_cur = lim.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &lim);
    }
}

/* unshare(CLONE_FILES) by another door: containers that forbid that call allow this one. */
static bool unshare_table(void)
{
    return close_range(UINT_MAX, UINT_MAX, CLOSE_RANGE_UNSHARE) == 0;
}

static void *try_own(void *arg)
{
    bool *own = arg;
    *own = unshare_table();
    return NULL;
}

/* ThreadSanitizer takes equal numbers in two tables for one descriptor. */
#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#ifndef TSAN
#define TSAN 0
#endif

static bool may_own(void)
{
    if (TSAN) {
        return false;
    }
    bool own = false;
    pthread_t thread;
    if (pthread_create(&thread, NULL, try_own, &own) != 0) {
        return false;
    }
    pthread_join(thread, NULL);
    return own;
}

void descriptors_share(const struct config *c, uint64_t limit, unsigned cores, bool own,
                       struct descriptors *out)
{
    uint64_t reserve = limit / 2 < DESCRIPTORS_RESERVE ? limit / 2 : DESCRIPTORS_RESERVE;
    uint64_t room = limit - reserve;
    uint64_t wanted = (uint64_t)config_int(c, CONFIG_connections_max);
    uint64_t loops = (uint64_t)config_int(c, CONFIG_loops);
    if (loops == 0) {
        uint64_t tables = own && room > 0 ? (wanted + room - 1) / room : 1;
        loops = tables > cores ? tables : cores;
    }
    loops = loops < 1 ? 1 : loops > LOOP_COUNT_MAX ? LOOP_COUNT_MAX : loops;
    uint64_t per_loop = own ? room : room / loops;
    uint64_t spare = reserve / SPARE_PART;
    *out = (struct descriptors){
        .own = own,
        .loops = (unsigned)loops,
        .limit = limit,
        .spare = (uint32_t)(own ? spare : spare / loops),
        .per_loop = per_loop < 1 ? 1 : per_loop > UINT32_MAX ? UINT32_MAX : (uint32_t)per_loop,
    };
}

void descriptors_plan(const struct config *c, struct descriptors *out)
{
    struct rlimit lim = {.rlim_cur = 1024};
    (void)getrlimit(RLIMIT_NOFILE, &lim);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    descriptors_share(c, lim.rlim_cur, cores < 1 ? 1 : (unsigned)cores, may_own(), out);
}

uint64_t descriptors_possible(const struct descriptors *d)
{
    return (uint64_t)d->loops * d->per_loop;
}

void descriptors_print(const struct descriptors *d, const struct config *c, buf *out)
{
    uint64_t wanted = (uint64_t)config_int(c, CONFIG_connections_max);
    uint64_t possible = descriptors_possible(d);
    buf_printf(out, "%u loops hold %llu connections each (%llu descriptors a %s)", d->loops,
               (unsigned long long)d->per_loop, (unsigned long long)d->limit,
               d->own ? "loop" : "process");
    if (possible < wanted) {
        buf_printf(out, ": %llu together, fewer than connections_max; raise %s the hard limit of"
                        " descriptors (ulimit -Hn, LimitNOFILE)",
                   (unsigned long long)possible, d->own ? "loops or" : "");
    }
}

bool descriptors_own(const int *drop, unsigned count)
{
    bool own = unshare_table();
    for (unsigned i = 0; i < count && own; i++) {
        close(drop[i]);
    }
    return own;
}
