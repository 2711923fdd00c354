/*
 * Device groups: a name for a set of devices, to which rights can be bound (identity_ops.h:
 * identity_bind) and commands be sent (domain/command_job.h). A group lives in the store only.
 *
 * Operations start on any home loop and answer once, on that loop, never inside the call. Each is
 * one transaction with its audit rows; who may do it is the caller's question. A change of members
 * is a change of rights: whoever has a role in the group is told when it is on disk, as of any
 * other change (identity.h), and so are they when a device or a group is deleted.
 */
#ifndef SB_DOMAIN_DEVICE_GROUP_H
#define SB_DOMAIN_DEVICE_GROUP_H

#include "domain/audit.h"
#include "domain/home.h"
#include "tables/permissions.h"

#define GROUP_DEVICES_MAX 10000 /* of a group: what one session's rights can hold, with room */
#define GROUP_BATCH_MAX 500     /* devices added or removed by one call: a short transaction */

struct group_row {
    uuid id;
    span name;        /* unique; 1-100 characters */
    span description; /* 0-500 characters */
    int64_t version;  /* counts changes of name and description, not of members: the ETag */
    int64_t created_ms;
    int64_t updated_ms;
    int64_t device_count;
};

/* Borrowed for the call of done. */
struct group_result {
    /* ERR_NONE; ERR_NOT_FOUND: no such group; ERR_PRECONDITION_FAILED: another version is stored;
     * ERR_CONFLICT: the name is taken, or the group is full; ERR_DEVICE_NOT_FOUND: one of the
     * devices does not exist; ERR_PERMISSION_DENIED: see group_add; ERR_INVALID_REQUEST: `after` is
     * none of ours; the store's. */
    err error;
    const char *why;  /* static text, or NULL */
    const struct group_row *rows; /* one, or a page */
    unsigned count;
    span next;        /* where the next page begins; empty at the end */
    unsigned changed; /* devices that were added or removed */
};
typedef void (*group_done)(void *owner, const struct group_result *r);

/* Result: the group as it is stored, also of group_patch. */
void group_create(struct home *h, span name, span description, const struct actor *who,
                  group_done done, void *owner);
void group_get(struct home *h, uuid id, group_done done, void *owner);
struct group_change {
    int64_t version;  /* that must be stored; 0: any */
    span name;        /* ptr NULL: unchanged */
    span description; /* as above */
};
void group_patch(struct home *h, uuid id, const struct group_change *in, const struct actor *who,
                 group_done done, void *owner);
/* With its bindings: what they allowed ends. Its devices stay. version 0: any. */
void group_delete(struct home *h, uuid id, int64_t version, const struct actor *who,
                  group_done done, void *owner);

struct group_filter {
    uuid device;    /* groups that it is in; nil: all groups */
    span text;      /* part of the name in any case; empty: any */
    span after;     /* `next` of the page before; empty: from the start */
    unsigned limit; /* 1-200 */
};
/* By name. */
void group_list(struct home *h, const struct group_filter *in, group_done done, void *owner);

/* Devices to add or to remove; all or none, those that are members already, or are none, aside. */
struct group_devices {
    uuid group;
    const uuid *devices;
    unsigned count;     /* 1 to GROUP_BATCH_MAX */
    uint32_t may_give;  /* adding: roles that the asker may give; bit per enum role */
};
/* Adding a device gives everybody with a role in the group that role for the device: refused
 * (ERR_PERMISSION_DENIED) when one of these roles is not in may_give. */
void group_add(struct home *h, const struct group_devices *in, const struct actor *who,
               group_done done, void *owner);
void group_remove(struct home *h, const struct group_devices *in, const struct actor *who,
                  group_done done, void *owner);

#endif
