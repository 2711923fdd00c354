/*
 * All viewers of a device at once: what applications tell them (POST /api/v1/emit). Each viewer's
 * socket is subscribed to a topic of its device, at the device's home; nothing of it is logged.
 */
#ifndef SB_EDGE_MONITOR_VIEWERS_H
#define SB_EDGE_MONITOR_VIEWERS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "edge/edge.h"

/* Subscribes a viewer, which is a member of the hub; it ends with the member. */
void viewers_join(struct edge *e, uint32_t member, uuid device);
/* Whether the product says something of that name on this wire. Pure. */
bool viewers_name_is_product(span name);
/* Appends {"type":name,"data":data}; `data` is JSON. Pure. */
void viewers_frame(buf *out, span name, span data);
/* From any loop. */
void viewers_publish(struct edge *e, uuid device, span frame, enum blob_class cls);

#endif
