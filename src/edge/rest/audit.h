/* Who asks a route, for the audit log (domain/audit.h). */
#ifndef SB_EDGE_REST_AUDIT_H
#define SB_EDGE_REST_AUDIT_H

#include "domain/audit.h"
#include "edge/rest/rest.h"
#include "loop/addr.h"

/* Who asks; needs a grant. The address is written into `text`, which the actor borrows. */
struct actor rest_actor(const struct rest_call *c, char text[ADDR_TEXT_MAX]);

#endif
