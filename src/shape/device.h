/* Devices as JSON objects (CONTRACT 3). Pure; any thread. */
#ifndef SB_SHAPE_DEVICE_H
#define SB_SHAPE_DEVICE_H

#include "base/buf.h"
#include "domain/device_types.h"
#include "domain/host_types.h"
#include "shape/decode.h"

/* {id,name,type,status,connectionStatus,lastSeen,capabilities,tags,metadata,createdAt,updatedAt,
 *  version}, connectedAt and wire while connected, flapping when true, config
 *  {desiredVersion,reportedVersion,drift} when there is one and, when given, metrics and system. */
void device_put(buf *out, const struct device_row *row, const struct host_point *metrics,
                const struct host_facts *system);
/* {id,status,updatedAt} */
void device_put_status(buf *out, const struct device_row *row);
/* {id} and, when `member` is not NULL, that member with a time. */
void device_put_id(buf *out, uuid id, const char *member, int64_t at_ms);
/* DeviceConfig, as the device gets it: {version,desired,delta,timestamp}. */
void device_put_config(buf *out, const struct device_config *c);
/* Members of the answer to device:register: device, and unless it is empty config (JSON both). */
void device_put_registered(buf *out, span device, span config);
/* The whole, for people: {deviceId,desired,desiredVersion,desiredAt,reported,reportedVersion,
 *  reportedAt,delta,drift}; times are null before the first change. */
void device_put_configuration(buf *out, uuid id, const struct device_config *c);
/* A TEXTS list without repeats, in the arena. */
span device_texts(span list, struct arena *arena);
/* `text` as a JSON string, in the arena: what DEVICE_LIST looks for in tags. */
span device_tag_literal(span text, struct arena *arena);

#endif
