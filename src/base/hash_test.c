#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void equal_keys_hash_alike(void **state)
{
    char copy[] = "device:42";
    assert_true(hash_bytes(span_str(copy)) == hash_bytes(SPAN("device:42")));
    assert_true(hash_bytes(SPAN_NONE) == hash_bytes(SPAN("")));
    assert_true(hash_bytes(SPAN("a")) != hash_bytes(SPAN("b")));
}

static void unseeded_hash_is_xxh3(void **state)
{
    /* The 64-bit XXH3 of the empty input, from its specification. */
    assert_true(hash_bytes(SPAN("")) == UINT64_C(0x2d06800538d394c2));
}

static void seed_changes_every_hash(void **state)
{
    uint64_t before = hash_bytes(SPAN("key"));
    hash_seed(12345);
    uint64_t after = hash_bytes(SPAN("key"));
    hash_seed(0);
    assert_true(before != after);
    assert_true(hash_bytes(SPAN("key")) == before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_hash_alike),
        cmocka_unit_test(unseeded_hash_is_xxh3),
        cmocka_unit_test(seed_changes_every_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
