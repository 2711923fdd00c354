/* Any bytes as Range and as Content-Range, of a file as long as the first byte says. */
#include "codec/http1/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint64_t total = data[0], from, len;
    span value = span_of(data + 1, size - 1);
    struct http1_content_range r;
    enum http1_range kind = http1_range_read(value, total, &from, &len);
    ASSERT(from <= total && len <= total - from);
    ASSERT(kind != HTTP1_RANGE_PART || len > 0);
    ASSERT(kind != HTTP1_RANGE_WHOLE || (from == 0 && len == total));
    if (http1_content_range_read(value, &r)) {
        ASSERT(r.len > 0 && r.from <= HTTP1_RANGE_MAX);
        ASSERT(r.total < 0 || r.from + r.len <= (uint64_t)r.total);
    }
    return 0;
}
