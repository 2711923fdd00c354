#include "hub/blob.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

struct blob *blob_new(enum blob_class cls, uint16_t event, int64_t time_ms, span payload)
{
    ASSERT(payload.len <= UINT32_MAX);
    struct blob *b = mem_alloc(sizeof *b + payload.len);
    atomic_init(&b->refs, 1);
    b->class = (uint8_t)cls;
    b->some = false;
    b->own = false;
    b->barrier = false;
    b->event = event;
    b->state_key = 0;
    b->time_ms = time_ms;
    b->pos = 0;
    b->id = UUID_NIL;
    b->made_us = 0;
    b->len = (uint32_t)payload.len;
    if (payload.len > 0) {
        memcpy(b->payload, payload.ptr, payload.len);
    }
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    uint32_t before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return b;
}

void blob_unref(struct blob *b)
{
    if (b == NULL) {
        return;
    }
    uint32_t before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        mem_free(b);
    }
}
