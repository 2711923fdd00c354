/*
 * The interface of the default route, from /proc/net/route and /proc/net/ipv6_route
 * (proc_pid_net(5)). Pure; any thread. Fuzzed by proc_net_route.
 */
#ifndef SB_AGENT_PROC_NET_ROUTE_H
#define SB_AGENT_PROC_NET_ROUTE_H

#include <stdbool.h>

#include "base/span.h"

/* The usable IPv4 route to 0.0.0.0/0 with the lowest metric; *name is borrowed from the text. */
bool proc_net_route_default(span text, span *name);
/* The same for ::/0. The loopback's reject route is not one. */
bool proc_net_route6_default(span text, span *name);

#endif
