/* Parameters of OpenAPI's operations: in the path, the query and the fields. */
#ifndef SB_EDGE_SPEC_PARAMS_H
#define SB_EDGE_SPEC_PARAMS_H

#include "edge/spec/spec.h"
#include "tables/replies.h"

/* A pattern of routes.def with names in the place of {uuid}, {int}, {text} and a last *. */
struct spec_path {
    buf text;
    struct {
        char name[48];
        enum member_type type;
    } params[ROUTE_PARAMS_MAX];
    unsigned count;
};

/* Fills *out, whose text is the caller's to free. */
void spec_path_of(const char *pattern, struct spec_path *out);
/* The parameters of a route, as elements of the open array. */
void spec_params(struct json_writer *w, enum route r, const struct spec_path *path);

#endif
