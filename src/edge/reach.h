/*
 * Which devices' ordered events a grant may read, where somebody asks for all of them: every
 * device, by DEVICE_EVENTS_PATTERN, or each that a binding names or that is in a group which a
 * binding names. Owned by the caller.
 */
#ifndef SB_EDGE_REACH_H
#define SB_EDGE_REACH_H

#include "domain/identity.h"

/* Devices that are bound one by one or by groups, at most, of one subscription. Who has more asks
 * for single devices, or is given a global role. */
#define REACH_DEVICES_MAX 1000

struct reach {
    bool all;
    unsigned count;
    uuid *devices; /* owned, sorted, each once */
};

/* Of all devices, or of the one asked for (`only`). More than REACH_DEVICES_MAX is for the caller
 * to refuse. */
struct reach reach_of(const struct grant *g, const uuid *only);
/* Whether both reach the same. */
bool reach_eq(const struct reach *a, const struct reach *b);
/* Whether a device is among those named one by one. O(log count). */
bool reach_has(const struct reach *r, uuid device);
/* Frees what it owns, and empties it. */
void reach_free(struct reach *r);

#endif
