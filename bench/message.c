#include "message.h"

#include <string.h>

#define MARK '#'
#define FILLING 'x'

/* A digit of 6 bits: '0' and on, but no backslash, which JSON would escape. */
static char digit(uint64_t value)
{
    char c = (char)('0' + (value & 63));
    return c == '\\' ? 'p' : c;
}

static uint64_t value_of(uint8_t c) { return ((c == 'p' ? '\\' : c) - (unsigned)'0') & 63u; }

static char *put(char *to, uint64_t value, unsigned digits)
{
    for (unsigned i = 0; i < digits; i++) {
        to[i] = digit(value >> (6 * i));
    }
    return to + digits;
}

static const uint8_t *get(const uint8_t *from, uint64_t *value, unsigned digits)
{
    *value = 0;
    for (unsigned i = 0; i < digits; i++) {
        *value |= value_of(from[i]) << (6 * i);
    }
    return from + digits;
}

void message_write(char *to, size_t size, const struct message *m)
{
    char *at = to;
    *at++ = MARK;
    at = put(at, m->publisher, 6);
    at = put(at, m->seq, 8);
    at = put(at, m->due_ns, 11);
    memset(at, FILLING, size - MESSAGE_HEAD_BYTES);
}

bool message_read(const uint8_t *from, size_t len, size_t size, struct message *m)
{
    if (len != size || len < MESSAGE_HEAD_BYTES || from[0] != MARK) {
        return false;
    }
    uint64_t publisher;
    const uint8_t *at = get(from + 1, &publisher, 6);
    at = get(at, &m->seq, 8);
    at = get(at, &m->due_ns, 11);
    m->publisher = (uint32_t)publisher;
    size_t left = size - MESSAGE_HEAD_BYTES;
    return left == 0 || (at[0] == FILLING && memcmp(at, at + 1, left - 1) == 0);
}
