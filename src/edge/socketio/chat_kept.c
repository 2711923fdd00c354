/* The rooms that a session had, so that who comes back hears which of them are its own no more. */
#include "base/base64.h"
#include "base/mem.h"
#include "codec/json/read.h"
#include "edge/socketio/chat_socket.h"

#include <string.h>

/* Of one session, some 5 KB of RECOVERY_STATE_BYTES_MAX. Who is in more is told all rooms anew. */
#define KEPT_MAX 256

void chat_kept_free(struct chat_socket *c)
{
    mem_free(c->had);
    c->had = NULL;
    c->had_count = 0;
}

static unsigned rooms_of(const struct chat_socket *c, uuid out[KEPT_MAX])
{
    unsigned count = 0;
    if (!c->told) { /* nobody knows yet which of them are left */
        for (unsigned i = 0; i < c->had_count; i++) {
            out[i] = c->had[i];
        }
        return c->had_count;
    }
    LIST_EACH(it, &c->places) {
        if (count < KEPT_MAX) {
            out[count] = LIST_ITEM(it, struct chat_place, link)->room;
        }
        count++;
    }
    return count;
}

bool chat_kept_put(const struct chat_socket *c, struct json_writer *w)
{
    uuid rooms[KEPT_MAX];
    char text[BASE64_SIZE(sizeof rooms)];
    unsigned count = rooms_of(c, rooms);
    if (count > KEPT_MAX) {
        return false;
    }
    size_t len = base64url_encode(span_of(rooms, count * sizeof *rooms), text);
    json_member_string(w, "rooms", span_of(text, len));
    return true;
}

bool chat_kept_take(struct chat_socket *c, span kept)
{
    struct arena arena = {0};
    uint8_t bytes[BASE64_SIZE(KEPT_MAX * sizeof(uuid))];
    span value, text;
    ptrdiff_t len = -1;
    chat_kept_free(c);
    if (json_get(kept, "rooms", &value)) {
        text = json_string_in(value, &arena);
        len = text.len > sizeof bytes ? -1 : base64url_decode(text, bytes);
    }
    arena_reset(&arena);
    if (len < 0 || len % (ptrdiff_t)sizeof(uuid) != 0) {
        return false;
    }
    if (len > 0) {
        c->had = mem_alloc((size_t)len);
        memcpy(c->had, bytes, (size_t)len);
        c->had_count = (unsigned)((size_t)len / sizeof(uuid));
    }
    return true;
}

void chat_kept_tell(struct chat_socket *c)
{
    for (unsigned i = 0; i < c->had_count; i++) {
        if (chat_place_of(c, c->had[i]) == NULL) {
            chat_socket_left(c, c->had[i]);
        }
    }
    chat_kept_free(c);
}
