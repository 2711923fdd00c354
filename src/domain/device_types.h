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
};

#endif
