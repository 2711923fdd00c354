/* What the kernel says about this process and its machine; read when somebody asks. */
#ifndef SB_EDGE_OPS_PROCESS_H
#define SB_EDGE_OPS_PROCESS_H

#include <stdint.h>

struct process_facts {
    double cpu_s;            /* user and system time so far */
    uint64_t rss_bytes;
    uint64_t memory_bytes;   /* of the cgroup if it is limited, else of the machine; 0: unknown */
    uint64_t fds;            /* open descriptors */
    uint64_t fds_max;
};

/* What cannot be read stays 0. A few reads of /proc: no disk. */
void process_read(struct process_facts *out);

#endif
