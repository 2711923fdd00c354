/* Any bytes: what is accepted was accepted at no shorter prefix and is at every longer one, and
 * no prefix of it is refused. */
#include "codec/proxy/header.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
    if (!cond) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header h, again;
    int rc = proxy_header_decode(span_of(data, size), &h);
    require(rc <= (int)size && rc >= PROXY_BAD_CRC && rc <= PROXY_HEADER_BYTES_MAX);
    require(strlen(proxy_error_text(rc)) > 0);
    if (rc > 0) {
        for (int len = 0; len < rc; len++) {
            require(proxy_header_decode(span_of(data, (size_t)len), &again) == 0);
        }
        require(proxy_header_decode(span_of(data, (size_t)rc), &again) == rc);
        require(memcmp(&h.addr, &again.addr, sizeof h.addr) == 0 && h.port == again.port);
        require(h.tls_told || !h.tls);
    }
    return 0;
}
