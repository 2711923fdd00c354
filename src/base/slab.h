/*
 * Objects of one size with stable addresses, u32 indices and generations, so that a handle
 * {index, generation} to a freed object is recognised. Chunks of 1,024; indices of freed
 * objects are reused last-in first-out. One thread.
 */
#ifndef SB_BASE_SLAB_H
#define SB_BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_NONE UINT32_MAX

struct slab {
    size_t item_bytes;
    uint32_t count;     /* live objects */
    uint32_t top;       /* indices ever used */
    uint32_t free_head; /* SLAB_NONE when none */
    uint8_t **chunks;   /* owned */
    uint32_t *gens;     /* owned; generation per index, odd while live */
    uint32_t chunk_count;
};

/* An empty slab of objects of item_bytes (at least 1; a sizeof, so that objects side by side are
 * aligned); allocates nothing yet. */
void slab_init(struct slab *s, size_t item_bytes);
/* Frees all objects and memory; the slab is empty and usable again. */
void slab_deinit(struct slab *s);
/* A zeroed object; its index in *index. */
void *slab_alloc(struct slab *s, uint32_t *index);
/* Ends the life of a live index (asserted); handles to it become stale. */
void slab_free(struct slab *s, uint32_t index);
/* The object at a live index (asserted). */
void *slab_at(const struct slab *s, uint32_t index);
/* The object if index is live with this generation, else NULL. */
void *slab_get(const struct slab *s, uint32_t index, uint32_t gen);
/* The object if the index is live now, else NULL; any index. For walks over 0..top-1. */
void *slab_peek(const struct slab *s, uint32_t index);
/* The generation of a live index (asserted). */
uint32_t slab_gen(const struct slab *s, uint32_t index);

#endif
