/* Digests of bytes in memory, by OpenSSL, for the WebSocket handshake (RFC 6455 4.2.2, where
 * SHA-1 guards no secret) and for entity tags. Any thread; cannot fail. */
#ifndef SB_LOOP_DIGEST_H
#define SB_LOOP_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SHA1_BYTES 20
#define DIGEST_SHA256_BYTES 32

/* SHA-1 (FIPS 180-4) of `len` bytes; has the shape of ws_sha1. */
void digest_sha1(const void *data, size_t len, uint8_t digest[DIGEST_SHA1_BYTES]);
/* SHA-256 (FIPS 180-4). */
void digest_sha256(const void *data, size_t len, uint8_t digest[DIGEST_SHA256_BYTES]);

#endif
