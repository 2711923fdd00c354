/* Port: time. Wall time for what is stored or shown, monotonic time for every interval. */
#ifndef SB_PORTS_CLOCK_H
#define SB_PORTS_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(struct clock *self); /* epoch ms; may jump */
    uint64_t (*mono_ns)(struct clock *self); /* never goes back */
};

static inline int64_t clock_wall_ms(struct clock *c) { return c->wall_ms(c); }
static inline uint64_t clock_mono_ns(struct clock *c) { return c->mono_ns(c); }
static inline int64_t clock_mono_ms(struct clock *c) { return (int64_t)(c->mono_ns(c) / 1000000); }

#endif
