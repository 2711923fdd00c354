/* Text of strangers made storable. */
#include "agent/text_clean.h"

#include "base/assert.h"
#include "base/utf8.h"

/* The bytes of the character that begins at `s`, or 0 when none is valid there. */
static size_t char_bytes(span s)
{
    uint8_t lead = s.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return len <= s.len && utf8_valid(span_slice(s, 0, len)) ? len : 0;
}

static bool is_control(const uint8_t *c, size_t len)
{
    if (len == 1) {
        return c[0] < 0x20 || c[0] == 0x7f;
    }
    if (len == 2) {
        return c[0] == 0xc2 && c[1] < 0xa0; /* U+0080-009F */
    }
    /* U+200E-200F, U+2028-202E, U+2066-2069: marks that reorder or break the line */
    return len == 3 && c[0] == 0xe2 &&
           ((c[1] == 0x80 && (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae))) ||
            (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

size_t text_clean(span in, char *out, size_t cap)
{
    ASSERT(cap > 0);
    size_t n = 0;
    for (size_t at = 0; at < in.len;) {
        size_t len = char_bytes(span_slice(in, at, in.len));
        const uint8_t *from = &in.ptr[at];
        uint8_t plain;
        if (len == 0) {
            plain = '?';
            from = &plain;
            at += 1;
            len = 1;
        } else {
            at += len;
            if (is_control(from, len)) {
                plain = ' ';
                from = &plain;
                len = 1;
            }
        }
        if (n + len >= cap) {
            break;
        }
        memcpy(&out[n], from, len);
        n += len;
    }
    out[n] = '\0';
    return n;
}
