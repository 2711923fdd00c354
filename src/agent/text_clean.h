/* Text of strangers (process names, command lines) made storable. Pure; any thread. */
#ifndef SB_AGENT_TEXT_CLEAN_H
#define SB_AGENT_TEXT_CLEAN_H

#include <stddef.h>

#include "base/span.h"

/*
 * Copies `in` to `out` with a NUL, at most cap - 1 bytes (cap > 0, asserted), cut between
 * characters. C0 and C1 controls and bidirectional overrides become a space, a byte that is not
 * part of valid UTF-8 becomes '?': the result passes utf8_storable() and shows on one line.
 * Returns its length.
 */
size_t text_clean(span in, char *out, size_t cap);

#endif
