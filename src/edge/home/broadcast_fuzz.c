/*
 * Any payload of a broadcast: what is read is within bounds, and written again it reads the same.
 * The bytes are tried as a type, too.
 */
#include "edge/home/broadcast.h"

#include "base/assert.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct broadcast *b)
{
    struct arena arena = {0};
    struct broadcast again;
    buf text = {0};
    broadcast_write(&text, b);
    bool read = broadcast_read(buf_span(&text), &arena, &again);
    ASSERT(read && span_eq(again.type, b->type) && span_eq(again.data, b->data));
    ASSERT(again.room == b->room && again.expires_ms == b->expires_ms);
    ASSERT(again.client_count == b->client_count);
    for (unsigned i = 0; i < b->client_count; i++) {
        ASSERT(uuid_eq(again.clients[i], b->clients[i]));
    }
    ASSERT(broadcast_event(&again) == broadcast_event(b));
    buf_deinit(&text);
    arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct broadcast b;
    span bytes = span_of(data, size);
    ASSERT(!broadcast_type_ok(bytes) || (size > 0 && size <= BROADCAST_TYPE_MAX));
    if (json_check(bytes, 16, JSON_REFUSE_PROTO, NULL) == 0 &&
        broadcast_read(json_root(bytes), &arena, &b)) {
        ASSERT(b.room >= 0 && b.client_count <= BROADCAST_CLIENTS_MAX && b.expires_ms >= 0);
        check_same(&b);
    }
    arena_reset(&arena);
    return 0;
}
