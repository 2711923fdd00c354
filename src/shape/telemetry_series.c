#include "shape/telemetry_series.h"

#include "base/timefmt.h"
#include "codec/json/write.h"

#include <math.h>

void telemetry_put_series(buf *out, const struct telemetry_series *s)
{
    char text[TIME_MS_LEN + 1];
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "sensorType", s->sensor_type);
    json_member_string(&w, "unit", s->unit);
    json_member_i64(&w, "resolution_ms", s->resolution_ms);
    json_member_open(&w, "points", '[');
    for (unsigned i = 0; i < s->count; i++) {
        const struct telemetry_point *p = &s->points[i];
        time_format_ms(p->at_ms, text);
        json_open(&w, '{');
        json_member_string(&w, "timestamp", span_of(text, TIME_MS_LEN));
        json_member_double(&w, "value", rint(p->value * 1e6) / 1e6);
        json_member_i64(&w, "n", p->n);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
}
