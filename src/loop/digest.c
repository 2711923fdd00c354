/*
 * See digest.h. The algorithms are fetched once for the process: OpenSSL 3 otherwise searches its
 * providers on every call, which costs more than hashing a handshake's 60 bytes. They live until
 * the process ends.
 */
#include "loop/digest.h"

#include "base/assert.h"

#include <openssl/evp.h>

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha1;
static EVP_MD *sha256;

static void fetch(void)
{
    sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    ASSERT(sha1 != NULL && sha256 != NULL);
}

void digest_sha1(const void *data, size_t len, uint8_t digest[DIGEST_SHA1_BYTES])
{
    (void)pthread_once(&once, fetch);
    int ok = EVP_Digest(data, len, digest, NULL, sha1, NULL);
    ASSERT(ok == 1);
}

void digest_sha256(const void *data, size_t len, uint8_t digest[DIGEST_SHA256_BYTES])
{
    (void)pthread_once(&once, fetch);
    int ok = EVP_Digest(data, len, digest, NULL, sha256, NULL);
    ASSERT(ok == 1);
}
