#include "tables/permissions.h"

#include <string.h>

#define R(role) (1u << ROLE_##role)
#define ANON (1u << 31)
#define PROVISION (1u << 30)

static const char *const roles[ROLE_COUNT] = {
#define ROLE(name, text, what) [ROLE_##name] = text,
#include "tables/roles.def"
#undef ROLE
};

static const struct {
    const char *text;
    uint32_t roles;
} permissions[PERM_COUNT] = {
#define P(name, text, roles) [PERM_##name] = {text, roles},
#include "tables/permissions.def"
#undef P
};

const char *role_name(enum role r) { return roles[r]; }

bool role_parse(const char *text, enum role *out)
{
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        if (strcmp(text, roles[i]) == 0) {
            *out = (enum role)i;
            return true;
        }
    }
    return false;
}

const char *permission_name(enum permission p) { return permissions[p].text; }

bool role_may(enum role r, enum permission p)
{
    uint32_t held = permissions[p].roles;
    if (r == ROLE_ADMIN) {
        bool chat = strncmp(permissions[p].text, "chat:", 5) == 0;
        return !chat || (held & R(ADMIN)) != 0;
    }
    return (held & (1u << r)) != 0;
}

bool anonymous_may(enum permission p) { return (permissions[p].roles & ANON) != 0; }
bool provisioner_may(enum permission p) { return (permissions[p].roles & PROVISION) != 0; }
