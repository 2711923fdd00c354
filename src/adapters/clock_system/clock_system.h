/* Adapter of ports/clock: CLOCK_REALTIME and CLOCK_MONOTONIC. Any thread; about 25 ns a reading,
 * without a system call. */
#ifndef SB_ADAPTERS_CLOCK_SYSTEM_CLOCK_SYSTEM_H
#define SB_ADAPTERS_CLOCK_SYSTEM_CLOCK_SYSTEM_H

#include "ports/clock.h"

/* The process's clock; not owned by the caller. */
struct clock *clock_system(void);

#endif
