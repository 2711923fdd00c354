/* Command lines: whatever stands in one, the result is bounded and storable. */
#include "agent/redact.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[257];
    size_t len = redact_command(span_of(data, size), out, sizeof out);
    if (len >= sizeof out || out[len] != '\0' || !utf8_storable(span_of(out, len))) {
        abort();
    }
    return 0;
}
