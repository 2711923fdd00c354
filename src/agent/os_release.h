/* The name of the operating system from /etc/os-release (os-release(5)). Pure; any thread.
 * Fuzzed by os_release. */
#ifndef SB_AGENT_OS_RELEASE_H
#define SB_AGENT_OS_RELEASE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/*
 * Writes the value of PRETTY_NAME, or of NAME when there is none, unquoted, with a NUL, cut at
 * `cap` - 1 bytes (cap > 0, asserted). The last assignment wins, as in a shell. False, and an
 * empty text, when neither has a value.
 */
bool os_release_name(span text, char *out, size_t cap);

#endif
