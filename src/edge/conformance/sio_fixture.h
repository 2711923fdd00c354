/* What the suites of Socket.IO expect of a server (CONTRACT 10, `conformance`). */
#ifndef SB_EDGE_CONFORMANCE_SIO_FIXTURE_H
#define SB_EDGE_CONFORMANCE_SIO_FIXTURE_H

#include "edge/edge.h"

/* Registers its namespaces, "/" among them; once an edge, after sio_init. `on`: those of the
 * protocol's suite, "/" and "/custom"; `clients`: those of the client package's suite. */
void sio_fixture_init(struct edge *e);

#endif
