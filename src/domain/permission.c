/*
 * The permission check and the snapshot it reads. Roles whose reach is what a principal was given
 * (a device's own data, rooms a guest or robot was invited to) mean nothing globally, whatever a
 * stored row says.
 */
#include "domain/identity.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

#define SCOPED_ONLY ((1u << ROLE_DEVICE) | (1u << ROLE_GUEST) | (1u << ROLE_ROBOT))

const char *principal_kind_name(enum principal_kind kind)
{
    static const char *const names[] = {
        [PRINCIPAL_USER] = "user",       [PRINCIPAL_DEVICE] = "device",
        [PRINCIPAL_GUEST] = "guest",     [PRINCIPAL_ROBOT] = "robot",
        [PRINCIPAL_SERVICE] = "service", [PRINCIPAL_ANONYMOUS] = "anonymous",
        [PRINCIPAL_PROVISIONER] = "provisioner",
    };
    return names[kind];
}

static bool scope_eq(struct scope a, struct scope b)
{
    return a.kind == b.kind && (a.kind == SCOPE_GLOBAL || uuid_eq(a.id, b.id));
}

bool roles_may(uint32_t roles, enum permission p)
{
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        if ((roles & (1u << r)) != 0 && role_may((enum role)r, p)) {
            return true;
        }
    }
    return false;
}

/* Roles for a device by the groups that it is in. */
static uint32_t group_roles(const struct grant *g, uuid device)
{
    uint32_t from = 0, to = g->device_count;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        int order = memcmp(&g->devices[mid].device, &device, sizeof device);
        if (order == 0) {
            return g->devices[mid].roles;
        }
        if (order < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return 0;
}

bool can(const struct grant *g, enum permission p, struct scope s)
{
    ASSERT(g != NULL && p < PERM_COUNT);
    if (g->kind == PRINCIPAL_ANONYMOUS) {
        return anonymous_may(p);
    }
    if (g->kind == PRINCIPAL_PROVISIONER) {
        return provisioner_may(p);
    }
    if (g->kind == PRINCIPAL_DEVICE) {
        return s.kind == SCOPE_DEVICE && uuid_eq(s.id, g->principal) && role_may(ROLE_DEVICE, p);
    }
    if (g->kind == PRINCIPAL_GUEST || g->kind == PRINCIPAL_ROBOT) { /* of rooms they are in */
        return (s.kind == SCOPE_GLOBAL || s.kind == SCOPE_CHAT_ROOM) &&
               role_may(g->kind == PRINCIPAL_GUEST ? ROLE_GUEST : ROLE_ROBOT, p);
    }
    if (roles_may(g->global_roles & ~SCOPED_ONLY, p)) {
        return true;
    }
    for (unsigned i = 0; s.kind != SCOPE_GLOBAL && i < g->binding_count; i++) {
        if (scope_eq(g->bindings[i].scope, s) && role_may(g->bindings[i].role, p)) {
            return true;
        }
    }
    return s.kind == SCOPE_DEVICE && g->device_count > 0 && roles_may(group_roles(g, s.id), p);
}

bool can_somewhere(const struct grant *g, enum permission p)
{
    if (can(g, p, SCOPE_ALL) || can(g, p, scope_device(g->principal))) {
        return true;
    }
    for (unsigned i = 0; i < g->binding_count; i++) {
        if (role_may(g->bindings[i].role, p)) {
            return true;
        }
    }
    return false;
}

unsigned grant_permissions(const struct grant *g, enum permission *out, unsigned max)
{
    struct scope s = g->kind == PRINCIPAL_DEVICE ? scope_device(g->principal) : SCOPE_ALL;
    unsigned n = 0;
    for (unsigned p = 0; p < PERM_COUNT && n < max; p++) {
        if (can(g, (enum permission)p, s)) {
            out[n++] = (enum permission)p;
        }
    }
    return n;
}

struct grant *auth_anonymous(struct home *h)
{
    if (!h->conf->auth_anonymous_loopback) {
        return NULL;
    }
    struct grant *g = mem_calloc(1, sizeof *g);
    g->kind = PRINCIPAL_ANONYMOUS;
    return g;
}

void grant_free(struct grant *g) { mem_free(g); }
