/*
 * A bump allocator for the lifetime of one request: many small allocations, one release.
 * Nothing allocated here is freed alone. Zero-initialised is valid; one thread.
 */
#ifndef SB_BASE_ARENA_H
#define SB_BASE_ARENA_H

#include <stddef.h>

#include "base/span.h"

struct arena_block;
struct arena {
    struct arena_block *head; /* owned chain */
    size_t used;              /* bytes used of the head block */
    size_t total_bytes;       /* all blocks, for limits */
};

/* `bytes` zeroed bytes aligned for any type; blocks grow from 1 KiB to 64 KiB. */
void *arena_alloc(struct arena *a, size_t bytes) __attribute__((returns_nonnull));
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))
/* A copy of `s` that lives as long as the arena; a NUL follows it. */
span arena_dup(struct arena *a, span s);
/* Frees everything; the arena is empty and usable again. */
void arena_reset(struct arena *a);

#endif
