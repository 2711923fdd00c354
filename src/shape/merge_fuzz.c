/*
 * Two JSON objects with a NUL byte between. What is applied is JSON; the patch that is to make the
 * second of the first does so.
 */
#include "codec/json/read.h"
#include "codec/json/scan.h"
#include "shape/decode.h"
#include "shape/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_object(span text, struct shape_ctx *ctx)
{
    return shape_json(text, ctx) && json_type(json_root(text)) == JSON_OBJECT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    span to = span_of(data, size);
    span from = span_cut(&to, '\0');
    if (is_object(from, &ctx) && is_object(to, &ctx)) {
        span changed = merge_apply(json_root(from), json_root(to), &arena);
        ASSERT(json_check(changed, SHAPE_DEPTH_MAX, 0, NULL) == 0);
        ASSERT(changed.len <= from.len + to.len);
        span a = merge_apply(SPAN("{}"), json_root(from), &arena);
        span b = merge_apply(SPAN("{}"), json_root(to), &arena);
        ASSERT(a.len <= from.len);
        span patch = merge_make(a, b, &arena);
        ASSERT(json_check(patch, SHAPE_DEPTH_MAX, 0, NULL) == 0);
        ASSERT(merge_same(merge_apply(a, patch, &arena), b));
    }
    arena_reset(&arena);
    return 0;
}
