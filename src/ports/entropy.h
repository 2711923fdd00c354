/* Port: unpredictable bytes (getrandom). Cannot fail: the adapter aborts if the kernel refuses. */
#ifndef SB_PORTS_ENTROPY_H
#define SB_PORTS_ENTROPY_H

#include <stddef.h>

struct entropy {
    void (*fill)(struct entropy *self, void *out, size_t len);
};

static inline void entropy_fill(struct entropy *e, void *out, size_t len) { e->fill(e, out, len); }

#endif
