/* A device as a value: what is stored of it, and what its home adds while it lives. */
#ifndef SB_DOMAIN_DEVICE_TYPES_H
#define SB_DOMAIN_DEVICE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"

enum device_status {
    DEVICE_ACTIVE,
    DEVICE_INACTIVE,
    DEVICE_MAINTENANCE,
    DEVICE_ERROR,
    DEVICE_DISABLED,
    DEVICE_STATUS_COUNT
};

enum connection_status {
    CONNECTION_ONLINE,
    CONNECTION_STALE,
    CONNECTION_OFFLINE,
    CONNECTION_STATUS_COUNT
};

/* Of desired and of reported, each. Both and their delta fit into one message to the device
 * whatever its wire, and into memory while it is connected; more is refused. */
#define CONFIG_BYTES_MAX 32768

/* How far a device's configuration is; all zero: nothing was ever desired or reported. */
struct config_state {
    int64_t desired_version;  /* counts changes of what is desired */
    int64_t reported_version; /* which of them the device says that it has; never above */
    bool drift;               /* what it reports is not what is desired */
};

struct device_config {
    struct config_state state;
    span desired;        /* JSON objects without members that are null, */
    span reported;       /* at most CONFIG_BYTES_MAX each */
    int64_t desired_ms;  /* when they last changed, epoch ms; 0: never */
    int64_t reported_ms;
};

/* One device; the spans are borrowed from whoever shows it. */
struct device_row {
    uuid id;
    span name;
    span type;
    enum device_status status;
    enum connection_status connection;
    int64_t last_seen_ms; /* 0: never */
    span capabilities;    /* JSON array of texts */
    span tags;            /* JSON array of texts */
    span metadata;        /* JSON object */
    int64_t version;      /* counts changes made by people: the ETag */
    int64_t created_ms;
    int64_t updated_ms;
    /* Of the live connection; shown while there is one. */
    int64_t connected_ms; /* 0: not connected */
    const char *wire;     /* of static duration */
    bool flapping;        /* it connects so often that this is not announced; shown when true */
    struct config_state config; /* shown when there is one */
};

#endif
