#include "adapters/password_argon2/password_argon2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const unsigned char salt[PASSWORD_SALT_BYTES] = "0123456789abcde";

static void hashes_match_their_password_only(void **state)
{
    (void)state;
    struct password *pw = password_argon2();
    char hash[PASSWORD_HASH_MAX];
    assert_true(pw->hash(pw, SPAN("correct horse"), salt, hash));
    assert_memory_equal(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_true(pw->verify(pw, SPAN("correct horse"), hash));
    assert_false(pw->verify(pw, SPAN("correct hors"), hash));
    assert_false(pw->verify(pw, SPAN("correct horse "), hash));
    assert_false(pw->verify(pw, SPAN(""), hash));
    hash[strlen(hash) - 2] ^= 1;
    assert_false(pw->verify(pw, SPAN("correct horse"), hash));
}

static void bytes_of_any_kind_are_a_password(void **state)
{
    (void)state;
    struct password *pw = password_argon2();
    char hash[PASSWORD_HASH_MAX];
    span secret = SPAN("a\0b\xff\n");
    assert_true(pw->hash(pw, secret, salt, hash));
    assert_true(pw->verify(pw, secret, hash));
    assert_false(pw->verify(pw, SPAN("a"), hash));
}

static void salts_make_other_hashes(void **state)
{
    (void)state;
    struct password *pw = password_argon2();
    unsigned char other[PASSWORD_SALT_BYTES] = "fedcba987654321";
    char one[PASSWORD_HASH_MAX];
    char two[PASSWORD_HASH_MAX];
    assert_true(pw->hash(pw, SPAN("same"), salt, one));
    assert_true(pw->hash(pw, SPAN("same"), other, two));
    assert_string_not_equal(one, two);
}

/* None of these may match, crash, or take the time and memory they ask for. */
static void malformed_hashes_match_nothing(void **state)
{
    (void)state;
    struct password *pw = password_argon2();
    static const char *const bad[] = {
        "", "x", "$", "plain", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$",
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2Rl$",
        "$argon2id$v=19$m=19456,t=2,p=1$!!!!$AAAA",
        "$argon2i$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2Rl$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2d$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2Rl$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=999999,t=2,p=1$MDEyMzQ1Njc4OWFiY2Rl$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=4294967295,t=2,p=1$MDEyMzQ1Njc4OWFiY2Rl$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=19456,t=999,p=1$MDEyMzQ1Njc4OWFiY2Rl$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=19456,t=2,p=99$MDEyMzQ1Njc4OWFiY2Rl$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=-1,t=2,p=1$MDEyMzQ1Njc4OWFiY2Rl$AAAAAAAAAAAAAAAAAAAAAA",
        "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=16$m=19456,t=2,p=1$MDEy$AAAA",
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(pw->verify(pw, SPAN("x"), bad[i]));
        assert_false(pw->verify(pw, SPAN(""), bad[i]));
    }
    char longer[300];
    memset(longer, 'A', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    memcpy(longer, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_false(pw->verify(pw, SPAN("x"), longer));
}

static void hashes_of_other_costs_still_match(void **state)
{
    (void)state;
    /* A vector of the reference implementation (test.c): 256 KiB, 2 passes, 1 lane. */
    struct password *pw = password_argon2();
    const char *cheap = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
                        "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    assert_true(pw->verify(pw, SPAN("password"), cheap));
    assert_false(pw->verify(pw, SPAN("passwore"), cheap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_match_their_password_only),
        cmocka_unit_test(bytes_of_any_kind_are_a_password),
        cmocka_unit_test(salts_make_other_hashes),
        cmocka_unit_test(malformed_hashes_match_nothing),
        cmocka_unit_test(hashes_of_other_costs_still_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
