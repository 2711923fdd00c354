/* The rows of /proc/meminfo: used never exceeds the total. */
#include "agent/proc_meminfo.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proc_meminfo m;
    if (proc_meminfo_parse(span_of(data, size), &m) && m.used_bytes > m.total_bytes) {
        abort();
    }
    return 0;
}
