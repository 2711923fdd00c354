/* What a host reports about itself, as values. */
#ifndef SB_DOMAIN_HOST_TYPES_H
#define SB_DOMAIN_HOST_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* In the order of the columns of device_metrics after recorded_at. */
enum metric {
    METRIC_CPU,          /* percent of the host */
    METRIC_MEMORY_USED,  /* bytes, as are all sizes */
    METRIC_MEMORY_TOTAL,
    METRIC_DOWNLOAD,     /* mean bytes a second */
    METRIC_UPLOAD,
    METRIC_LOAD,         /* of 1 min */
    METRIC_DISK_USED,
    METRIC_DISK_TOTAL,
    METRIC_SWAP_USED,
    METRIC_TEMPERATURE,  /* degrees Celsius */
    METRIC_COUNT
};

/* One reading of a host; NAN is not known. Bytes are whole and below 2^53. */
struct host_point {
    int64_t at_ms;
    double v[METRIC_COUNT];
};

/* The newest state record; spans are borrowed, empty when not known. */
struct host_facts {
    span os;
    span architecture;
    span hostname;
    span ip_address;
    span mac_address;
    span agent_version;
    int64_t uptime_s;  /* -1: not known */
    int64_t cpu_cores; /* -1: not known */
    span interfaces;   /* JSON array */
    span processes;    /* JSON array */
    int64_t at_ms;
};

#endif
