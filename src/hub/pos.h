/*
 * A replay position (CONTRACT 8): everything numbered up to n has been seen. The epoch names the
 * log: another one (another database) shares no numbers with it.
 */
#ifndef SB_HUB_POS_H
#define SB_HUB_POS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct pos {
    uint64_t epoch;
    uint64_t n; /* at most INT64_MAX, as the store counts */
};

#define POS_TEXT_MAX 40
/* "<epoch>-<n>", opaque to clients: 16 lowercase hexadecimal digits, a decimal number; with a NUL.
 * Returns its length. */
size_t pos_text(struct pos p, char out[POS_TEXT_MAX]);
/* Exactly what pos_text writes; false when the text is none, then *out is untouched. Fuzzed. */
bool pos_parse(span text, struct pos *out);

#endif
