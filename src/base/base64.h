/* Base64 and base64url (RFC 4648 4, 5) and lowercase hex; strict decoding. */
#ifndef SB_BASE_BASE64_H
#define SB_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define BASE64_SIZE(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_SIZE(in.len) characters, padded; returns the length. No NUL. */
size_t base64_encode(span in, char *out);
/* Without padding, alphabet of 5; returns the length (at most BASE64_SIZE). */
size_t base64url_encode(span in, char *out);
/* Strict: canonical padding, zero spare bits, no white space. Writes at most in.len / 4 * 3 + 3
 * bytes to `out`, which may be where `in` is (in.ptr == out); returns the length, or -1 when
 * malformed (out is then undefined). */
ptrdiff_t base64_decode(span in, uint8_t *out);
/* The same for the alphabet of 5; padding is malformed. */
ptrdiff_t base64url_decode(span in, uint8_t *out);
void hex_encode(span in, char *out); /* 2 * len characters, no NUL */
/* Either case; out holds in.len / 2. False when malformed or of odd length. */
bool hex_decode(span in, uint8_t *out);

#endif
