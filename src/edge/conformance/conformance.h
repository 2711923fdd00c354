/*
 * Endpoints for outside suites and benches, only with `conformance = on` (CONTRACT 10):
 * /conformance/ws echoes, /conformance/pubsub speaks to the hub, /conformance/http echoes bodies.
 */
#ifndef SB_EDGE_CONFORMANCE_CONFORMANCE_H
#define SB_EDGE_CONFORMANCE_CONFORMANCE_H

#include <stdbool.h>

#include "edge/edge.h"
#include "net/http.h"

/* Once an edge, after edge_init. */
void conformance_init(struct edge *e);
/* Answers the request when its path is one of these; false when it is not. */
bool conformance_request(struct http_exchange *x);

#endif
