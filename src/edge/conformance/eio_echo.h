/* `/engine.io/`: the Engine.IO echo of the conformance setting (CONTRACT 10). */
#ifndef SB_EDGE_CONFORMANCE_EIO_ECHO_H
#define SB_EDGE_CONFORMANCE_EIO_ECHO_H

#include "edge/edge.h"

/* Once an edge, after eio_init. */
void eio_echo_init(struct edge *e);

#endif
