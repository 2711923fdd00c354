/* One process from /proc/PID/stat (proc_pid_stat(5)). Pure; any thread. Fuzzed by
 * proc_pid_stat. */
#ifndef SB_AGENT_PROC_PID_STAT_H
#define SB_AGENT_PROC_PID_STAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct proc_pid_stat {
    uint32_t pid;
    span name;            /* borrowed: any bytes, between the first '(' and the last ')' */
    char state;           /* R S D Z T ... */
    uint64_t cpu_ticks;   /* user + system since it started, its waited-for children not */
    uint64_t start_ticks; /* since boot; with the pid it names one process for ever */
    uint64_t rss_pages;
};

/* Reads the file's text; false when it is not complete up to the resident size. */
bool proc_pid_stat_parse(span text, struct proc_pid_stat *out);

#endif
