#include "base/base64.h"

static const char std_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The value of each ASCII character in either alphabet, -1 for none. */
static const int8_t std_values[128] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1, -1, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
    -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1,
    -1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
};
static const int8_t url_values[128] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
    -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, 63,
    -1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
};

/* Encodes without padding; returns the length. */
static size_t encode(span in, char *out, const char *digits)
{
    char *start = out;
    size_t i = 0;
    for (; i + 3 <= in.len; i += 3) {
        uint32_t bits = (uint32_t)in.ptr[i] << 16 | (uint32_t)in.ptr[i + 1] << 8 | in.ptr[i + 2];
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 0x3f];
        *out++ = digits[bits >> 6 & 0x3f];
        *out++ = digits[bits & 0x3f];
    }
    if (in.len - i == 1) {
        uint32_t bits = in.ptr[i];
        *out++ = digits[bits >> 2];
        *out++ = digits[bits << 4 & 0x3f];
    } else if (in.len - i == 2) {
        uint32_t bits = (uint32_t)in.ptr[i] << 8 | in.ptr[i + 1];
        *out++ = digits[bits >> 10];
        *out++ = digits[bits >> 4 & 0x3f];
        *out++ = digits[bits << 2 & 0x3f];
    }
    return (size_t)(out - start);
}

size_t base64_encode(span in, char *out)
{
    size_t len = encode(in, out, std_digits);
    while (len % 4 != 0) {
        out[len++] = '=';
    }
    return len;
}

size_t base64url_encode(span in, char *out) { return encode(in, out, url_digits); }

/* Decodes text without padding. -1 for a foreign character, a length that no encoding has, or
 * spare bits that are not zero (RFC 4648 3.5). */
static ptrdiff_t decode(span in, uint8_t *out, const int8_t values[128])
{
    if (in.len % 4 == 1) {
        return -1;
    }
    uint8_t *start = out;
    uint32_t bits = 0;
    for (size_t i = 0; i < in.len; i++) {
        int value = in.ptr[i] < 128 ? values[in.ptr[i]] : -1;
        if (value < 0) {
            return -1;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 3) {
            *out++ = (uint8_t)(bits >> 16);
            *out++ = (uint8_t)(bits >> 8);
            *out++ = (uint8_t)bits;
            bits = 0;
        }
    }
    if (in.len % 4 == 2) {
        if ((bits & 0x0f) != 0) {
            return -1;
        }
        *out++ = (uint8_t)(bits >> 4);
    } else if (in.len % 4 == 3) {
        if ((bits & 0x03) != 0) {
            return -1;
        }
        *out++ = (uint8_t)(bits >> 10);
        *out++ = (uint8_t)(bits >> 2);
    }
    return out - start;
}

ptrdiff_t base64_decode(span in, uint8_t *out)
{
    if (in.len % 4 != 0) {
        return -1;
    }
    for (int pad = 0; pad < 2 && in.len > 0 && in.ptr[in.len - 1] == '='; pad++) {
        in.len--;
    }
    return decode(in, out, std_values);
}

ptrdiff_t base64url_decode(span in, uint8_t *out) { return decode(in, out, url_values); }

void hex_encode(span in, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < in.len; i++) {
        *out++ = digits[in.ptr[i] >> 4];
        *out++ = digits[in.ptr[i] & 0x0f];
    }
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(span in, uint8_t *out)
{
    if (in.len % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < in.len; i += 2) {
        int high = hex_value(in.ptr[i]);
        int low = hex_value(in.ptr[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}
