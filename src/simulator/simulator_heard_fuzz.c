/* Whatever is said: codes are text that ends, what is pointed at lies within the message. */
#include "simulator/heard.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(const uint8_t *data, size_t size, span s)
{
    if (s.len > 0 && (s.ptr < data || s.ptr + s.len > data + size)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard h;
    for (int wire = SIM_SOCKETIO; wire <= SIM_RAW; wire++) {
        heard_read((enum sim_wire)wire, span_of(data, size), &h);
        within(data, size, h.request_id);
        within(data, size, h.desired);
        within(data, size, h.data);
        if (strnlen(h.code, sizeof h.code) == sizeof h.code || h.retry_after_ms < 0 ||
            (h.kind == HEARD_COMMAND && (h.request_id.len < 2 ||
                                         h.request_id.len > HEARD_REQUEST_BYTES_MAX))) {
            abort();
        }
    }
    return 0;
}
