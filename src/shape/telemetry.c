#include "shape/telemetry.h"

#include "base/timefmt.h"
#include "codec/json/write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUE_MAX 1e9 /* DECIMAL(15,6) */
#define UNITS 1e6     /* of the last decimal */
#define FRACTION_DIGITS 6

/* --- values --- */

/* Half-even, of the decimal number that `value` stands for: the shortest one that reads back the
 * same, which is what its sender wrote. As a double almost no tie is exact. */
static double round_decimal(double value)
{
    char text[40]; /* 1.2345678901234567e-10 */
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    uint64_t number = 0;
    int exponent = FRACTION_DIGITS; /* number * 10^exponent: in units of the last decimal */
    const char *at = text;
    bool fraction = false;
    for (; *at != 'e'; at++) {
        if (*at == '.') {
            fraction = true;
        } else {
            number = number * 10 + (uint64_t)(*at - '0');
            exponent -= fraction;
        }
    }
    exponent += (int)strtol(at + 1, NULL, 10);
    uint64_t divisor = 1;
    for (; exponent > 0; exponent--) {
        number *= 10;
    }
    for (; exponent < 0 && divisor < UINT64_C(1000000000000000000); exponent++) {
        divisor *= 10;
    }
    uint64_t whole = number / divisor, rest = number % divisor;
    bool up = rest > divisor - rest || (rest == divisor - rest && whole % 2 == 1);
    return (double)(whole + up);
}

/* In units of the last decimal, which is exact: below 2^50. */
static double round_units(double value)
{
    double units = value * UNITS;
    double whole = floor(units);
    double off = units - whole - 0.5;
    if (fabs(off) <= units * 0x1p-51) { /* it may be a tie: the product is off by 2^-52 at most */
        return round_decimal(value);
    }
    return whole + (off > 0);
}

static bool keep_value(double in, double *out)
{
    if (!(fabs(in) < VALUE_MAX)) {
        return false;
    }
    double units = round_units(fabs(in));
    *out = copysign(units / UNITS, units > 0 ? in : 1);
    return fabs(*out) < VALUE_MAX;
}

bool telemetry_sample_of(const struct shape_telemetry_sample *in, uuid device,
                         struct telemetry_sample *out, const char **member, const char **why)
{
    *out = (struct telemetry_sample){.sensor_type = in->sensorType,
                                     .unit = in->unit,
                                     .metadata = in->has_metadata ? in->metadata : SPAN_NONE,
                                     .sample_id = in->has_sampleId ? in->sampleId : SPAN_NONE,
                                     .at_ms = in->timestamp};
    if (in->has_deviceId && !uuid_eq(in->deviceId, device)) {
        *member = "deviceId";
        *why = "is another device's";
        return false;
    }
    if (!keep_value(in->value, &out->value)) {
        *member = "value";
        *why = "is out of range";
        return false;
    }
    return true;
}

/* --- JSON --- */

void telemetry_put_value(buf *out, double value)
{
    int64_t units = llrint(fabs(value) * UNITS);
    int64_t fraction = units % (int64_t)UNITS;
    if (value < 0) {
        buf_append_byte(out, '-');
    }
    buf_append_i64(out, units / (int64_t)UNITS);
    if (fraction == 0) {
        return;
    }
    char digits[FRACTION_DIGITS];
    int len = 0;
    for (int i = FRACTION_DIGITS; i-- > 0; fraction /= 10) {
        digits[i] = (char)('0' + fraction % 10);
        len = len == 0 && digits[i] != '0' ? i + 1 : len;
    }
    buf_append_byte(out, '.');
    buf_append(out, digits, (size_t)len);
}

void telemetry_put_json(buf *out, uuid device, const struct telemetry_sample *s, bool initial)
{
    char id[UUID_TEXT_LEN + 1];
    char at[TIME_MS_LEN + 1];
    uuid_format(device, id);
    time_format_ms(s->at_ms, at);
    buf_append_str(out, "{\"deviceId\":\"");
    buf_append(out, id, UUID_TEXT_LEN);
    buf_append_str(out, "\",\"timestamp\":\"");
    buf_append(out, at, TIME_MS_LEN);
    buf_append_str(out, "\",\"sensorType\":");
    json_put_string(out, s->sensor_type);
    buf_append_str(out, ",\"value\":");
    telemetry_put_value(out, s->value);
    buf_append_str(out, ",\"unit\":");
    json_put_string(out, s->unit);
    if (s->metadata.len > 0) {
        buf_append_str(out, ",\"metadata\":");
        buf_append_span(out, s->metadata);
    }
    if (s->sample_id.len > 0) {
        buf_append_str(out, ",\"sampleId\":");
        json_put_string(out, s->sample_id);
    }
    buf_append_str(out, initial ? ",\"initial\":true}" : "}");
}
