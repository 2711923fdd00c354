/* The buffer file's records: what is read back encodes to the same bytes, and a scan that tries
 * every offset ends. */
#include "agent/row_record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct row_record r;
        ptrdiff_t n = row_record_decode(span_of(data + at, size - at), &r);
        if (n > 0) {
            buf back = {0};
            row_record_encode(&back, r.key, r.kind, r.payload);
            if ((size_t)n > size - at || !span_eq(buf_span(&back), span_of(data + at, (size_t)n))) {
                abort();
            }
            buf_deinit(&back);
            at += (size_t)n;
        } else {
            at++;
        }
    }
    return 0;
}
