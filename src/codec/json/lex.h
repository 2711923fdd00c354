/* What the JSON scanner and reader share about bytes. Private to codec/json. */
#ifndef SB_CODEC_JSON_LEX_H
#define SB_CODEC_JSON_LEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LEX_ONES UINT64_C(0x0101010101010101)
#define LEX_HIGHS UINT64_C(0x8080808080808080)

/* RFC 8259 2: space, tab, line feed, carriage return. */
static inline bool lex_is_space(uint8_t b)
{
    return b == ' ' || b == '\n' || b == '\r' || b == '\t';
}

static inline const uint8_t *lex_skip_space(const uint8_t *p, const uint8_t *end)
{
    while (p < end && lex_is_space(*p)) {
        p++;
    }
    return p;
}

/* Eight bytes with the first in the lowest place. */
static inline uint64_t lex_load8(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    return w;
}

/* The high bit of each byte of `w` that equals `b`; a byte above an equal one may be set wrongly,
 * so only the lowest set bit counts. */
static inline uint64_t lex_equal8(uint64_t w, uint8_t b)
{
    uint64_t x = w ^ (LEX_ONES * b);
    return (x - LEX_ONES) & ~x & LEX_HIGHS;
}

/* The same for bytes below `limit` (at most 0x80). */
static inline uint64_t lex_below8(uint64_t w, uint8_t limit)
{
    return (w - LEX_ONES * limit) & ~w & LEX_HIGHS;
}

/* The value of a hex digit, or -1. */
static inline int lex_hex(uint8_t b)
{
    if (b >= '0' && b <= '9') {
        return b - '0';
    }
    b |= 0x20;
    return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

/* The four hex digits at `p`, or -1 when there are not four before `end`. */
static inline int lex_hex4(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 4) {
        return -1;
    }
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int d = lex_hex(p[i]);
        if (d < 0) {
            return -1;
        }
        v = v << 4 | d;
    }
    return v;
}

/* `p` is at a string's opening quote; returns the place after the closing one.
 * Of text that was accepted; otherwise still no further than `end`. */
static inline const uint8_t *lex_skip_string(const uint8_t *p, const uint8_t *end)
{
    p++;
    while (p < end) {
        if (end - p >= 8) {
            uint64_t w = lex_load8(p);
            uint64_t stop = lex_equal8(w, '"') | lex_equal8(w, '\\');
            if (stop == 0) {
                p += 8;
                continue;
            }
            p += __builtin_ctzll(stop) >> 3;
        }
        if (*p == '"') {
            return p + 1;
        }
        p += *p == '\\' && end - p >= 2 ? 2 : 1;
    }
    return end;
}

static inline bool lex_is_surrogate(int unit) { return (unit & 0xf800) == 0xd800; }

/* Is there a \u surrogate pair at `p`, twelve bytes? */
static inline bool lex_is_pair(const uint8_t *p, const uint8_t *end)
{
    return end - p >= 12 && p[6] == '\\' && p[7] == 'u' &&
           (lex_hex4(p + 2, end) & 0xfc00) == 0xd800 && (lex_hex4(p + 8, end) & 0xfc00) == 0xdc00;
}

#endif
