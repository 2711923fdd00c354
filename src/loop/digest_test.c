#include "loop/digest.h"

#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* FIPS 180-4 example vectors and RFC 6455 1.3's handshake. */
static const struct {
    const char *text, *sha1, *sha256;
} vectors[] = {
    {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
     "b37a4f2cc0624f1690f64606cf385945b2bec4ea", NULL},
};

static void known_vectors(void **state)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t digest[DIGEST_SHA256_BYTES];
        char hex[2 * DIGEST_SHA256_BYTES + 1] = {0};
        digest_sha1(vectors[i].text, strlen(vectors[i].text), digest);
        hex_encode(span_of(digest, DIGEST_SHA1_BYTES), hex);
        assert_string_equal(hex, vectors[i].sha1);
        if (vectors[i].sha256 != NULL) {
            digest_sha256(vectors[i].text, strlen(vectors[i].text), digest);
            hex_encode(span_of(digest, DIGEST_SHA256_BYTES), hex);
            assert_string_equal(hex, vectors[i].sha256);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
