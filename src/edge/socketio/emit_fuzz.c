/*
 * Any payload of an emit: what is read is within bounds, and written again it reads the same. The
 * bytes are tried as a whole payload, and as the names of a namespace and a room.
 */
#include "edge/socketio/emit.h"

#include "base/assert.h"
#include "codec/json/scan.h"
#include "hub/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct emit *m)
{
    struct arena arena = {0};
    struct emit again;
    buf text = {0};
    emit_write(&text, m);
    bool read = emit_read(buf_span(&text), &arena, &again);
    ASSERT(read && span_eq(again.nsp, m->nsp) && span_eq(again.args, m->args));
    ASSERT(again.room_count == m->room_count && again.except_count == m->except_count);
    ASSERT(again.principal_count == m->principal_count && again.kinds == m->kinds);
    ASSERT(again.attachment_count == m->attachment_count);
    for (unsigned i = 0; i < m->attachment_count; i++) {
        ASSERT(span_eq(again.attachments[i], m->attachments[i]));
    }
    for (unsigned i = 0; i < m->room_count; i++) {
        ASSERT(span_eq(again.rooms[i], m->rooms[i]));
    }
    buf_deinit(&text);
    arena_reset(&arena);
}

static void check_topic(span bytes)
{
    char topic[HUB_TOPIC_BYTES_MAX], whole[HUB_TOPIC_BYTES_MAX];
    span room = bytes;
    span nsp = span_cut(&room, '\n');
    if (nsp.len > SIO_NAMESPACE_BYTES_MAX) {
        return;
    }
    span all = emit_topic(nsp, SPAN_NONE, whole);
    span name = emit_topic(nsp, room, topic);
    ASSERT(all.len >= 3 && name.len <= HUB_TOPIC_BYTES_MAX);
    ASSERT(!pattern_is(name) && !pattern_is(all));
    ASSERT(name.len == 0 || span_starts(name, all));
    ASSERT(!emit_room_ok(nsp, room) || name.len > all.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct emit m;
    size_t at;
    span bytes = span_of(data, size);
    check_topic(bytes);
    if (json_check(bytes, 16, JSON_REFUSE_PROTO, &at) == 0) {
        if (emit_read(json_root(bytes), &arena, &m)) {
            check_same(&m);
        }
    }
    arena_reset(&arena);
    return 0;
}
