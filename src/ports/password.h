/*
 * Port: password hashing (argon2id in production). Slow on purpose (about 40 ms of CPU), so it
 * runs on workers, never on a loop. Thread-safe.
 */
#ifndef SB_PORTS_PASSWORD_H
#define SB_PORTS_PASSWORD_H

#include <stdbool.h>

#include "base/span.h"

#define PASSWORD_HASH_MAX 128 /* an encoded argon2id string with its NUL */
#define PASSWORD_SALT_BYTES 16

struct password {
    /* Writes the encoded hash, NUL-terminated; false when memory ran out. */
    bool (*hash)(struct password *self, span secret, const unsigned char salt[PASSWORD_SALT_BYTES],
                 char out[PASSWORD_HASH_MAX]);
    /* Whether `secret` matches `encoded`; a malformed hash matches nothing. */
    bool (*verify)(struct password *self, span secret, const char *encoded);
};

#endif
