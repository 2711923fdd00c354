/* Whole validation, pieces cut at places the input chooses, and a decoder that only compares
 * values with RFC 3629 3 must agree. The first byte steers the cuts. */
#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
    if (!cond) {
        abort();
    }
}

static bool reference_valid(const uint8_t *p, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < len;) {
        uint8_t lead = p[i];
        size_t width = lead < 0x80           ? 1
                       : (lead >> 5) == 0x06 ? 2
                       : (lead >> 4) == 0x0e ? 3
                       : (lead >> 3) == 0x1e ? 4
                                             : 0;
        if (width == 0 || width > len - i) {
            return false;
        }
        uint32_t cp = width == 1 ? lead : lead & (0x7fu >> width);
        for (size_t k = 1; k < width; k++) {
            if ((p[i + k] & 0xc0) != 0x80) {
                return false;
            }
            cp = cp << 6 | (p[i + k] & 0x3f);
        }
        if (cp < least[width] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) {
            return false;
        }
        uint8_t back[4];
        require(utf8_encode(cp, back) == width && memcmp(back, p + i, width) == 0);
        i += width;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t step = data[0] % 17;
    span text = span_of(data + 1, size - 1);
    bool expected = reference_valid(text.ptr, text.len);
    require(utf8_valid(text) == expected);

    struct utf8_state st = {0};
    bool fed = true;
    for (size_t at = 0; at < text.len && fed;) {
        span piece = span_slice(text, at, step + at % 3);
        fed = utf8_feed(&st, piece);
        at += piece.len;
        step += piece.len == 0;
    }
    require((fed && utf8_complete(&st)) == expected);
    require(!utf8_storable(text) || expected);
    return 0;
}
