/* What is measured: latency in a log-linear histogram, and the server's CPU time and memory. */
#ifndef SB_BENCH_STATS_H
#define SB_BENCH_STATS_H

#include <stdint.h>

#define HIST_BUCKETS 1024

struct hist {
    uint64_t counts[HIST_BUCKETS];
    uint64_t total;
    uint64_t max_ns;
};

/* Buckets of 1/16 of a power of two: 6 % wide. */
void hist_add(struct hist *h, uint64_t ns);
uint64_t hist_at(const struct hist *h, double quantile); /* upper bound, ns */
/* CPU time of every thread of a process, ns, from /proc/PID/task/N/schedstat. */
uint64_t cpu_ns_of(int pid);
/* A value in kB of /proc/PID/status ("RssAnon", "VmRSS"); 0 when absent. */
uint64_t status_kb_of(int pid, const char *name);

#endif
