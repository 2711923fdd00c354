/*
 * Character classes of HTTP and URIs, one table look-up a byte. Internal to codec/http1.
 * The rows of the table are written out in chars.c; chars_test.c derives each class again from
 * the grammar and compares.
 */
#ifndef SB_CODEC_HTTP1_CHARS_H
#define SB_CODEC_HTTP1_CHARS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define HTTP1_C_TOKEN 0x01u      /* tchar, RFC 9110 5.6.2 */
#define HTTP1_C_VALUE 0x02u      /* HTAB, SP, VCHAR, obs-text: RFC 9110 5.5 */
#define HTTP1_C_PATH 0x04u       /* pchar "/" "%", and [ ] | which browsers send raw */
#define HTTP1_C_QUERY 0x08u      /* the same, "?" and { } ^ ` \ which browsers send raw */
#define HTTP1_C_HOST 0x10u       /* unreserved, sub-delims: reg-name without "%" */
#define HTTP1_C_UNRESERVED 0x20u /* RFC 3986 2.3 */
#define HTTP1_C_HEX 0x40u
#define HTTP1_C_CONTROL 0x80u /* below 0x20, and 0x7f */

extern const uint8_t http1_chars[256];

static inline bool http1_is(uint8_t byte, uint8_t class_mask)
{
    return (http1_chars[byte] & class_mask) != 0;
}

/* 0-15, or -1. */
int http1_hex_value(uint8_t byte);
/* Whether every byte of `s` is in a class of the mask (true when empty). */
bool http1_all(span s, uint8_t class_mask);
/* Whether every "%" is followed by two hexadecimal digits. */
bool http1_percent_valid(span s);

#endif
