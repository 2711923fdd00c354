/*
 * Input: a byte that chooses the schema, then a text. What is accepted is written again in our
 * own form, which must be valid JSON; what is refused names a member and says why.
 */
#include "codec/json/read.h"
#include "codec/json/scan.h"
#include "shape/device.h"
#include "shape/host.h"
#include "shape/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

union any {
    struct shape_state state;
    struct shape_metrics metrics;
    struct shape_device_patch patch;
    struct shape_device_create create;
    struct shape_auth_refresh refresh;
};

static void check(buf *out)
{
    ASSERT(json_check(buf_span(out), JSON_DEPTH_MAX, 0, NULL) == 0);
    buf_clear(out);
}

static void use_metrics(const struct shape_metrics *m, buf *out)
{
    struct host_point p = host_point_of(m, 0);
    host_frame_metrics(out, &p);
    check(out);
    host_frame_history(out, &p, 1, 0);
    check(out);
}

static void use_state(const struct shape_state *s, struct arena *arena, buf *out)
{
    struct host_facts f = host_facts_of(s, arena, 0);
    host_frame_system(out, &f);
    check(out);
    host_frame_interfaces(out, f.interfaces);
    check(out);
    host_frame_processes(out, f.processes, false);
    check(out);
    host_put_state(out, &f, f.processes, true);
    check(out);
    ASSERT(host_interfaces_same(f.interfaces, f.interfaces));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena, .now_ms = 0};
    union any out;
    buf text = {0};
    _Static_assert(sizeof out >= sizeof(struct shape_register), "the largest shape");
    span json = size > 0 ? span_of(data + 1, size - 1) : SPAN_NONE;
    if (size > 0 && shape_json(json, &ctx)) {
        enum schema schema = (enum schema)(data[0] % SCHEMA_COUNT);
        bool good = shape_decode(schema, json_root(json), &ctx, &out);
        ASSERT(good || ctx.why != NULL);
        if (good && schema == SCHEMA_metrics) {
            use_metrics(&out.metrics, &text);
        } else if (good && schema == SCHEMA_state) {
            use_state(&out.state, &arena, &text);
        } else if (good && schema == SCHEMA_device_patch && out.patch.has_metadata) {
            buf_append_span(&text, merge_apply(out.patch.metadata, out.patch.metadata, &arena));
            check(&text);
        } else if (good && schema == SCHEMA_device_create && out.create.has_tags) {
            buf_append_span(&text, device_texts(out.create.tags, &arena));
            check(&text);
        }
    }
    buf_deinit(&text);
    arena_reset(&arena);
    return 0;
}
