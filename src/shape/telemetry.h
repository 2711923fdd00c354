/* Telemetry as JSON (CONTRACT 3). Pure; any thread. */
#ifndef SB_SHAPE_TELEMETRY_H
#define SB_SHAPE_TELEMETRY_H

#include "base/buf.h"
#include "base/uuid.h"
#include "domain/telemetry_types.h"
#include "shape/decode.h"

/* A sample of a message (schema telemetry_sample) as it is kept: the value rounded half-even to 6
 * decimals, metadata as it came. False: what no row of a schema says is wrong (the value's range,
 * another device's id): *member and *why name it, both of static duration. */
bool telemetry_sample_of(const struct shape_telemetry_sample *in, uuid device,
                         struct telemetry_sample *out, const char **member,
                         const char **why) MUST_CHECK;
/* A rounded value in decimal digits, without zeros at its end. */
void telemetry_put_value(buf *out, double value);
/* TelemetryData: {deviceId,timestamp,sensorType,value,unit,metadata?,sampleId?}; initial:true
 * besides where that is asked for. */
void telemetry_put_json(buf *out, uuid device, const struct telemetry_sample *s, bool initial);

#endif
