#include "base/utf8.h"

#include "base/assert.h"

/*
 * The state between pieces says what the next byte must be: how many continuation bytes are
 * missing, and the range of the next one. Only the second byte of a character has a range
 * narrower than 80-BF; that is what excludes overlong forms, surrogates and values over
 * U+10FFFF (RFC 3629 4), and makes every error visible at its first byte.
 */
#define STATE(need, low, high) ((uint32_t)(need) | (uint32_t)(low) << 8 | (uint32_t)(high) << 16)
#define STATE_BAD STATE(0xff, 0xff, 0) /* an empty range: nothing follows */
#define STATE_NEED(state) ((state)&0xff)
#define STATE_LOW(state) ((state) >> 8 & 0xff)
#define STATE_HIGH(state) ((state) >> 16 & 0xff)

#define ASCII_MASK UINT64_C(0x8080808080808080)

/* The state after a first byte that is not ASCII. */
static uint32_t lead_state(uint8_t byte)
{
    if (byte < 0xc2 || byte > 0xf4) {
        return STATE_BAD; /* a continuation byte, an overlong form or over U+10FFFF */
    }
    if (byte < 0xe0) {
        return STATE(1, 0x80, 0xbf);
    }
    if (byte < 0xf0) {
        return STATE(2, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf);
    }
    return STATE(3, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf);
}

/* The first byte at or after `p` that is not ASCII, or `end`. */
static const uint8_t *skip_ascii(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        if ((word & ASCII_MASK) != 0) {
            break;
        }
        p += 8;
    }
    while (p < end && *p < 0x80) {
        p++;
    }
    return p;
}

static bool is_tail(uint8_t byte) { return (byte & 0xc0) == 0x80; }

/* Skips whole valid characters while four bytes are left to look at, and then ASCII. It stops at
 * a byte that is not ASCII; the byte-wise states, half as fast, tell what is the matter there. */
static const uint8_t *skip_whole(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 4) {
        if (p[0] < 0x80) {
            p = skip_ascii(p, end);
            continue;
        }
        uint32_t state = lead_state(p[0]);
        uint32_t need = STATE_NEED(state);
        if (p[1] < STATE_LOW(state) || p[1] > STATE_HIGH(state) ||
            (need >= 2 && !is_tail(p[2])) || (need == 3 && !is_tail(p[3]))) {
            break;
        }
        p += 1 + need;
    }
    return skip_ascii(p, end);
}

bool utf8_feed(struct utf8_state *st, span piece)
{
    if (piece.len == 0) {
        return st->state != STATE_BAD;
    }
    const uint8_t *p = piece.ptr;
    const uint8_t *end = p + piece.len;
    uint32_t state = st->state;
    for (;;) {
        if (state == 0) {
            p = skip_whole(p, end);
        }
        if (p == end) {
            break;
        }
        uint8_t byte = *p++;
        if (state == 0) {
            state = lead_state(byte);
        } else if (byte >= STATE_LOW(state) && byte <= STATE_HIGH(state)) {
            uint32_t need = STATE_NEED(state) - 1;
            state = need == 0 ? 0 : STATE(need, 0x80, 0xbf);
        } else {
            state = STATE_BAD;
        }
        if (state == STATE_BAD) {
            break;
        }
    }
    st->state = state;
    return state != STATE_BAD;
}

bool utf8_valid(span s)
{
    struct utf8_state st = {0};
    return utf8_feed(&st, s) && utf8_complete(&st);
}

unsigned utf8_encode(uint32_t codepoint, uint8_t out[4])
{
    ASSERT(codepoint <= 0x10ffff && (codepoint < 0xd800 || codepoint > 0xdfff));
    if (codepoint < 0x80) {
        out[0] = (uint8_t)codepoint;
        return 1;
    }
    if (codepoint < 0x800) {
        out[0] = (uint8_t)(0xc0 | codepoint >> 6);
        out[1] = (uint8_t)(0x80 | (codepoint & 0x3f));
        return 2;
    }
    if (codepoint < 0x10000) {
        out[0] = (uint8_t)(0xe0 | codepoint >> 12);
        out[1] = (uint8_t)(0x80 | (codepoint >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (codepoint & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | codepoint >> 18);
    out[1] = (uint8_t)(0x80 | (codepoint >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (codepoint >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (codepoint & 0x3f));
    return 4;
}

bool utf8_storable(span s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte = s.ptr[i];
        if (byte < 0x20 && byte != '\t' && byte != '\n') {
            return false;
        }
        /* C1 controls U+0080-U+009F are C2 80-C2 9F. */
        if (byte == 0xc2 && i + 1 < s.len && s.ptr[i + 1] < 0xa0) {
            return false;
        }
    }
    return utf8_valid(s);
}
