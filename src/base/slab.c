#include "base/slab.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdbool.h>
#include <string.h>

/* A chunk is never moved or freed before deinit: that is what keeps addresses stable. */
#define CHUNK_ITEMS 1024

/* A free item holds the next free index. */
static uint32_t next_free(const uint8_t *item)
{
    uint32_t next;
    memcpy(&next, item, sizeof next);
    return next;
}

static uint8_t *item_at(const struct slab *s, uint32_t index)
{
    return s->chunks[index / CHUNK_ITEMS] + (index % CHUNK_ITEMS) * s->item_bytes;
}

static bool is_live(const struct slab *s, uint32_t index)
{
    return index < s->top && (s->gens[index] & 1) != 0;
}

static void add_chunk(struct slab *s)
{
    uint32_t n = s->chunk_count;
    if ((n & (n - 1)) == 0) { /* a power of two or 0: the arrays are full, double them */
        size_t chunks = n == 0 ? 1 : (size_t)n * 2;
        s->chunks = mem_realloc(s->chunks, chunks * sizeof *s->chunks);
        s->gens = mem_realloc(s->gens, chunks * CHUNK_ITEMS * sizeof *s->gens);
    }
    /* Zeroed pages of a large chunk cost nothing until they are used. */
    s->chunks[n] = mem_calloc(CHUNK_ITEMS, s->item_bytes);
    s->chunk_count = n + 1;
}

void slab_init(struct slab *s, size_t item_bytes)
{
    ASSERT(item_bytes > 0 && item_bytes < SIZE_MAX / CHUNK_ITEMS);
    *s = (struct slab){
        .item_bytes = item_bytes < sizeof(uint32_t) ? sizeof(uint32_t) : item_bytes,
        .free_head = SLAB_NONE,
    };
}

void slab_deinit(struct slab *s)
{
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        mem_free(s->chunks[i]);
    }
    mem_free(s->chunks);
    mem_free(s->gens);
    slab_init(s, s->item_bytes);
}

void *slab_alloc(struct slab *s, uint32_t *index)
{
    uint32_t at = s->free_head;
    if (at != SLAB_NONE) {
        s->free_head = next_free(item_at(s, at));
        memset(item_at(s, at), 0, s->item_bytes);
    } else {
        at = s->top;
        ASSERT(at < SLAB_NONE);
        if (at / CHUNK_ITEMS == s->chunk_count) {
            add_chunk(s);
        }
        s->gens[at] = 0;
        s->top++;
    }
    s->gens[at]++;
    s->count++;
    *index = at;
    return item_at(s, at);
}

void slab_free(struct slab *s, uint32_t index)
{
    ASSERT(is_live(s, index));
    s->gens[index]++;
    memcpy(item_at(s, index), &s->free_head, sizeof s->free_head);
    s->free_head = index;
    s->count--;
}

void *slab_at(const struct slab *s, uint32_t index)
{
    ASSERT(is_live(s, index));
    return item_at(s, index);
}

void *slab_get(const struct slab *s, uint32_t index, uint32_t gen)
{
    return is_live(s, index) && s->gens[index] == gen ? item_at(s, index) : NULL;
}

uint32_t slab_gen(const struct slab *s, uint32_t index)
{
    ASSERT(is_live(s, index));
    return s->gens[index];
}

void *slab_peek(const struct slab *s, uint32_t index)
{
    return is_live(s, index) ? slab_at(s, index) : NULL;
}
