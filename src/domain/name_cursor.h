/* Where a page of a list by name ends. */
#ifndef SB_DOMAIN_NAME_CURSOR_H
#define SB_DOMAIN_NAME_CURSOR_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/span.h"

/* What `next` says of the last row, its id as text and its name: base64url, in the arena. */
span name_cursor(struct arena *arena, span id, span name);
/* The two again, in the arena; both empty for an empty cursor, which is the beginning. False for
 * one that is none of ours. */
bool name_cursor_read(struct arena *arena, span cursor, span *id, span *name) MUST_CHECK;

#endif
