/*
 * Configuration: what people desire of a device and what it reports to have (CONTRACT 3).
 *
 *     people --patch--> desired, version n --push--> device --config:report {version,reported}-->
 *                              |                                        reported, version <= n
 *                              +--- delta: the merge patch from reported to desired; drift: it is
 *                                   not empty
 *
 * A change is one transaction with its audit row and device:updated, which carries both versions
 * and the drift, but not the texts. The device's live socket is told of each change of what is
 * desired, and of it again whenever it registers while its reported version is behind
 * (OUT_DEVICE_CONFIG_UPDATE). Texts live at the device's home while the device does.
 *
 * As domain/device.h: any home loop may start an operation, whose answer comes once on that loop.
 */
#ifndef SB_DOMAIN_DEVICE_CONFIG_H
#define SB_DOMAIN_DEVICE_CONFIG_H

#include "domain/device.h"

/* Why a report's version is refused. */
#define CONFIG_VERSION_BAD "was never desired"

/* Result: json (device_put_configuration), version (the desired one). */
void device_config_get(struct home *h, uuid id, device_done done, void *owner);

struct config_change {
    int64_t version; /* the desired one that must be stored, -1: any */
    span patch;      /* JSON Merge Patch (RFC 7396) of what is desired: an object */
};
/* Result as above. ERR_PRECONDITION_FAILED; ERR_BODY_TOO_LARGE: it would be longer than
 * CONFIG_BYTES_MAX. A change that changes nothing is not stored, and makes no version. */
void device_config_patch(struct home *h, uuid id, const struct config_change *in,
                         const struct actor *who, device_done done, void *owner);

/* What the ack of device:register shows: json as device_get, and `config` (DeviceConfig) while the
 * reported version is behind. */
void device_registered_get(struct home *h, uuid id, device_done done, void *owner);

#endif
