/*
 * What a client shows to have its past back: `since` or Last-Event-ID, a line break, `session`.
 * Whatever it is, a position is one that we write, and a pid is short and part of what was shown.
 */
#include "edge/resume.h"

#include "base/assert.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resume_ask ask;
    char text[POS_TEXT_MAX];
    span session = span_of(data, size);
    span since = span_cut(&session, '\n');
    bool good = resume_ask_parse(since, session, &ask);
    ASSERT(good || since.len > 0);
    ASSERT(ask.has_since == (good && since.len > 0));
    if (ask.has_since) {
        ASSERT(span_eq(span_of(text, pos_text(ask.since, text)), since));
    }
    size_t len = strnlen(ask.pid, sizeof ask.pid);
    ASSERT(len <= RECOVERY_PID_LEN);
    ASSERT(len == 0 || span_starts(session, span_of(ask.pid, len)));
    ASSERT(ask.session == (session.ptr != NULL));
    return 0;
}
