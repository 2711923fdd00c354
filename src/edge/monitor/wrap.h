/* The Monitor wire's envelope: {"type":...,"data":...} (CONTRACT 6). */
#ifndef SB_EDGE_MONITOR_WRAP_H
#define SB_EDGE_MONITOR_WRAP_H

#include "base/buf.h"
#include "hub/blob.h"

/* Appends one text frame; the blob's event is an enum monitor_channel, its payload the data. */
void monitor_wrap(const struct blob *b, buf *out);

#endif
