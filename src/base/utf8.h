/* UTF-8 (RFC 3629): validation whole and in pieces, failing at the first impossible byte. */
#ifndef SB_BASE_UTF8_H
#define SB_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct utf8_state {
    uint32_t state; /* 0: at a character boundary; initialise to 0 */
};

/* Cost: about 0.05 ns a byte of ASCII, 0.7 ns of other text. Fuzz target: utf8_fuzz.c. */
bool utf8_valid(span s);
/* Feeds the next piece; false as soon as no continuation could be valid, and ever after. `piece`
 * may end anywhere, also within a character. */
bool utf8_feed(struct utf8_state *st, span piece);
static inline bool utf8_complete(const struct utf8_state *st) { return st->state == 0; }
/* Writes the encoding of a Unicode scalar value (asserted: no surrogate, at most U+10FFFF) and
 * returns its length, 1-4 bytes. */
unsigned utf8_encode(uint32_t codepoint, uint8_t out[4]);
/* Stored strings (CONTRACT 1): valid UTF-8 without NUL, C0 and C1 controls but tab, newline. */
bool utf8_storable(span s);

#endif
