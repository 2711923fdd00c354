/* Adapter of ports/entropy: the kernel's generator (getrandom). Any thread. */
#ifndef SB_ADAPTERS_ENTROPY_SYSTEM_ENTROPY_SYSTEM_H
#define SB_ADAPTERS_ENTROPY_SYSTEM_ENTROPY_SYSTEM_H

#include "ports/entropy.h"

/* The process's source; not owned by the caller. */
struct entropy *entropy_system(void);

#endif
