/*
 * What people do with devices. Every operation may be started on any home loop; its answer comes
 * exactly once, on that loop, never inside the call. Arguments are copied; results are borrowed
 * for the call of `done`. Who may do it is the caller's question (domain/identity.h: can).
 */
#ifndef SB_DOMAIN_DEVICE_H
#define SB_DOMAIN_DEVICE_H

#include "base/buf.h"
#include "domain/device_types.h"
#include "domain/audit.h"
#include "domain/home.h"

/* Every change of a device is an ordered event (tables/events.def), recorded with it and published
 * when it is on disk, on the device's own topic: device/<uuid>/events. Those who want all of them
 * subscribe the pattern (hub/pattern.h). */
#define DEVICE_EVENTS_PATTERN "device/+/events"
#define DEVICE_EVENTS_TOPIC_MAX 52
/* Returns what it wrote. */
span device_events_topic(uuid id, char out[DEVICE_EVENTS_TOPIC_MAX]);

struct device_result {
    /* ERR_NONE; ERR_DEVICE_NOT_FOUND; ERR_PRECONDITION_FAILED (another version is stored);
     * ERR_CONFLICT (changed at the same moment); ERR_SERVER_ERROR and the store's rows. */
    err error;
    uuid id;
    int64_t version;
    enum device_status status;
    span json;       /* the Device (CONTRACT 3) with metrics and system; of a list the array */
    span key;        /* device_create: the first key, shown once */
    uuid credential; /* and its id */
    span next;       /* device_list: where the next page begins; empty at the end */
    span config;      /* device_registered_get */
    unsigned viewers; /* device_viewers */
};
typedef void (*device_done)(void *owner, const struct device_result *r);

/* Checked members of a new device; empty spans take the defaults ("host", [], {}). */
struct device_draft {
    uuid id;           /* nil: a new one */
    uuid provision;    /* the provisioning key that pays with one use; nil: none does */
    span name;
    span type;
    enum device_status status;
    span capabilities; /* JSON array of texts, without repeats */
    span tags;         /* the same */
    span metadata;     /* JSON object */
};
/* Makes the device, its principal, its role and its first key in one transaction.
 * ERR_AUTHENTICATION_FAILED: the provisioning key has no use left or has ended; ERR_CONFLICT: the
 * id is taken. */
void device_create(struct home *h, const struct device_draft *in, const struct actor *who,
                   device_done done, void *owner);

/* Result: json, version, status. */
void device_get(struct home *h, uuid id, device_done done, void *owner);
/* Viewers now, at most viewers_per_device_max. */
void device_viewers(struct home *h, uuid id, device_done done, void *owner);

struct device_change {
    int64_t version; /* that must be stored, 0: any */
    bool has_name, has_type, has_status, has_capabilities, has_tags;
    span name;
    span type;
    enum device_status status;
    span capabilities; /* JSON arrays of texts without repeats; the device may say others when it */
    span tags;         /* registers */
    span metadata_patch; /* JSON Merge Patch of an object; empty: unchanged */
};
/* Disabling ends the device's socket (4002) and its key's validity; enabling restores both. A
 * change that changes nothing is not stored. */
void device_patch(struct home *h, uuid id, const struct device_change *in, const struct actor *who,
                  device_done done, void *owner);
/* With all that is stored of it, a batch at a time; its socket is closed (4000). It is gone for
 * everybody when this begins, and answered when the last row is. */
void device_delete(struct home *h, uuid id, const struct actor *who, device_done done,
                   void *owner);

struct device_filter {
    int status;     /* enum device_status, -1: any */
    int connection; /* enum connection_status, -1: any */
    span type;      /* exact; empty: any */
    span tag;       /* exact; empty: any */
    span text;      /* part of the name in any case; empty: any */
    uuid group;     /* members of that group; nil: any */
    span after;     /* `next` of the page before; empty: from the start */
    unsigned limit; /* 1-200 */
    /* Whether the owner may see it; the others are left out of the page. NULL: all. */
    bool (*visible)(void *owner, uuid id);
};
/* By name. ERR_INVALID_REQUEST when `after` is none of ours. Costs a store read and a question to
 * the home of each device shown. */
void device_list(struct home *h, const struct device_filter *in, device_done done, void *owner);

#endif
