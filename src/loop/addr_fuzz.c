/* What addr_parse accepts, addr_format shows, and parsing that again gives the same address. */
#include "loop/addr.h"

#include "base/assert.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_storage addr, again;
    socklen_t len, len_again;
    if (addr_parse(span_of(data, size), &addr, &len)) {
        char text[ADDR_TEXT_MAX];
        addr_format(&addr, text);
        ASSERT(addr_parse(span_str(text), &again, &len_again));
        ASSERT(len == len_again && memcmp(&addr, &again, sizeof addr) == 0);
    }
    return 0;
}
