/* The alerts of CONTRACT 7, from the counters of all loops. On the thread of ops' loop. */
#ifndef SB_EDGE_OPS_ALERTS_H
#define SB_EDGE_OPS_ALERTS_H

#include "edge/ops/ops.h"

/* A certificate that ends sooner is an alert: time for a renewal that failed to be seen to. */
#define ALERT_CERTIFICATE_S INT64_C(1209600)

/* One second has passed: takes the counters, sets or clears each alert. */
void alerts_tick(struct ops *o);

/* The rules themselves; pure. */
bool alert_errors(uint64_t errors, uint64_t events);            /* of one minute */
bool alert_failures(uint64_t minute, uint64_t hour_total);      /* of the hour before it */
bool alert_certificate(const struct tls_server *tls, int64_t now_s); /* tls may be NULL */

bool alert_delivery(uint64_t late, uint64_t deliveries);        /* of one minute */

#endif
