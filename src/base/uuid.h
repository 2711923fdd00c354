/*
 * UUIDs (RFC 9562). Ours are version 7: 48 bits of epoch ms, then a counter and random bits, so
 * that keys made later sort later. Text is lowercase with hyphens, 36 bytes, no NUL counted.
 */
#ifndef SB_BASE_UUID_H
#define SB_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

#define UUID_TEXT_LEN 36

typedef struct uuid {
    uint8_t bytes[16];
} uuid;

#define UUID_NIL ((uuid){{0}})

static inline bool uuid_eq(uuid a, uuid b) { return memcmp(a.bytes, b.bytes, 16) == 0; }
static inline bool uuid_is_nil(uuid u) { return uuid_eq(u, UUID_NIL); }

/* A version 7 value from the time and 10 bytes of entropy that the caller supplies. Pure. */
uuid uuid_v7(int64_t now_ms, const uint8_t entropy[10]);
/* A generator whose values always sort (memcmp) in the order made, also within a millisecond and
 * when the clock steps back. Zero-initialised is valid; one thread. */
struct uuid_gen {
    int64_t last_ms;  /* time of the last value */
    uint32_t counter; /* its counter: starts at random each millisecond */
};
/* The next version 7 value: time, a 32-bit counter (RFC 9562 6.2 method 1) and 42 bits of the
 * entropy. now_ms from 0 to 2^48-1. Pure but for the generator. */
uuid uuid_gen_next(struct uuid_gen *g, int64_t now_ms, const uint8_t entropy[10]);
/* Writes 36 characters and a NUL. */
void uuid_format(uuid u, char text[UUID_TEXT_LEN + 1]);
/* Accepts exactly 36 characters 8-4-4-4-12 in either case, any version; false otherwise. */
bool uuid_parse(span text, uuid *out);
/* A well-mixed 64-bit hash, the same in every process (it chooses home loops). It has no seed:
 * a map keyed by UUIDs that peers choose freely takes hash_bytes instead. */
uint64_t uuid_hash(uuid u);

#endif
