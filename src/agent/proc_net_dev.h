/*
 * Counters of network interfaces from /proc/net/dev (proc_pid_net(5)), and what flowed between
 * two readings of one. Pure; any thread. Fuzzed by proc_net_dev.
 */
#ifndef SB_AGENT_PROC_NET_DEV_H
#define SB_AGENT_PROC_NET_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct proc_net_dev {
    span name; /* borrowed from the text; 1-15 bytes (IFNAMSIZ) */
    uint64_t rx_bytes;
    uint64_t rx_errors;
    uint64_t tx_bytes;
    uint64_t tx_errors;
};

/* Longest interface name, without a NUL (IFNAMSIZ - 1). */
#define PROC_NET_NAME_MAX 15

/* Cuts lines off *text until one describes an interface; false at the end. Headings and damaged
 * lines are passed over. An old kernel prints no blank between the colon and the first number. */
bool proc_net_dev_next(span *text, struct proc_net_dev *out);

/*
 * Bytes between two values of one counter. A value that fell from the top quarter of 32 bits to
 * the bottom quarter wrapped (drivers that count in 32 bits); any other fall is a counter that
 * was reset, and everything since is in `now`.
 */
uint64_t proc_net_between(uint64_t before, uint64_t now);

#endif
