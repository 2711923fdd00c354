/*
 * Patterns of topics: a topic's name in which whole segments (between slashes) are `+`, which
 * stands for exactly one segment that is not empty.
 *
 *     device/+/telemetry   matches   device/7/telemetry
 *                          but not   device/telemetry, device//telemetry, device/7/8/telemetry
 *
 * A `+` beside other bytes of its segment is itself. Bounded, so that finding the patterns of a
 * topic costs a bounded number of look-ups however many there are (hub/shapes.c): at most
 * PATTERN_SEGMENTS_MAX segments, of which PATTERN_ANY_MAX are `+`; that makes 92 shapes of one
 * length. Pure; any thread.
 */
#ifndef SB_HUB_PATTERN_H
#define SB_HUB_PATTERN_H

#include <stdbool.h>

#include "base/span.h"

#define PATTERN_SEGMENTS_MAX 8
#define PATTERN_ANY_MAX 3

/* Whether a name is a pattern rather than a topic. */
bool pattern_is(span name);
/* Whether it is one within the bounds above: what a stranger chose is asked this first. */
bool pattern_allowed(span name);
/* Whether a topic is one of the pattern's. The bounds do not matter here. Linear. */
bool pattern_match(span pattern, span topic);
/* Whether some topic that begins with `prefix` is one of the pattern's. */
bool pattern_may_begin(span pattern, span prefix);

#endif
