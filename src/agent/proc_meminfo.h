/* Memory of the host from /proc/meminfo (proc_meminfo(5)). Pure; any thread. Fuzzed by
 * proc_meminfo. */
#ifndef SB_AGENT_PROC_MEMINFO_H
#define SB_AGENT_PROC_MEMINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct proc_meminfo {
    uint64_t total_bytes;
    uint64_t used_bytes; /* total - available: what programs could not get without swapping */
    uint64_t swap_used_bytes;
};

/*
 * Reads the file's text; false without MemTotal. Kernels before 3.14 have no MemAvailable: free
 * + buffers + page cache stands in for it. Members that contradict each other give 0, never a
 * wrapped number.
 */
bool proc_meminfo_parse(span text, struct proc_meminfo *out);

#endif
