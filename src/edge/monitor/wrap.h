/* Blobs on the Monitor wire: the payload is the whole frame {"type":..,"data":..} already. */
#ifndef SB_EDGE_MONITOR_WRAP_H
#define SB_EDGE_MONITOR_WRAP_H

#include "base/buf.h"
#include "hub/blob.h"

/* Appends one text frame. */
void monitor_wrap(const struct blob *b, buf *out);

#endif
