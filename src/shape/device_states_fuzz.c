/* A device's report of states: whatever is read has its bounds, and what is not names why. */
#include "base/utf8.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"
#include "shape/device_states.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    struct house_say *says;
    unsigned count = 0;
    span text = span_of(data, size);
    if (shape_json(text, &ctx) && json_type(json_root(text)) == JSON_OBJECT) {
        if (!device_states_read(json_root(text), &ctx, &says, &count)) {
            ASSERT(ctx.why != NULL && ctx.path[0] != '\0');
            count = 0;
        }
        for (unsigned i = 0; i < count; i++) {
            ASSERT(says[i].capability.len > 0 && utf8_storable(says[i].capability));
            ASSERT(says[i].state.len <= 4 * HOUSE_STATE_MAX && utf8_storable(says[i].state));
            ASSERT(says[i].attributes.len <= HOUSE_ATTRIBUTES_MAX);
            ASSERT(says[i].attributes.len == 0 ||
                   json_check(says[i].attributes, SHAPE_DEPTH_MAX, 0, NULL) == 0);
        }
        struct house_say say;
        if (device_result_read(json_root(text), json_root(text), &arena, &say)) {
            ASSERT(utf8_storable(say.state));
        }
    }
    arena_reset(&arena);
    return 0;
}
