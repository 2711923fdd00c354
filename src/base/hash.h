/* Hashes of keys that come from strangers: XXH3, seeded once per process (base/hash.c only). */
#ifndef SB_BASE_HASH_H
#define SB_BASE_HASH_H

#include <stdint.h>

#include "base/span.h"

/* Sets the process seed; call once before any map is filled (tests may leave it 0). */
void hash_seed(uint64_t seed);
uint64_t hash_bytes(span key);

#endif
