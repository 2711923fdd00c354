/* See clock_system.h. */
#include "adapters/clock_system/clock_system.h"

#include <time.h>

static int64_t wall_ms(struct clock *self)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t); /* fails only for a bad clock or address */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t mono_ns(struct clock *self)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct clock *clock_system(void)
{
    static struct clock instance = {.wall_ms = wall_ms, .mono_ns = mono_ns};
    return &instance;
}
