#include "hub/pos.h"

#include <inttypes.h>
#include <stdio.h>

#define EPOCH_DIGITS 16

size_t pos_text(struct pos p, char out[POS_TEXT_MAX])
{
    return (size_t)snprintf(out, POS_TEXT_MAX, "%016" PRIx64 "-%" PRIu64, p.epoch, p.n);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool pos_parse(span text, struct pos *out)
{
    struct pos p = {0};
    if (text.len < EPOCH_DIGITS + 2 || text.ptr[EPOCH_DIGITS] != '-') {
        return false;
    }
    for (unsigned i = 0; i < EPOCH_DIGITS; i++) {
        int digit = hex_digit(text.ptr[i]);
        if (digit < 0) {
            return false;
        }
        p.epoch = p.epoch << 4 | (unsigned)digit;
    }
    span number = span_slice(text, EPOCH_DIGITS + 1, text.len - EPOCH_DIGITS - 1);
    bool zeros = number.len > 1 && number.ptr[0] == '0';
    if (zeros || !span_u64(number, INT64_MAX, &p.n)) {
        return false;
    }
    *out = p;
    return true;
}
