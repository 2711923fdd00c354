/*
 * What people type to find messages, as the store's words (queries.def, CHAT_SEARCH). Pure; any
 * thread. Fuzzed by chat_words_fuzz.c.
 *
 *     two words     both, anywhere         "a phrase"   these, side by side
 *     begin*        words that begin so    "a phr"*     likewise its last word
 *
 * All must be there. Everything else is text: what the store would take for an operator is a word,
 * punctuation parts words, and a quotation mark that is not closed lasts to the end.
 */
#ifndef SB_SHAPE_CHAT_WORDS_H
#define SB_SHAPE_CHAT_WORDS_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/span.h"
#include "base/uuid.h"

#define CHAT_WORDS_BYTES_MAX 400 /* of what is typed */
#define CHAT_WORDS_MAX 16        /* words and phrases */

/* Appends the words: each in double quotes, none within, perhaps with a * behind it, a blank
 * between. `typed` is valid UTF-8. False, *why saying it (static text), and nothing appended: it is
 * empty, longer or more than the limits, or has no letter, digit or character beyond ASCII. */
MUST_CHECK bool chat_words(span typed, buf *out, const char **why);
/* Appends the same for messages of these rooms only; `count` 0: of any. */
void chat_words_in_rooms(span words, const uuid *rooms, unsigned count, buf *out);

#endif
