/* The lines of /proc/net/dev: names stay inside the text and within IFNAMSIZ. */
#include "agent/proc_net_dev.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    span text = span_of(data, size);
    struct proc_net_dev d;
    while (proc_net_dev_next(&text, &d)) {
        if (d.name.len == 0 || d.name.len > PROC_NET_NAME_MAX || d.name.ptr < data ||
            d.name.ptr + d.name.len > data + size) {
            abort();
        }
        (void)proc_net_between(d.rx_bytes, d.tx_bytes);
    }
    return 0;
}
