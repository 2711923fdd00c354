/* Roles and permissions; rows in tables/roles.def and tables/permissions.def. */
#ifndef SB_TABLES_PERMISSIONS_H
#define SB_TABLES_PERMISSIONS_H

#include <stdbool.h>
#include <stdint.h>

enum role {
#define ROLE(name, text, what) ROLE_##name,
#include "tables/roles.def"
#undef ROLE
    ROLE_COUNT
};

enum permission {
#define P(name, text, roles) PERM_##name,
#include "tables/permissions.def"
#undef P
    PERM_COUNT
};

const char *role_name(enum role r);                    /* "operator" */
bool role_parse(const char *text, enum role *out);     /* exact */
const char *permission_name(enum permission p);        /* "device:device:read" */
/* Whether a role holds a permission (admin: all but chat's writing). */
bool role_may(enum role r, enum permission p);
bool anonymous_may(enum permission p);
bool provisioner_may(enum permission p); /* a provisioning key */

#endif
