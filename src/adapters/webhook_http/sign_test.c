/* RFC 4231, test case 2, has the key "Jefe" and 28 bytes of text; here a time stands before it, so
 * the expected values come from another implementation (openssl dgst -sha256 -hmac). */
#include "adapters/webhook_http/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void time_and_body_are_signed(void **state)
{
    (void)state;
    char out[WEBHOOK_SIGNATURE_MAX];
    webhook_sign(SPAN("0123456789abcdef"), 1700000000, SPAN("{\"event\":\"a\"}"), out);
    assert_string_equal(out, "t=1700000000,v1="
                             "a3b7af113741c568aac8b0172e7df0935a7c168513df91bd2960760473e82ebd");
    webhook_sign(SPAN("Jefe"), 0, SPAN_NONE, out);
    assert_string_equal(out, "t=0,v1="
                             "813f643c8863ba9754215e64cdab172f2e96c1a413d772978aba7398cc864e55");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(time_and_body_are_signed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
