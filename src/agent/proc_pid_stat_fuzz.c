/* /proc/PID/stat: the name is what stands between the outermost parentheses. */
#include "agent/proc_pid_stat.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proc_pid_stat p;
    if (proc_pid_stat_parse(span_of(data, size), &p) &&
        (p.name.ptr <= data || p.name.ptr[-1] != '(' || p.name.ptr + p.name.len >= data + size ||
         p.name.ptr[p.name.len] != ')')) {
        abort();
    }
    return 0;
}
