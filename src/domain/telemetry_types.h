/* Telemetry as values. */
#ifndef SB_DOMAIN_TELEMETRY_TYPES_H
#define SB_DOMAIN_TELEMETRY_TYPES_H

#include <stdint.h>

#include "base/span.h"

#define TELEMETRY_BATCH_MAX 500 /* samples of one message (CONTRACT 3) */

/* One sample, checked and normalised: lengths, times and the value's range are right. */
struct telemetry_sample {
    span sensor_type;
    span unit;
    span metadata;  /* JSON object; empty: none */
    span sample_id; /* empty: none */
    double value;   /* rounded to 6 decimals */
    int64_t at_ms;  /* epoch ms */
};

#endif
