#include "base/uuid.h"

#include "base/assert.h"

/* Where the hyphens stand in the text form: 8-4-4-4-12 (RFC 9562 4). */
static bool is_hyphen_place(size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

/* RFC 9562 5.7: unix_ts_ms (48 bits) | ver | rand_a (12 bits) | var | rand_b (62 bits). `tail`
 * holds rand_a and rand_b; the bits of ver and var in it are overwritten. */
static uuid v7_of(int64_t ms, const uint8_t tail[10])
{
    ASSERT(ms >= 0 && ms < INT64_C(1) << 48);
    uuid u;
    for (int i = 0; i < 6; i++) {
        u.bytes[i] = (uint8_t)((uint64_t)ms >> (40 - 8 * i));
    }
    memcpy(u.bytes + 6, tail, 10);
    u.bytes[6] = (uint8_t)(0x70 | (u.bytes[6] & 0x0f));
    u.bytes[8] = (uint8_t)(0x80 | (u.bytes[8] & 0x3f));
    return u;
}

uuid uuid_v7(int64_t now_ms, const uint8_t entropy[10]) { return v7_of(now_ms, entropy); }

/* 31 random bits: the upper half of the counter's range stays free for counting. */
static uint32_t counter_start(const uint8_t entropy[10])
{
    uint32_t start;
    memcpy(&start, entropy, sizeof start);
    return start >> 1;
}

uuid uuid_gen_next(struct uuid_gen *g, int64_t now_ms, const uint8_t entropy[10])
{
    if (now_ms > g->last_ms) {
        g->last_ms = now_ms;
        g->counter = counter_start(entropy);
    } else if (g->counter == UINT32_MAX) {
        g->last_ms++; /* RFC 9562 6.2: a full counter borrows from the next millisecond */
        g->counter = counter_start(entropy);
    } else {
        g->counter++;
    }
    /* The counter takes rand_a (12 bits) and the first 20 bits of rand_b, around the var bits. */
    uint32_t c = g->counter;
    uint8_t tail[10] = {
        (uint8_t)(c >> 28),
        (uint8_t)(c >> 20),
        (uint8_t)(c >> 14 & 0x3f),
        (uint8_t)(c >> 6),
        (uint8_t)(c << 2 | (entropy[4] & 0x03)),
        entropy[5], entropy[6], entropy[7], entropy[8], entropy[9],
    };
    return v7_of(g->last_ms, tail);
}

void uuid_format(uuid u, char text[UUID_TEXT_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    char *out = text;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = digits[u.bytes[i] >> 4];
        *out++ = digits[u.bytes[i] & 0x0f];
    }
    *out = '\0';
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_parse(span text, uuid *out)
{
    if (text.len != UUID_TEXT_LEN) {
        return false;
    }
    uuid u = UUID_NIL;
    size_t nibble = 0;
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        if (is_hyphen_place(i)) {
            if (text.ptr[i] != '-') {
                return false;
            }
            continue;
        }
        int value = hex_value(text.ptr[i]);
        if (value < 0) {
            return false;
        }
        u.bytes[nibble / 2] = (uint8_t)(u.bytes[nibble / 2] << 4 | value);
        nibble++;
    }
    *out = u;
    return true;
}

static uint64_t load_be64(const uint8_t *p)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

/* A bijection in which each input bit changes each output bit with probability near 1/2
 * (the finaliser of Stafford's variant 13 of MurmurHash3). */
static uint64_t mix64(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t uuid_hash(uuid u)
{
    uint64_t high = load_be64(u.bytes);
    uint64_t low = load_be64(u.bytes + 8);
    return mix64(high + mix64(low + UINT64_C(0x9e3779b97f4a7c15)));
}
