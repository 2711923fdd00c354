#include "edge/reach.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static int by_id(const void *a, const void *b) { return memcmp(a, b, sizeof(uuid)); }

struct reach reach_of(const struct grant *g, const uuid *only)
{
    struct reach r = {0};
    if (only == NULL && can(g, PERM_DEVICE_READ, SCOPE_ALL)) {
        r.all = true;
        return r;
    }
    r.devices = mem_alloc((1 + (size_t)g->binding_count + g->device_count) * sizeof *r.devices);
    uuid self = only != NULL ? *only : g->principal;
    if (can(g, PERM_DEVICE_READ, scope_device(self))) {
        r.devices[r.count++] = self;
    }
    for (unsigned i = 0; only == NULL && i < g->binding_count; i++) {
        struct scope s = g->bindings[i].scope;
        if (s.kind == SCOPE_DEVICE && can(g, PERM_DEVICE_READ, s)) {
            r.devices[r.count++] = s.id;
        }
    }
    for (unsigned i = 0; only == NULL && i < g->device_count; i++) {
        if (roles_may(g->devices[i].roles, PERM_DEVICE_READ)) {
            r.devices[r.count++] = g->devices[i].device;
        }
    }
    qsort(r.devices, r.count, sizeof *r.devices, by_id);
    unsigned kept = 0;
    for (unsigned i = 0; i < r.count; i++) {
        if (kept == 0 || !uuid_eq(r.devices[kept - 1], r.devices[i])) {
            r.devices[kept++] = r.devices[i];
        }
    }
    r.count = kept;
    return r;
}

bool reach_eq(const struct reach *a, const struct reach *b)
{
    return a->all == b->all && a->count == b->count &&
           (a->count == 0 || memcmp(a->devices, b->devices, a->count * sizeof(uuid)) == 0);
}

bool reach_has(const struct reach *r, uuid device)
{
    return r->count > 0 &&
           bsearch(&device, r->devices, r->count, sizeof *r->devices, by_id) != NULL;
}

void reach_free(struct reach *r)
{
    mem_free(r->devices);
    *r = (struct reach){0};
}
