#include "base/hash.h"

#include <xxhash.h>

/* Written once before other threads exist, then only read. */
static uint64_t process_seed;

void hash_seed(uint64_t seed) { process_seed = seed; }

uint64_t hash_bytes(span key) { return XXH3_64bits_withSeed(key.ptr, key.len, process_seed); }
