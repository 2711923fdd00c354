/* Frames of the server: whatever comes, the code is text that ends and the ids are positive. */
#include "agent/incoming.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct incoming in;
    if (incoming_parse(span_of(data, size), &in)) {
        if (strnlen(in.code, sizeof in.code) == sizeof in.code ||
            (in.type == INCOMING_ACK && in.id == 0) || in.retry_after_ms < 0 ||
            (in.type == INCOMING_COMMAND && in.request_id.len < 2)) {
            abort();
        }
        (void)incoming_code_is_final(in.code);
    }
    return 0;
}
