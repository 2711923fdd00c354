#include "shape/device_states.h"

#include "base/utf8.h"
#include "codec/json/read.h"
#include "codec/json/write.h"
#include "shape/merge.h"
#include "shape/telemetry.h"

#include <stdio.h>

#define CAPABILITY_MAX 100 /* characters, as of a sensor's type */

static bool refuse(struct shape_ctx *ctx, span name, const char *why)
{
    int len = name.len > SHAPE_PATH_MAX / 2 ? SHAPE_PATH_MAX / 2 : (int)name.len;
    (void)snprintf(ctx->path, sizeof ctx->path, "%s%.*s", len > 0 ? "states." : "states", len,
                   len > 0 ? (const char *)name.ptr : "");
    ctx->why = why;
    return false;
}

static size_t characters(span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += (text.ptr[i] & 0xc0) != 0x80;
    }
    return n;
}

static bool is_text(span text, size_t min, size_t max)
{
    size_t n = characters(text);
    return n >= min && n <= max && utf8_storable(text);
}

/* --- one value --- */

static bool read_scalar(span value, struct shape_ctx *ctx, span *state)
{
    switch (json_type(value)) {
    case JSON_STRING:
        *state = json_string_in(value, ctx->arena);
        break;
    case JSON_NUMBER:
    case JSON_BOOL:
        *state = value;
        break;
    case JSON_NONE:
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        ctx->why = "must be a text, a number or a boolean";
        return false;
    }
    if (!is_text(*state, 0, HOUSE_STATE_MAX)) {
        ctx->why = "must be a text of up to 255 characters";
        return false;
    }
    return true;
}

bool device_state_read(span value, struct shape_ctx *ctx, struct house_say *out)
{
    span state = value, attributes = SPAN_NONE;
    if (json_type(value) == JSON_OBJECT) {
        (void)json_get(value, "state", &state);
        (void)json_get(value, "attributes", &attributes);
    }
    if (!read_scalar(state, ctx, &out->state)) {
        return false;
    }
    out->attributes = SPAN_NONE;
    if (json_type(attributes) == JSON_NONE || json_type(attributes) == JSON_NULL) {
        return true;
    }
    if (json_type(attributes) != JSON_OBJECT || attributes.len > HOUSE_ATTRIBUTES_MAX) {
        ctx->why = "must have attributes that are an object of up to 8192 bytes";
        return false;
    }
    out->attributes = attributes;
    return true;
}

bool device_states_read(span object, struct shape_ctx *ctx, struct house_say **out,
                        unsigned *count)
{
    struct json_iter it;
    span key, value;
    size_t n = json_count(object), i = 0;
    ctx->path[0] = '\0';
    if (n > HOUSE_SAYS_MAX || !json_object_begin(&it, object)) {
        return refuse(ctx, SPAN_NONE, "must be an object of up to 100 members");
    }
    *out = ARENA_ARRAY(ctx->arena, struct house_say, n + 1);
    while (json_object_next(&it, &key, &value)) {
        struct house_say *say = &(*out)[i++];
        span name = json_string_in(key, ctx->arena);
        if (!is_text(name, 1, CAPABILITY_MAX)) {
            return refuse(ctx, SPAN_NONE, "has a name that is not 1 to 100 characters");
        }
        say->capability = name;
        if (!device_state_read(value, ctx, say)) {
            return refuse(ctx, name, ctx->why);
        }
    }
    *count = (unsigned)i;
    return true;
}

bool device_result_read(span parameters, span result, struct arena *arena, struct house_say *out)
{
    struct shape_ctx ctx = {.arena = arena};
    span capability, state;
    if (!json_get(parameters, "capability", &capability) ||
        json_type(capability) != JSON_STRING || !json_get(result, "state", &state)) {
        return false;
    }
    *out = (struct house_say){.capability = json_string_in(capability, arena)};
    return device_state_read(result, &ctx, out);
}

/* --- a sample --- */

void device_sample_state(double value, span unit, span attributes, struct arena *arena,
                         span *state, span *out_attributes)
{
    buf text = {0};
    telemetry_put_value(&text, value);
    *state = arena_dup(arena, buf_span(&text));
    buf_clear(&text);
    buf_append_str(&text, "{\"unit\":");
    json_put_string(&text, unit);
    buf_append_byte(&text, '}');
    span patch = arena_dup(arena, buf_span(&text));
    buf_deinit(&text);
    span merged = attributes.len == 0 || span_eq(patch, attributes)
                      ? patch
                      : merge_apply(attributes, patch, arena);
    *out_attributes = merged.len <= HOUSE_ATTRIBUTES_MAX ? merged : patch;
}
