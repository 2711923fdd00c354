/*
 * Numbers of JSON text. A number is split once into sign, up to 19 significant digits and a
 * power of ten; integers are exact by that alone, and so are most doubles (a mantissa below 2^53
 * times or over an exact power of ten is one correctly rounded operation). Others go to strtod.
 */
#include "codec/json/read.h"

#include <math.h>
#include <stdlib.h>

#define DIGITS_MAX 19           /* any 19 digits fit in a u64 */
/* Saturation of the exponent: more than the digits of any text in memory could make up for. */
#define EXPONENT_MAX INT64_C(1000000000000000)
#define EXACT_MANTISSA_MAX (UINT64_C(1) << 53)
#define EXACT_POWER_MAX 22      /* 10^22 is the last power of ten that a double holds exactly */

struct decimal {
    uint64_t mantissa; /* without leading and trailing zeros */
    int64_t exponent;  /* value = mantissa * 10^exponent */
    bool negative;
    bool exact; /* no digit other than 0 was left out */
};

static bool is_digit(uint8_t b)
{
    return (uint8_t)(b - '0') <= 9;
}

static int64_t read_exponent(const uint8_t *p, const uint8_t *end)
{
    bool negative = p < end && *p == '-';
    int64_t e = 0;
    if (p < end && (*p == '-' || *p == '+')) {
        p++;
    }
    for (; p < end && is_digit(*p); p++) {
        e = e < EXPONENT_MAX ? e * 10 + (*p - '0') : e;
    }
    return negative ? -e : e;
}

/* False when `value` is no number. */
static bool split(span value, struct decimal *d)
{
    *d = (struct decimal){.exact = true};
    if (json_type(value) != JSON_NUMBER) {
        return false;
    }
    const uint8_t *p = value.ptr;
    const uint8_t *end = p + value.len;
    if (*p == '-') {
        d->negative = true;
        p++;
    }
    if (p >= end || !is_digit(*p)) {
        return false;
    }
    unsigned digits = 0; /* significant ones in the mantissa */
    unsigned zeros = 0;  /* read, but not yet known to be significant */
    bool fraction = false;
    int64_t exponent = 0;
    for (; p < end && (is_digit(*p) || *p == '.'); p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        exponent -= fraction;
        if (*p == '0') {
            zeros += d->mantissa != 0;
            continue;
        }
        if (digits + zeros + 1 > DIGITS_MAX && d->mantissa != 0) {
            d->exact = false;
            zeros++;
            continue;
        }
        for (; zeros > 0; zeros--, digits++) {
            d->mantissa *= 10;
        }
        d->mantissa = d->mantissa * 10 + (uint64_t)(*p - '0');
        digits++;
    }
    if (p < end) {
        exponent += read_exponent(p + 1, end);
    }
    d->exponent = d->mantissa == 0 ? 0 : exponent + zeros;
    return true;
}

static bool through_strtod(span value, double *out)
{
    char text[JSON_NUMBER_BYTES_MAX + 1];
    if (value.len > JSON_NUMBER_BYTES_MAX) {
        return false;
    }
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    *out = strtod(text, NULL);
    return isfinite(*out);
}

bool json_number(span value, double *out)
{
    static const double powers[EXACT_POWER_MAX + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal d;
    *out = 0;
    if (!split(value, &d)) {
        return false;
    }
    if (!d.exact || d.mantissa > EXACT_MANTISSA_MAX || d.exponent > EXACT_POWER_MAX ||
        d.exponent < -EXACT_POWER_MAX) {
        return through_strtod(value, out);
    }
    double m = (double)d.mantissa;
    m = d.exponent < 0 ? m / powers[-d.exponent] : m * powers[d.exponent];
    *out = d.negative ? -m : m;
    return true;
}

bool json_i64(span value, int64_t *out)
{
    struct decimal d;
    *out = 0;
    if (!split(value, &d) || !d.exact || d.exponent < 0 || d.exponent > DIGITS_MAX) {
        return false;
    }
    uint64_t m = d.mantissa;
    for (int i = 0; i < d.exponent; i++) {
        if (__builtin_mul_overflow(m, UINT64_C(10), &m)) {
            return false;
        }
    }
    if (m > (uint64_t)INT64_MAX + d.negative) {
        return false;
    }
    *out = d.negative ? (int64_t)(0 - m) : (int64_t)m;
    return true;
}
