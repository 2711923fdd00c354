/* Memory of the host from /proc/meminfo. */
#include "agent/proc_meminfo.h"

#include "base/assert.h"
#include "agent/proc_text.h"

enum meminfo_row { TOTAL, FREE, AVAILABLE, BUFFERS, CACHED, SWAP_TOTAL, SWAP_FREE, ROWS };

static const char *const names[ROWS] = {
    [TOTAL] = "MemTotal:",     [FREE] = "MemFree:",        [AVAILABLE] = "MemAvailable:",
    [BUFFERS] = "Buffers:",    [CACHED] = "Cached:",       [SWAP_TOTAL] = "SwapTotal:",
    [SWAP_FREE] = "SwapFree:",
};

/* The file counts in units of 1,024 bytes, whatever its "kB" suggests. */
#define UNIT_BYTES 1024u

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

bool proc_meminfo_parse(span text, struct proc_meminfo *out)
{
    uint64_t value[ROWS] = {0};
    bool have[ROWS] = {false};
    span line, name;
    while (proc_line_next(&text, &line)) {
        if (!proc_field_next(&line, &name)) {
            continue;
        }
        for (unsigned i = 0; i < ROWS; i++) {
            uint64_t units;
            if (!have[i] && span_eq(name, span_str(names[i])) && proc_u64_next(&line, &units) &&
                units <= UINT64_MAX / UNIT_BYTES / ROWS) {
                value[i] = units * UNIT_BYTES;
                have[i] = true;
                break;
            }
        }
    }
    if (!have[AVAILABLE]) {
        value[AVAILABLE] = value[FREE] + value[BUFFERS] + value[CACHED];
    }
    out->total_bytes = value[TOTAL];
    out->used_bytes = less(value[TOTAL], value[AVAILABLE]);
    out->swap_used_bytes = less(value[SWAP_TOTAL], value[SWAP_FREE]);
    return have[TOTAL] && value[TOTAL] > 0;
}
