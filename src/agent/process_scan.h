/*
 * The top ten processes of the host. One scan reads /proc/PID/stat of every process (three system
 * calls each, about 15 us) and, of the ten that lead, the owner and the command line: so it is
 * made once a minute, with the row. Processes that vanish meanwhile are left out or keep their
 * name only. One thread; blocks as procfs does.
 */
#ifndef SB_AGENT_PROCESS_SCAN_H
#define SB_AGENT_PROCESS_SCAN_H

#include "agent/host.h"
#include "agent/process_table.h"
#include "agent/user_names.h"

struct process_scan {
    struct process_table table;
    struct user_names users;
    buf text;
};

/* Begins without a scan; takes the tick and page size of this machine. */
void process_scan_init(struct process_scan *s);
/* Frees the memory of the last scan. */
void process_scan_deinit(struct process_scan *s);
/* Scans at a monotonic time and fills *out; an unreadable /proc gives none. */
void process_scan_run(struct process_scan *s, struct host *h, int64_t mono_ms,
                      uint64_t memory_total_bytes, struct host_top *out);

#endif
