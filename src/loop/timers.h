/* The heap of a loop's precise timers; the loop gives the times (monotonic nanoseconds). */
#ifndef SB_LOOP_TIMERS_H
#define SB_LOOP_TIMERS_H

#include <stdint.h>

#include "base/heap.h"
#include "loop/loop.h"

/* (Re)arms `t` for due_ns. O(log n). */
void timers_set(struct heap *h, struct timer *t, uint64_t due_ns);
/* Disarms; harmless when not armed. O(log n). */
void timers_clear(struct heap *h, struct timer *t);
/* Nanoseconds until the earliest timer: 0 when one is due, -1 when there is none. O(1). */
int64_t timers_wait_ns(const struct heap *h, uint64_t now_ns);
/* Fires what is due at now_ns, earliest first, each stopped before its call. At most as many as
 * were armed at the start, so timers that start themselves again with no delay cannot hold the
 * turn; the rest are due in the next one. */
void timers_run(struct heap *h, uint64_t now_ns);

#endif
