/* See ring.h. Each end publishes its count with release and reads the other's with acquire. */
#include "adapters/log_json/ring.h"

#include "base/mem.h"

#include <string.h>

struct log_ring *log_ring_new(size_t size)
{
    ASSERT(size > 0 && (size & (size - 1)) == 0);
    struct log_ring *r = mem_calloc(1, sizeof *r + size);
    r->size = size;
    return r;
}

void log_ring_free(struct log_ring *r)
{
    buf_deinit(&r->line);
    mem_free(r);
}

bool log_ring_push(struct log_ring *r, span line)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    if (line.len > r->size - (head - tail)) {
        return false;
    }
    size_t at = (size_t)(head & (r->size - 1));
    size_t first = line.len < r->size - at ? line.len : (size_t)r->size - at;
    memcpy(r->bytes + at, line.ptr, first);
    memcpy(r->bytes, line.ptr + first, line.len - first);
    atomic_store_explicit(&r->head, head + line.len, memory_order_release);
    return true;
}

size_t log_ring_used(struct log_ring *r)
{
    return (size_t)(atomic_load_explicit(&r->head, memory_order_acquire) -
                    atomic_load_explicit(&r->tail, memory_order_relaxed));
}

span log_ring_peek(struct log_ring *r)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    size_t at = (size_t)(tail & (r->size - 1));
    size_t len = (size_t)(head - tail);
    return span_of(r->bytes + at, len < r->size - at ? len : (size_t)r->size - at);
}

void log_ring_pop(struct log_ring *r, size_t len)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    ASSERT(len <= atomic_load_explicit(&r->head, memory_order_relaxed) - tail);
    atomic_store_explicit(&r->tail, tail + len, memory_order_release);
}
