/* The elements of a message of telemetry, as a wire has let them through: what is kept can be
 * stored and told, what is not is named. */
#include "edge/telemetry.h"

#include "base/utf8.h"
#include "codec/json/scan.h"
#include "shape/telemetry.h"

#include <math.h>
#include <string.h>

#define NOW INT64_C(1767355200000)
#define MOST 500

static void check(const struct telemetry_sample *s, uuid device)
{
    buf json = {0};
    span value;
    double read;
    ASSERT(fabs(s->value) < 1e9 && s->at_ms >= 0 && s->at_ms <= NOW + SHAPE_AHEAD_MS_MAX);
    ASSERT(s->sensor_type.len > 0 && utf8_storable(s->sensor_type) && utf8_storable(s->unit));
    ASSERT(s->unit.len > 0 && s->metadata.len <= 4096);
    telemetry_put_json(&json, device, s, true);
    ASSERT(json_check(buf_span(&json), SHAPE_DEPTH_MAX, JSON_REFUSE_PROTO, NULL) == 0);
    ASSERT(json_get(buf_span(&json), "value", &value) && json_number(value, &read));
    ASSERT(read == s->value);
    buf_deinit(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct event_many m;
    span text = span_of(data, size);
    const uuid device = {{1, 2, 3}};
    if (json_check(text, JSON_DEPTH_MAX, JSON_LONE_SURROGATES, NULL) != 0) {
        return 0;
    }
    if (event_many_begin(&m, SCHEMA_telemetry_sample, MOST, json_root(text), &arena, NOW)) {
        struct shape_telemetry_sample in;
        struct telemetry_sample s;
        unsigned n = 0;
        for (enum event_element e; (e = event_next(&m, &in)) != EVENT_END; n++) {
            const char *member = m.member, *why = m.why;
            ASSERT(m.index == n);
            if (e == EVENT_READ && telemetry_sample_of(&in, device, &s, &member, &why)) {
                check(&s, device);
            } else {
                ASSERT(why != NULL && strlen(member) < SHAPE_PATH_MAX);
            }
        }
        ASSERT(n == m.count);
    } else {
        ASSERT(m.why != NULL);
    }
    arena_reset(&arena);
    return 0;
}
