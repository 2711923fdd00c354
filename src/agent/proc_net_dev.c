/* Counters of network interfaces from /proc/net/dev. */
#include "agent/proc_net_dev.h"

#include "agent/proc_text.h"

/* Columns after the name: bytes packets errs drop fifo frame compressed multicast, then the same
 * for sending with colls and carrier. */
enum { RX_BYTES = 0, RX_ERRORS = 2, TX_BYTES = 8, TX_ERRORS = 10, COLUMNS = 11 };

bool proc_net_dev_next(span *text, struct proc_net_dev *out)
{
    span line;
    while (proc_line_next(text, &line)) {
        /* The last colon: an alias has one in its name (eth0:1), the numbers have none. */
        ptrdiff_t colon = -1;
        for (size_t i = 0; i < line.len; i++) {
            if (line.ptr[i] == ':') {
                colon = (ptrdiff_t)i;
            }
        }
        if (colon < 0) {
            continue;
        }
        span name = span_trim(span_slice(line, 0, (size_t)colon));
        span rest = span_slice(line, (size_t)colon + 1, line.len);
        uint64_t value[COLUMNS];
        unsigned n = 0;
        while (n < COLUMNS && proc_u64_next(&rest, &value[n])) {
            n++;
        }
        if (n == COLUMNS && name.len > 0 && name.len <= PROC_NET_NAME_MAX) {
            *out = (struct proc_net_dev){.name = name,
                                         .rx_bytes = value[RX_BYTES],
                                         .rx_errors = value[RX_ERRORS],
                                         .tx_bytes = value[TX_BYTES],
                                         .tx_errors = value[TX_ERRORS]};
            return true;
        }
    }
    return false;
}

uint64_t proc_net_between(uint64_t before, uint64_t now)
{
    if (now >= before) {
        return now - before;
    }
    if (before <= UINT32_MAX && before >= UINT32_MAX / 4 * 3 && now < UINT32_MAX / 4) {
        return ((uint64_t)UINT32_MAX + 1) - before + now;
    }
    return now;
}
