/*
 * What the server says to every client of /ws by itself (CONTRACT 4).
 *
 *   heartbeat      {timestamp,clients} to each, every home_heartbeat_ms, ephemeral. A client's turn
 *                  is given by its slot, so that those of a loop are spread over the interval, a
 *                  client costs no memory, and the frame is made once for those whose turn it is.
 *   system_status  {status,details} to all at once when the health of the process changes, and
 *                  every home_status_ms; state class. Who comes is told what was said last, unless
 *                  all was well.
 */
#ifndef SB_EDGE_HOME_NEWS_H
#define SB_EDGE_HOME_NEWS_H

#include "edge/edge.h"

struct ops;

/* Clients of /ws over all loops, now. Any loop. */
uint64_t news_clients(const struct edge *e);
/* A member of the hub on the wire Home has heard its `connection`. */
void news_greet(struct edge *e, const struct conn *c);
/* Once a second on ops' loop: looks at the health, and tells it when that is due. */
void news_health(struct ops *o);

/* Once an edge, and its end. */
void news_init(struct edge *e);
void news_deinit(struct edge *e);

#endif
