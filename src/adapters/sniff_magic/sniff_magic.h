/* The sniff port by libmagic, whose handles are for one thread at a time: each call takes one that
 * rests, or opens one, so there are as many as threads that ever sniffed at once (some 2 ms each,
 * once; the database is mapped and shared). */
#ifndef SB_ADAPTERS_SNIFF_MAGIC_SNIFF_MAGIC_H
#define SB_ADAPTERS_SNIFF_MAGIC_SNIFF_MAGIC_H

#include "base/buf.h"
#include "ports/sniff.h"

/* NULL, with a sentence appended to `why`, when the system's database cannot be read. */
struct sniff *sniff_magic_new(buf *why);
void sniff_magic_free(struct sniff *self);

#endif
