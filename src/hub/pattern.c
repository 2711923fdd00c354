/* Names cut at slashes, segment by segment. */
#include "hub/pattern.h"

static bool is_any(span segment) { return segment.len == 1 && segment.ptr[0] == '+'; }

/* What stands for a segment is that segment, or `+` if there is one. */
static bool segment_match(span want, span have)
{
    return is_any(want) ? have.len > 0 : span_eq(want, have);
}

static unsigned count_segments(span name, unsigned *any)
{
    unsigned count = 0;
    *any = 0;
    while (name.ptr != NULL) {
        *any += is_any(span_cut(&name, '/'));
        count++;
    }
    return count;
}

bool pattern_is(span name)
{
    unsigned any = 0;
    if (name.len > 0 && memchr(name.ptr, '+', name.len) != NULL) {
        (void)count_segments(name, &any);
    }
    return any > 0;
}

bool pattern_allowed(span name)
{
    unsigned any;
    unsigned count = count_segments(name, &any);
    return any > 0 && any <= PATTERN_ANY_MAX && count <= PATTERN_SEGMENTS_MAX;
}

bool pattern_match(span pattern, span topic)
{
    while (pattern.ptr != NULL && topic.ptr != NULL) {
        if (!segment_match(span_cut(&pattern, '/'), span_cut(&topic, '/'))) {
            return false;
        }
    }
    return pattern.ptr == NULL && topic.ptr == NULL;
}

bool pattern_may_begin(span pattern, span prefix)
{
    while (pattern.ptr != NULL) {
        span want = span_cut(&pattern, '/');
        span have = span_cut(&prefix, '/');
        if (prefix.ptr == NULL) { /* the last may go on */
            return is_any(want) || span_starts(want, have);
        }
        if (!segment_match(want, have)) {
            return false;
        }
    }
    return false; /* the prefix has more segments */
}
