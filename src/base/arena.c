#include "base/arena.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdalign.h>

/* One small request fits the first block; past the largest, fewer blocks no longer pay. */
#define BLOCK_BYTES_MIN 1024
#define BLOCK_BYTES_MAX (64 * 1024)
#define ALIGN alignof(max_align_t)

struct arena_block {
    struct arena_block *next;
    size_t cap; /* bytes of data */
    alignas(ALIGN) uint8_t data[];
};

static struct arena_block *block_new(struct arena *a, size_t cap)
{
    struct arena_block *block = mem_alloc(sizeof *block + cap);
    block->cap = cap;
    a->total_bytes += sizeof *block + cap;
    return block;
}

/* The data size of the block that follows the current head. */
static size_t next_cap(const struct arena *a)
{
    size_t total = BLOCK_BYTES_MIN;
    if (a->head != NULL) {
        total = (a->head->cap + sizeof(struct arena_block)) * 2;
        total = total > BLOCK_BYTES_MAX ? BLOCK_BYTES_MAX : total;
    }
    return total - sizeof(struct arena_block);
}

/* Makes a place of `size` bytes (aligned) that the head has no room for. */
static void *alloc_slow(struct arena *a, size_t size)
{
    size_t cap = next_cap(a);
    if (size > cap) {
        /* Too large to share: a block of its own, behind the head, which still has room. */
        struct arena_block *block = block_new(a, size);
        if (a->head == NULL) {
            block->next = NULL;
            a->head = block;
            a->used = size;
        } else {
            block->next = a->head->next;
            a->head->next = block;
        }
        return block->data;
    }
    struct arena_block *block = block_new(a, cap);
    block->next = a->head;
    a->head = block;
    a->used = size;
    return block->data;
}

/* As arena_alloc, without zeroing. */
static void *alloc_raw(struct arena *a, size_t bytes)
{
    ASSERT(bytes <= SIZE_MAX / 2);
    size_t size = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (a->head == NULL || size > a->head->cap - a->used) {
        return alloc_slow(a, size);
    }
    void *ptr = a->head->data + a->used;
    a->used += size;
    return ptr;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    return memset(alloc_raw(a, bytes), 0, bytes);
}

span arena_dup(struct arena *a, span s)
{
    ASSERT(s.len < SIZE_MAX / 2);
    uint8_t *copy = alloc_raw(a, s.len + 1);
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    copy[s.len] = '\0';
    return span_of(copy, s.len);
}

void arena_reset(struct arena *a)
{
    struct arena_block *block = a->head;
    while (block != NULL) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
    *a = (struct arena){0};
}
