/*
 * CPU use of every process between two scans, and the ten that lead. Fed with one proc_pid_stat
 * after another; reads no file. One thread.
 *
 * A process's CPU is its time since the last scan over the interval, of one core. One that was
 * not there then began inside the interval, so all its time counts. At the first scan there is
 * no interval: the mean since the process began stands in for it, as in ps(1).
 */
#ifndef SB_AGENT_PROCESS_TABLE_H
#define SB_AGENT_PROCESS_TABLE_H

#include <stdint.h>

#include "agent/host_types.h"
#include "agent/proc_pid_stat.h"

/* Processes remembered between scans (24 bytes each, grown as needed); further ones are measured
 * as if they had just begun. The kernel's default pid_max. */
#define PROCESS_TABLE_MAX 32768

struct process_seen {
    uint32_t pid;
    uint64_t start_ticks;
    uint64_t cpu_ticks;
};

struct process_set {
    struct process_seen *items; /* owned, by rising pid */
    unsigned count;
    unsigned cap;
};

struct process_candidate {
    uint32_t pid;
    double cpu_percent;
    double memory_percent;
    double score;
    char name[HOST_PROCESS_NAME_MAX + 1]; /* storable */
};

struct process_table {
    double ticks_per_s;
    double page_bytes;
    struct process_set before;
    struct process_set now;
    bool scanned;          /* `before` is of a scan */
    int64_t before_ms;     /* monotonic */
    int64_t now_ms;
    double interval_ticks; /* between the scans; at least one */
    double uptime_ticks;
    double memory_bytes;
    unsigned top_count;
    struct process_candidate top[HOST_TOP_MAX]; /* the highest score first */
};

/* Begins without a scan: ticks as of sysconf(_SC_CLK_TCK), the page size in bytes. */
void process_table_init(struct process_table *t, unsigned ticks_per_s, unsigned page_bytes);
/* Frees both sets. */
void process_table_deinit(struct process_table *t);
/* Begins a scan at a monotonic time; uptime and memory of the host put the numbers in relation. */
void process_table_begin(struct process_table *t, int64_t mono_ms, uint64_t uptime_s,
                         uint64_t memory_total_bytes);
/* In the order of /proc: rising pids. */
void process_table_add(struct process_table *t, const struct proc_pid_stat *p);
/* Ends the scan; top[] is then complete and stays until the next begins. */
void process_table_end(struct process_table *t);

#endif
