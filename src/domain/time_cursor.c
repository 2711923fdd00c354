#include "domain/time_cursor.h"

#define TEXT_LEN ((TIME_CURSOR_BYTES * 8 + 5) / 6)

/* The high byte first. */
static void put_number(uint8_t *out, int64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
    }
}

static int64_t get_number(const uint8_t *in)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value = value << 8 | in[i];
    }
    return (int64_t)value;
}

span time_cursor(char mark, int64_t at_ms, int64_t key, char text[TIME_CURSOR_SIZE])
{
    uint8_t raw[TIME_CURSOR_BYTES] = {(uint8_t)mark};
    put_number(raw + 1, at_ms);
    put_number(raw + 9, key);
    return span_of(text, base64url_encode(span_of(raw, sizeof raw), text));
}

bool time_cursor_read(char mark, span cursor, int64_t *at_ms, int64_t *key)
{
    uint8_t raw[TIME_CURSOR_SIZE];
    if (cursor.len != TEXT_LEN || base64url_decode(cursor, raw) != TIME_CURSOR_BYTES ||
        raw[0] != (uint8_t)mark) {
        return false;
    }
    *at_ms = get_number(raw + 1);
    *key = get_number(raw + 9);
    return true;
}
