/*
 * CPU time of the host from /proc/stat (proc_stat(5)). Times are ticks since boot. Pure; any
 * thread. Fuzzed by proc_stat.
 */
#ifndef SB_AGENT_PROC_STAT_H
#define SB_AGENT_PROC_STAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* The columns of the "cpu" line that count. guest and guest_nice are left out: the kernel has
 * already added them to user and nice. */
enum proc_cpu_column {
    PROC_CPU_USER,
    PROC_CPU_NICE,
    PROC_CPU_SYSTEM,
    PROC_CPU_IDLE,
    PROC_CPU_IOWAIT,
    PROC_CPU_IRQ,
    PROC_CPU_SOFTIRQ,
    PROC_CPU_STEAL,
    PROC_CPU_COLUMNS,
};

struct proc_stat {
    uint64_t ticks[PROC_CPU_COLUMNS]; /* of all CPUs together; columns the kernel lacks are 0 */
    unsigned cpu_count;               /* "cpuN" lines: the CPUs that are online */
};

struct proc_cpu_delta {
    uint64_t busy_ticks;
    uint64_t total_ticks;
};

/* Reads the file's text; false when the "cpu" line is missing or has fewer than four numbers. */
bool proc_stat_parse(span text, struct proc_stat *out);

/*
 * The time between two readings. Idle and waiting for a disk are not busy; time stolen by the
 * hypervisor is: the host had work for it, and a starved guest must not look idle. A column that
 * went backwards counts as 0 (the kernel documents it for iowait).
 */
struct proc_cpu_delta proc_cpu_between(const struct proc_stat *before, const struct proc_stat *now);
/* Busy time as 0-100 of the host; 0 when no time passed. */
double proc_cpu_percent(struct proc_cpu_delta d);

#endif
