/* A sensor's past as JSON. Pure; any thread. */
#ifndef SB_SHAPE_TELEMETRY_SERIES_H
#define SB_SHAPE_TELEMETRY_SERIES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct telemetry_point {
    int64_t at_ms; /* the bucket's start */
    double value;  /* finite */
    int64_t n;     /* samples in it */
};

struct telemetry_series {
    span sensor_type;
    span unit;
    int64_t resolution_ms; /* of a bucket */
    unsigned count;
    const struct telemetry_point *points; /* in their order */
};

/* {sensorType,unit,resolution_ms,points:[{timestamp,value,n}]}; values in six decimals, as they
 * are stored. */
void telemetry_put_series(buf *out, const struct telemetry_series *s);

#endif
