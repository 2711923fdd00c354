/*
 * JSON Merge Patch (RFC 7396): applying one and making one, on JSON that shape_json accepted.
 * Of members of one name the last counts. Results are in our own form: names are written once, and
 * no longer than they were. Cost: n log n in the members of both texts. Pure; any thread. Fuzzed
 * by merge_fuzz.c.
 */
#ifndef SB_SHAPE_MERGE_H
#define SB_SHAPE_MERGE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/span.h"

/* The object `target` changed by the object `patch`, in the arena; no longer than both. With
 * target {} it is the patch without members that are null, which no patch can make. */
span merge_apply(span target, span patch, struct arena *arena);
/* The patch, in the arena, that makes `to` of `from`: members that are equal are left out, those
 * that are gone are null. {} when nothing differs. Both are objects without members that are
 * null; in arrays null is a value. */
span merge_make(span from, span to, struct arena *arena);
/* Whether two values say the same: members in any order, strings unescaped, numbers by value. */
bool merge_same(span a, span b);

#endif
