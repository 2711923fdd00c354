/* Blobs on the Monitor wire. */
#ifndef SB_EDGE_MONITOR_WRAP_H
#define SB_EDGE_MONITOR_WRAP_H

#include "base/buf.h"
#include "edge/edge.h"
#include "hub/blob.h"

/* Appends one text frame. A logged event becomes {"type":..,"data":..,"pos":..,"id":..}; the
 * payload of a channel is its whole frame {"type":..,"data":..} already. */
void monitor_wrap(const struct edge *e, const struct blob *b, buf *out);

#endif
