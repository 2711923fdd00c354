/* HTTP routes; rows in tables/routes.def. Constant data: any thread. */
#ifndef SB_TABLES_ROUTES_H
#define SB_TABLES_ROUTES_H

#include <stdbool.h>

#include "tables/permissions.h"

#define ROUTE_INT_MAX 9007199254740992 /* 2^53: every client can say it exactly */
#define ROUTE_PARAMS_MAX 4 /* {...} segments of one pattern; asserted when the table is read */

enum route {
#define R(name, method, pattern, access, limit, body, text) ROUTE_##name,
#include "tables/routes.def"
#undef R
    ROUTE_COUNT
};

enum route_method { ROUTE_GET, ROUTE_POST, ROUTE_PUT, ROUTE_PATCH, ROUTE_DELETE, ROUTE_WS };

enum route_access_kind {
    ACCESS_PUBLIC,
    ACCESS_SIGNED_IN,
    ACCESS_MAY,
    ACCESS_SOME,
    ACCESS_DEVICE,
    ACCESS_GROUP,
    ACCESS_OPERATIONS,
};

struct route_access {
    enum route_access_kind kind;
    enum permission permission; /* meaningless for PUBLIC and SIGNED_IN */
};

enum route_limit { LIMIT_FREE, LIMIT_REST };
enum route_body { BODY_EMPTY, BODY_JSON, BODY_JSON_OR_EMPTY, BODY_STREAM };

struct route_row {
    const char *name; /* metric label */
    enum route_method method;
    const char *pattern;
    struct route_access access;
    enum route_limit limit;
    enum route_body body;
    const char *text;
};

const struct route_row *route_row(enum route r); /* r < ROUTE_COUNT (asserted) */
/* As on the wire: "GET" for WS, too. */
const char *route_method_name(enum route_method m);

#endif
