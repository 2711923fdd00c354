/* The CPU lines of /proc/stat: the second half is a later reading of the same host. */
#include "agent/proc_stat.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proc_stat a, b;
    if (proc_stat_parse(span_of(data, size / 2), &a) &&
        proc_stat_parse(span_of(data + size / 2, size - size / 2), &b)) {
        struct proc_cpu_delta d = proc_cpu_between(&a, &b);
        double percent = proc_cpu_percent(d);
        if (!(percent >= 0 && percent <= 100)) {
            abort();
        }
    }
    return 0;
}
