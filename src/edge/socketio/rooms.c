/*
 * Which rooms a socket is in: a packed list beside it, for there are few. The hub knows them as
 * topics of its connection, but not while a socket that came back is being replayed to.
 */
#include "edge/socketio/emit.h"

#include "base/mem.h"

struct emit_rooms {
    uint16_t count;
    uint16_t used;
    uint16_t cap;
    uint8_t data[]; /* of each room a byte of length, then its name */
};
_Static_assert(EMIT_ROOM_BYTES_MAX <= UINT8_MAX, "a length is a byte");
#define ROOMS_CAP_FIRST 32

/* Where a room stands, or `used`. */
static size_t place_of(const struct emit_rooms *r, span room)
{
    size_t at = 0;
    while (at < r->used && !span_eq(span_of(r->data + at + 1, r->data[at]), room)) {
        at += 1u + r->data[at];
    }
    return at;
}

bool emit_in_room(const struct sio_socket *s, span room)
{
    const struct emit_rooms *r = s->rooms;
    return (r != NULL && place_of(r, room) < r->used) || span_eq(room, sio_sid(s));
}

static void add(struct sio_socket *s, span room)
{
    struct emit_rooms *r = s->rooms;
    size_t need = (r == NULL ? 0 : r->used) + 1u + room.len;
    if (r == NULL || need > r->cap) {
        size_t cap = r == NULL ? ROOMS_CAP_FIRST : r->cap;
        while (cap < need) {
            cap *= 2;
        }
        ASSERT(cap <= UINT16_MAX);
        bool first = r == NULL;
        r = mem_realloc(r, sizeof *r + cap);
        r->count = first ? 0 : r->count;
        r->used = first ? 0 : r->used;
        r->cap = (uint16_t)cap;
        s->rooms = r;
    }
    r->data[r->used] = (uint8_t)room.len;
    memcpy(r->data + r->used + 1, room.ptr, room.len);
    r->used = (uint16_t)need;
    r->count++;
}

static bool drop(struct sio_socket *s, span room)
{
    struct emit_rooms *r = s->rooms;
    size_t at = r == NULL ? 0 : place_of(r, room);
    if (r == NULL || at == r->used) {
        return false;
    }
    size_t len = 1u + r->data[at];
    memmove(r->data + at, r->data + at + len, r->used - at - len);
    r->used = (uint16_t)(r->used - len);
    if (--r->count == 0) {
        emit_rooms_free(s);
    }
    return true;
}

bool emit_join(struct sio_socket *s, span room)
{
    char topic[HUB_TOPIC_BYTES_MAX];
    if (!emit_room_ok(sio_nsp(s), room)) {
        return false;
    }
    if (emit_in_room(s, room)) {
        return true;
    }
    if (s->rooms != NULL && s->rooms->count >= sio_edge(s)->conf->sio_rooms_max) {
        return false;
    }
    add(s, room);
    bool subscribed = sio_subscribe(s, JOURNAL_HOME, emit_topic(sio_nsp(s), room, topic));
    ASSERT(subscribed); /* it is no pattern */
    sio_keep(s);
    return true;
}

static void unsubscribe(struct sio_socket *s, span room)
{
    char topic[HUB_TOPIC_BYTES_MAX];
    (void)sio_unsubscribe(s, JOURNAL_HOME, emit_topic(sio_nsp(s), room, topic));
}

void emit_leave(struct sio_socket *s, span room)
{
    char name[EMIT_ROOM_BYTES_MAX]; /* it may be one of emit_rooms() */
    if (room.len > sizeof name || room.len == 0) {
        return;
    }
    memcpy(name, room.ptr, room.len);
    if (drop(s, room)) {
        unsubscribe(s, span_of(name, room.len));
        sio_keep(s);
    }
}

unsigned emit_rooms(const struct sio_socket *s, span *out, unsigned max)
{
    const struct emit_rooms *r = s->rooms;
    size_t at = 0;
    for (unsigned i = 0; r != NULL && i < r->count && i < max; i++) {
        out[i] = span_of(r->data + at + 1, r->data[at]);
        at += 1u + r->data[at];
    }
    return r == NULL ? 0 : r->count;
}

void emit_leave_all(struct sio_socket *s)
{
    const struct emit_rooms *r = s->rooms;
    for (size_t at = 0; r != NULL && at < r->used; at += 1u + r->data[at]) {
        unsubscribe(s, span_of(r->data + at + 1, r->data[at]));
    }
    emit_rooms_free(s);
}

void emit_rooms_free(struct sio_socket *s)
{
    mem_free(s->rooms);
    s->rooms = NULL;
}
