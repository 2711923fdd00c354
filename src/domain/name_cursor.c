#include "domain/name_cursor.h"

#include "base/base64.h"
#include "base/uuid.h"

#include <string.h>

#define NAME_BYTES_MAX 400 /* 100 characters of UTF-8 */

span name_cursor(struct arena *arena, span id, span name)
{
    size_t len = id.len + name.len;
    uint8_t *raw = arena_alloc(arena, len + 1);
    memcpy(raw, id.ptr, id.len);
    memcpy(raw + id.len, name.ptr, name.len);
    char *text = arena_alloc(arena, BASE64_SIZE(len) + 1);
    return span_of(text, base64url_encode(span_of(raw, len), text));
}

bool name_cursor_read(struct arena *arena, span cursor, span *id, span *name)
{
    uuid parsed;
    *id = *name = SPAN("");
    if (cursor.len == 0) {
        return true;
    }
    if (cursor.len > BASE64_SIZE(UUID_TEXT_LEN + NAME_BYTES_MAX)) {
        return false;
    }
    uint8_t *raw = arena_alloc(arena, cursor.len + 3);
    ptrdiff_t len = base64url_decode(cursor, raw);
    if (len < UUID_TEXT_LEN || !uuid_parse(span_of(raw, UUID_TEXT_LEN), &parsed)) {
        return false;
    }
    *id = span_of(raw, UUID_TEXT_LEN);
    *name = span_of(raw + UUID_TEXT_LEN, (size_t)len - UUID_TEXT_LEN);
    return true;
}
