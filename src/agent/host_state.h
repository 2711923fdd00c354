/* What a host is, rather than what it does: system, name, addresses, interfaces. */
#ifndef SB_AGENT_HOST_STATE_H
#define SB_AGENT_HOST_STATE_H

#include <ifaddrs.h>
#include <stdbool.h>

#include "agent/host.h"
#include "agent/host_types.h"

/*
 * Fills *out. `addresses` is the list of getifaddrs(3), borrowed; NULL: no addresses are known.
 * Interfaces leave out the loopback and veth ends (containers come and go, and their interfaces
 * are inside them). The primary address is the first IPv4 address of the interface that has the
 * default route, else its first global IPv6 address, else the first address of any interface
 * that is up; the hardware address is that interface's.
 */
void host_state_read(struct host *h, const struct ifaddrs *addresses, struct host_state *out);
/* The same with the kernel's addresses of this moment. */
void host_state_read_now(struct host *h, struct host_state *out);

/* Are both records the same but for uptime and counters, which do not count as change? */
bool host_state_same(const struct host_state *a, const struct host_state *b);

#endif
