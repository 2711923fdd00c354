/* Alerts and degradation as chat:system:notification to supervisors and admins (CONTRACT 7). */
#ifndef SB_EDGE_OPS_NOTICES_H
#define SB_EDGE_OPS_NOTICES_H

#include "edge/ops/ops.h"

/* One second has passed, alerts_tick included: what has begun or ended since is told, an alert as
 * "alert_<name>", a part of /health that no alert is about as "health_<part>"; level info when it
 * is over. On the thread of ops' loop. */
void notices_tick(struct ops *o);

#endif
