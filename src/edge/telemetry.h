/* Telemetry from a device's own socket, the same for every wire (CONTRACT 3). */
#ifndef SB_EDGE_TELEMETRY_H
#define SB_EDGE_TELEMETRY_H

#include "domain/device_link.h"
#include "edge/dispatch.h"

/* Takes the samples of a message: what is good is stored, what is not is refused by its index.
 * Answered once, when it is on disk or nothing is kept. `l` is open. */
void telemetry_event(struct event_call *in, struct event_many *m, struct device_link *l);

#endif
