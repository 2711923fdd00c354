/*
 * Bytes that the host received and sent, summed over the interfaces that count, from successive
 * texts of /proc/net/dev. Bridges, container ends, VPNs, VLANs and bonds show bytes that a
 * physical interface shows, too: so only interfaces with hardware behind them are summed. A host
 * without any (a container) sums all others but the loopback and those named like doubles.
 */
#ifndef SB_AGENT_NET_COUNTERS_H
#define SB_AGENT_NET_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/proc_net_dev.h"
#include "base/span.h"

/* Interfaces remembered; the kernel lists hardware first, so what comes later is virtual. */
#define NET_COUNTERS_MAX 128

struct net_counter {
    char name[PROC_NET_NAME_MAX + 1];
    uint64_t rx_bytes;
    uint64_t tx_bytes;
    bool physical;
    bool seen; /* in the reading under way */
};

struct net_counters {
    /* Has the interface hardware behind it? Asked once for each name that appears. */
    bool (*physical)(void *arg, const char *name);
    void *arg;
    uint64_t rx_bytes; /* summed since the first reading; never falls */
    uint64_t tx_bytes;
    unsigned count;
    struct net_counter items[NET_COUNTERS_MAX];
};

/* Begins without a reading; `arg` is handed to `physical`. */
void net_counters_init(struct net_counters *c, bool (*physical)(void *arg, const char *name),
                       void *arg);
/*
 * Takes the next text. An interface that is new adds nothing yet; one that is gone is forgotten;
 * a counter that wrapped or was reset adds what flowed since (proc_net_between). When the choice
 * turns from "physical" to "all others" or back, nothing is counted twice.
 */
void net_counters_read(struct net_counters *c, span text);
/* Is it the loopback, or named like an interface that doubles another's bytes (veth, docker, br-,
 * virbr, tun, tap, wg, ifb, dummy, ...)? */
bool net_name_is_double(span name);

#endif
