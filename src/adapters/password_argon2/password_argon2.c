#include "adapters/password_argon2/password_argon2.h"

#include "base/assert.h"

#include <argon2.h>

#include <stdio.h>
#include <string.h>

#define MEMORY_KIB 19456
#define PASSES 2
#define LANES 1
#define TAG_BYTES 32
/* What a stored hash may cost: beyond, it was not made by us and could stop a worker. */
#define MEMORY_KIB_MAX 65536
#define PASSES_MAX 8
#define LANES_MAX 8

static bool argon2_hash_new(struct password *self, span secret,
                            const unsigned char salt[PASSWORD_SALT_BYTES],
                            char out[PASSWORD_HASH_MAX])
{
    (void)self;
    int rc = argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, secret.ptr, secret.len, salt,
                                   PASSWORD_SALT_BYTES, TAG_BYTES, out, PASSWORD_HASH_MAX);
    ASSERT(rc == ARGON2_OK || rc == ARGON2_MEMORY_ALLOCATION_ERROR);
    return rc == ARGON2_OK;
}

static bool costs_fit(const char *encoded)
{
    unsigned memory;
    unsigned passes;
    unsigned lanes;
    int n = sscanf(encoded, "$argon2id$v=19$m=%6u,t=%3u,p=%3u$", &memory, &passes, &lanes);
    return n == 3 && memory <= MEMORY_KIB_MAX && passes <= PASSES_MAX && lanes <= LANES_MAX;
}

static bool argon2_verify_hash(struct password *self, span secret, const char *encoded)
{
    (void)self;
    return strlen(encoded) < PASSWORD_HASH_MAX && costs_fit(encoded) &&
           argon2id_verify(encoded, secret.ptr, secret.len) == ARGON2_OK;
}

struct password *password_argon2(void)
{
    static struct password port = {.hash = argon2_hash_new, .verify = argon2_verify_hash};
    return &port;
}
