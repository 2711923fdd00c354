#include "ports/scanner.h"

#include "base/assert.h"

const char *scan_verdict_name(enum scan_verdict v)
{
    static const char *const names[] = {
        [SCAN_CLEAN] = "clean", [SCAN_FOUND] = "found", [SCAN_FAILED] = "failed",
        [SCAN_AWAY] = "away"};
    ASSERT((size_t)v < ARRAY_LEN(names));
    return names[v];
}
