#include "tables/routes.h"

#include <stdlib.h>

#define PUBLIC {ACCESS_PUBLIC, 0}
#define SIGNED_IN {ACCESS_SIGNED_IN, 0}
#define MAY(p) {ACCESS_MAY, PERM_##p}
#define SOME(p) {ACCESS_SOME, PERM_##p}
#define DEVICE(p) {ACCESS_DEVICE, PERM_##p}
#define GROUP(p) {ACCESS_GROUP, PERM_##p}
#define OPERATIONS(p) {ACCESS_OPERATIONS, PERM_##p}

static const struct route_row rows[ROUTE_COUNT] = {
#define R(name, method, pattern, access, limit, body, text)                                        \
    [ROUTE_##name] = {#name, ROUTE_##method, pattern, access, LIMIT_##limit, BODY_##body, text},
#include "tables/routes.def"
#undef R
};

const struct route_row *route_row(enum route r)
{
    if ((unsigned)r >= ROUTE_COUNT) {
        abort(); /* this layer is below base/assert.h */
    }
    return &rows[r];
}

const char *route_method_name(enum route_method m)
{
    static const char *const names[] = {
        [ROUTE_GET] = "GET",     [ROUTE_POST] = "POST",     [ROUTE_PUT] = "PUT",
        [ROUTE_PATCH] = "PATCH", [ROUTE_DELETE] = "DELETE", [ROUTE_WS] = "GET",
    };
    return names[m];
}
