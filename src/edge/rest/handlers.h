/* One handler a route, defined in edge/rest, edge/ops and edge/console. */
#ifndef SB_EDGE_REST_HANDLERS_H
#define SB_EDGE_REST_HANDLERS_H

#include "edge/rest/rest.h"

#define R(name, method, pattern, access, limit, body, text) void rest_##name(struct rest_call *c);
#include "tables/routes.def"
#undef R

#endif
