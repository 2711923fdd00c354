/* The routing tables of /proc/net: a name that is found lies inside the text. */
#include "agent/proc_net_route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    span name;
    if ((proc_net_route_default(span_of(data, size), &name) ||
         proc_net_route6_default(span_of(data, size), &name)) &&
        (name.len == 0 || name.ptr < data || name.ptr + name.len > data + size)) {
        abort();
    }
    return 0;
}
