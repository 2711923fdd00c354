/* SHA-1 and SHA-256 of bytes in memory (FIPS 180-4), for the WebSocket handshake (RFC 6455 4.2.2,
 * where SHA-1 is no secret's guard) and for entity tags. Any thread; about 0.5 us and 4 ns a
 * byte. */
#ifndef SB_LOOP_DIGEST_H
#define SB_LOOP_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SHA1_BYTES 20
#define DIGEST_SHA256_BYTES 32

void digest_sha1(const void *data, size_t len, uint8_t digest[DIGEST_SHA1_BYTES]);
void digest_sha256(const void *data, size_t len, uint8_t digest[DIGEST_SHA256_BYTES]);

#endif
