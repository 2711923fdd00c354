#include "adapters/scan_clamd/clamd_reply.h"

void clamd_what(struct scan_result *out, span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len && n < SCAN_WHAT_MAX - 1; i++) {
        uint8_t c = text.ptr[i];
        if (c >= ' ' && c < 0x7f) {
            out->what[n++] = (char)c;
        }
    }
    out->what[n] = '\0';
}

static bool ends(span s, span tail)
{
    return s.len >= tail.len && span_eq(span_slice(s, s.len - tail.len, s.len), tail);
}

void clamd_reply(span reply, struct scan_result *out)
{
    const span found = SPAN(" FOUND");
    span text = span_trim(reply);
    if (span_eq(text, SPAN("stream: OK"))) {
        *out = (struct scan_result){.verdict = SCAN_CLEAN};
    } else if (span_starts(text, SPAN("stream: ")) && ends(text, found) &&
               text.len > 8 + found.len) {
        *out = (struct scan_result){.verdict = SCAN_FOUND};
        clamd_what(out, span_slice(text, 8, text.len - 8 - found.len));
    } else {
        *out = (struct scan_result){.verdict = SCAN_FAILED};
        clamd_what(out, text.len > 0 ? text : SPAN("an empty answer"));
    }
}
