/* Any bytes as clamd's answer: what is said of it is printable, and clean only to the letter. */
#include "adapters/scan_clamd/clamd_reply.h"

#include "base/assert.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    span reply = span_of(data, size);
    struct scan_result r;
    memset(&r, 0xff, sizeof r);
    clamd_reply(reply, &r);
    ASSERT(strlen(r.what) < SCAN_WHAT_MAX);
    for (const char *at = r.what; *at != '\0'; at++) {
        ASSERT(*at >= ' ' && *at < 0x7f);
    }
    ASSERT(r.verdict != SCAN_AWAY);
    if (r.verdict == SCAN_CLEAN) {
        ASSERT(span_eq(span_trim(reply), SPAN("stream: OK")));
    }
    return 0;
}
