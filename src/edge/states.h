/* What a device says of its capabilities' states from its own socket, the same for every wire
 * (CONTRACT 4). */
#ifndef SB_EDGE_STATES_H
#define SB_EDGE_STATES_H

#include "domain/device_link.h"
#include "edge/dispatch.h"

/* Takes the object `states`, all of it or nothing; answered {ok:true,moved:n} when what was moved
 * is on disk. `l` is open. `then` (NULL: none) goes on in place of that answer then, with a copy
 * of the call's data as in->data, and the peer found again; it answers. */
void states_event(struct event_call *in, span states, struct device_link *l,
                  void (*then)(struct event_call *in));

#endif
