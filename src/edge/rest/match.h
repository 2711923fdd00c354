/* Fits paths to the patterns of tables/routes.def. Pure; any thread. */
#ifndef SB_EDGE_REST_MATCH_H
#define SB_EDGE_REST_MATCH_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/span.h"
#include "base/uuid.h"
#include "codec/http1/request.h"
#include "tables/routes.h"

/* What the {...} segments and a last "*" took; spans point into the path. */
struct route_params {
    unsigned uuid_count;
    uuid uuids[ROUTE_PARAMS_MAX];
    unsigned int_count;
    int64_t ints[ROUTE_PARAMS_MAX];
    unsigned text_count;
    span texts[ROUTE_PARAMS_MAX];
    span rest;
};

/* Whether a normalised path (codec/http1/target.h) fits one pattern; *out is then filled. */
bool route_fits(const char *pattern, span path, struct route_params *out) MUST_CHECK;

/*
 * The row of a method and path, or ROUTE_COUNT. HEAD takes the row of GET, and GET that of WS.
 * *allowed is a bit per enum http1_method that some fitting row takes: 0 means that there is
 * nothing at that path (404), else the path is there and takes other methods (405).
 * Cost: one comparison a row, most of which end at the first segment that differs.
 */
enum route route_find(enum http1_method method, span path, struct route_params *out,
                      unsigned *allowed);

/* The Allow field of such a mask, OPTIONS included: "GET, HEAD, OPTIONS". */
void route_allow(unsigned allowed, char text[64]);

#endif
